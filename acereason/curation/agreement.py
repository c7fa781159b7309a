"""Which prompts the responses disagree with: too few are correct, or most give another answer than the ground truth.

AceReason 1.0 (arXiv 2505.16400, 3.2.1) has up to eight responses of DeepSeek-R1 to a question and keeps the question if
the answer that most of them give is correct by the verifier: where it isn't, question or answer is often broken.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from acereason.curation.origins import Origins
from acereason.curation.tables import Dropped, Prompts
from acereason.rewards.answers.extract import final_part, last_boxed
from acereason.rewards.answers.normalize import strip_braces
from acereason.rewards.math import MAX_ANSWER, verify_quickly


def voted(text: str) -> str | None:
    r"""The answer that a response votes for: its last box after `</think>`. None without one.

    Example:
        >>> voted(r"<think>\boxed{1}</think> so $\boxed{\frac12}$")
        '\\frac12'
    """
    answer = strip_braces(last_boxed(final_part(text)) or "")
    return answer if 0 < len(answer) <= MAX_ANSWER else None  # as the verifier: a longer box is none


def votes(answers: Iterable[str]) -> list[int]:
    """How many responses give each answer. Answers are one where text or numbers tell so; expressions that only
    math-verify could compare are taken for two."""
    counts: dict[str, int] = {}
    for answer in answers:
        known = next((each for each in counts if each == answer or _equal(each, answer)), answer)
        counts[known] = counts.get(known, 0) + 1
    return list(counts.values())


def _equal(one: str, other: str) -> bool:
    verdict = verify_quickly(rf"\boxed{{{one}}}", other)
    return verdict is not None and verdict.status == "correct"


def outvoted(numbers: Sequence[int], statuses: Sequence[str], answers: Sequence[str | None]) -> list[Dropped]:
    """The prompts whose commonest answer isn't the correct one. A tie is no majority.

    Args:
        numbers: [R] each response's prompt.
        statuses: [R] verdicts. All correct responses give one answer, however they write it.
        answers: [R] of the wrong ones; None votes for nothing, nor does an `error`.
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


def disagreeing(table: pa.Table, prompts: Prompts, origins: Origins) -> list[Dropped]:
    """`outvoted` of the math prompts with ground truth in a table of judged responses."""
    math = pc.equal(prompts.column("task").take(table["number"]), "math")
    table = table.filter(pc.and_(math, pc.not_equal(table["status"], "unverifiable")))
    statuses = table["status"].to_pylist()
    wrong = np.flatnonzero(np.array(statuses, dtype=object) == "wrong")
    answers: list[str | None] = [None] * len(statuses)
    for place, text in _texts(table, wrong, origins):
        answers[place] = voted(text)
    return outvoted(table["number"].to_pylist(), statuses, answers)


def _texts(table: pa.Table, places: np.ndarray, origins: Origins) -> Iterable[tuple[int, str]]:
    """(place, response) of these rows, read in the order in which they lie."""
    origin, row = (table[name].to_numpy()[places] for name in ("origin", "row"))
    order = np.lexsort((row, origin))
    for found, texts in origins.texts(origin[order], row[order]):
        yield from zip(places[order[found]].tolist(), texts, strict=True)
