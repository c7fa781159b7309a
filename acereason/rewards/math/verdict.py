r"""Judge a math response: compare its last `\boxed{}` with the ground truth.

Nothing here limits memory or the time of a comparison: `acereason.rewards.pool` runs it in processes that it kills.
"""

import re
from collections.abc import Sequence
from typing import Any

from acereason.common.errors import first_line
from acereason.common.types import Verdict
from acereason.rewards.math.boxes import final_part, last_boxed
from acereason.rewards.math.compare import Comparison
from acereason.rewards.math.normalize import normalize, strip_braces
from acereason.rewards.math.settings import MathSettings
from acereason.rewards.math.symbolic import equal_expressions

__all__ = ["MAX_ANSWER", "gold_problem", "last_boxed", "verify", "verify_quickly"]

MAX_ANSWER = 2000
"""Characters of the longest answer: a longer box is no final answer, and would cost the parser minutes."""
_FINAL_ANSWER = re.compile(r"final answer is:?\s*\$?([^$]{1,200}?)\$?\s*\.?\s*I hope it is correct", re.IGNORECASE)
_DEFAULT = MathSettings()


class _Undecided(Exception):
    """Only math-verify can tell whether two answers are equal."""


def verify(
    text: str, answers: str | Sequence[str], settings: MathSettings = _DEFAULT, trace: list[str] | None = None
) -> Verdict:
    """Judge a response by its last box, after `</think>` where there is one.

    Args:
        text: the whole response.
        answers: the ground truth; where there are several, each is acceptable.
        settings: how strict to be.
        trace: a list to which each comparison is appended.

    Returns:
        A verdict of correct or wrong, whose detail has the `extracted` text, its `normal` form, the normal form of the
        `answer`, and the `path` that decided; an error when no ground truth can be parsed, or the comparison itself
        fails. Never raises.
    """
    extracted = last_boxed(final_part(text))
    try:
        return _judge(extracted, answers, Comparison(settings, equal_expressions, trace=trace))
    # why: whatever sympy raises on a strange pair is a failure to judge, not a wrong answer
    except Exception as error:
        return Verdict("error", {"extracted": extracted, "error": f"{type(error).__name__}: {error}"[:500]})


def verify_quickly(text: str, answers: str | Sequence[str], settings: MathSettings = _DEFAULT) -> Verdict | None:
    """Return the verdict where texts and plain numbers settle it, else None. Takes well below a millisecond, in any
    thread."""
    try:
        return _judge(last_boxed(final_part(text)), answers, Comparison(settings, _undecided))
    except _Undecided:
        return None


def gold_problem(answers: str | Sequence[str], settings: MathSettings = _DEFAULT) -> str | None:
    """Return why a ground truth can't serve, or None when each answer can be read and equals itself."""
    # why: equal text would pass an answer that can't be read, and so compared with no other form
    comparison = Comparison(settings, equal_expressions, by_text=False)
    problems = [_problem_of(ground_truth(answer), comparison) for answer in _listed(answers)]
    return next((problem for problem in problems if problem is not None), None)


def ground_truth(answer: str) -> str:
    r"""Return the answer itself where a dataset gives a worked solution: its last box, or its final sentence."""
    if (boxed := last_boxed(answer)) is not None:
        return boxed
    final = _FINAL_ANSWER.search(answer)
    return final[1] if final else answer


def _judge(extracted: str | None, answers: str | Sequence[str], comparison: Comparison) -> Verdict:
    golds = [ground_truth(answer) for answer in _listed(answers)]
    # why: checked first: an empty ground truth is a bad row, even where the response has no box
    if not all(gold.strip() for gold in golds):
        return Verdict("error", {"extracted": extracted, "error": "no answer"})
    if extracted is None:
        return Verdict("wrong", {"extracted": None, "path": "no box"})
    bare = strip_braces(extracted)
    detail: dict[str, Any] = {"extracted": extracted[:MAX_ANSWER]}
    if not bare or len(bare) > MAX_ANSWER:
        return Verdict("wrong", detail | {"path": "too long a box" if bare else "empty box"})
    outcomes = {gold: comparison.compare(gold, bare) for gold in golds}
    gold = next((gold for gold in golds if outcomes[gold].equal), golds[0])
    # why: plain numbers are compared before anything is normalized, and shown as they were compared
    plain = comparison.numbers(gold, bare) is not None
    normal, answer = (bare, gold) if plain else (normalize(bare).text, normalize(gold).text)
    detail |= {"normal": normal, "answer": answer, "path": outcomes[gold].path}
    return Verdict("correct" if outcomes[gold].equal else "wrong", detail)


def _problem_of(answer: str, comparison: Comparison) -> str | None:
    if not answer.strip():
        return "no answer"
    if len(answer) > MAX_ANSWER:
        return f"an answer of {len(answer)} characters"
    try:
        outcome = comparison.compare(answer, answer)
    # why: whatever is raised makes the answer unfit, and is reported with its row
    except Exception as error:
        return first_line(error)
    return None if outcome.equal else f"answer {answer!r} is not judged equal to itself: {outcome.path}"


def _listed(answers: str | Sequence[str]) -> list[str]:
    return [answers] if isinstance(answers, str) else list(answers)


def _undecided(answer: str, response: str, slack: float) -> tuple[bool, str]:
    raise _Undecided
