r"""Math verdicts: the last `\boxed{}` of a response against the ground truth, by the library math-verify.

Nothing here limits time or memory: `acereason.rewards.pool` runs it in processes that it can kill. math-verify's own
time-outs are signals, which fail silently off the main thread, and are therefore switched off.
"""

import re
from decimal import Decimal

from acereason.types import Verdict

_INTEGER_OR_DECIMAL = re.compile(r"[+-]?(?:\d{1,3}(?:,\d{3})+|\d{1,30})(?:\.\d{1,30})?|[+-]?\.\d{1,30}", re.ASCII)
_MAX_ANSWER = 2000
"""Characters; a longer box is no final answer and costs the parser minutes."""


def verify(text: str, answer: str) -> Verdict:
    """Judge a response by its last box, after `</think>` where there is one.

    Returns:
        correct or wrong, with `extracted` and the deciding `path`; error when the ground truth can't be parsed.
    """
    extracted = last_boxed(text.rpartition("</think>")[2])
    if extracted is None:
        return Verdict("wrong", {"extracted": None, "path": "no box"})
    verdict = compare_exactly(extracted, answer)
    if verdict is None:
        verdict = _compare_by_math_verify(extracted, answer)
    verdict.detail["extracted"] = extracted
    return verdict


def verify_quickly(text: str, answer: str) -> Verdict | None:
    """The verdict where string and number comparison settle it, else None: safe to call anywhere, in microseconds."""
    extracted = last_boxed(text.rpartition("</think>")[2])
    if extracted is None:
        return Verdict("wrong", {"extracted": None, "path": "no box"})
    verdict = compare_exactly(extracted, answer)
    if verdict is not None:
        verdict.detail["extracted"] = extracted
    return verdict


def last_boxed(text: str) -> str | None:
    r"""Content of the last `\boxed{...}` or `\fbox{...}` with balanced braces; None if the last one is not closed."""
    start = max(text.rfind(r"\boxed{"), text.rfind(r"\fbox{"))
    if start < 0:
        return None
    start = text.index("{", start) + 1
    depth = 1
    for position in range(start, min(len(text), start + _MAX_ANSWER)):
        depth += {"{": 1, "}": -1}.get(text[position], 0) if text[position - 1] != "\\" else 0
        if depth == 0:
            return text[start:position].strip()
    return None


def compare_exactly(extracted: str, answer: str) -> Verdict | None:
    """Equal text is correct; two plain numbers are compared as numbers; anything else is not decided here."""
    left, right = _tidy(extracted), _tidy(answer)
    if left == right:
        return Verdict("correct", {"path": "equal text"})
    if _INTEGER_OR_DECIMAL.fullmatch(left) and _INTEGER_OR_DECIMAL.fullmatch(right):
        equal = Decimal(left.replace(",", "")) == Decimal(right.replace(",", ""))
        return Verdict("correct" if equal else "wrong", {"path": "equal number"})
    return None


def gold_problem(answer: str) -> str | None:
    """Why this ground truth can't serve: None when it parses and equals itself."""
    if not answer.strip():
        return "no answer"
    if _INTEGER_OR_DECIMAL.fullmatch(_tidy(answer)):
        return None
    verdict = _compare_by_math_verify(answer, answer)
    return None if verdict.status == "correct" else f"unparsable answer {answer!r}"


def _tidy(text: str) -> str:
    return text.strip().strip("$").strip().rstrip(".").replace(" ", "")


def _compare_by_math_verify(extracted: str, answer: str) -> Verdict:
    from math_verify import verify as equal  # loads sympy: half a second that only verifier processes pay

    gold = _parse(answer)
    if not gold:
        return Verdict("error", {"path": "math-verify", "error": f"unparsable answer {answer!r}"})
    found = _parse(extracted)
    if not found:
        return Verdict("wrong", {"path": "math-verify", "note": "unparsable response"})
    # the order matters: math-verify is not symmetric in ground truth and response
    correct = equal(gold, found, timeout_seconds=None, raise_on_error=True)
    return Verdict("correct" if correct else "wrong", {"path": "math-verify"})


def _parse(latex: str) -> list:
    from math_verify import LatexExtractionConfig, parse

    config = LatexExtractionConfig(boxed_match_priority=0)
    return parse(
        rf"\boxed{{{latex}}}", [config], fallback_mode="no_fallback", parsing_timeout=None, raise_on_error=True
    )
