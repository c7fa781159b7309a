"""This module has the rules of the stage `filter`, by AceReason 1.0 for its RL prompts (arXiv 2505.16400, 3.2.1).

Each is a function of (statement, answer) that returns the text it found, or None. docs/data.md has the shares of their
hits that are right.
"""

import re
from collections.abc import Callable, Sequence

from acereason.common.types import Task
from acereason.curation.text import without_drawings

Rule = Callable[[str, str], str | None]

_IMAGE = re.compile(r"\[asy\]|!\[|<img\b|\\includegraphics|\bhttps?://\S{1,300}\.(?:png|jpe?g|gif|svg)", re.I)
_POINTER = re.compile(
    r"\b(?:figure|diagram|picture|image)s?\b(?:[^.]{0,20}\b(?:shown|on the (?:right|left))| (?:below|above))\b"
    r"|\bgraphs?(?: [^.\s]+){0,4} (?:is|are) (?:shown|drawn|pictured|given) (?:below|above)\b"
    r"|\bgraphs? (?:(?:shown )?(?:below|above)|shown)\b"
    r"|\b(?:shown|given|pictured|illustrated|depicted|see)\b(?: [^.\s]+){0,3} (?:figure|diagram|picture|image)\b"
    r"|\bin the (?:figure|diagram|picture|image)\b|,? as (?:shown|pictured)(?= *[.,;:]| below| above|$)",
    re.I,
)
_IN_TEXT = re.compile(r"\\begin\{(?:array|tabular|.?matrix)\}")
_PROOF = re.compile(
    r"\b(?:Prove|Disprove|PROVE|Show that|SHOW THAT|Give a proof|Write a proof)\b"
    r"|(?:[,;:]|\band|\bthen|\b[Pp]lease|^)\s+(?:prove|disprove|show that|give a proof)\b"
    r"|\bprove (?:or disprove|that)\b(?<!to prove that)"
)
_WHICH = re.compile(
    r"\bwhich (?:one )?of the following\b|\benter the letter\b|\bletter of the correct\b"
    r"|\benter [\"'“‘`]+[A-E]\W+for\b",
    re.I,
)
_CONDITIONS = re.compile(r"\b(?:condition|propert|rule|requirement|criteri)\w*[^.?]{0,30}[.?:]?\s*$", re.I)
_LETTER = re.compile(r"\(?[A-E]\)?")
_FONT = re.compile(r"\\(?:text|mathrm|textbf)\b|[${}.\s]")
_ASKS = re.compile(
    r"\W*(?:(?:if|for|when|given|let)\b[^.?]{0,80}, *)?(?:hence |then |also )?"
    r"(?:find|compute|calculate|determine|evaluate|solve|prove|show|what|how|which|why"
    r"|express|simplify|factor|list|state|sketch|explain|estimate)\b",
    re.I,
)
_HEADING = re.compile(r"^\W*(?:(?:problem|exercise|example|question|task|no)\b\W*)?[\dIVX]*[.):]*\s*", re.I)
_WORD = re.compile(r"(?<![\\A-Za-z])[A-Za-z]{3,}")
_OBJECT = re.compile(r"\d|\\[A-Za-z]+|\b[b-zB-Z]\b|[=+^<>|]")


_OPTIONS = [
    re.compile(
        r"(?<![\w)])\(A\)|(?<![\w)(^*+/-])A\)(?=[\s$\\}.])"
        r"|(?:^|[\n.?:!${\[]\s{0,9})A[.](?=[\s\\}])"  # from a new sentence on
    ),
    *(re.compile(rf"(?<![\w)])(?:\({letter}\)|{letter}[.)](?=[\s$\\}}]))") for letter in "BC"),
]
_SMALL_OPTIONS = [re.compile(r"(?<=[?:])\s*\(?a\)\s"), re.compile(r"\s\(?b\)\s"), re.compile(r"\s\(?c\)\s")]
_PARTS = [
    (re.compile(rf"(?:^|\s)\(?{one}[.)]\s"), re.compile(rf"\s\(?{two}[.)]\s"))
    for one, two in (("a", "b"), ("i", "ii"), ("1", "2"))
]


def figures(statement: str, answer: str) -> str | None:
    """Find an image, a drawing, or words that point to one, unless they point to a table in the text."""
    if found := _IMAGE.search(statement):
        return found[0]
    found = None if _IN_TEXT.search(statement) else _POINTER.search(statement)
    return found[0] if found else None


