"""A policy whose responses an engine generates and verifiers judge; training, evaluation and calibration share it."""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import replace
from itertools import islice, product
from pathlib import Path
from typing import Any

from acereason.algorithm.calibration import Trial
from acereason.common.seeds import derive_seed
from acereason.common.types import Group, Problem, Sampling, Verdict
from acereason.evaluation.accuracy import Accuracy, accuracy
from acereason.models.qwen import stream_weights
from acereason.modules.base import QwenModule
from acereason.modules.calibrating import trial
from acereason.modules.counting import counts, forget
from acereason.modules.sequences import as_sequence
from acereason.processes.distributed import dealt
from acereason.processes.signals import Interrupted, at_once
from acereason.rewards.pool import RewardPool, RewardSettings
from acereason.rollouts.engine import RolloutEngine, alone
from acereason.sampling.counts import Judged, together


class RolloutModule(QwenModule):
    """A Qwen2 policy with the engine that holds a copy of its weights, and the verifiers of its responses.

    Args:
        engine: generates the rollouts.
        sampling: how training responses are drawn; a stage may set its own temperature and budget.
        rewards: how responses are judged.
        strict_on_policy: refuse settings that draw rollouts from another policy than the one that is updated (3.2.1): a
            nucleus below 1, weights that are not pushed after every update, a second update on the same rollouts. False
            allows them, and takes no account of the difference.
        max_logprob_gap: mean absolute difference between the engine's log-probs and the trainer's, in nats, above which
            a step raises before it changes any weight; bfloat16 on both sides gives 0.03, stale weights more than 0.1.
    """

    def __init__(
        self,
        engine: RolloutEngine,
        sampling: Sampling = Sampling(),  # noqa: B008  read only
        rewards: RewardSettings = RewardSettings(),  # noqa: B008  read only
        strict_on_policy: bool = True,
        max_logprob_gap: float = 0.1,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if strict_on_policy and sampling.top_p < 1:
            raise ValueError(
                "sampling.top_p: must be 1 under strict_on_policy: a nucleus is another policy than the one trained"
            )
        if max_logprob_gap <= 0:
            raise ValueError(f"max_logprob_gap must be above 0, not {max_logprob_gap}")
        engine.follow(self.backbone.compute_dtype)
        self.engine, self.sampling, self.rewards = engine, sampling, RewardPool(rewards)
        self.strict_on_policy, self.max_logprob_gap = strict_on_policy, max_logprob_gap
        self._rolled_out_at: int | None = None
        self._breaks_off = True

    def rollout(self, problems: list[Problem], sampling: Sampling, num_rollouts: int, seed: int) -> list[Group]:
        """Return judged groups of `num_rollouts` responses, in the order of the problems."""
        (groups,) = self.rollout_in_waves(problems, sampling, num_rollouts, seed, num_waves=1)
        return groups

    def rollout_in_waves(
        self, problems: list[Problem], sampling: Sampling, num_rollouts: int, seed: int, num_waves: int
    ) -> Iterator[list[Group]]:
        """Yield judged groups in `num_waves` lists, each in the order of the problems. A group is submitted to the
        verifiers when it is complete, while others are still generated."""
        self._require_current_engine()
        self._rolled_out_at = self.trainer.global_step
        order = {problem.id: place for place, problem in enumerate(problems)}
        generated = self.engine.generate(problems, sampling, num_rollouts, seed)
        for number in range(num_waves):
            size = len(problems) * (number + 1) // num_waves - len(problems) * number // num_waves
            # why: the last wave has no bound, so that the generator runs to its end and cleans up after itself
            last = number + 1 == num_waves
            with self.breaking_off():
                wave = self._judged(islice(generated, None if last else size))
            yield sorted(wave, key=lambda group: order[group.problem.id])

    def _judged(self, generated: Iterator[Group]) -> list[Group]:
        with self.section("rollout"):
            wave = [(group, self._submit(group)) for group in generated]
        with self.section("reward"):
            for group, verdicts in wave:
                _judge(group, verdicts)
        return [group for group, _ in wave]

    def stream(self, problems: list[Problem], sampling: Sampling, num_rollouts: int, seed: int) -> Iterator[Group]:
        """Yield judged groups, each as soon as it and all groups before it have their verdicts."""
        self._require_current_engine()
        waiting: deque[tuple[Group, list[Future[Verdict]]]] = deque()
        for group in self.engine.generate(problems, sampling, num_rollouts, seed):
            waiting.append((group, self._submit(group)))
            while waiting and all(verdict.done() for verdict in waiting[0][1]):
                yield _judge(*waiting.popleft())
        while waiting:
            yield _judge(*waiting.popleft())

    def counted(
        self, name: str, problems: list[Problem], sampling: Sampling, num_rollouts: int, seed: int
    ) -> list[Judged]:
        """Return the counts of each problem's judged responses, over all ranks. They are kept under this name as they
        come, so that a run that is killed goes on where it was."""
        return counts(self, name, problems, sampling, num_rollouts, seed)

    @contextmanager
    def unbroken(self) -> Iterator[None]:
        """Finish all rollouts of this context even if a signal comes."""
        self._breaks_off = False
        try:
            yield
        finally:
            self._breaks_off = True

    @contextmanager
    def breaking_off(self) -> Iterator[None]:
        """While training, end the rollouts of this context on all ranks if any of them gets a signal."""
        if self.trainer.state.fn != "fit" or not self._breaks_off:
            yield
            return
        # why: rollouts take minutes, and nothing has been learnt from them yet: a signal drops them at once. Ranks
        # that share an engine generate together, so that none of them may leave before all agree on it below
        with suppress(Interrupted), nullcontext() if self.engine.in_lockstep else at_once():
            yield
        self.end_if_interrupted()

    def _submit(self, group: Group) -> list[Future[Verdict]]:
        return [self.rewards.submit(group.problem, rollout.response.text) for rollout in group.rollouts]

    def push_weights(self) -> None:
        """Send the engine the current policy's weights, unless it holds them."""
        if self.engine.policy_version != self.trainer.global_step:
            with self.section("sync"):
                weights = stream_weights(self.model, self.engine.weights_dtype)
                self.engine.update_weights(weights, version=self.trainer.global_step)

    def probe(self, prompts: int, tokens: int = 16) -> float:
        """Compare the engine's log-probs with the trainer's on short responses to a few of the epoch's prompts.

        Returns:
            their mean absolute difference in nats, over all ranks.

        Raises:
            RuntimeError: it is above `max_logprob_gap`: the engine does not hold the trainer's weights.
        """
        problems = dealt(self.trainer.datamodule.problems[:prompts])
        sampling = replace(self.sampling, max_response_length=min(tokens, self.sampling.max_response_length))
        groups = self.engine.generate(problems, sampling, 1, derive_seed(self.seed, "probe"))
        sequences = [as_sequence(group, group.rollouts[0], weight=0.0) for group in groups]
        metrics = self.measure(sequences, sampling.temperature)
        self.accept(metrics)
        return metrics["sync/logprob_gap"]

    def accept(self, metrics: dict[str, float]) -> None:
        """Raise a RuntimeError if the engine's log-probs differ from the trainer's by more than `max_logprob_gap`."""
        gap = metrics.get("sync/logprob_gap", 0.0)
        # why: not `gap > max`: a gap of NaN must raise too
        if not gap <= self.max_logprob_gap:
            raise RuntimeError(
                f"the engine's log-probs differ from the trainer's by {gap:.3g} nats on average, above "
                f"model.max_logprob_gap {self.max_logprob_gap:g}: it does not hold the policy of step "
                f"{self.trainer.global_step}"
            )

    def set_temperature(self, temperature: float) -> None:
        """Set the temperature at which responses are drawn and log-probs computed from now on."""
        self.sampling = replace(self.sampling, temperature=temperature)

    def restart_from(self, folder: Path) -> None:
        """Load the weights of an export into trainer and engine, and make a new optimizer."""
        super().restart_from(folder)
        # why: the step has not changed, and `push_weights` would take the engine for up to date
        self.engine.policy_version = None
        self.push_weights()

    def evaluate(self, benchmarks: list[str] | None = None) -> dict[str, Accuracy]:
        """Measure avg@n and its standard error on the named benchmarks (None: all), over all ranks; log them and call
        the callbacks' `on_evaluation`."""
        data = self.trainer.datamodule
        accuracies = {}
        for name in benchmarks or data.benchmarks:
            # why: the seed leaves the step out, so that the policies of all steps meet the same draws
            benchmark, seed = data.benchmarks[name], derive_seed(self.seed, "evaluation", name)
            samples = [alone(*place) for place in product(data.benchmark_problems(name), range(benchmark.n))]
            judged = self.counted(f"evaluation-{name}", samples, benchmark.sampling, 1, seed)
            accuracies[name] = accuracy(together(judged))
        self.log_accuracies(accuracies)
        for callback in self.rollout_callbacks():
            callback.on_evaluation(self.trainer, self, accuracies)
        return accuracies

    def validation_step(self, batch: list[None], batch_idx: int) -> None:
        """Evaluate all benchmarks in one step (the `validate` and `test` verbs)."""
        self.push_weights()
        self.evaluate()
        forget(self.trainer)

    test_step = validation_step

    def predict_step(self, batch: list[float], batch_idx: int) -> Trial:
        """Measure rollouts at one temperature (the `calibrate` verb)."""
        self.push_weights()
        return trial(self, batch[0])

    def log_accuracies(self, accuracies: dict[str, Accuracy]) -> None:
        """Log accuracies under eval/<benchmark>/ at the current number of updates."""
        for name, result in accuracies.items():
            values = {f"eval/{name}/{key}": value for key, value in result.metrics().items()}
            self.log_now(values, self.trainer.global_step)

    def setup(self, stage: str) -> None:
        """Start the engine with the model's shape and the longest sequence of the data."""
        data, device = self.trainer.datamodule, self.trainer.strategy.root_device
        longest = data.longest(self.sampling)
        self.engine.start(self.config, self.tokenizer, self.stop_ids, device, longest, self.trainer.num_devices)

    def on_train_end(self) -> None:
        """Remove the counts that were kept of unfinished evaluations and screenings."""
        forget(self.trainer)

    def teardown(self, stage: str) -> None:
        """Stop the engine and the verifiers."""
        self.engine.close()
        self.rewards.close()

    def _require_current_engine(self) -> None:
        version, step = self.engine.policy_version, self.trainer.global_step
        if version is None or (version != step and self.strict_on_policy):
            raise RuntimeError(
                f"the engine holds policy {version}, the trainer is at step {step}: list WeightSync in callbacks"
            )


def _judge(group: Group, verdicts: list[Future[Verdict]]) -> Group:
    """Wait for the verdicts and write them, with their rewards, into the group."""
    for rollout, verdict in zip(group.rollouts, verdicts, strict=True):
        rollout.verdict = verdict.result()
        rollout.reward = rollout.verdict.reward
    return group
