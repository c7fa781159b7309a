"""Token metrics of an update's forward passes (loss, entropy, log-prob gap), summed over micro batches and ranks."""

import torch
from torch import Tensor

from acereason.algorithm.batching import MicroBatch
from acereason.processes.distributed import largest
from acereason.processes.tensors import total


class Measures:
    """Sums over the response tokens of micro batches.

    Args:
        device: device of the micro batches.
    """

    def __init__(self, device: torch.device) -> None:
        # why: float64: a step sums over millions of tokens, more than float32 adds up without losing digits
        self._sums = torch.zeros(10, dtype=torch.float64, device=device)
        self._largest_gap = torch.zeros((), device=device)

    def add(self, batch: MicroBatch, logprobs: Tensor, entropy: Tensor, loss: Tensor | None = None) -> None:
        """Add the sums of one micro batch of M response tokens, each as often as the tokens that it stands for.

        Args:
            batch: micro batch with the sampler's log-probs, NaN where there are none.
            logprobs: [M] the trainer's log-probs at the sampling temperature.
            entropy: [M] entropies in nats.
            loss: the micro batch's part of the objective.
        """
        known = batch.sampler_logprobs.isfinite()
        difference, times = (logprobs.detach() - batch.sampler_logprobs)[known], batch.stands_for[known]
        parts = [loss.detach() if loss is not None else 0.0]
        parts += [(values * times).sum() for values in (difference.abs(), difference.exp() - 1 - difference)]
        parts += [times.sum()]
        for tokens in (slice(None), batch.first_tenth, batch.last_tenth):
            times = batch.stands_for[tokens]
            parts += [(entropy[tokens] * times).sum(), times.sum()]
        self._sums += torch.stack([torch.as_tensor(p, dtype=torch.float64, device=self._sums.device) for p in parts])
        if difference.numel():
            self._largest_gap = torch.maximum(self._largest_gap, difference.abs().max())

    def metrics(self) -> dict[str, float]:
        """Return the metrics over all ranks: policy/loss; policy/entropy, of all tokens and of each response's first
        and last tenth; and, where the engine gave log-probs, their distance from the trainer's: sync/logprob_gap, the
        mean absolute difference in nats, sync/logprob_gap_max, and sync/kl, of the sampler from the trainer by the
        estimator r - 1 - log r (Schulman 2020, "Approximating KL Divergence")."""
        # why: r - 1 - log r is never negative, where the mean of -log r can be by chance
        # why: a copy: the reduction works in place, and later micro batches are added to this rank's sums alone
        loss, gap, kl, compared, *entropies = total(self._sums.clone()).tolist()
        gap_max = largest(self._largest_gap.item())
        names = ("policy/entropy", "policy/entropy_first", "policy/entropy_last")
        metrics = {"policy/loss": loss}
        metrics |= {name: entropies[2 * i] / max(entropies[2 * i + 1], 1) for i, name in enumerate(names)}
        if compared:
            metrics |= {"sync/logprob_gap": gap / compared, "sync/logprob_gap_max": gap_max, "sync/kl": kl / compared}
        return metrics
