r"""Judge a response by the scorer of the reasoning-gym data set that its problem is of."""

import json
import re
from typing import Any

from acereason.common.errors import first_line
from acereason.common.types import Problem, Verdict
from acereason.rewards.gym.guards import GUARDS
from acereason.rewards.gym.library import score
from acereason.rewards.math.boxes import last_boxed
from acereason.rewards.thoughts import final_part, unfinished
from acereason.rewards.verifier import Verifier

_TAG = re.compile(r"<answer>(.*?)</answer>", re.DOTALL)
_TEXT = re.compile(r"\\(?:text|textbf|texttt|mathrm)\{([^{}]*)\}")
_LONGEST = 10_000
"""Characters of the longest answer."""
_NONSENSE = "?"
_UNREAD = (ValueError, TypeError, AttributeError, LookupError, ArithmeticError, SyntaxError)


class Gym(Verifier):
    r"""Judges responses by reasoning-gym's scorers. The reward is the score, and a response is correct from 1 on.

    The answer is what stands, after `</think>` where there is one, in the last `\boxed{}`; else in the last `<answer>`;
    else all that comes after `</think>`.
    """

    curated = False

    def look(self, problem: Problem, text: str) -> Verdict | str:
        """Return the answer, or the verdict on a response without one."""
        if verdict := unfinished(text, self.settings):
            return verdict
        answer = answer_of(text)
        if answer and len(answer) <= _LONGEST:
            return answer
        return Verdict("wrong", {"extracted": None, "path": "too long an answer" if answer else "no answer"})

    def decisive(self, text: str) -> str:
        """Return the answer."""
        return text

    def judge(self, problem: Problem, text: str) -> Verdict:
        """Score an answer."""
        return scored(json.loads(problem.answer), text)

    def ground_truth_problem(self, problem: Problem) -> str | None:
        """Return why an entry can't serve, or None when its scorer accepts its own answer, and not any."""
        try:
            truth = json.loads(problem.answer)
            own, other = truth["entry"]["answer"], scored(truth, _NONSENSE)
            # why: entries that have many right answers name none
            accepted = own is None or score(truth, own) >= 1
        # why: whatever is raised makes the entry unfit, and is reported with its row
        except Exception as error:
            return f"no entry of reasoning-gym that can be scored: {first_line(error)}"
        if other.status == "correct":
            return f"reasoning-gym's {truth['dataset']} accepts any answer"
        return None if accepted else f"reasoning-gym's {truth['dataset']} does not accept its own answer as JSON has it"


def scored(truth: dict[str, Any], answer: str) -> Verdict:
    """Return the verdict on an answer to a ground truth."""
    name, detail = truth["dataset"], {"extracted": answer, "normal": answer, "answer": truth["entry"]["answer"]}
    if name in GUARDS and not GUARDS[name](answer):
        return Verdict("wrong", detail | {"path": "not the form of an answer"}, 0.0)
    try:
        reward = score(truth, answer)
    # why: some scorers read an answer without a care for what it is; that of the ground truth they have read
    except _UNREAD as error:
        return Verdict("wrong", detail | {"path": f"not read ({type(error).__name__})"}, 0.0)
    return Verdict("correct" if reward >= 1 else "wrong", detail | {"path": f"scored by {name}"}, reward)


def answer_of(text: str) -> str:
    r"""Return the answer of a response; empty where it has none.

    Example:
        >>> answer_of(r"<think>1</think> so \boxed{\text{yes}}"), answer_of("<answer> 7 </answer>"), answer_of("7")
        ('yes', '7', '')
    """
    final = final_part(text)
    if (boxed := last_boxed(final)) is not None:
        inner = _TEXT.fullmatch(boxed.strip())
        return (inner[1] if inner else boxed).strip()
    tags = _TAG.findall(final)
    return (tags[-1] if tags else final if "</think>" in text else "").strip()
