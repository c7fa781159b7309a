"""Compare answers whose notation is no expression: times of day, numerals of a base, dots."""

from acereason.rewards.math.bases import numeral
from acereason.rewards.math.clocks import clock
from acereason.rewards.math.dots import DOTS


def same_in_notation(gold: str, found: str) -> tuple[bool, str] | None:
    """Return whether two answers are equal, and the deciding path; None where the ground truth has no such notation."""
    if DOTS in (gold, found):
        return gold == found, "dots"
    if (left := numeral(gold)) and (right := numeral(found)):
        return left == right, "numeral of a base"
    time, other = clock(gold), clock(found)
    # why: against an answer that is no time, 3:10 may be a ratio, which other paths compare
    if time is None or (other is None and time.may_be_ratio):
        return None
    return other is not None and time.seconds == other.seconds, "time of day"
