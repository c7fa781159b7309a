r"""This module brings prompts to a normal form, by which copies and shared n-grams are found.

LaTeX spacing, `$`, `\$` and `\left`/`\right` are dropped; `\dfrac` and `\tfrac` become `\frac`; a hyphen between words
becomes a space. Numbers and operators stay as they are.
"""

import re
from functools import lru_cache

_NOISE = re.compile(
    r"\\\\|\\(?:left|right|displaystyle|limits|quad|qquad|big|Big|bigg|Bigg)(?![A-Za-z])|\\[,;:! ()\[\]$]|[$~]"
)
_ESCAPE = re.compile(r"\\(?=[%#&_])")
_FRACTION = re.compile(r"\\[dt]frac(?![a-zA-Z])")
_HYPHEN = re.compile(r"(?<=[^\W\d_]{2})-(?=[^\W\d_]{2})")
_CHARACTERS = str.maketrans(
    {"’": "'", "‘": "'", "−": "-", "“": '"', "”": '"', "×": "*", "·": "*"} | dict.fromkeys("‐‑–", "-")
)
_DRAWING = re.compile(r"\[asy\].*?(?:\[/asy\]|$)", re.DOTALL | re.IGNORECASE)
_BRACED = re.compile(r"\{\s*(\\[a-zA-Z]+|\d+|[^\W\d_])\s*\}")
_TOKEN = re.compile(r"[a-zA-Z]+(?![^\W\d_])|[^\W\d_]+|\d*\.\d+|\d+|\\[a-zA-Z]+|[^\s\w.,;:?\"`]|_")
_ENDS = ".,;:?!\"'()[]`*"

_TELLING_WORDS = """
not no non without except least most minimum maximum min max minimal maximal smallest largest smaller larger lowest
highest fewest greatest less more fewer greater odd even first last sum product difference quotient increasing
decreasing ascending descending positive negative nonnegative inside outside before after zero one two three four five
six seven eight nine ten eleven twelve twenty hundred thousand half third quarter twice thrice double boy boys girl
girls men women male female same different distinct mean median mode range area perimeter volume length width height
left right top bottom red blue green white black
"""
_TELLING = frozenset(_TELLING_WORDS.split())
_MUTE = frozenset("(){}'")


def split(text: str) -> tuple[list[str], list[str]]:
    r"""Return (tokens, key tokens) of a prompt, in order; near copies must have identical key tokens.

    Tokens are words, numbers, LaTeX commands and operators; punctuation is dropped. Words are in lower case. Commands
    and names of one letter keep their case: `\Delta` is not `\delta`, nor R r. Key tokens are numbers, operators, LaTeX
    commands, names of one letter, words in capitals, and words such as `not`, `largest` or `three`. Round brackets,
    braces and apostrophes are left to the similarity.

    Example:
        >>> split(r"Find $x^{2}$,  if $x = \dfrac12.$") == split(r"find \(x^2\) if x=\frac12")
        True
    """
    text = clean(text)
    # why: `x^{2}` and `x^2` are the same
    if "{" in text:
        text = _BRACED.sub(r" \1 ", text)
    found = [_known(token) for token in _TOKEN.findall(text)]
    return [token for token, _ in found], [token for token, tells in found if tells]


@lru_cache(2**17)
def _known(given: str) -> tuple[str, bool]:
    """Return (the token as it is compared, whether near copies must agree in it)."""
    if given[0] == "\\":
        return given, True
    if not given[0].isalpha():
        return given, given not in _MUTE
    # why: a and i are words of English as well as names, and so are left to the similarity
    if len(given) == 1:
        return (given.lower(), False) if given in "aAiI" else (given, True)
    return given.lower(), given.lower() in _TELLING or given.isupper()


def words(text: str) -> list[str]:
    """Return the words that n-grams are made of: parts between spaces, in lower case, without the punctuation around
    them and without the source of drawings ([asy]).

    Example:
        >>> words(r"What is $9$, the (positive) root of $x+2=11$?")
        ['what', 'is', '9', 'the', 'positive', 'root', 'of', 'x+2=11']
    """
    return [word for part in clean(without_drawings(text)).lower().split() if (word := part.strip(_ENDS))]


def without_drawings(text: str) -> str:
    """Return the text with a space in place of each drawing's source ([asy])."""
    return _DRAWING.sub(" ", text) if "[" in text else text


def clean(text: str) -> str:
    """Return the text without spacing commands and other marks that don't change its meaning.

    Punctuation and capitals stay.
    """
    # why: most texts need few of the substitutions, and looking for a character costs much less than a substitution
    if not text.isascii():
        text = text.translate(_CHARACTERS)
    if "\\" in text or "$" in text or "~" in text:
        text = _FRACTION.sub(r"\\frac", _ESCAPE.sub("", _NOISE.sub(" ", text)))
    return _HYPHEN.sub(" ", text) if "-" in text else text
