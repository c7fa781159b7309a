r"""Give answers one spelling before any comparison, since LaTeX and people write the same in many ways.

Every rule keeps the meaning; units and percent signs, which are taken off, are returned beside the text.
"""

import re
from dataclasses import dataclass
from functools import lru_cache

from acereason.rewards.math.angles import without_degrees
from acereason.rewards.math.dots import with_one_kind_of_dots, without_repetition
from acereason.rewards.math.exact import decimal_comma
from acereason.rewards.math.structure import split_list
from acereason.rewards.math.units import split_unit

_CHARACTERS = str.maketrans(
    {
        **{chr(0xFF01 + offset): chr(0x21 + offset) for offset in range(94)},  # full-width forms of ASCII
        **dict.fromkeys("−–—‐‑﹣", "-"),
        **dict.fromkeys("\u00a0\u2009\u200a\u202f\u3000\t\n\r", " "),
        **dict.fromkeys("\u200b\u2060\ufeff", ""),
        **{"×": r"\times ", "·": r"\cdot ", "⋅": r"\cdot ", "÷": "/", "⁄": "/", "∕": "/", "±": r"\pm ", "∓": r"\mp "},
        **{"≤": r"\le ", "≥": r"\ge ", "≠": r"\neq ", "≈": r"\approx ", "∈": r"\in ", "∪": r"\cup ", "∩": r"\cap "},
        **{"∞": r"\infty ", "∅": r"\emptyset ", "°": r"^{\circ}", "π": r"\pi ", "θ": r"\theta ", "′": "'"},
        **{"ℝ": r"\mathbb{R}", "ℤ": r"\mathbb{Z}", "ℕ": r"\mathbb{N}", "ℚ": r"\mathbb{Q}", "ℂ": r"\mathbb{C}"},
        **{"α": r"\alpha ", "β": r"\beta ", "γ": r"\gamma ", "λ": r"\lambda ", "μ": r"\mu ", "φ": r"\phi "},
        **{"½": r"\frac{1}{2}", "⅓": r"\frac{1}{3}", "⅔": r"\frac{2}{3}", "¼": r"\frac{1}{4}", "¾": r"\frac{3}{4}"},
        **{"“": '"', "”": '"', "‘": "'", "’": "'", "，": ",", "。": ".", "、": ","},
    }
)
_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺ⁿ", "0123456789-+n")
_SUBSCRIPTS = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")

