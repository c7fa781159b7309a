r"""The outer shape of an answer: lists, tuples, sets, labels such as `x =`, choice letters, words, times of day."""

import re
from dataclasses import dataclass
from typing import Literal

_TOKEN = re.compile(
    r"\\begin\{|\\end\{|\\text\{|\\[{}|,;]|\\[a-zA-Z]+|\\.|[(\[{)\]},;]|(?<![<>!:])=|(?<![a-zA-Z\\])(?:and|or)(?![a-zA-Z])",
    re.S,
)
_JOINER = re.compile(r"\\text\s*\{\s*(?:,?\s*(?:and|or)\s*,?)\s*\}|\\(?:lor|vee|land|wedge)(?![a-zA-Z])")
_DEPTH = {
    **dict.fromkeys(("(", "[", "{", r"\{", r"\text{"), 1),
    **dict.fromkeys((")", "]", "}", r"\}"), -1),
    r"\begin{": 2,  # the brace that its name closes, and the environment
    r"\end{": 0,
}
_LABEL = re.compile(
    r"\s*(\([\w\s,{}\\]{1,40}\)|\\?[a-zA-Z]+(?:\s*_\s*(?:\{[^{}]{1,20}\}|\w))?'*\s*(?:\([\w\s,\\]{1,20}\))?)\s*(=|\\in(?![a-zA-Z]))\s*"
)
_CHOICE = re.compile(r"(?:\\text\s*\{\s*)?(?:\(\s*([A-Za-z])\s*\)|([A-Z]))\s*\}?\s*[.:)]?\s*\}?")
_CHOICE_WITH_TEXT = re.compile(r"(?:\\text\s*\{\s*)?(?:\(\s*([A-Z])\s*\)|([A-Z])\s*[.:)])\s*\}?\s*\S.*", re.DOTALL)
_WORDS = re.compile(r"(?:\\text\s*\{\s*)?([A-Za-z][A-Za-z' -]*[A-Za-z])\s*\.?\s*\}?")
_CLOCK = re.compile(
    r"(\d{1,2}):(\d{2})(?::(\d{2}))?\s*(?:\\text\s*\{\s*)?\s*([ap])?\.?\s*(?:m\.?)?\s*\}?", re.IGNORECASE
)


_RELATION = re.compile(r"[<>]|\\(?:le|ge|neq|cup|cap|setminus|mid|begin|emptyset|mathbb)(?![a-zA-Z])")


@dataclass(frozen=True)
class Shape:
    """An answer taken apart once."""

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
        """Of a single `x = ...`."""
        return split_label(self.text)[0]

    @property
    def names(self) -> bool:
        """Whether each item of a list names another variable: x = 1, y = 2."""
        labels = [label and label.partition("_")[0] for label, _ in map(split_label, self.items)]
        return self.kind == "list" and None not in labels and len(set(labels)) == len(labels)

    @property
    def has_last_part(self) -> bool:
        """Whether it is a list whose last item differs from the others."""
        return self.kind == "list" and self.items[-1] not in self.items[:-1]

    @property
    def values(self) -> list[str]:
        """The items without labels."""
        return [rest for _, rest in map(split_label, self.items)]

    @property
    def named_values(self) -> list[tuple[str | None, str]]:
        """(label, value) where each names another variable, else (None, value)."""
        return [(label if self.names else None, rest) for label, rest in map(split_label, self.items)]


def shape(text: str) -> Shape:
    """How an answer is built."""
    items = [part for item in split_list(text) for part in expand_plus_minus(item)]
    if len(items) > 1:
        return Shape(text, "list", "", tuple(items))
    if (found := bracketed(text)) is not None:
        return Shape(text, "set" if found.is_set else "tuple", found.opening + found.closing, tuple(found.items))
    return Shape(text, "single")


@dataclass(frozen=True)
class Bracketed:
    r"""What one pair of brackets holds, such as `(1, 2]` or `\{1, 2\}`."""

    opening: str
    closing: str
    items: list[str]

    @property
    def is_set(self) -> bool:
        """Whether order doesn't matter."""
        return self.opening == r"\{"


def split_list(text: str) -> list[str]:
    r"""The items of a bare list: at top-level semicolons where there are any, else at commas, `and`, `or`.

    Example:
        >>> split_list(r"(1, 2), (3, 4) \text{ and } 5")
        ['(1, 2)', '(3, 4)', '5']
    """
    text = _JOINER.sub(" , ", text)
    if text.startswith(r"\text{") and _closes_at_end(text, len(r"\text{")) and re.search(r",|\band\b|\bor\b", text):
        text = text[len(r"\text{") : -1]
    return _split(text, {";"} if len(_split(text, {";"})) > 1 else {",", "and", "or"})


