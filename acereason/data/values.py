"""Conversion of a row's cells to texts, answers, ids, numbers and days, or a reason why a cell can't be used.

A cell is a value of Python's JSON reader, or of Arrow. No cell is made a text by `str`: a list, a mapping, a date or
bytes in the place of a text is a mistake in the data, not a text.
"""

import json
import math
import re
from datetime import date
from decimal import Decimal
from typing import Any

LONGEST_INTEGER = 4300
"""Digits of the longest integer that Python reads by default; longer ones are kept as text."""
# why: from here on a float stands for several integers, and `int` would make up digits
_EXACT = 2.0**53
_NUMBER = re.compile(r"-?(?:0|[1-9]\d{0,300})(?:\.\d{1,300})?(?:[eE][+-]?\d{1,3})?")
_FIRST_NUMBER = re.compile(r"(?<!\w)-?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}(?:$|[T ])")
_KINDS = {
    "bool": "a truth value", "list": "a list", "dict": "a mapping", "bytes": "bytes",
    "datetime": "a time stamp", "date": "a date", "time": "a time", "timedelta": "a duration",
}  # fmt: skip


class Spelled(float):
    """A number of a JSON file that is no short integer: its value, and its spelling in the file.

    Example:
        >>> Spelled("0.10"), Spelled("0.10").text
        (0.1, '0.10')
    """

    text: str

    def __new__(cls, text: str) -> "Spelled":
        """Make a number from its text."""
        made = super().__new__(cls, text)
        made.text = text
        return made

    def __reduce__(self) -> tuple[type, tuple[str]]:
        return Spelled, (self.text,)


def whole(text: str) -> int | Spelled:
    """Read a JSON integer of any size; one that Python would not write the same way keeps its spelling."""
    return Spelled(text) if len(text) > LONGEST_INTEGER or text == "-0" else int(text)


def text_of(value: Any) -> str:
    """Return a cell as text: a text, or a number or truth value as its file spells it; a missing value is empty.

    Raises:
        ValueError: it is something else; says what.
    """
    if isinstance(value, str):
        return value
    if missing(value):
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Spelled):
        return value.text
    if isinstance(value, int | float | Decimal) and math.isfinite(value):
        return _plain_number(value)
    raise ValueError(f"{_kind(value)}, not a text")


def answers_of(value: Any) -> list[str]:
    r"""Return the acceptable answers of a cell, without blanks around them; [] if it has none.

    Several are in a list, or in the JSON text of a list of texts, which can't be mathematics: `["\\frac12", "0.5"]`.

    Raises:
        ValueError: one of them can't be an answer; says why.
    """
    value = _listed(value) if isinstance(value, str) else value
    if not isinstance(value, list):
        return [text] if (text := text_of(value).strip()) else []
    texts = [text_of(each).strip() for each in value]
    if not all(texts):
        raise ValueError("a list of answers, of which one is empty")
    return texts


def answers_text(answers: list[str]) -> str:
    """Return one text from which `answers_of` reads the same answers."""
    single = answers[0] if len(answers) == 1 else ""
    return single if len(answers) < 2 and _listed(single) == single else json.dumps(answers, ensure_ascii=False)


def identity_of(value: Any) -> str:
    """Return a cell as the id of its row.

    Raises:
        ValueError: it is neither a text nor an integer.
    """
    if missing(value) or isinstance(value, str) and not value.strip():
        raise ValueError("no id")
    if isinstance(value, str) or isinstance(value, int) and not isinstance(value, bool):
        return text_of(value)
    raise ValueError(f"id: {_kind(value)}, not a text or an integer")


def number_of(value: Any) -> float | None:
    """Return the first number of a cell ("Level 5" is 5); None if it has none."""
    if isinstance(value, bool) or missing(value):
        return None
    if isinstance(value, int | float | Decimal):
        return float(value) if math.isfinite(value) else None
    found = _FIRST_NUMBER.search(value) if isinstance(value, str) else None
    return float(found.group()) if found else None


def day_of(value: Any) -> str | None:
    """Return the day of a cell, YYYY-MM-DD; None if the cell is empty.

    Raises:
        ValueError: it is no date.
    """
    if missing(value) or value == "":
        return None
    # why: a datetime is a date too, whose text begins with the day
    if isinstance(value, date):
        return value.isoformat()[:10]
    if isinstance(value, str) and _DAY.match(value):
        return date.fromisoformat(value[:10]).isoformat()
    raise ValueError(f"{value!r:.40} is not a date such as 2024-08-01")


def same(one: Any, other: Any) -> bool:
    """Return whether two cells mean the same: 5, 5.0 and "5" do, true and "true", null and a missing value."""
    return _meaning(one) == _meaning(other)


def missing(value: Any) -> bool:
    """Return whether a cell is empty: null, or NaN."""
    # why: pandas writes null as NaN
    return value is None or isinstance(value, float | Decimal) and math.isnan(value)


def check_unicode(text: str) -> None:
    """Raise a ValueError for a text with half of a surrogate pair, which no tokenizer and no table takes."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"half of a surrogate pair at character {error.start + 1}, which is no Unicode") from error


def plain(value: Any) -> Any:
    """Return a cell as Python's own JSON reader gives it.

    Raises:
        ValueError: it has an integer that Python does not read.
    """
    if isinstance(value, Spelled):
        if value.text.lstrip("-").isdigit() and len(value.text) > LONGEST_INTEGER:
            raise ValueError(f"an integer of {len(value.text):,} digits; {LONGEST_INTEGER:,} can be read")
        return float(value)
    if isinstance(value, dict):
        return {name: plain(each) for name, each in value.items()}
    return [plain(each) for each in value] if isinstance(value, list) else value


def _plain_number(value: int | float | Decimal) -> str:
    """Return the text of a number in a typed column, which has no spelling."""
    # why: whole floats lose their point: AMC stores the answer 142 as 142.0
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < _EXACT else repr(value)
    return format(value, "f") if isinstance(value, Decimal) else str(value)


def _listed(text: str) -> Any:
    """Return the list of texts of which the text is the JSON; else the text itself."""
    if not text.lstrip().startswith("["):
        return text
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return value if value and isinstance(value, list) and all(isinstance(each, str) for each in value) else text


def _meaning(value: Any) -> Any:
    if missing(value):
        return None
    if isinstance(value, bool) or isinstance(value, str) and value.lower() in ("true", "false"):
        return str(value).lower()
    if isinstance(value, Decimal | int):
        return Decimal(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, float):
        value = text_of(value) if math.isfinite(value) else repr(value)
    return Decimal(value) if isinstance(value, str) and _NUMBER.fullmatch(value) else value


def _kind(value: Any) -> str:
    name = type(value).__name__
    return _KINDS.get(name, f"a {name}") if not isinstance(value, float) else f"the number {value}"