_FUNCTIONS = "arc(?:sin|cos|tan|cot)|sinh|cosh|tanh|sin|cos|tan|cot|sec|csc|cis|log|ln|lg|exp|gcd|lcm|det|arg"
_UNIT_LETTER, _NO_VALUE = "[ACJKNVW]", r"(?<!\d\\[,;: ])(?<!\d[~ ])"
"""A letter that is a unit where a space parts it from a number: 5\\,\\mathrm{N}."""
_QUOTED = re.compile(r"\\text\{\s*((?:\\?\$)?[-+]?\.?\d[^{}]*)\}")
"""A whole answer that is written as text: its words may be a unit, a time of day, or joined assignments."""
_RULES = [
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"\\(?:left|right|m?left|m?right|[bB]ig{1,2}[lrm]?)(?![a-zA-Z])\s*\.?", ""),
        (r"\\(?:displaystyle|textstyle|limits|nolimits|hfill|strut|centering|rm|bf|it)(?![a-zA-Z])", ""),
        (r"\\[dtc]frac(?![a-zA-Z])", r"\\frac"),
        (r"\\(?:text(?:rm|bf|it|sf|tt|normal|up)|math(?:rm|bf|it|sf|tt))\s*(?=\{)", r"\\text"),
        (r"\\(?:mbox|hbox|boldsymbol|bm|emph)\s*(?=\{)", r"\\text"),
        (rf"\\(?:operatorname\*?|text)\s*\{{\s*({_FUNCTIONS})\s*\}}", r"\\\1 "),
        (r"\\operatorname\*?\s*\{\s*(max|min|mod)\s*\}", r"\\\1 "),
        (r"\\(?:operatorname\*?|unit|si)\s*(?=\{)", r"\\text"),
        (r"\\(?:SI|qty)\s*\{([^{}]*)\}\s*\{\\?([^{}]*)\}", r"\1\\text{\2}"),
        (r"\\deg(?:rees?)?(?![a-zA-Z])|\\text\{\s*(?:deg(?:rees?)?|\^\{\\circ\})\s*\}", r"^{\\circ}"),
        (r"\\text\{\s*(\d+)\s*\}", r"\1"),
        (r"\\text\{([^{}]*\w),?\s+(and|or)\s*\}(?=\s*\S)", r"\\text{\1}\\text{ \2 }"),
        (r"\\(?:leqslant|leqq|leq)(?![a-zA-Z])", r"\\le"),
        (r"\\(?:geqslant|geqq|geq)(?![a-zA-Z])", r"\\ge"),
        (r"\\ne(?![a-zA-Z])", r"\\neq"),
        (r"\\(?:varnothing|O)(?![a-zA-Z])", r"\\emptyset"),
        (r"\\(?:lbrace|lcurly)(?![a-zA-Z])", r"\\{"),
        (r"\\(?:rbrace|rcurly)(?![a-zA-Z])", r"\\}"),
        (r"\\(?:lbrack)(?![a-zA-Z])", "["),
        (r"\\(?:rbrack)(?![a-zA-Z])", "]"),
        (r"\\langle(?![a-zA-Z])", "("),
        (r"\\rangle(?![a-zA-Z])", ")"),
        (r"\\[lr]vert(?![a-zA-Z])", "|"),
        (r"\\(?:qquad|quad|enspace|thinspace)(?![a-zA-Z])", " "),
        (r"\\(?:imath|jmath)(?![a-zA-Z])", "i"),
        (r"\\text\{\s*(i|e|[BD-IMO-UX-Z])\s*\}|(?<![\d}~,;: ])\\text\{\s*(L)\s*\}", r"\1\2"),
        (rf"{_NO_VALUE}(?:\\text\{{({_UNIT_LETTER})\s*\}}|(?<![\d}}])\\text\{{\s*({_UNIT_LETTER})\s*\}})", r"\1\2"),
        (r"\\[pb]mod(?![a-zA-Z])", r"\\mod"),
        (r"\\underline\s*(?=\{)|\\(?:text)?color\s*\{[^{}]*\}\s*|\\[hv]space\*?\s*\{[^{}]*\}", ""),
        (r"\{?\s*(\w+)\s*\\choose\s*(\w+)\s*\}?", r"\\binom{\1}{\2}"),
        (r"\\text\{\s*all real(?: numbers?)?\s*\}", r"\\mathbb{R}"),
        (r"(?<=\S)\s*(?:,|\\text\{[^{}]*\})\s*[a-z]\s*\\in\s*\\mathbb\s*\{[ZN]\}\s*\$?$", ""),
        (r"(?<=\d)\s*\\text\{\s*to\s*\}\s*(?=\d)", ":"),
        (r"\\[hv]?phantom\s*(?:\{[^{}]*\}|.)", ""),
        (r"\\frac\s*(\\[a-zA-Z]+)(?![a-zA-Z{[])", r"\\frac{\1}"),
        (r"\\frac(\{[^{}]*\})\s*(\\[a-zA-Z]+(?![a-zA-Z{[])|\w)", r"\\frac\1{\2}"),
    )
]  # fmt: skip
_NO_SOLUTION = re.compile(
    r"(?:\\text\{\s*)?(?:there (?:is|are) )?no( real| integer| rational| complex)? solutions?(?: exists?)?\s*\.?\s*\}?",
    re.IGNORECASE,
)
_COLON = re.compile(r"(?:\\(?:text|math(?:bin|rel|punct|ord))\s*)?\{\s*:\s*\}|\\colon(?![a-zA-Z])")
_TIMES_TEN = re.compile(r"(?<=\d)\s*[xX]\s*(?=10\s*\^)")
_THOUSANDS = [
    re.compile(r"(?<=\d)\\!\s*,\s*(?:\\!)?\s*(?=\d{3}(?!\d))|(?<=\d),\s*\\!\s*(?=\d{3}(?!\d))"),
    re.compile(r"(?<=\d)\s*\{,\}\s*(?:\\!)?\s*(?=\d{3}(?!\d))"),
    re.compile(r"(?<=\d)\s*(?:\\[,;:! ]|~)\s*(?=\d{3}(?!\d))"),
]
_COMMA_NUMBER = re.compile(r"(?<![\d.,\w(\[])(?<!\\\{)[1-9]\d{0,2}(?:,\d{3})+(?![\d,])")
_BRACKETED = re.compile(r"[(\[]\d{1,3}(?:,\d{3})+[)\]]|\\\{\d{1,3}(?:,\d{3})+\\\}")
_SPACED_NUMBER = re.compile(r"(?<![\d.,\w])[1-9]\d{0,2}(?: \d{3})+(?![\d ])")
_SCIENTIFIC = re.compile(r"(?<![\w.])(\d+(?:\.\d*)?|\.\d+)[eE]([+-]?\d{1,6})(?![\d.]|\w*\s*_)")
_MIXED = re.compile(r"(?<![\d.\w^}])(\d+)\s+(\d+)\s*/\s*(\d+)(?![\d.])")
_ROOT = re.compile(r"√\s*(\d+(?:\.\d+)?|\{|\(|[a-zA-Z])")


@dataclass(frozen=True)
class Normal:
    """An answer in its normal spelling, with its percent sign and unit set apart."""

    text: str
    percent: bool = False
    unit: str | None = None
    """Canonical name of a trailing unit, or its words where it is unknown."""


