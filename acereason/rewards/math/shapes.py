r"""Read how a whole answer is built: a single expression, a list, a set, a tuple; assignments are lists with names."""

import re
from dataclasses import dataclass
from typing import Literal

from acereason.rewards.math.dots import DOTS, with_all_terms
from acereason.rewards.math.structure import bracketed, expand_plus_minus, sides, split_label, split_list

_SYSTEM = re.compile(
    r"(?:\\\{\s*)?\\begin\{(cases|aligned|align\*?|array|gathered|split)\}(?:\s*\{[^{}]*\})?(.*)\\end\{\1\}(?:\s*\\\})?",
    re.S,
)
_ROW_END = re.compile(r"\\\\(?:\[[^\]]*\])?")
_NAME = re.compile(r"[a-zA-Z]")
_RELATION = re.compile(r"[<>]|\\(?:le|ge|neq|cup|cap|setminus|mid|begin|emptyset|mathbb)(?![a-zA-Z])")


@dataclass(frozen=True)
class Shape:
    """An answer with its outermost items, taken apart once."""

    text: str
    kind: Literal["single", "list", "set", "tuple"]
    brackets: str = ""
    items: tuple[str, ...] = ()

    @property
    def is_relation(self) -> bool:
        """Whether it may describe a set without listing it: an inequality, a union, a matrix."""
        return bool(_RELATION.search(self.text))

    @property
    def label(self) -> str | None:
        """The name of a single `x = ...`, or None."""
        return split_label(self.text)[0]

    @property
    def names(self) -> bool:
        """Whether each item of a list names another variable: x = 1, y = 2."""
        # why: x_1 and x_2 number the solutions for one variable, in any order
        labels = [label and label.partition("_")[0] for label, _ in map(split_label, self.items)]
        return self.kind == "list" and None not in labels and len(set(labels)) == len(labels)

    @property
    def is_ordered(self) -> bool:
        """Whether it is a tuple, with names or without."""
        return self.kind == "tuple" or bool(self.brackets and self.names)

    @property
    def has_last_part(self) -> bool:
        """Whether it is a bare list, without dots, whose last item differs from the others."""
        bare = self.kind == "list" and not self.brackets and DOTS not in self.text
        return bare and self.items[-1] not in self.items[:-1]

    @property
    def values(self) -> list[str]:
        """The items without their labels."""
        return [rest for _, rest in map(split_label, self.items)]

    @property
    def named_values(self) -> list[tuple[str | None, str]]:
        """(label, value) where each names another variable, else (None, value)."""
        return [(label if self.names else None, rest) for label, rest in map(split_label, self.items)]


def shape(text: str) -> Shape:
    """Return how an answer is built."""
    text = _rows(text)
    inner = bracketed(text)
    if inner is not None and inner.is_set:
        return Shape(text, "set", r"\{\}", tuple(with_all_terms(inner.items)))
    items = [part for item in split_list(text) for part in expand_plus_minus(item)]
    if len(items) > 1:
        return Shape(text, "list", "", tuple(_grouped(with_all_terms(items))))
    if named := _named_tuple(text):
        return Shape(text, "list", "()", tuple(named))
    if inner is not None:
        return Shape(text, "tuple", inner.opening + inner.closing, tuple(with_all_terms(inner.items)))
    return Shape(text, "single")


def _rows(text: str) -> str:
    r"""Return `x=1, y=2` for the system `\begin{cases} x=1 \\ y=2 \end{cases}`; other texts as they are."""
    if r"\begin" not in text or not (found := _SYSTEM.fullmatch(text)):
        return text
    rows = [row.replace("&", "").strip(" ,;") for row in _ROW_END.split(found[2])]
    rows = [row for row in rows if row]
    return ", ".join(rows) if all(split_label(row)[0] for row in rows) else text


def _grouped(items: list[str]) -> list[str]:
    """Return `x=1, y=2` and `x=2, y=1` for x=1, y=2, x=2, y=1: names that come again begin another answer."""
    labels = [split_label(item)[0] for item in items]
    period = len(set(labels))
    rounds, rest = divmod(len(items), period)
    if None in labels or period < 2 or rounds < 2 or rest or labels != labels[:period] * rounds:
        return items
    return [", ".join(items[start : start + period]) for start in range(0, len(items), period)]


def _named_tuple(text: str) -> list[str] | None:
    """Return `x = 1` and `y = 2` for (x, y) = (1, 2); None for other texts."""
    label, rest = split_label(text) if text.startswith("(") else (None, text)
    if label is None or (found := bracketed(rest)) is None or found.is_set:
        return None
    names = label[1:-1].split(",")
    if len(names) != len(found.items) or not all(map(_NAME.fullmatch, names)) or len(set(names)) < len(names):
        return None
    return [f"{name} = {item}" for name, item in zip(names, found.items, strict=True)]


def spread_names(text: str) -> list[str] | None:
    """Return `a = 1` and `b = 1` for `a = b = 1`; None for other texts."""
    *names, value = sides(text)
    return [f"{name} = {value}" for name in names] if len(names) > 1 and all(map(_NAME.fullmatch, names)) else None
