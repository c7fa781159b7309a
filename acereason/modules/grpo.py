"""Strictly on-policy GRPO (section 3.2): rollout, hooks, advantages, one update."""

from typing import Any

import torch

from acereason.distributed import gather, total
from acereason.evaluation import Accuracy, Judged, accuracy
from acereason.hooks import RolloutCallback
from acereason.metrics import rollout_metrics
from acereason.models.qwen import stream_weights
from acereason.modules.base import QwenModule
from acereason.objective import Normalize, assign_advantages, loss_tokens, token_weight
from acereason.rewards.pool import RewardPool, RewardSettings, check_error_rate
from acereason.rollouts.engine import RolloutEngine
from acereason.seeds import derive_seed
from acereason.types import Group, Problem, Sampling, Sequence


class GRPOModule(QwenModule):
    """Learns from rewards: G rollouts a prompt by the current policy, one update on all of them.

    Args:
        engine: what generates the rollouts.
        sampling: how training responses are drawn; a stage may set its own temperature and budget.
        group_size: G, rollouts of a prompt; a stage may set its own.
        normalize: denominator of the loss: `group` (Eq. 1 as written) or `batch` (all tokens of the step).
        ddof: of the group's standard deviation; 1 as veRL, 0 divides by G.
        rewards: how responses are judged.
    """

    def __init__(
        self,
        engine: RolloutEngine,
        sampling: Sampling = Sampling(),  # noqa: B008  read only
        group_size: int = 8,
        normalize: Normalize = "group",
        ddof: int = 1,
        rewards: RewardSettings = RewardSettings(),  # noqa: B008  read only
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if group_size < 2:
            raise ValueError(f"group_size must be at least 2, not {group_size}: a group of one has no baseline")
        if sampling.top_p < 1 or sampling.temperature == 0:
            raise ValueError("sampling: training draws from the whole policy: top_p must be 1 and temperature above 0")
        self.engine, self.sampling, self.group_size = engine, sampling, group_size
        self.normalize, self.ddof = normalize, ddof
        self.rewards = RewardPool(rewards)
        self.accuracies: dict[str, Accuracy] = {}
        """Of the last evaluation, by benchmark."""
        self._judged: dict[str, list[Judged]] = {}

    def training_step(self, problems: list[Problem], batch_idx: int) -> dict[str, float]:
        """One step of the algorithm on this rank's share of the prompts."""
        self.seconds = {}
        groups = self.rollout(
            problems, self.sampling, self.group_size, seed=derive_seed(self.seed, "rollout", self.trainer.global_step)
        )
        self.tell_callbacks(groups)
        assign_advantages(groups, self.ddof)
        with self.section("train"):
            metrics = self.update(self.sequences(groups), self.sampling.temperature)
        return self.log_step(metrics, groups)

    def rollout(self, problems: list[Problem], sampling: Sampling, num_rollouts: int, seed: int) -> list[Group]:
        """Groups in the order of the problems, judged. Each group's rewards start while later groups are still
        generated."""
        self._require_current_engine()
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

    def tell_callbacks(self, groups: list[Group]) -> None:
        """The callbacks' turn, in their order in the YAML: overlong, easy filter, samples, or a user's own."""
        check_error_rate(groups, self.rewards.settings.max_error_rate)
        for callback in self.trainer.callbacks:
            if isinstance(callback, RolloutCallback):
                callback.on_rollouts(self.trainer, self, groups)

    def sequences(self, groups: list[Group]) -> list[Sequence]:
        """The rollouts that enter the loss, with their tokens' weights by Eq. 1 over all ranks."""
        tokens = [loss_tokens(group) for group in groups]
        counts = torch.tensor([sum(count > 0 for count in tokens), sum(tokens)], device=self.device)
        num_groups, num_tokens = total(counts).tolist()
        return [
            Sequence(
                token_ids=group.problem.prompt_ids + rollout.response.token_ids,
                prompt_length=len(group.problem.prompt_ids),
                weight=token_weight(rollout.advantage, group_tokens, num_groups, num_tokens, self.normalize),
                sampler_logprobs=rollout.response.sampler_logprobs,
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
        self.log_dict(metrics)
        self.log_dict({short: metrics[name] for name, short in shown.items()}, prog_bar=True, logger=False)
        return metrics

    def push_weights(self) -> None:
        """Give the engine the current policy, unless it has it."""
        if self.engine.policy_version != self.trainer.global_step:
            self.engine.update_weights(stream_weights(self.model), version=self.trainer.global_step)

    def validation_step(self, problems: list[Problem], batch_idx: int, dataloader_idx: int = 0) -> None:
        """Responses to a benchmark's problems, judged. The seed does not depend on the step: policies meet the same
        draws."""
        name, benchmark = list(self.trainer.datamodule.benchmarks.items())[dataloader_idx]
        groups = self.rollout(
            problems, benchmark.sampling, benchmark.n, seed=derive_seed(self.seed, "evaluation", name)
        )
        self._judged.setdefault(name, []).extend(Judged.of(group) for group in groups)

    def on_validation_epoch_end(self) -> None:
        """avg@n and its standard error for each benchmark, over all ranks."""
        self.accuracies = {name: accuracy(gather(judged)) for name, judged in self._judged.items()}
        self._judged = {}
        values = {
            f"eval/{name}/{key}": value
            for name, result in self.accuracies.items()
            for key, value in result.metrics().items()
        }
        if (
            self.trainer.sanity_checking
        ):  # the accuracy before the first update; Lightning logs nothing of this pass itself
            self.trainer.logger and self.trainer.logger.log_metrics(values, step=0)
        else:
            self.log_dict(values)

    test_step, on_test_epoch_end = validation_step, on_validation_epoch_end

    def setup(self, stage: str) -> None:
        """Give the engine the model's shape."""
        stop_ids = self.trainer.datamodule.template.stop_ids(self.tokenizer)
        self.engine.start(self.config, self.tokenizer, stop_ids, self.trainer.strategy.root_device)

    def teardown(self, stage: str) -> None:
        """Stop the engine and the verifiers."""
        self.engine.close()
        self.rewards.close()

    def on_train_epoch_end(self) -> None:
        """End the run with the last stage."""
        self.trainer.should_stop = self.trainer.should_stop or self.trainer.datamodule.finished

    def _require_current_engine(self) -> None:
        version, step = self.engine.policy_version, self.trainer.global_step
        if version != step:
            raise RuntimeError(
                f"the engine holds policy {version}, the trainer is at step {step}: list WeightSync in callbacks"
            )
