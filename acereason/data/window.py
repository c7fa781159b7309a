"""Restriction of a source to the rows of a span of time."""

from dataclasses import dataclass
from datetime import date
from typing import Any

from acereason.common.errors import UserError
from acereason.data.values import day_of


@dataclass
class Window:
    """A span of time from which rows are taken, such as one after all training data."""

    column: str
    """Column of dates: ISO 8601 text, or timestamps."""
    since: str
    """First day, YYYY-MM-DD."""
    until: str
    """Day after the last, YYYY-MM-DD, so that two windows that meet share no row."""

    def check(self, key: str) -> None:
        """Raise a UserError for a window that can't work; `key` names it."""
        for name in ("since", "until"):
            try:
                date.fromisoformat(getattr(self, name))
            except ValueError as error:
                raise UserError(f"{key}.{name}: {getattr(self, name)!r} is not a date such as 2025-02-01") from error
        if self.since >= self.until:
            raise UserError(f"{key}: since {self.since} is not before until {self.until}")

    def holds(self, value: Any) -> bool:
        """Return whether a row's date is in the window; a missing date is not.

        Raises:
            ValueError: the value is no date.
        """
        day = day_of(value)
        # why: texts of the form YYYY-MM-DD have the order of their days
        return day is not None and self.since <= day < self.until
