"""What an update's forward passes say about policy and sampler, summed over micro batches and ranks."""

import torch
from torch import Tensor

from acereason.batching import MicroBatch
from acereason.distributed import largest, total


class Measures:
    """Sums over the response tokens of micro batches.

    Args:
        device: where the micro batches are.
    """

    def __init__(self, device: torch.device) -> None:
        self._sums = torch.zeros(10, dtype=torch.float64, device=device)
        self._largest_gap = torch.zeros((), device=device)

    def add(self, batch: MicroBatch, logprobs: Tensor, entropy: Tensor, loss: Tensor | None = None) -> None:
        """Take in one micro batch.

        Args:
            batch: with the sampler's log-probs, NaN where there are none.
            logprobs: [M] the trainer's, at the sampling temperature.
            entropy: [M]
            loss: its part of the objective.
        """
        difference = (logprobs.detach() - batch.sampler_logprobs)[batch.sampler_logprobs.isfinite()]
        parts = [loss.detach() if loss is not None else 0.0]
        parts += [difference.abs().sum(), (difference.exp() - 1 - difference).sum(), difference.numel()]
        for tokens in (slice(None), batch.first_tenth, batch.last_tenth):
            parts += [entropy[tokens].sum(), entropy[tokens].numel()]
        self._sums += torch.stack([torch.as_tensor(p, dtype=torch.float64, device=self._sums.device) for p in parts])
        if difference.numel():
            self._largest_gap = torch.maximum(self._largest_gap, difference.abs().max())

    def metrics(self) -> dict[str, float]:
        """Over all ranks: policy/loss; policy/entropy, of all tokens and of each response's first and last tenth; and,
        where the engine gave log-probs, how far the trainer's are from them. That is sync/logprob_gap, the mean
        absolute difference in nats, sync/logprob_gap_max, and sync/kl, of the sampler from the trainer by the estimator
        r - 1 - log r, which is never negative (Schulman 2020, "Approximating KL Divergence")."""
        loss, gap, kl, compared, *entropies = total(self._sums.clone()).tolist()
        gap_max = largest(self._largest_gap.item())
        names = ("policy/entropy", "policy/entropy_first", "policy/entropy_last")
        metrics = {"policy/loss": loss}
        metrics |= {name: entropies[2 * i] / max(entropies[2 * i + 1], 1) for i, name in enumerate(names)}
        if compared:
            metrics |= {"sync/logprob_gap": gap / compared, "sync/logprob_gap_max": gap_max, "sync/kl": kl / compared}
        return metrics
