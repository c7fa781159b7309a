"""Notations of their own, whose answers are compared as what they are: times of day, numerals of a base, dots."""

from acereason.rewards.answers.bases import numeral
from acereason.rewards.answers.clocks import clock
from acereason.rewards.answers.dots import DOTS


def same_in_notation(gold: str, found: str) -> tuple[bool, str] | None:
    """Whether two answers are equal, and what decided it; None where the ground truth is in no such notation."""
    if DOTS in (gold, found):
        return gold == found, "dots"
    if (left := numeral(gold)) and (right := numeral(found)):
        return left == right, "numeral of a base"
    time, other = clock(gold), clock(found)
    if time is None or (other is None and time.may_be_ratio):
        return None
    return other is not None and time.seconds == other.seconds, "time of day"