def bracketed(text: str) -> Bracketed | None:
    r"""The brackets around the whole text: `(a, b)`, `[a, b)`, `\{a\}` or bare `{a, b}`; None where there are none.

    Parentheses around a single item only group it, and a set by a condition, `\{x \mid x > 0\}`, is no list.
    """
    opening = next((token for token in (r"\{", "(", "[", "{") if text.startswith(token)), None)
    closing = next((token for token in (r"\}", ")", "]", "}") if text.endswith(token)), None)
    if opening is None or closing is None or not _closes_at_end(text, len(opening)):
        return None
    items = split_list(text[len(opening) : -len(closing)])
    is_set = opening in (r"\{", "{")
    if (len(items) < 2 and not is_set) or is_set != (closing in (r"\}", "}")):
        return None
    if is_set and re.search(r"\\mid|\\vert|[:|]", text):
        return None
    return Bracketed(r"\{" if is_set else opening, r"\}" if is_set else closing, items)


def split_label(text: str) -> tuple[str | None, str]:
    r"""A leading `x =`, `f(x) =`, `(x, y) =` or `x \in` with its name, and the rest; None where there is none.

    A second relation in the rest, other than further equal signs, makes the whole an equation, not a label.
    """
    found = _LABEL.match(text)
    if not found or not text[found.end() :].strip() or re.search(r"[<>]|\\(?:le|ge|neq)(?![a-zA-Z])", text):
        return None, text
    if len(split_list(text)) > 1:  # x = 1, y = 2
        return None, text
    return re.sub(r"\s", "", found[1]), text[found.end() :].strip()


def expand_plus_minus(item: str) -> list[str]:
    r"""`a \pm b` as `a + b` and `a - b`; anything else as itself."""
    if r"\pm" not in item and r"\mp" not in item:
        return [item]
    signs = (("+", "-"), ("-", "+"))
    return [re.sub(r"\\mp(?![a-zA-Z])", low, re.sub(r"\\pm(?![a-zA-Z])", high, item)).strip() for high, low in signs]


def sides(text: str) -> list[str]:
    """What stands between the top-level equal signs."""
    return _split(text, {"="})


def without_approximation(text: str) -> str:
    r"""`\frac{1}{3}` of `\frac{1}{3} \approx 0.33`; of `x \approx 0.33`, which has nothing better, `0.33`."""
    before, sign, after = text.partition(r"\approx")
    if not sign or not after.strip():
        return text
    return after.strip() if not before.strip() or split_label(f"{before}= 0")[1] == "0" else before.strip()


def choice(text: str, with_text: bool = False) -> str | None:
    r"""The letter of `C`, `(C)` or `\text{(C)}`; with `with_text` also of `(C) 42` and `C. 42`. None for others."""
    found = _CHOICE.fullmatch(text) or (_CHOICE_WITH_TEXT.fullmatch(text) if with_text else None)
    return next(group for group in found.groups() if group).upper() if found else None


def words(text: str) -> str | None:
    r"""Lower-case words of `\text{not enough}` or `Tuesday`; None for mathematics."""
    found = _WORDS.fullmatch(text)
    return " ".join(found[1].lower().split()) if found else None


def is_wrapped(text: str) -> bool:
    r"""Whether the whole is one `\text{...}`."""
    return text.startswith(r"\text") and text.endswith("}")


def clock(text: str) -> tuple[int, ...] | None:
    """(hours, minutes, seconds) of `8:34`, `20:34:00` or `8:34 p.m.`; None for others."""
    found = _CLOCK.fullmatch(text)
    if not found or int(found[1]) > 24 or int(found[2]) > 59:
        return None
    afternoon = 12 if (found[4] or "").lower() == "p" and int(found[1]) < 12 else 0
    return int(found[1]) + afternoon, int(found[2]), int(found[3] or 0)


def _split(text: str, separators: set[str]) -> list[str]:
    """The parts between these separators, outside all brackets, without empty ones."""
    parts, start = [], 0
    for token, begin, end in _top_level(text) or []:
        if token in separators:
            parts.append(text[start:begin])
            start = end
    return [part.strip() for part in [*parts, text[start:]] if part.strip()]


def _top_level(text: str) -> list[tuple[str, int, int]] | None:
    """Separators and equal signs outside all brackets as (token, start, end); None where brackets don't match."""
    depth, found = 0, []
    for token in _TOKEN.finditer(text):
        name = token.group()
        depth += _DEPTH.get(name, 0)
        if depth < 0:
            return None
        if depth == 0 and name in (",", ";", "=", "and", "or"):
            found.append((name, token.start(), token.end()))
    return found if depth == 0 else None


def _closes_at_end(text: str, start: int) -> bool:
    """Whether the bracket opened before `start` is closed by the last token of the text, not before."""
    depth = 1
    for token in _TOKEN.finditer(text, start):
        depth += _DEPTH.get(token.group(), 0)
        if depth == 0:
            return token.end() == len(text)
    return False
