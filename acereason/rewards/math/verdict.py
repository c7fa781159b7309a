r"""Judge a math response: compare its last `\boxed{}` with the ground truth.

Nothing here limits memory or the time of a comparison: `acereason.rewards.pool` runs it in processes that it kills.
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from acereason.common.errors import first_line
from acereason.common.types import Problem, Verdict
from acereason.rewards.math.boxes import last_boxed
from acereason.rewards.math.compare import Comparison, Outcome
from acereason.rewards.math.normalize import normalize, strip_braces
from acereason.rewards.math.settings import MathSettings
from acereason.rewards.math.symbolic import equal_expressions
from acereason.rewards.thoughts import final_part, unfinished
from acereason.rewards.verifier import Verifier

MAX_ANSWER = 2000
"""Characters of the longest answer: a longer box is no final answer, and would cost the parser minutes."""
_FINAL_ANSWER = re.compile(r"final answer is:?\s*\$?([^$]{1,200}?)\$?\s*\.?\s*I hope it is correct", re.IGNORECASE)
_DEFAULT = MathSettings()


class Math(Verifier):
    """Judges math responses by their last box."""

    def look(self, problem: Problem, text: str) -> Verdict | str:
        """Return the verdict where numbers settle it, else the last box."""
        return unfinished(text, self.settings) or look(text, _answers(problem), self.settings.math)

    def decisive(self, text: str) -> str:
        """Return the box."""
        return text

    def judge(self, problem: Problem, text: str) -> Verdict:
        """Compare a box with the answers."""
        return compare(text, _answers(problem), self.settings.math)

    def explain(self, problem: Problem, text: str) -> Verdict:
        """Judge a response, with every comparison in `detail["steps"]`."""
        if verdict := unfinished(text, self.settings):
            return verdict
        steps: list[str] = []
        verdict = verify(text, _answers(problem), self.settings.math, steps)
        return replace(verdict, detail=verdict.detail | {"steps": steps})

    def ground_truth_problem(self, problem: Problem) -> str | None:
        """Return why one of the answers can't be read, or None."""
        return gold_problem(_answers(problem), self.settings.math)


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
    seen = look(text, answers, settings)
    return seen if isinstance(seen, Verdict) else compare(seen, answers, settings, trace)


def look(text: str, answers: str | Sequence[str], settings: MathSettings = _DEFAULT) -> Verdict | str:
    """Return the verdict where there is nothing to compare or plain numbers settle it, else the last box. Takes well
    below a millisecond, in any thread."""
    golds, extracted = _golds(answers), last_boxed(final_part(text))
    # why: checked first: an empty ground truth is a bad row, even where the response has no box
    if not all(gold.strip() for gold in golds):
        return Verdict("error", {"extracted": extracted, "error": "no answer"})
    if extracted is None:
        return Verdict("wrong", {"extracted": None, "path": "no box"})
    bare = strip_braces(extracted)
    if not bare or len(bare) > MAX_ANSWER:
        path = "too long a box" if bare else "empty box"
        return Verdict("wrong", {"extracted": extracted[:MAX_ANSWER], "path": path})
    comparison = Comparison(settings, equal_expressions)
    outcomes = {gold: outcome for gold in golds if (outcome := comparison.numbers(gold, bare))}
    return _verdict(extracted, outcomes, comparison) if len(outcomes) == len(set(golds)) else extracted


def compare(
    extracted: str, answers: str | Sequence[str], settings: MathSettings = _DEFAULT, trace: list[str] | None = None
) -> Verdict:
    """Judge a box that `look` has left."""
    comparison, bare = Comparison(settings, equal_expressions, trace=trace), strip_braces(extracted)
    try:
        outcomes = {gold: comparison.compare(gold, bare) for gold in _golds(answers)}
        return _verdict(extracted, outcomes, comparison)
    # why: whatever sympy raises on a strange pair is a failure to judge, not a wrong answer
    except Exception as error:
        return Verdict("error", {"extracted": extracted, "error": f"{type(error).__name__}: {error}"[:500]})


def gold_problem(answers: str | Sequence[str], settings: MathSettings = _DEFAULT) -> str | None:
    """Return why a ground truth can't serve, or None when each answer can be read and equals itself."""
    # why: equal text would pass an answer that can't be read, and so compared with no other form
    comparison = Comparison(settings, equal_expressions, by_text=False)
    problems = [_problem_of(gold, comparison) for gold in _golds(answers)]
    return next((problem for problem in problems if problem is not None), None)


def ground_truth(answer: str) -> str:
    r"""Return the answer itself where a dataset gives a worked solution: its last box, or its final sentence."""
    if (boxed := last_boxed(answer)) is not None:
        return boxed
    final = _FINAL_ANSWER.search(answer)
    return final[1] if final else answer


def _verdict(extracted: str, outcomes: dict[str, Outcome], comparison: Comparison) -> Verdict:
    gold = next((gold for gold, outcome in outcomes.items() if outcome.equal), next(iter(outcomes)))
    bare, outcome = strip_braces(extracted), outcomes[gold]
    # why: plain numbers are compared before anything is normalized, and shown as they were compared
    plain = comparison.numbers(gold, bare) is not None
    normal, answer = (bare, gold) if plain else (normalize(bare).text, normalize(gold).text)
    detail: dict[str, Any] = {"extracted": extracted[:MAX_ANSWER], "normal": normal, "answer": answer}
    return Verdict("correct" if outcome.equal else "wrong", detail | {"path": outcome.path})


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


def _golds(answers: str | Sequence[str]) -> list[str]:
    return [ground_truth(answer) for answer in ([answers] if isinstance(answers, str) else answers)]


def _answers(problem: Problem) -> list[str]:
    """Return every acceptable answer, the main one first."""
    return [problem.answer, *problem.alternatives]
