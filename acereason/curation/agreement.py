"""This module finds prompts whose responses disagree with the ground truth: most of them give another answer.

AceReason 1.0 (arXiv 2505.16400, 3.2.1) takes up to eight responses of DeepSeek-R1 to a question, and keeps the question
if the answer that most of them give is correct by the verifier: where it isn't, question or answer is often broken.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from acereason.curation.context import Context
from acereason.curation.tables import Dropped
from acereason.rewards.math.boxes import last_boxed
from acereason.rewards.math.compare import Comparison
from acereason.rewards.math.normalize import strip_braces
from acereason.rewards.math.settings import MathSettings
from acereason.rewards.math.verdict import MAX_ANSWER
from acereason.rewards.thoughts import final_part


def voted(text: str) -> str | None:
    r"""Return the answer that a response votes for, its last box after `</think>`; None without a box.

    Example:
        >>> voted(r"<think>\boxed{1}</think> so $\boxed{\frac12}$")
        '\\frac12'
    """
    answer = strip_braces(last_boxed(final_part(text)) or "")
    # why: the verifier takes a longer box for none, too
    return answer if 0 < len(answer) <= MAX_ANSWER else None


def votes(answers: Iterable[str]) -> list[int]:
    """Count how many responses give each answer.

    Two writings are one answer where their text or their numbers are equal.
    """
    counts: dict[str, int] = {}
    for answer in answers:
        known = next((each for each in counts if each == answer or _equal(each, answer)), answer)
        counts[known] = counts.get(known, 0) + 1
    return list(counts.values())


def _equal(one: str, other: str) -> bool:
    return _COMPARISON.compare(other, one).equal


# why: expressions that only math-verify could compare count as two, since it may take seconds for each pair
_COMPARISON = Comparison(MathSettings(), leaf=lambda *pair: (False, "not compared"))


def outvoted(numbers: Sequence[int], statuses: Sequence[str], answers: Sequence[str | None]) -> list[Dropped]:
    """Return the prompts whose commonest answer isn't the correct one. A tie is no majority.

    Args:
        numbers: [R] number of each response's prompt.
        statuses: [R] verdicts. All correct responses give one answer, however they write it.
        answers: [R] answers of the wrong responses; None votes for nothing. An `error` doesn't vote either.
    """
    correct: Counter[int] = Counter()
    others: defaultdict[int, list[str]] = defaultdict(list)
    for number, status, answer in zip(numbers, statuses, answers, strict=True):
        correct[number] += status == "correct"
        if status == "wrong" and answer is not None:
            others[number].append(answer)
    most = {number: max(votes(others[number]), default=0) for number in sorted(correct)}
    return [
        Dropped(number, "majority is not correct", {"correct": correct[number], "another answer": count})
        for number, count in most.items()
        if correct[number] <= count
    ]


def disagreeing(context: Context, table: pa.Table) -> list[Dropped]:
    """Return the math prompts whose commonest answer among these judged responses isn't the correct one."""
    math = pc.equal(context.prompts.column("task").take(table["number"]), "math")
    table = table.filter(pc.and_(math, pc.not_equal(table["status"], "unverifiable")))
    statuses = table["status"].to_pylist()
    answers: list[str | None] = [None] * len(statuses)
    # why: texts of wrong responses alone are read, since the correct ones have the ground truth's answer
    wrong = np.flatnonzero(np.array(statuses, dtype=object) == "wrong")
    for places, texts in context.origins.texts(table.take(pa.array(wrong))):
        for place, text in zip(wrong[places].tolist(), texts, strict=True):
            answers[place] = voted(text or "")
    return outvoted(table["number"].to_pylist(), statuses, answers)
