"""Read times of day, by the clock of 24 hours or with a.m. and p.m."""

import re
from dataclasses import dataclass

_CLOCK = re.compile(
    r"(?P<hours>\d{1,2})(?::(?P<minutes>[0-5]\d)(?::(?P<seconds>[0-5]\d))?)?\s*(?:o'?\s?clock\s*)?"
    r"(?:(?P<half>[ap])\.?\s?m\.?|in the (?P<part>morning|afternoon|evening)|(?P<noon>noon)|(?P<midnight>midnight))?",
    re.IGNORECASE,
)
_WRITTEN = [(re.compile(r"\\text\s*\{([^{}]*)\}"), r" \1 "), (re.compile(r"\{:\}"), ":"), (re.compile(r"\s+"), " ")]
_NAMED = {"noon": "12 pm", "midday": "12 pm", "midnight": "12 am"}
_LONGEST = 60
_HINT = re.compile(r":|[ap]\.?\s?m|noon|mid|clock|morning", re.IGNORECASE)
"""A part of every time of day, and of nearly no other answer."""


@dataclass(frozen=True)
class Clock:
    """A time of day."""

    seconds: int
    """Seconds since midnight."""
    may_be_ratio: bool
    """Whether it may also be a ratio: 3:10 may, 5:00 and 3:10 p.m. may not."""


def clock(text: str) -> Clock | None:
    r"""Return the time of `8:34`, `20:34:00`, `8:34 \text{ p.m.}`, `8 PM` or `noon`; None for other texts.

    Without a.m. or p.m. it is by the clock of 24 hours: 8:34 is in the morning.
    """
    # why: nearly all answers leave here, before the slower patterns
    if len(text) > _LONGEST or not _HINT.search(text):
        return None
    for pattern, replacement in _WRITTEN:
        text = pattern.sub(replacement, text)
    text = _NAMED.get(text.strip().lower(), text.strip())
    found = _CLOCK.fullmatch(text)
    if not found or not (found["minutes"] or re.search(r"[a-zA-Z]", text)):
        return None
    half = (found["half"] or found["part"] or found["noon"] or found["midnight"] or "").lower()
    hours = _hours(int(found["hours"]), half)
    minutes, seconds = int(found["minutes"] or 0), int(found["seconds"] or 0)
    if hours is None or (hours == 24 and (minutes or seconds)):
        return None
    return Clock(hours % 24 * 3600 + minutes * 60 + seconds, bool(minutes) and not half)


def _hours(hours: int, half: str) -> int | None:
    """Return the hours by the clock of 24, from 0 to 24; None for an hour that does not exist."""
    if not half:
        return hours if hours <= 24 else None
    early = half in ("a", "morning", "midnight")
    if hours > 12:
        return hours if hours < 24 and not early else None
    return hours % 12 + (0 if early else 12)
