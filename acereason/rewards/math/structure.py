r"""Read the outer shape of an answer: lists, tuples, sets, labels such as `x =`, choice letters, words."""

import re
from dataclasses import dataclass

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

_CUT_OFF = re.compile(r"(?<![<>!])=(?=\s*-?\d*\.\d+\s*\\ldots$)")
r"""The equal sign of \pi = 3.14159..., which says only that the two are about equal."""


@dataclass(frozen=True)
class Bracketed:
    r"""The content of one pair of brackets, such as `(1, 2]` or `\{1, 2\}`."""

    opening: str
    closing: str
    items: list[str]

    @property
    def is_set(self) -> bool:
        """Whether it is a set, whose order doesn't matter."""
        return self.opening == r"\{"


def split_list(text: str) -> list[str]:
    r"""Return the items of a bare list: split at top-level semicolons if there are any, else at commas, `and`, `or`.

    Example:
        >>> split_list(r"(1, 2), (3, 4) \text{ and } 5")
        ['(1, 2)', '(3, 4)', '5']
    """
    text = _JOINER.sub(" , ", text)
    if text.startswith(r"\text{") and _closes_at_end(text, len(r"\text{")) and re.search(r",|\band\b|\bor\b", text):
        text = text[len(r"\text{") : -1]
    # why: semicolons part answers whose own parts have commas: x=1, y=2; x=2, y=1
    return _split(text, {";"} if len(_split(text, {";"})) > 1 else {",", "and", "or"})


def bracketed(text: str) -> Bracketed | None:
    r"""Return the brackets around the whole text: `(a, b)`, `[a, b)`, `\{a\}` or bare `{a, b}`; else None.

    Parentheses around a single item only group it, and a set by a condition, `\{x \mid x > 0\}`, is no list.
    """
    opening = next((token for token in (r"\{", "(", "[", "{") if text.startswith(token)), None)
    closing = next((token for token in (r"\}", ")", "]", "}") if text.endswith(token)), None)
    if opening is None or closing is None or not _closes_at_end(text, len(opening)):
        return None
    items = split_list(text[len(opening) : -len(closing)])
    is_set = opening in (r"\{", "{")
    if is_set:
        items = [part for item in items for part in expand_plus_minus(item)]
    if (len(items) < 2 and not is_set) or is_set != (closing in (r"\}", "}")):
        return None
    if is_set and re.search(r"\\mid|\\vert|[:|]", text):
        return None
    return Bracketed(r"\{" if is_set else opening, r"\}" if is_set else closing, items)


def split_label(text: str) -> tuple[str | None, str]:
    r"""Split off a leading `x =`, `f(x) =`, `(x, y) =` or `x \in`: return its name, or None for none, and the rest.

    A second relation in the rest, other than further equal signs, makes the whole an equation, not a label.
    """
    found = _LABEL.match(text)
    if not found or not text[found.end() :].strip() or re.search(r"[<>]|\\(?:le|ge|neq)(?![a-zA-Z])", text):
        return None, text
    if len(split_list(text)) > 1:  # x = 1, y = 2
        return None, text
    return re.sub(r"\s", "", found[1]), text[found.end() :].strip()


def expand_plus_minus(item: str) -> list[str]:
    r"""Return `a + b` and `a - b` for `a \pm b`; anything else as the only item."""
    # why: the substitution below leaves \pmx, which is no sign, as it is: it would be expanded for ever
    if not re.search(r"\\(?:pm|mp)(?![a-zA-Z])", item):
        return [item]
    signs = (("+", "-"), ("-", "+"))
    return [re.sub(r"\\mp(?![a-zA-Z])", low, re.sub(r"\\pm(?![a-zA-Z])", high, item)).strip() for high, low in signs]


def is_function_value(*labels: str) -> bool:
    """Return whether labels name the value of a function, as y and f(x) both do."""
    return "y" in labels and any(re.fullmatch(r"[a-zA-Z]\(\w\)", label) for label in labels)


def sides(text: str) -> list[str]:
    """Return the parts between top-level equal signs; the text itself where all of them are empty."""
    return _split(text, {"="}) or [text]


def without_approximation(text: str) -> str:
    r"""Return `\frac{1}{3}` for `\frac{1}{3} \approx 0.33`, but `0.33` for `x \approx 0.33`: a name is no value."""
    text = _CUT_OFF.sub(r"\\approx ", text)
    before, sign, after = text.partition(r"\approx")
    if not sign or not after.strip():
        return text
    before, after = before.strip(), after.strip()
    named = split_label(f"{before}= 0")[1] == "0" and before not in (r"\pi", "e")
    return after if not before or named else before


def choice(text: str, with_text: bool = False) -> str | None:
    r"""Return the letter of `C`, `(C)` or `\text{(C)}`; with `with_text` also of `(C) 42` and `C. 42`; else None."""
    found = _CHOICE.fullmatch(text) or (_CHOICE_WITH_TEXT.fullmatch(text) if with_text else None)
    return next(group for group in found.groups() if group).upper() if found else None


def words(text: str) -> str | None:
    r"""Return the words of `\text{not enough}` or `Tuesday` in lower case; None for mathematics."""
    found = _WORDS.fullmatch(text)
    return " ".join(found[1].lower().split()) if found else None


def is_wrapped(text: str) -> bool:
    r"""Return whether the whole text is one `\text{...}`."""
    return text.startswith(r"\text") and text.endswith("}")


def _split(text: str, separators: set[str]) -> list[str]:
    """Return the parts between these separators, outside all brackets, without empty ones."""
    parts, start = [], 0
    for token, begin, end in _top_level(text) or []:
        if token in separators:
            parts.append(text[start:begin])
            start = end
    return [part.strip() for part in [*parts, text[start:]] if part.strip()]


def _top_level(text: str) -> list[tuple[str, int, int]] | None:
    """Return (token, start, end) of separators and equal signs outside all brackets; None if brackets don't match."""
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
    """Return whether the bracket opened before `start` is closed by the last token of the text, not before."""
    depth = 1
    for token in _TOKEN.finditer(text, start):
        depth += _DEPTH.get(token.group(), 0)
        if depth == 0:
            return token.end() == len(text)
    return False
