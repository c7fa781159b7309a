"""This module says of each claim whether a study shows it, doesn't show it, or can't tell."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from math import inf, isinf
from typing import Literal

from acereason.common.errors import UserError
from acereason.verbs.studies.measures import Measure, Values
from acereason.verbs.studies.plan import END
from acereason.verbs.studies.statistics import Estimate, estimate

Table = tuple[Collection[str], Collection[str] | None]
"""(arms, moments) of a measure; None where only results tell the moments."""
Verdict = Literal["Shows", "Doesn't show", "Can't tell"]
# why: one seed's finding was taken back by its own rerun, and the interval of two or three takes their spread on trust
_FEWEST_SEEDS = 5
"""Seeds below which no claim is decided."""


@dataclass
class Claim:
    """A finding that a study may show."""

    says: str
    """The finding, in a sentence."""
    measure: str
    """Name of the measure."""
    contrast: dict[str, float]
    """Weights of places in the table, `ARM@MOMENT`, or `ARM` where the measure has one moment. Their sum, seed by seed,
    is above zero if the finding is true: `{mask: 1, penalize: -1}` is a difference of arms, `{a@rl: 1, a@sft: -1}` a
    gain."""
    least: float
    """The smallest sum that counts as the finding, in the measure's unit: percentage points for shares."""
    paper: str
    """What the paper has, with its section."""


@dataclass(frozen=True)
class Decision:
    """What a study says about a claim."""

    claim: Claim
    verdict: Verdict
    contrast: Estimate
    unit: str

    def sentence(self) -> str:
        """Return the verdict, the contrast with its 95 % interval, and the paper's number in one sentence."""
        low, high = self.contrast.interval()
        sure = "no interval" if isinf(low) else f"95 % interval {low:+.2f} to {high:+.2f}"
        few = "" if self.contrast.seeds >= _FEWEST_SEEDS else f"; a claim needs {_FEWEST_SEEDS}"
        seeds = f"{self.contrast.seeds} seed{'s' if self.contrast.seeds > 1 else ''}"
        measured = f"{f'{self.contrast.mean:+.2f} {self.unit}'.strip()} ({sure}, {seeds}{few})"
        told = f"Here {measured}, {self.counts()} would count"
        return f"{self.verdict}: {self.claim.says} {told}; the paper: {self.claim.paper}"

    def counts(self) -> str:
        """Return the smallest contrast that counts, with its unit."""
        unit = self.unit.removesuffix("s") if self.unit in ("points", "tokens") and self.claim.least == 1 else self.unit
        return f"{self.claim.least:g} {unit}".strip()


def decide(claim: Claim, measure: Measure, values: Values) -> Decision:
    """Compute a claim's contrast in each seed, and decide by the interval of its mean."""
    found = estimate(list(contrast(claim, values).values()))
    unit = "points" if measure.is_share else measure.unit
    return Decision(claim, verdict(found, claim.least), found, unit)


def contrast(claim: Claim, values: Values) -> dict[int, float]:
    """Return the weighted sum of a claim's places, by seed, of the seeds in which all of them have a value.

    Raises:
        UserError: a place isn't in the table, or there is no such seed.
    """
    weighted = [(weight, _place(claim, place, values)) for place, weight in claim.contrast.items()]
    # why: where a verifier fails too often a seed has no value, and a sum without one place is another contrast
    seeds = [seed for seed in weighted[0][1] if all(seed in by_seed for _, by_seed in weighted)]
    if not seeds:
        raise UserError(f"claims: {claim.says!r}: no seed has a value of each of {', '.join(claim.contrast)}")
    return {seed: sum(weight * by_seed[seed] for weight, by_seed in weighted) for seed in seeds}


def verdict(found: Estimate, least: float) -> Verdict:
    """Decide by the 95 % interval of a contrast.

    An interval wholly above zero that reaches `least` shows the claim; one wholly below `least` doesn't; any other, and
    any of fewer than five seeds, can't tell.
    """
    low, high = found.interval()
    if found.seeds < _FEWEST_SEEDS:
        return "Can't tell"
    if high < least:
        return "Doesn't show"
    return "Shows" if low > 0 else "Can't tell"


def check_claims(claims: Sequence[Claim], tables: Mapping[str, Table]) -> None:
    """Raise a UserError for a claim of an unknown measure, arm or moment, or without a least difference."""
    for claim in claims:
        key = f"claims: {claim.says!r}"
        if claim.measure not in tables:
            raise UserError(f"{key}: no measure {claim.measure}; there are {', '.join(tables)}")
        if not claim.contrast:
            raise UserError(f"{key}: contrast is empty; give weights of places, such as {{b: 1, a: -1}}")
        arms, moments = tables[claim.measure]
        for place in claim.contrast:
            arm, _, moment = place.partition("@")
            if arm not in arms:
                raise UserError(f"{key}: no arm {arm}; there are {', '.join(arms)}")
            if moments is not None and (moment or END) not in moments:
                raise UserError(f"{key}: {place} isn't measured; the moments are {', '.join(moments)}")
        if not 0 < claim.least < inf:
            raise UserError(f"{key}: least is {claim.least:g}; give the smallest difference that counts, above 0")


def _place(claim: Claim, place: str, values: Values) -> dict[int, float]:
    arm, _, moment = place.partition("@")
    if (moment or END) not in values or arm not in values[moment or END]:
        raise UserError(f"claims: {claim.says!r}: {place} isn't measured; the moments are {', '.join(values)}")
    return values[moment or END][arm]
