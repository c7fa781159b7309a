"""This module writes Markdown's tables."""

from collections.abc import Container, Iterable, Sequence


def table(head: Sequence[str], rows: Iterable[Sequence[str]], numbers: Container[int] = ()) -> str:
    """Return a Markdown table; the columns of these numbers are aligned to the right.

    Example:
        >>> print(table(["name", "count"], [["a", "1"]], [1]))
        | name | count |
        | --- | ---: |
        | a | 1 |
    """
    rule = ["---:" if place in numbers else "---" for place in range(len(head))]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, rule, *rows))


def escaped(text: str) -> str:
    """Return text without Markdown's meaning, for a table's cell or outside of one."""
    for sign in "\\`*_<>|#[]":
        text = text.replace(sign, f"\\{sign}")
    return " ".join(text.split())
