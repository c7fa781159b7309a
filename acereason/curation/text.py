r"""One normal form of a prompt's text, for duplicates and for shared n-grams.

Lower case; LaTeX spacing, `$` and `\left`/`\right` dropped; `\dfrac` and `\tfrac` are `\frac`; a hyphen between words
is a space. Numbers and operators stay as they are.
"""

import re

_NOISE = re.compile(
    r"\\\\|\\(?:left|right|displaystyle|limits|quad|qquad|big|Big|bigg|Bigg)(?![A-Za-z])|\\[,;:! ()\[\]]|[$~]"
)
_FRACTION = re.compile(r"\\[dt]frac(?![a-z])")
_HYPHEN = re.compile(r"(?<=[^\W\d_]{2})[-‐‑–](?=[^\W\d_]{2})")
_CHARACTERS = str.maketrans({"’": "'", "‘": "'", "−": "-", "“": '"', "”": '"', "×": "*", "·": "*"})
_BRACED = re.compile(r"\{\s*(\\[a-z]+|\w+)\s*\}")
_TOKEN = re.compile(r"\d*\.\d+|\d+|\\[a-z]+|[^\W\d_]+|[^\s\w.,;:?\"`]|_")
_ENDS = ".,;:?!\"'()[]`*"

_TELLING_WORDS = """
not no non without except least most minimum maximum min max minimal maximal smallest largest smaller larger lowest
highest fewest greatest less more fewer greater odd even first last sum product difference quotient increasing decreasing
ascending descending positive negative nonnegative inside outside before after zero one two three four five six seven
eight nine ten eleven twelve twenty hundred thousand half third quarter twice thrice double
"""
_TELLING = frozenset(_TELLING_WORDS.split())
_MUTE = frozenset("(){}'")


def tokens(text: str) -> list[str]:
    r"""Words, numbers, LaTeX commands and operators of a prompt; punctuation is dropped.

    Example:
        >>> tokens(r"Find $x^{2}$,  if $x = \dfrac12.$") == tokens(r"find \(x^2\) if x=\frac12")
        True
    """
    return _TOKEN.findall(_BRACED.sub(r" \1 ", clean(text)))


def telling(found: list[str]) -> list[str]:
    """The tokens in which two near copies must agree, in order: numbers, operators, LaTeX commands, words such as
    `not`, `largest` or `three`. Round
    brackets, braces and apostrophes are left to the similarity."""
    return [token for token in found if token in _TELLING or not (token[0].isalpha() or token in _MUTE)]


def words(text: str) -> list[str]:
    """What n-grams are made of: the words between spaces, without the punctuation around them.

    Example:
        >>> words(r"What is $9$, the (positive) root of $x+2=11$?")
        ['what', 'is', '9', 'the', 'positive', 'root', 'of', 'x+2=11']
    """
    return [word for part in clean(text).split() if (word := part.strip(_ENDS))]


def clean(text: str) -> str:
    """The text in lower case and without what does not change its meaning; still with its punctuation."""
    text = _NOISE.sub(" ", text.translate(_CHARACTERS)) if not text.isalnum() else text
    return _HYPHEN.sub(" ", _FRACTION.sub(r"\\frac", text.lower()))