def proofs(statement: str, answer: str) -> str | None:
    """Find a request for a proof, which is an imperative: "records show that" is none."""
    found = _PROOF.search(statement)
    return found[0].strip() if found else None


def multiple_choice(statement: str, answer: str) -> str | None:
    """Find a list of options that aren't conditions, "which of the following", or a letter as the answer."""
    # why: the source of a drawing is full of labels such as (A)
    text = without_drawings(statement)
    if found := _WHICH.search(text):
        return found[0]
    for options in filter(None, (_in_order(_OPTIONS, text), _in_order(_SMALL_OPTIONS, text))):
        if not _CONDITIONS.search(text[: options[0].start() + 1]):
            return text[options[0].start() : options[-1].end()].strip()
    named = _FONT.sub("", answer)
    return answer if _LETTER.fullmatch(named) and _is_option(named.strip("()"), text) else None


def _in_order(patterns: Sequence[re.Pattern[str]], text: str) -> list[re.Match[str]] | None:
    """Return the first match of each pattern after the one before; None where one has none."""
    # why: one by one takes linear time on any text, where one pattern for all would backtrack
    found: list[re.Match[str]] = []
    for pattern in patterns:
        if (match := pattern.search(text, found[-1].end() if found else 0)) is None:
            return None
        found.append(match)
    return found


def _is_option(letter: str, text: str) -> bool:
    """Return whether the text names the letter beside another one."""
    # why: a problem without options may ask for a letter, too, such as the name of a point
    other = "B" if letter == "A" else "A"
    return all(re.search(rf"(?<![A-Za-z\\]){each}(?![A-Za-z])", text) for each in (letter, other))


def true_false(statement: str, answer: str) -> str | None:
    """Find an answer of true, false, yes or no, or the words "true or false" with a sentence to judge."""
    if _FONT.sub("", answer).lower() in ("true", "false", "yes", "no"):
        return answer
    found = re.search(r"(?:^|[.:?(]\s*)(?:is (?:it|this) )?true or false\b|\btrue or false\s*[?:]", statement, re.I)
    return found[0].strip() if found else None


def several_questions(statement: str, answer: str) -> str | None:
    """Find two parts, (a) and (b), that each ask for something; conditions don't."""
    for labels in _PARTS:
        if (found := _in_order(labels, statement)) is None:
            continue
        first, second = statement[found[0].end() : found[1].start()], statement[found[1].end() :]
        if all(_ASKS.match(part) or "?" in part for part in (first, second)):
            return statement[found[0].start() :]
    return None


def no_answer(statement: str, answer: str) -> str | None:
    """Find an answer without any text."""
    return None if answer.strip() else "no answer"


def long_answer(statement: str, answer: str) -> str | None:
    """Find an answer of more than 100 characters."""
    return f"{len(answer)} characters" if len(answer) > 100 else None


def too_brief(statement: str, answer: str) -> str | None:
    """Find statements of fewer than five words without a task and its object: `Calculate:`, but not `Compute 2+3`."""
    if len(statement.split()) >= 5 or len(statement) >= 30:
        return None
    text = _HEADING.sub("", statement)
    return None if _WORD.search(text) and _OBJECT.search(text) else statement.strip() or "no text"


def not_english(statement: str, answer: str) -> str | None:
    """Find texts of which more than a twentieth is in other scripts than Latin and Greek."""
    foreign = re.findall(r"[^\W\d_a-zA-Z\u00c0-\u024f\u0370-\u03ff]", statement)
    return "".join(foreign[:20]) if len(foreign) > 0.05 * len(statement) else None


RULES: dict[str, tuple[tuple[Task, ...], str, Rule]] = {
    "figures": (("math", "code"), "needs a figure", figures),
    "proofs": (("math",), "asks for a proof", proofs),
    "multiple_choice": (("math",), "multiple choice", multiple_choice),
    "true_false": (("math",), "true or false", true_false),
    "several_questions": (("math",), "several questions", several_questions),
    "answered": (("math",), "no answer", no_answer),
    "short_answer": (("math",), "long answer", long_answer),
    "not_brief": (("math", "code"), "too brief", too_brief),
    "english": (("math", "code"), "not English", not_english),
}
"""{name: (tasks that the rule is for, reason of its drops, rule)}."""
