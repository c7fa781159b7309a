"""Strictly on-policy GRPO (section 3.2): rollout, hooks, advantages, one update."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.utilities import rank_zero_info
from torch import Tensor

from acereason.batching import MicroBatch
from acereason.calibration import Trial
from acereason.distributed import gather, rank, total, world_size
from acereason.evaluation import Accuracy, Judged, accuracy
from acereason.hooks import RolloutCallback
from acereason.metrics import rollout_metrics
from acereason.models.qwen import stream_weights
from acereason.modules.base import QwenModule
from acereason.modules.explain import explain
from acereason.objective import Normalize, assign_advantages, importance_weights, loss_tokens, token_weight
from acereason.rewards.pool import RewardPool, RewardSettings, check_error_rate
from acereason.rollouts.engine import RolloutEngine
from acereason.seeds import derive_seed
from acereason.types import Group, Problem, Rollout, Sampling, Sequence


class GRPOModule(QwenModule):
    """Learns from rewards: G rollouts a prompt by the current policy, one update on all of them.

    Args:
        engine: what generates the rollouts.
        sampling: how training responses are drawn; a stage may set its own temperature and budget.
        group_size: G, rollouts of a prompt; a stage may set its own.
        normalize: denominator of the loss: `group` (Eq. 1 as written) or `batch` (all tokens of the step).
        ddof: of the group's standard deviation; 1 as veRL, 0 divides by G.
        rewards: how responses are judged.
        strict_on_policy: refuse whatever draws rollouts from another policy than the one that is updated (3.2.1): a
            nucleus below 1, weights that are not pushed after every update, a second update on the same rollouts. False
            allows them, and takes no account of the difference.
        importance_cap: weigh each token by min(pi_trainer / pi_engine, cap), for engines whose rounding differs; null:
            not at all.
        max_logprob_gap: mean absolute difference between the engine's log-probs and the trainer's, in nats, above which
            a step raises before it changes any weight; bfloat16 on both sides gives 0.03, stale weights more than 0.1.
    """

    def __init__(
        self,
        engine: RolloutEngine,
        sampling: Sampling = Sampling(),  # noqa: B008  read only
        group_size: int = 8,
        normalize: Normalize = "group",
        ddof: int = 1,
        rewards: RewardSettings = RewardSettings(),  # noqa: B008  read only
        strict_on_policy: bool = True,
        importance_cap: float | None = None,
        max_logprob_gap: float = 0.1,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if group_size < 2:
            raise ValueError(f"group_size must be at least 2, not {group_size}: a group of one has no baseline")
        if sampling.temperature == 0:
            raise ValueError("sampling.temperature: must be above 0: greedy rollouts of a group are all the same")
        if strict_on_policy and sampling.top_p < 1:
            raise ValueError(
                "sampling.top_p: must be 1 under strict_on_policy: a nucleus is another policy than the one trained"
            )
        for name, value in {"importance_cap": importance_cap, "max_logprob_gap": max_logprob_gap}.items():
            if value is not None and value <= 0:
                raise ValueError(f"{name} must be above 0, not {value}")
        self.engine, self.sampling, self.group_size = engine, sampling, group_size
        self.normalize, self.ddof, self.strict_on_policy = normalize, ddof, strict_on_policy
        self.importance_cap, self.max_logprob_gap = importance_cap, max_logprob_gap
        self.rewards = RewardPool(rewards)
        self._rolled_out_at: int | None = None

    def training_step(self, problems: list[Problem], batch_idx: int) -> dict[str, float]:
        """One step of the algorithm on this rank's share of the prompts."""
        self.seconds = {}
        groups = self.rollout(
            problems, self.sampling, self.group_size, seed=derive_seed(self.seed, "rollout", self.trainer.global_step)
        )
        self.engine.sleep()
        self.tell_callbacks(groups)
        assign_advantages(groups, self.ddof)
        with self.section("train"):
            metrics = self.update(self.sequences(groups), self.sampling.temperature)
        return self.log_step(metrics, groups)

    def rollout(self, problems: list[Problem], sampling: Sampling, num_rollouts: int, seed: int) -> list[Group]:
        """Groups in the order of the problems, judged. Each group's rewards start while later groups are still
        generated."""
        self._require_current_engine()
        self._rolled_out_at = self.trainer.global_step
        pending = {}
        with self.section("rollout"):
            for group in self.engine.generate(problems, sampling, num_rollouts, seed):
                verdicts = [self.rewards.submit(group.problem, rollout.response.text) for rollout in group.rollouts]
                pending[group.problem.id] = group, verdicts
        with self.section("reward"):
            for group, verdicts in pending.values():
                for rollout, verdict in zip(group.rollouts, verdicts, strict=True):
                    rollout.verdict = verdict.result()
                    rollout.reward = rollout.verdict.reward
        return [pending[problem.id][0] for problem in problems]

    def update(self, sequences: list[Sequence], temperature: float = 1.0) -> dict[str, float]:
        """One optimizer step on rollouts of the policy that takes it."""
        if self.strict_on_policy and self._rolled_out_at != self.trainer.global_step:
            raise RuntimeError(
                f"an update at step {self.trainer.global_step} on rollouts of step {self._rolled_out_at}: strictly "
                "on-policy, each update has its own; model.strict_on_policy: false allows several"
            )
        return super().update(sequences, temperature)

    def token_weights(self, batch: MicroBatch, logprobs: Tensor) -> Tensor:
        """[M] by Eq. 1, and by the importance weights where they are asked for."""
        if self.importance_cap is None:
            return batch.weights
        return batch.weights * importance_weights(logprobs, batch.sampler_logprobs, self.importance_cap)

    def accept(self, metrics: dict[str, float]) -> None:
        """Raise where the engine's log-probs are not the trainer's."""
        gap = metrics.get("sync/logprob_gap", 0.0)
        if not gap <= self.max_logprob_gap:
            raise RuntimeError(
                f"the engine's log-probs differ from the trainer's by {gap:.3g} nats on average, above "
                f"model.max_logprob_gap {self.max_logprob_gap:g}: it does not hold the policy of step "
                f"{self.trainer.global_step}"
            )

    def tell_callbacks(self, groups: list[Group]) -> None:
        """The callbacks' turn, in their order in the YAML: overlong, easy filter, samples, or a user's own."""
        check_error_rate(groups, self.rewards.settings.max_error_rate)
        for callback in self.rollout_callbacks():
            callback.on_rollouts(self.trainer, self, groups)

    def select_problems(self, problems: list[Problem]) -> list[Problem]:
        """What the callbacks leave of a stage's problems for the epoch that is being planned."""
        for callback in self.rollout_callbacks():
            problems = callback.select_problems(self.trainer, self, problems)
        return problems

    def rollout_callbacks(self) -> list[RolloutCallback]:
        """The callbacks that know our hooks, in the YAML's order."""
        return [callback for callback in self.trainer.callbacks if isinstance(callback, RolloutCallback)]

    def sequences(self, groups: list[Group]) -> list[Sequence]:
        """The rollouts that enter the loss, with their tokens' weights by Eq. 1 over all ranks."""
        tokens = [loss_tokens(group) for group in groups]
        counts = torch.tensor([sum(count > 0 for count in tokens), sum(tokens)], device=self.device)
        num_groups, num_tokens = total(counts).tolist()
        return [
            _sequence(
                group, rollout, token_weight(rollout.advantage, group_tokens, num_groups, num_tokens, self.normalize)
            )
            for group, group_tokens in zip(groups, tokens, strict=True)
            for rollout in group.rollouts
            if rollout.in_loss
        ]

    def log_step(self, metrics: dict[str, float], groups: list[Group]) -> dict[str, float]:
        """Log the step under its TensorBoard names and return the same."""
        metrics |= rollout_metrics(groups) | {"policy/temperature": self.sampling.temperature}
        metrics |= {f"time/{name}": seconds for name, seconds in self.seconds.items() if name != "sync"}
        metrics["time/step"] = sum(metrics[f"time/{name}"] for name in ("rollout", "reward", "train"))
        metrics["throughput/tokens_per_second"] = metrics["response/tokens"] / metrics["time/step"]
        shown = {"reward/mean": "reward", "policy/entropy": "entropy", "response/length_mean": "length"}
        self.record(metrics)
        self.log_dict({short: metrics[name] for name, short in shown.items()}, prog_bar=True, logger=False)
        return metrics

    def push_weights(self) -> None:
        """Give the engine the current policy, unless it has it."""
        if self.engine.policy_version != self.trainer.global_step:
            weights = stream_weights(self.model, self.engine.weights_dtype)
            self.engine.update_weights(weights, version=self.trainer.global_step)

    def probe(self, prompts: int, tokens: int = 16) -> float:
        """The engine's log-probs against the trainer's, on short responses to a few of the epoch's prompts.

        Returns:
            their mean absolute difference in nats, over all ranks.

        Raises:
            RuntimeError: it is above `max_logprob_gap`: the engine does not hold the trainer's weights.
        """
        problems = self.trainer.datamodule.problems[:prompts][rank() :: world_size()]
        sampling = replace(self.sampling, max_response_length=min(tokens, self.sampling.max_response_length))
        groups = self.engine.generate(problems, sampling, 1, derive_seed(self.seed, "probe"))
        sequences = [_sequence(group, group.rollouts[0], weight=0.0) for group in groups]
        metrics = self.measure(sequences, sampling.temperature)
        self.accept(metrics)
        return metrics["sync/logprob_gap"]

    def set_temperature(self, temperature: float) -> None:
        """Sample, and train, at this temperature from now on."""
        self.sampling = replace(self.sampling, temperature=temperature)

    def restart_from(self, folder: Path) -> None:
        """Take the weights of an export, with a fresh optimizer."""
        super().restart_from(folder)
        self.engine.policy_version = None
        self.push_weights()

    def evaluate(self, benchmarks: list[str] | None = None) -> dict[str, Accuracy]:
        """avg@n and its standard error on the named benchmarks (null: all), over all ranks; callbacks are told.

        The seed does not depend on the step: policies meet the same draws.
        """
        data = self.trainer.datamodule
        accuracies = {}
        for name in benchmarks or data.benchmarks:
            benchmark, problems = data.benchmarks[name], data.benchmark_problems(name)[rank() :: world_size()]
            seed = derive_seed(self.seed, "evaluation", name)
            judged = [Judged.of(group) for group in self.rollout(problems, benchmark.sampling, benchmark.n, seed)]
            accuracies[name] = accuracy(gather(judged))
        self.log_accuracies(accuracies)
        for callback in self.rollout_callbacks():
            callback.on_evaluation(self.trainer, self, accuracies)
        return accuracies

    def validation_step(self, batch: list[None], batch_idx: int) -> None:
        """`validate` and `test`: every benchmark in one step."""
        self.push_weights()
        self.evaluate()

    test_step = validation_step

    def predict_step(self, batch: list[float], batch_idx: int) -> Trial:
        """`calibrate`: what rollouts at one temperature look like."""
        self.push_weights()
        data, temperature = self.trainer.datamodule, batch[0]
        budget = data.stages[data.calibration.stage].max_response_length or self.sampling.max_response_length
        sampling = Sampling(temperature, budget)
        problems = data.calibration_problems()[rank() :: world_size()]
        groups = self.rollout(problems, sampling, data.calibration.rollouts, derive_seed(self.seed, "calibrate"))
        sequences = [_sequence(group, rollout, weight=0.0) for group in groups for rollout in group.rollouts]
        seen = rollout_metrics(groups)
        measured = (seen[name] for name in ("reward/mean", "response/truncated", "response/length_mean"))
        return Trial(temperature, self.measure(sequences, temperature)["policy/entropy"], *measured)

    def log_accuracies(self, accuracies: dict[str, Accuracy]) -> None:
        """Under eval/<benchmark>/, at the number of updates behind them."""
        for name, result in accuracies.items():
            values = {f"eval/{name}/{key}": value for key, value in result.metrics().items()}
            for logger in self.trainer.loggers:
                logger.log_metrics(values, step=self.trainer.global_step)

    def setup(self, stage: str) -> None:
        """Give the engine the model's shape."""
        data, device = self.trainer.datamodule, self.trainer.strategy.root_device
        stop_ids, longest = data.template.stop_ids(self.tokenizer), data.longest(self.sampling)
        self.engine.start(self.config, self.tokenizer, stop_ids, device, longest, self.trainer.num_devices)

    def teardown(self, stage: str) -> None:
        """Stop the engine and the verifiers."""
        self.engine.close()
        self.rewards.close()

    def on_train_start(self) -> None:
        """Say what the curriculum amounts to; do nothing where it is already over."""
        self._stop_when_finished()
        rank_zero_info(explain(self, self.trainer.datamodule, self.trainer.world_size))
        if self.trainer.datamodule.has_code:
            rank_zero_info(f"sandbox: {self.rewards.isolation()}")

    def on_train_batch_start(self, batch: list[Problem], batch_idx: int) -> int | None:
        """-1, by which Lightning ends an epoch, once a stop rule has ended the stage."""
        return -1 if self.trainer.datamodule.plan.stopped else None

    def on_train_epoch_end(self) -> None:
        """End the run with the last stage."""
        self._stop_when_finished()

    def _stop_when_finished(self) -> None:
        self.trainer.should_stop = self.trainer.should_stop or self.trainer.datamodule.finished

    def _require_current_engine(self) -> None:
        version, step = self.engine.policy_version, self.trainer.global_step
        if version is None or (version != step and self.strict_on_policy):
            raise RuntimeError(
                f"the engine holds policy {version}, the trainer is at step {step}: list WeightSync in callbacks"
            )


def _sequence(group: Group, rollout: Rollout, weight: float) -> Sequence:
    return Sequence(
        token_ids=group.problem.prompt_ids + rollout.response.token_ids,
        prompt_length=len(group.problem.prompt_ids),
        weight=weight,
        sampler_logprobs=rollout.response.sampler_logprobs,
    )
