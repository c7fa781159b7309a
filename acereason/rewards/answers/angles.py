r"""Degrees where a number is meant: \sin 30^\circ is \frac12, and neither it nor e^{30^\circ} is what it is without."""

import re
from fractions import Fraction

from acereason.rewards.answers.exact import as_latex

_CIRC = r"\^\s*(?:\{\s*)?\\circ"
_FUNCTION = re.compile(
    rf"\\(?:sin|cos|tan|cot|sec|csc|cis)(?![a-zA-Z])|\^\s*\{{[^{{}}]*{_CIRC}"
    rf"|\\(?:sinh|cosh|tanh|coth|exp|ln|lg|log|sqrt)(?![a-zA-Z])[^,;=+]{{0,40}}{_CIRC}"
)
_PHASE = re.compile(r"(?<=[\d}])\s*\\angle(?=\s*[-\d(])")
INVERSE = re.compile(r"\\(?:arc(?:sin|cos|tan|cot)|(?:sin|cos|tan|cot)\s*\^\s*\{\s*-1\s*\})(?![a-zA-Z])")
"""What gives an angle in radians."""
_ATOM = r"\d+(?:\.\d+)?[a-zA-Z]?|\.\d+|\\frac\{[^{}]*\}\{[^{}]*\}|\([^()]*\)|\{[^{}]*\}|\\[a-zA-Z]+|[a-zA-Z]"
_DEGREES = re.compile(rf"({_ATOM})\s*\^\s*(?:\{{\s*\\circ\s*\}}|\\circ(?![a-zA-Z]))")
_MINUTES = re.compile(
    r"(?<![\d.}])(\d{1,3})\s*\^\s*(?:\{\s*\\circ\s*\}|\\circ)\s*([0-5]?\d)\s*(?:'|\^\s*\{?\s*\\prime\s*\}?)(?!')"
)
_CIS = re.compile(rf"\\cis(?![a-zA-Z])\s*({_ATOM})")


def without_degrees(text: str) -> str:
    r"""Angles in radians where functions or exponents take them, `cis` by sine and cosine, minutes of arc as parts of
    degrees.

    Example:
        >>> without_degrees(r"2\sin 15^\circ")
        '2\\sin \\frac{15 \\pi}{180}'
    """
    if r"\circ" in text:
        text = _MINUTES.sub(lambda found: as_latex(int(found[1]) + Fraction(int(found[2]), 60)) + r"^{\circ}", text)
    text = _PHASE.sub(r"\\cis ", text)
    if not (r"\circ" in text or r"\cis" in text) or not _FUNCTION.search(text):
        return text
    text = _DEGREES.sub(r"\\frac{\1 \\pi}{180}", text)
    return _CIS.sub(r"(\\cos \1 + i \\sin \1)", text)
