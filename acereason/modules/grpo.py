"""Strictly on-policy GRPO (section 3.2): rollout, hooks, advantages, one update."""

from collections.abc import Iterator
from typing import Any

import torch
from lightning.pytorch.utilities import rank_zero_info

from acereason.algorithm.metrics import rollout_metrics
from acereason.algorithm.objective import (
    Normalize,
    assign_advantages,
    denominators,
    loss_tokens,
    token_weight,
)
from acereason.common.seeds import derive_seed
from acereason.common.types import Group, Problem, Sequence
from acereason.modules.explain import arithmetic, explain
from acereason.modules.measures import Measures
from acereason.modules.rollout import RolloutModule
from acereason.modules.sequences import as_sequence
from acereason.processes.distributed import total
from acereason.rewards.pool import check_error_rate


class GRPOModule(RolloutModule):
    """Learns from rewards by GRPO: G rollouts of each prompt by the current policy, and one update on all of them.

    Args:
        group_size: G, rollouts of a prompt; a stage may set its own.
        normalize: denominator of the loss: `group` (Eq. 1 as written) or `batch` (all tokens of the step).
        ddof: of the group's standard deviation; 1 as veRL, 0 divides by G.
        importance_cap: weigh each token by min(pi_trainer / pi_engine, cap), for engines whose rounding differs; null:
            not at all.
        num_waves: parts in which a step's groups are trained on, each as soon as it is complete, while the engine
            generates the rest on a device of its own. The gradient is the same: it is a sum over tokens, divided once
            at the end. 1 trains when all are complete.
    """

    def __init__(
        self,
        group_size: int = 8,
        normalize: Normalize = "group",
        ddof: int = 1,
        importance_cap: float | None = None,
        num_waves: int = 1,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if group_size < 2:
            raise ValueError(f"group_size must be at least 2, not {group_size}: a group of one has no baseline")
        if self.sampling.temperature == 0:
            raise ValueError("sampling.temperature: must be above 0: greedy rollouts of a group are all the same")
        if importance_cap is not None and importance_cap <= 0:
            raise ValueError(f"importance_cap must be above 0, not {importance_cap}")
        if num_waves < 1 or (num_waves > 1 and not self.engine.concurrent):
            raise ValueError(f"num_waves: {num_waves} needs an engine on a device of its own (VLLMEngine, separate)")
        self.group_size, self.normalize, self.ddof = group_size, normalize, ddof
        self.importance_cap, self.num_waves = importance_cap, num_waves

    def training_step(self, problems: list[Problem], batch_idx: int) -> dict[str, float]:
        """Take one step of the algorithm on this rank's share of the prompts."""
        self.seconds = {}
        measures, groups = Measures(self.device), []
        for wave in self.waves(self.ordered(problems)):
            self.tell_callbacks(wave)
            assign_advantages(wave, self.ddof)
            with self.section("train"):
                self.accumulate(self.sequences(wave), measures, self.sampling.temperature, self.importance_cap)
            groups += wave
        check_error_rate(groups, self.rewards.settings.max_error_rate)
        with self.section("train"):
            metrics = self.apply(measures, self.denominator(groups))
        return self.log_step(metrics, groups)

    def waves(self, problems: list[Problem]) -> Iterator[list[Group]]:
        """Yield the step's judged groups: all at once, or in `num_waves` parts, each as soon as it is complete."""
        seed = derive_seed(self.seed, "rollout", self.trainer.global_step)
        for wave in self.rollout_in_waves(problems, self.sampling, self.group_size, seed, self.num_waves):
            # why now: an engine that shares this device frees its memory for the update
            self.engine.sleep()
            yield wave

    def apply(self, measures: Measures, denominator: float = 1.0) -> dict[str, float]:
        """Take one optimizer step, on rollouts of the policy that takes it."""
        if self.strict_on_policy and self._rolled_out_at != self.trainer.global_step:
            raise RuntimeError(
                f"an update at step {self.trainer.global_step} on rollouts of step {self._rolled_out_at}: strictly "
                "on-policy, each update has its own; model.strict_on_policy: false allows several"
            )
        return super().apply(measures, denominator)

    def tell_callbacks(self, groups: list[Group]) -> None:
        """Call the callbacks in the YAML's order: overlong, easy filter, samples, or a user's own."""
        for callback in self.rollout_callbacks():
            callback.on_rollouts(self.trainer, self, groups)

    def select_problems(self, problems: list[Problem]) -> list[Problem]:
        """Return the problems that the callbacks leave in a stage for the epoch that is being planned."""
        for callback in self.rollout_callbacks():
            problems = callback.select_problems(self.trainer, self, problems)
        return problems

    def ordered(self, problems: list[Problem]) -> list[Problem]:
        """Return the problems in the order in which the callbacks want them generated."""
        for callback in self.rollout_callbacks():
            problems = callback.order_problems(self.trainer, self, problems)
        return problems

    def sequences(self, groups: list[Group]) -> list[Sequence]:
        """Return the rollouts in the loss, with their tokens' weights by Eq. 1 before the step's denominator."""
        return [
            as_sequence(group, rollout, token_weight(rollout.advantage, tokens, self.normalize))
            for group, tokens in zip(groups, map(loss_tokens, groups), strict=True)
            for rollout in group.rollouts
            if rollout.in_loss
        ]

    def denominator(self, groups: list[Group]) -> float:
        """Return the denominator of the loss, over all ranks; 1 where no token is in the loss."""
        own = denominators(groups)[self.normalize]
        return max(total(torch.tensor(own, device=self.device)).item(), 1)

    def log_step(self, metrics: dict[str, float], groups: list[Group]) -> dict[str, float]:
        """Log the step under its TensorBoard names and return the same."""
        metrics |= rollout_metrics(groups) | {"policy/temperature": self.sampling.temperature}
        metrics |= {f"time/{name}": seconds for name, seconds in self.seconds.items()}
        metrics["time/step"] = sum(metrics[f"time/{name}"] for name in ("rollout", "reward", "train"))
        metrics["throughput/tokens_per_second"] = metrics["response/tokens"] / metrics["time/step"]
        shown = {"reward/mean": "reward", "policy/entropy": "entropy", "response/length_mean": "length"}
        self.record(metrics)
        self.log_dict({short: metrics[name] for name, short in shown.items()}, prog_bar=True, logger=False)
        return metrics

    def on_train_start(self) -> None:
        """Print each stage's batch arithmetic; end at once where the curriculum is already finished."""
        super().on_train_start()
        self._stop_when_finished()
        rank_zero_info(explain(self, self.trainer.datamodule, self.trainer.world_size))
        if self.trainer.datamodule.has_code:
            rank_zero_info(f"sandbox: {self.rewards.isolation()}")

    def planned_updates(self) -> float:
        """Return the updates of all stages at most: filters and stop rules may make them fewer."""
        data, ranks = self.trainer.datamodule, self.trainer.world_size
        steps = sum(arithmetic(self, data, name, ranks).steps for name in data.stages)
        return steps if self.trainer.max_steps < 0 else min(steps, self.trainer.max_steps)

    def on_train_batch_start(self, batch: list[Problem], batch_idx: int) -> int | None:
        """Return -1, by which Lightning ends an epoch, once a stop rule has ended the stage."""
        return -1 if self.trainer.datamodule.plan.stopped else None

    def on_train_epoch_end(self) -> None:
        """End the run with the last stage."""
        self._stop_when_finished()

    def _stop_when_finished(self) -> None:
        self.trainer.should_stop = self.trainer.should_stop or self.trainer.datamodule.finished
