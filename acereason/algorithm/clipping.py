"""The objective of several updates on one batch of rollouts: importance ratios that are clipped, of tokens (PPO; DAPO,
arXiv 2503.14476) or of whole responses (GSPO, arXiv 2507.18071).

With r the ratio of the policy that is updated to the one before the step, a token of weight w has min(r w, clip(r) w)
in the objective. Its gradient is that of its log-prob times r w, and 0 where the clip holds r. So it stays a sum of
weights times log-probs, as strictly on-policy, where r is 1.
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch
from torch import Tensor

RatioOf: TypeAlias = Literal["token", "sequence"]
CLIPS: dict[RatioOf, tuple[float, float]] = {"token": (0.2, 0.2), "sequence": (3e-4, 4e-4)}
"""{ratio: how far below and above 1 it is clipped, unless a run says otherwise}: PPO's, and GSPO's (section 5.1)."""


@dataclass
class OffPolicy:
    """Several updates on the rollouts of a step, by an objective whose importance ratios are clipped. Beyond the paper.

    A step stays one batch of rollouts for all that counts steps: stages, schedules, checkpoints, the sync of weights.
    """

    updates: int
    """Updates of a step: its prompts are cut into as many mini batches of whole groups, each for one update, in an
    order drawn from seed and step."""
    clip_low: float | None = None
    """How far below 1 the ratio is clipped; null: 0.2, or 3e-4 where `ratio` is `sequence`."""
    clip_high: float | None = None
    """How far above 1; null: 0.2, or 4e-4 where `ratio` is `sequence`. DAPO's clip-higher takes 0.28."""
    ratio: RatioOf = "token"
    """Of each token, or GSPO's: all tokens of a response have their ratios' geometric mean."""
    old_logprobs: Literal["trainer", "engine"] = "trainer"
    """Whose log-probs the ratio is taken to: the trainer's of before the step, by another forward pass over all mini
    batches but the first, or the engine's, which cost nothing: the ratio then has what the two differ by, too."""

    def __post_init__(self) -> None:
        if self.updates < 1:
            raise ValueError(f"updates must be at least 1, not {self.updates}")
        for name, value in {"clip_low": self.clip_low, "clip_high": self.clip_high}.items():
            if value is not None and value <= 0:
                raise ValueError(f"{name} must be above 0, not {value}")
        if self.clip_low is not None and self.clip_low >= 1:
            raise ValueError(f"clip_low must be below 1, not {self.clip_low}: no ratio is below 0")

    @property
    def bounds(self) -> tuple[float, float]:
        """The lowest and the highest ratio that is not clipped."""
        low, high = CLIPS[self.ratio]
        low = low if self.clip_low is None else self.clip_low
        high = high if self.clip_high is None else self.clip_high
        return 1 - low, 1 + high

    def check(self, num_waves: int, importance_cap: float | None) -> None:
        """Raise a ValueError for settings of the module that this objective can't be had with."""
        if num_waves > 1:
            raise ValueError("num_waves: must be 1 under off_policy: mini batches are cut from all groups of a step")
        if importance_cap is not None and self.old_logprobs == "engine":
            raise ValueError(
                "importance_cap: must be null where off_policy.old_logprobs is engine: the ratio, to the engine, has it"
            )


@dataclass
class Ratios:
    """The importance ratios of M tokens, which are constants of the gradient of everything but themselves."""

    old_logprobs: Tensor
    """[M] of the policy before the step; NaN where that is the policy that is updated, whose ratio is 1."""
    bounds: tuple[float, float]
    """The lowest and the highest ratio that is not clipped."""
    shared: Tensor | None = None
    """[M] logarithm of the ratio that a token shares with its response; None: each has its own."""

    def old(self, logprobs: Tensor, tokens: slice) -> Tensor:
        """Return the log-probs before the step of some tokens, which now have these."""
        return known(self.old_logprobs[tokens], logprobs)

    def clipped(self, logprobs: Tensor, weights: Tensor, tokens: slice) -> tuple[Tensor, Tensor]:
        """Return the parts of some tokens in the objective, and what their log-probs have as gradients in its sum."""
        shift = logprobs - self.old(logprobs, tokens) if self.shared is None else self.shared[tokens]
        return clipped(shift.exp(), weights, self.bounds)


def known(old_logprobs: Tensor, logprobs: Tensor) -> Tensor:
    """Return the old log-probs, and where they are NaN the present ones."""
    return torch.where(old_logprobs.isnan(), logprobs, old_logprobs)


def log_ratios(logprobs: Tensor, old_logprobs: Tensor, ratio: RatioOf, lengths: list[int]) -> Tensor:
    """Return the logarithm of each token's ratio: its own, or the mean of its response's.

    Args:
        logprobs: [M] of the policy that is updated.
        old_logprobs: [M] of the one before the step; NaN where that is the same.
        ratio: whose.
        lengths: numbers of tokens of the responses, which sum to M.
    """
    own = logprobs - known(old_logprobs, logprobs)
    return response_means(own, lengths) if ratio == "sequence" else own


def clipped(ratios: Tensor, weights: Tensor, bounds: tuple[float, float]) -> tuple[Tensor, Tensor]:
    """Return each token's min(r w, clip(r) w), and its derivative in log r: r w where that is the smaller, else 0.

    DAPO's Eq. 8, whose bounds need not lie equally far from 1. Summed over the tokens of a response that share its
    ratio s, by log s = the mean of their log r, the derivative in each log-prob is s w, which is that of GSPO-token
    (2507.18071, section 4.3).

    Args:
        ratios: [M] r, at least 0.
        weights: [M] w: advantages, over a denominator or not.
        bounds: what r is clipped to.
    """
    free, held = ratios * weights, ratios.clamp(*bounds) * weights
    return torch.minimum(free, held), torch.where(free <= held, free, 0.0)


def response_means(values: Tensor, lengths: list[int]) -> Tensor:
    """Return for each token the mean of its response's values.

    Args:
        values: [M] of responses one after the other.
        lengths: their numbers of tokens, which sum to M.
    """
    # why: float64: GSPO clips at 3e-4, a sum of log-probs of thousands of tokens
    return torch.cat([part.double().mean().expand_as(part) for part in values.split(lengths)]).to(values.dtype)