# why: a ground truth meets a whole group of responses
@lru_cache(maxsize=4096)
def normalize(latex: str) -> Normal:
    r"""Return the normal form of an answer.

    Example:
        >>> normalize(r"$1\,000\,000 \text{ cm}$")
        Normal(text='1000000', percent=False, unit='cm')
    """
    text = without_degrees(spell(latex))
    value, percent = _split_percent(text)
    value, unit = split_unit(value)
    # why: in `5 percent of the cost`, the percent is last only once the words are gone
    if not percent:
        value, percent = _split_percent(value)
    # why: each item of a list has its own unit, which is set apart when the items are compared
    if (percent or unit) and _has_items(value):
        return Normal(text)
    return Normal(_tidy(value), percent, unit)


def _has_items(text: str) -> bool:
    return len(split_list(text)) > 1 and decimal_comma(text) is None


def spell(latex: str) -> str:
    """Apply the spelling rules alone: characters, commands, digit groups, wrappers."""
    text = latex.translate(_CHARACTERS)
    text = with_one_kind_of_dots(_scripts(text))
    text = _tidy(text)
    # why: some data sets double every escape; in a matrix, a doubled one ends a row
    if not re.search(r"\\begin\{|\\\\\s*[\d&-]", text):
        text = re.sub(r"\\\\(?=[a-zA-Z{}%$,!])", r"\\", text)
    # why: every rule needs a backslash, so plain texts skip them all
    if "\\" in text:
        for pattern, replacement in _RULES:
            text = pattern.sub(replacement, text)
        if quoted := _QUOTED.fullmatch(text):
            text = quoted[1].strip()
    if unsolvable := _NO_SOLUTION.fullmatch(text):
        text = rf"\text{{no{unsolvable[1].lower()} solution}}" if unsolvable[1] else r"\emptyset"
    text = _TIMES_TEN.sub(r"\\times ", _COLON.sub(":", text))
    text = _join_digits(text)
    text = _ROOT.sub(lambda found: rf"\sqrt{_braced(found[1])}", text)
    text = re.sub(r"\\sqrt\s*(\[[^\]]*\])\s*(\w)", r"\\sqrt\1{\2}", text)
    text = without_repetition(text)
    text = _SCIENTIFIC.sub(r"\1\\times 10^{\2}", text)
    text = _MIXED.sub(r"\1\\frac{\2}{\3}", text)
    text = re.sub(r"\\!\s*", "", text)
    # why: a matrix keeps the \\ between its rows
    text = re.sub(r"(\\\\)|\\[,;:>]|\\ |~", lambda found: found[1] or " ", text)
    return _tidy(text)


def strip_braces(text: str) -> str:
    """Take off the pairs of braces around the whole text, however many, in time linear in its length."""
    opened = len(text) - len(text.lstrip("{"))
    closed = len(text) - len(text.rstrip("}"))
    for count in range(min(opened, closed), 0, -1):
        inner = text[count : len(text) - count]
        if _never_closes_outside(inner):
            return inner
        if count > 200:
            # why: to try thousands of pairs one by one would be quadratic, and no answer is wrapped so
            return text
    return text


def _never_closes_outside(text: str) -> bool:
    depth = 0
    for token in re.finditer(r"\\.|[{}]", text, re.DOTALL):
        depth += {"{": 1, "}": -1}.get(token.group(), 0)
        if depth < 0:
            return False
    return depth == 0


def _tidy(text: str) -> str:
    """Return the text without outer spaces, dollars, math delimiters, braces, and trailing punctuation."""
    while True:
        before = text
        text = text.strip().strip("$").strip()
        text = re.sub(r"^\\[(\[](?=.*\\[)\]]$)(.*)\\[)\]]$", r"\1", text, flags=re.DOTALL)
        text = re.sub(r"(?:(?<!\\)[.;:,]|(?<!\\)\\|\\\\|\\[ ,;!])+$", "", text)
        text = re.sub(r"^(?:\\[ ,;!])+", "", text)
        if text.startswith("{") and text.endswith("}"):
            text = strip_braces(text)
        if text == before:
            return text


def _scripts(text: str) -> str:
    text = re.sub(r"[⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺ⁿ]+", lambda found: f"^{{{found[0].translate(_SUPERSCRIPTS)}}}", text)
    return re.sub(r"[₀₁₂₃₄₅₆₇₈₉]+", lambda found: f"_{{{found[0].translate(_SUBSCRIPTS)}}}", text)


def _join_digits(text: str) -> str:
    for pattern in _THOUSANDS:
        text = pattern.sub("", text)
    # why: (1,200) is a pair, no 1200
    text = _BRACKETED.sub(lambda found: found[0].replace(",", ", "), text)
    text = _COMMA_NUMBER.sub(lambda found: found[0].replace(",", ""), text)
    return _SPACED_NUMBER.sub(lambda found: found[0].replace(" ", ""), text)


def _braced(radicand: str) -> str:
    return radicand if radicand == "{" else "{" + radicand + "}" if radicand != "(" else "("


def _split_percent(text: str) -> tuple[str, bool]:
    bare = re.sub(
        r"\s*(?:\\?%|\\text\{\s*(?:percent(?:age)?|pct|\\?%)\s*\}|\b(?:percent(?:age)?|pct))\s*\.?$", "", text
    )
    return (bare, True) if bare and bare != text else (text, False)
