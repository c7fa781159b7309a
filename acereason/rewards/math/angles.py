r"""Turn degrees into radians where a number is meant: \sin 30^\circ is \frac12, and is not \sin 30."""

import re
from fractions import Fraction

from acereason.rewards.math.exact import as_latex

_CIRC = r"\^\s*(?:\{\s*)?\\circ"
_FUNCTION = re.compile(
    rf"\\(?:sin|cos|tan|cot|sec|csc|cis)(?![a-zA-Z])|\^\s*\{{[^{{}}]*{_CIRC}"
    rf"|\\(?:sinh|cosh|tanh|coth|exp|ln|lg|log|sqrt)(?![a-zA-Z])[^,;=+]{{0,40}}{_CIRC}"
)
_PHASE = re.compile(r"(?<=[\d}])\s*\\angle(?=\s*[-\d(])")
INVERSE = re.compile(r"\\(?:arc(?:sin|cos|tan|cot)|(?:sin|cos|tan|cot)\s*\^\s*\{\s*-1\s*\})(?![a-zA-Z])")
"""Functions whose value is an angle in radians."""
_ATOM = r"\d+(?:\.\d+)?[a-zA-Z]?|\.\d+|\\frac\{[^{}]*\}\{[^{}]*\}|\([^()]*\)|\{[^{}]*\}|\\[a-zA-Z]+|[a-zA-Z]"
_DEGREES = re.compile(rf"({_ATOM})\s*\^\s*(?:\{{\s*\\circ\s*\}}|\\circ(?![a-zA-Z]))")
_MINUTES = re.compile(
    r"(?<![\d.}])(\d{1,3})\s*\^\s*(?:\{\s*\\circ\s*\}|\\circ)\s*([0-5]?\d)\s*(?:'|\^\s*\{?\s*\\prime\s*\}?)(?!')"
)
_CIS = re.compile(rf"\\cis(?![a-zA-Z])\s*({_ATOM})")


def without_degrees(text: str) -> str:
    r"""Return the text with angles in radians where functions or exponents take them, `cis` as cosine and sine, and
    minutes of arc as parts of degrees.

    Example:
        >>> without_degrees(r"2\sin 15^\circ")
        '2\\sin \\frac{15 \\pi}{180}'
    """
    if r"\circ" in text:
        text = _MINUTES.sub(lambda found: as_latex(int(found[1]) + Fraction(int(found[2]), 60)) + r"^{\circ}", text)
    # why: engineers write 5 \cis 30^\circ as 5 \angle 30^\circ
    text = _PHASE.sub(r"\\cis ", text)
    # why: elsewhere the degree sign is a unit, which is split off later
    if not (r"\circ" in text or r"\cis" in text) or not _FUNCTION.search(text):
        return text
    text = _DEGREES.sub(r"\\frac{\1 \\pi}{180}", text)
    return _CIS.sub(r"(\\cos \1 + i \\sin \1)", text)
