"""GRPO (section 3.2): rollout, hooks, advantages, and strictly on-policy one update."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
from lightning.pytorch.utilities import rank_zero_info

from acereason.algorithm.clipping import OffPolicy
from acereason.algorithm.metrics import rollout_metrics
from acereason.algorithm.objective import Normalize, assign_advantages, denominators
from acereason.common.seeds import derive_seed
from acereason.common.types import Group, Problem, Sampling, Sequence
from acereason.data.curriculum import Curriculum
from acereason.data.rl import RLData
from acereason.modules.explain import arithmetic, explain
from acereason.modules.measures import Measures
from acereason.modules.refill import refill_metrics, refilled
from acereason.modules.sequences import rows_of
from acereason.modules.taught import TaughtModule
from acereason.modules.updates import MiniBatch, mini_batches, take_updates
from acereason.processes.distributed import gather
from acereason.processes.tensors import total
from acereason.rewards.pool import check_error_rate

_PARTS = ("rollout", "reward", "idle", "teacher", "train")
"""Sections that make up a step's time."""


class GRPOModule(TaughtModule):
    """Learns from rewards by GRPO: G rollouts of each prompt by the current policy, and one update on all of them, or
    by `off_policy` several.

    Args:
        sampling: how training responses are drawn; a stage may set its own temperature and budget.
        group_size: G, rollouts of a prompt; a stage may set its own.
        normalize: denominator of the loss: `group` (Eq. 1 as written) or `batch` (all tokens of the step).
        ddof: of the group's standard deviation; 1 as veRL, 0 divides by G.
        importance_cap: weigh each token by min(pi_trainer / pi_engine, cap), for engines whose rounding differs; null:
            not at all. The trainer's are those of before the step.
        off_policy: several updates on a step's rollouts, by clipped ratios; null: strictly on-policy (3.2.1), one.
        num_waves: parts in which a step's groups are trained on, each as soon as it is complete, while the engine
            generates the rest on a device of its own. The gradient is the same: it is a sum over tokens, divided once
            at the end. 1 trains when all are complete.
    """

    data: RLData

    def __init__(
        self,
        sampling: Sampling = Sampling(),  # noqa: B008  read only
        group_size: int = 8,
        normalize: Normalize = "group",
        ddof: int = 1,
        importance_cap: float | None = None,
        off_policy: OffPolicy | None = None,
        num_waves: int = 1,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if sampling.top_p < 1:
            raise ValueError("sampling.top_p: must be 1 in RL: a nucleus is another policy than the one trained")
        if self.backbone.lora is not None and self.backbone.lora.dropout:
            raise ValueError("model.backbone.lora.dropout: must be 0 in RL: the engine of the rollouts drops nothing")
        if group_size < 2:
            raise ValueError(f"group_size must be at least 2, not {group_size}: a group of one has no baseline")
        if sampling.temperature == 0:
            raise ValueError("sampling.temperature: must be above 0: greedy rollouts of a group are all the same")
        if importance_cap is not None and importance_cap <= 0:
            raise ValueError(f"importance_cap must be above 0, not {importance_cap}")
        if num_waves < 1 or (num_waves > 1 and not self.engine.concurrent):
            raise ValueError(f"num_waves: {num_waves} needs an engine on a device of its own (VLLMEngine, separate)")
        self.sampling, self.group_size = sampling, group_size
        self.normalize, self.ddof = normalize, ddof
        self.importance_cap, self.num_waves, self.off_policy = importance_cap, num_waves, off_policy
        if off_policy is not None:
            off_policy.check(num_waves, importance_cap)

    @property
    def curriculum(self) -> Curriculum:
        """The stages, and where the run is in them."""
        return self.data.curriculum

    def training_step(self, problems: list[Problem], batch_idx: int) -> dict[str, float]:
        """Take one step of the algorithm on the prompts of all ranks."""
        self.seconds = {}
        measures, groups = Measures(self.device), []
        for wave in self.waves(problems):
            self.settle(wave)
            wave = self.refilled(wave)
            # why now: an engine that shares this device frees its memory for the update
            self.engine.sleep()
            self.taught(wave)
            if self.off_policy is None:
                with self.section("train"):
                    self.accumulate(self.sequences(wave), measures, self.sampling.temperature, self.importance_cap)
            groups += wave
        check_error_rate(groups, self.rewards.settings.max_error_rate)
        told = self.told()
        with self.section("train"):
            if self.off_policy is None:
                metrics = self.update(measures, self.denominator(groups))
            else:
                metrics = self.several_updates(groups, self.off_policy)
        if self.curriculum.current.refill:
            metrics |= refill_metrics(groups, len(problems))
        return self.log_step(metrics | told, groups)

    def rollout(self, problems: list[Problem], sampling: Sampling, num_rollouts: int, seed: int) -> list[Group]:
        """Return this rank's judged groups, of `num_rollouts` responses to each of all ranks' problems."""
        (groups,) = self.rollout_in_waves(problems, sampling, num_rollouts, seed, num_waves=1)
        return groups

    def rollout_in_waves(
        self,
        problems: list[Problem],
        sampling: Sampling,
        num_rollouts: int,
        seed: int,
        num_waves: int,
        lengths: list[float] | None = None,
    ) -> Iterator[list[Group]]:
        """Yield this rank's judged groups of the current policy in `num_waves` lists. See `Rollouts.waves`."""
        self.require_current_engine()
        self.on_policy.rolled_out_at = self.trainer.global_step
        yield from self.rollouts.waves(problems, sampling, num_rollouts, seed, num_waves, lengths)

    def waves(self, problems: list[Problem]) -> Iterator[list[Group]]:
        """Yield the step's judged groups: all at once, or in `num_waves` parts, each as soon as it is complete."""
        seed = derive_seed(self.seed, "rollout", self.trainer.global_step)
        lengths = self.expected_lengths(problems)
        yield from self.rollout_in_waves(problems, self.sampling, self.group_size, seed, self.num_waves, lengths)

    def settle(self, groups: list[Group]) -> None:
        """Let the callbacks change what counts, and give every rollout its advantage."""
        self.tell_callbacks(groups)
        assign_advantages(groups, self.ddof)

    def refilled(self, groups: list[Group]) -> list[Group]:
        """Return the step's groups, where the stage asks for it with groups of further prompts in place of those that
        teach nothing."""
        return refilled(groups, self.curriculum.current.refill, self.data.further, self.judged)

    def judged(self, problems: list[Problem]) -> list[Group]:
        """Return this rank's groups of further prompts of the step, with their advantages."""
        with self.section("refill"):
            (groups,) = self.waves(problems)
        self.settle(groups)
        return groups

    def update(self, measures: Measures, denominator: float = 1.0, last: bool = True) -> dict[str, float]:
        """Take one optimizer step, on rollouts of its own step."""
        self.on_policy.require_rollouts(self.trainer.global_step)
        return super().update(measures, denominator, last)

    def several_updates(self, groups: list[Group], off_policy: OffPolicy) -> dict[str, float]:
        """Take the step's several updates on this rank's groups; return their metrics."""
        parts = mini_batches(groups, off_policy.updates, derive_seed(self.seed, "updates", self.trainer.global_step))
        batches = [MiniBatch(self.sequences(part), self.denominator(part)) for part in parts]
        return take_updates(self, batches, off_policy, self.sampling.temperature, self.importance_cap)

    def tell_callbacks(self, groups: list[Group]) -> None:
        """Call the callbacks in the YAML's order: overlong, easy filter, samples, or a user's own."""
        for callback in self.rollout_callbacks():
            callback.on_rollouts(self.trainer, self, groups)

    def select_problems(self, problems: list[Problem], begins: bool) -> list[Problem]:
        """Return the problems that the callbacks leave in a stage for the epoch that is being planned.

        Args:
            problems: the stage's.
            begins: whether the stage is to be put in force first.
        """
        for callback in self.rollout_callbacks():
            if begins:
                callback.on_stage_start(self.trainer, self, problems)
            problems = callback.select_problems(self.trainer, self, problems)
        return problems

    def expected_lengths(self, problems: list[Problem]) -> list[float] | None:
        """Return the expected lengths of the responses, by the first callback that has an expectation."""
        expected = (each.expected_lengths(self.trainer, self, problems) for each in self.rollout_callbacks())
        return next((lengths for lengths in expected if lengths is not None), None)

    def sequences(self, groups: list[Group]) -> list[Sequence]:
        """Return the rows of the step's loss, and of the responses that its metrics sample."""
        return [row for group in groups for row in rows_of(group, self.normalize)]

    def denominator(self, groups: list[Group]) -> float:
        """Return the denominator of the loss, over all ranks; 1 where no token is in the loss."""
        own = denominators(groups)[self.normalize]
        return max(total(torch.tensor(own, device=self.device)).item(), 1)

    def log_step(self, metrics: dict[str, float], groups: list[Group]) -> dict[str, float]:
        """Log the step under its TensorBoard names and return the same."""
        metrics |= rollout_metrics(groups) | {"policy/temperature": self.sampling.temperature}
        metrics |= {f"time/{name}": seconds for name, seconds in self.seconds.items()}
        metrics["time/step"] = sum(self.seconds.get(name, 0.0) for name in _PARTS)
        metrics["time/idle"] = fmean(gather([self.seconds.get("idle", 0.0)]))
        metrics["throughput/tokens_per_second"] = metrics["response/tokens"] / metrics["time/step"]
        shown = {"reward/mean": "reward", "policy/entropy": "entropy", "response/length_mean": "length"}
        self.record(metrics)
        self.log_dict({short: metrics[name] for name, short in shown.items()}, prog_bar=True, logger=False)
        return metrics

    def accept(self, metrics: dict[str, float]) -> None:
        """Raise a RuntimeError if the engine's log-probs differ from the trainer's by more than `max_logprob_gap`."""
        self.on_policy.accept(metrics.get("sync/logprob_gap", 0.0), self.trainer.global_step)

    def set_temperature(self, temperature: float) -> None:
        """Set the temperature at which responses are drawn and log-probs computed from now on."""
        self.sampling = replace(self.sampling, temperature=temperature)

    def restart_from(self, folder: Path) -> None:
        """Load the weights of an export into trainer and engine, and make a new optimizer."""
        super().restart_from(folder)
        # why: the step has not changed, and `push_weights` would take the engine for up to date
        self.engine.policy_version = None
        self.push_weights()

    def on_train_start(self) -> None:
        """Print each stage's batch arithmetic; end at once where the curriculum is already finished."""
        super().on_train_start()
        self.keep_verdicts()
        self._stop_when_finished()
        rank_zero_info(explain(self, self.data, self.trainer.world_size))
        if self.data.has_code:
            rank_zero_info(f"sandbox: {self.rewards.isolation()}")

    def planned_updates(self) -> float:
        """Return the updates of all stages at most: filters and stop rules may make them fewer."""
        ranks = self.trainer.world_size
        steps = sum(arithmetic(self, self.data, name, ranks).steps for name in self.data.stages)
        return steps if self.trainer.max_steps < 0 else min(steps, self.trainer.max_steps)

    def on_train_batch_start(self, batch: list[Problem], batch_idx: int) -> int | None:
        """Return -1, by which Lightning ends an epoch, once a stop rule has ended the stage."""
        return -1 if self.curriculum.plan.stopped else None

    def on_train_epoch_end(self) -> None:
        """End the run with the last stage."""
        self._stop_when_finished()

    def _stop_when_finished(self) -> None:
        finished = self.curriculum.finished(self.trainer.global_step)
        self.trainer.should_stop = self.trainer.should_stop or finished
