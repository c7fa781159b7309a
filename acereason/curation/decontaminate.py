"""The stage `decontaminate` drops prompts that share a word n-gram with a benchmark item (paper, 3.1.1: n = 9).

A benchmark item of fewer than n words has no n-gram. A prompt is dropped for it only if the prompt's words are exactly
the item's: that the item occurs inside a longer prompt says little ("What is 2 + 3?").

Phrases that many problems share ("find the number of positive integers n such that") hit without being contamination.
`ngrams.jsonl` lists every n-gram that dropped a prompt, the commonest first; `allow` takes phrases that don't count.
"""

import re
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from acereason.common.errors import UserError
from acereason.common.files import write_atomically
from acereason.common.texts import to_json
from acereason.common.types import Task
from acereason.curation.context import Context
from acereason.curation.ngrams import Hit, Index
from acereason.curation.read import prompts_of
from acereason.curation.sources import CuratedSource, Opened
from acereason.curation.stages import Report
from acereason.curation.tables import Dropped
from acereason.curation.text import words
from acereason.data.bad_rows import told_rows
from acereason.processes.parallel import in_order

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_COMMONEST = 20
"""Number of shared n-grams that the manifest names; `ngrams.jsonl` has all."""


@dataclass
class Decontamination:
    """The benchmarks that prompts are compared with, and how strictly."""

    benchmarks: dict[str, CuratedSource] = field(default_factory=dict)
    """Benchmarks of the evaluation, by name."""
    n: dict[Task, int] = field(default_factory=lambda: {"math": 9, "code": 9})
    """Number of words in an n-gram, by the prompt's task. The paper: 9; for the code problems of its RL: 14."""
    allow: list[str] = field(default_factory=list)
    """Phrases of n words or more whose n-grams don't count."""
    before: str | None = None
    """Day, such as 2024-08-01, from which on prompts are dropped by their date; prompts without a date stay."""

    def check(self) -> None:
        """Raise a UserError for a value that can't work."""
        if self.before is not None and not _DAY.fullmatch(self.before):
            raise UserError(f"decontaminate.before: must be a day as 2024-08-01, not {self.before!r}")
        for task, n in self.n.items():
            if n < 1:
                raise UserError(f"decontaminate.n.{task}: must be at least 1 word, not {n}")
        shortest = min(self.n.values(), default=1)
        for phrase in self.allow:
            if (length := len(words(phrase))) < shortest:
                raise UserError(f"decontaminate.allow: {phrase!r} has {length} words, no n-gram of {shortest}")


@dataclass
class _Shared:
    """The data that every process gets once."""

    indexes: dict[int, Index]
    n: dict[Task, int]
    before: str | None
    kept: np.ndarray


def decontaminate(context: Context, to: Path, config: Decontamination) -> Report:
    """Write which kept prompts are dropped, for which item and n-gram."""
    items = [item for entry in context.benchmarks for item in _items(entry)]
    indexes = {n: Index.of(items, n, config.allow) for n in set(config.n.values())}
    shared = _Shared(indexes, config.n, config.before, context.kept())
    files = list(zip(context.prompts.files, context.prompts.starts.tolist(), strict=False))
    dropped: list[Dropped] = []
    counts: Counter[str] = Counter()
    for of_file, grams in in_order(_scan, shared, files, context.workers):
        dropped += of_file
        counts.update(grams)
    commonest = sorted(counts.items(), key=lambda entry: (-entry[1], entry[0]))
    lines = (to_json({"ngram": gram, "prompts": count}) for gram, count in commonest)
    write_atomically(to / "ngrams.jsonl", "".join(f"{line}\n" for line in lines))
    # why: an item's id begins with the name of its benchmark
    hit = Counter(entry.evidence["item"].split("/")[0] for entry in dropped if "item" in entry.evidence)
    details = {"items": len(items), "hits": dict(sorted(hit.items())), "ngrams": dict(commonest[:_COMMONEST])}
    return context.drop(to, dropped, details)


def _items(entry: Opened) -> list[tuple[str, str]]:
    """Return (id, text) of a benchmark's items."""
    source = entry.source
    # why: statements alone are read: the tests of a benchmark may be gigabytes
    bare = replace(source.mapping, answer=None, solution=None, tests=[], starter=None, date=None)
    found = prompts_of(replace(entry, source=replace(source, fields=bare)), 0, len(entry.rows))
    if found.bad:
        print(f"decontaminate.benchmarks.{entry.name}: items that can't be used: {told_rows(found.bad)}", flush=True)
    return [(row["id"], row["statement"]) for row in found.rows]


def _scan(shared: _Shared, item: tuple[Path, int]) -> tuple[list[Dropped], Counter[str]]:
    """Return the dropped prompts of one file, and the number of prompts that have each shared n-gram."""
    path, start = item
    rows = pq.read_table(path, columns=["statement", "task", "date"]).to_pydict()
    here = np.flatnonzero(shared.kept[start : start + len(rows["task"])])
    dropped, counts = [], Counter[str]()
    late = {i for i in here.tolist() if shared.before and (rows["date"][i] or "") >= shared.before}
    dropped += [Dropped(start + i, "published too late", {"date": rows["date"][i]}) for i in sorted(late)]
    for task, n in shared.n.items():
        # why: a prompt is dropped once, and a late one has its reason already
        chosen = [i for i in here.tolist() if rows["task"][i] == task and i not in late]
        for which, hit in shared.indexes[n].hits([rows["statement"][i] for i in chosen]):
            dropped.append(_dropped(start + chosen[which], hit))
            counts.update(" ".join(gram) for gram in hit.grams)
    return dropped, counts


def _dropped(number: int, hit: Hit) -> Dropped:
    if hit.short:
        return Dropped(number, "same as a short item", {"item": hit.item})
    evidence = {"item": hit.item, "ngram": " ".join(hit.grams[0]), "shared": len(hit.grams)}
    return Dropped(number, "shared n-gram", evidence)
