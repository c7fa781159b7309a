"""Several updates on the rollouts of one step, by clipped ratios to the policy before it. Beyond the paper."""

from collections.abc import Iterable
from dataclasses import dataclass
from math import isfinite
from statistics import fmean

import torch
from torch import Tensor
from typing_extensions import override

from acereason.algorithm.batching import MicroBatch
from acereason.algorithm.clipping import OffPolicy, clipped, known, log_ratios
from acereason.algorithm.objective import loss_tokens
from acereason.common.seeds import shuffled
from acereason.common.types import Group, Sequence
from acereason.modules.base import QwenModule
from acereason.modules.measures import Measures
from acereason.processes.distributed import gather
from acereason.processes.tensors import total


@dataclass
class MiniBatch:
    """What one of several updates is taken on."""

    rows: list[Sequence]
    """This rank's."""
    denominator: float
    """Of the objective, over all ranks."""


class UpdateMeasures(Measures):
    """Sums over the tokens of one of several updates: the objective, and how far the policy has moved.

    Args:
        device: device of the micro batches.
        off_policy: the objective's settings.
        drew: whether the policy is still that before the step, whose entropy and distance from the engine are measured.
    """

    def __init__(self, device: torch.device, off_policy: OffPolicy, drew: bool) -> None:
        super().__init__(device)
        self.off_policy, self.drew = off_policy, drew
        self._moves = torch.zeros(4, dtype=torch.float64, device=device)

    @override
    def add(self, batch: MicroBatch, logprobs: Tensor, entropy: Tensor, loss: Tensor | None = None) -> None:
        if self.drew:
            super().add(batch, logprobs, entropy)
        if loss is not None:
            parts = [loss.detach(), *_moves(batch, logprobs, self.off_policy)]
            self._moves += torch.stack([part.double() for part in parts])

    @override
    def metrics(self) -> dict[str, float]:
        """Return the metrics over all ranks: policy/loss; policy/clip_fraction, the share of tokens from whose gradient
        the clip keeps the update; policy/kl_old, the distance from the policy before the step, as sync/kl is the
        engine's; and those of `Measures` if the policy is still that one."""
        loss, held, kl, tokens = total(self._moves.clone()).tolist()
        moved = {"policy/clip_fraction": held / max(tokens, 1), "policy/kl_old": kl / max(tokens, 1)}
        return (super().metrics() if self.drew else {}) | {"policy/loss": loss} | moved


def _moves(batch: MicroBatch, logprobs: Tensor, off_policy: OffPolicy) -> tuple[Tensor, Tensor, Tensor]:
    """Return of a micro batch how many tokens are clipped, their sum of r - 1 - log r, and their number."""
    ratios = log_ratios(logprobs, batch.old_logprobs, off_policy.ratio, batch.response_lengths).exp()
    _, slopes = clipped(ratios, batch.weights, off_policy.bounds)
    own = logprobs - known(batch.old_logprobs, logprobs)
    number = torch.tensor(len(logprobs), device=logprobs.device)
    return ((slopes == 0) & (batch.weights != 0)).sum(), (own.exp() - 1 - own).sum(), number


def mini_batches(groups: list[Group], updates: int, seed: int) -> list[list[Group]]:
    """Cut the step's groups that have tokens in the loss into `updates` lists, as equal in number as can be over all
    ranks; return this rank's part of each. Which group is in which depends on the seed alone. Every rank must call it.

    Example:
        ids a to f on two ranks, 3 updates -> on all ranks together two of them in each
    """
    trained = [group for group in groups if loss_tokens(group)]
    # why: sorted: a rank has other groups than it would have among more ranks
    order = shuffled(sorted(set(gather([group.problem.id for group in trained]))), seed)
    cuts = [set(order[len(order) * n // updates : len(order) * (n + 1) // updates]) for n in range(updates)]
    return [[group for group in trained if group.problem.id in cut] for cut in cuts]


def take_updates(
    module: QwenModule, batches: list[MiniBatch], off_policy: OffPolicy, temperature: float, cap: float | None
) -> dict[str, float]:
    """Take an optimizer step on each mini batch, the last of which ends the step. Every rank must call it.

    Returns:
        the metrics of the policy before the step, from all rows that pass it, and the means of the updates' own.
    """
    measures, taken = UpdateMeasures(module.device, off_policy, drew=True), list[dict[str, float]]()
    later = [row for batch in batches[1:] for row in batch.rows]
    if off_policy.old_logprobs == "engine":
        _take_the_engines(row for batch in batches for row in batch.rows)
    elif len(batches) > 1:
        # why not the first one's: it is taken by the policy before the step, whose ratio is 1
        module.observe(later, measures, temperature, keep=True)
    for number, batch in enumerate(batches):
        rows = batch.rows if measures.drew else [row for row in batch.rows if row.has_gradient]
        module.accumulate(rows, measures, temperature, cap, off_policy)
        taken.append(module.update(measures, batch.denominator, last=number + 1 == len(batches)))
        measures = UpdateMeasures(module.device, off_policy, drew=False)
    return taken[0] | {name: fmean(update[name] for update in taken) for name in taken[-1]}


def _take_the_engines(rows: Iterable[Sequence]) -> None:
    """Give rows the engine's log-probs as those of the policy before the step."""
    for row in rows:
        if row.sampler_logprobs is None or not all(map(isfinite, row.sampler_logprobs)):
            raise ValueError("model.off_policy.old_logprobs: the engine gave none for some tokens; set it to trainer")
        row.old_logprobs = row.sampler_logprobs
