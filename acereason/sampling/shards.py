"""This module stores responses in a folder with the settings it was begun with, a journal, and shards of parquet."""

import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from acereason.common.errors import UserError
from acereason.common.files import atomic_folder, write_atomically, write_json
from acereason.common.journal import Journal, read_lines
from acereason.common.ratings import Rating, ratings_of
from acereason.common.texts import to_json, without_halves
from acereason.common.types import Problem, Verdict
from acereason.data.loading import described
from acereason.rollouts.engine import Place
from acereason.sampling.identity import refuse_other, statement_digest
from acereason.sampling.request import Failed, Finished, Request

Kind = Literal["response", "verdict"]

SCHEMA = pa.schema(
    [
        ("id", pa.string()),  # source/identity
        ("sample", pa.int32()),
        ("task", pa.string()),
        ("statement", pa.string()),  # the problem's text, without any template
        ("starter", pa.string()),  # code that the solution must start with; empty: none
        ("response", pa.string()),
        ("status", pa.string()),  # correct, wrong, error; null without ground truth
        ("detail", pa.string()),  # the verdict's, as JSON
        ("tokens", pa.int64()),
        ("finish_reason", pa.string()),  # stop, length
        ("seed", pa.int64()),
    ]
)
"""Schema of the shards, one column a line."""

_CLOCKS = ("seconds", "seconds_each")
"""Times in a verdict's detail; they are left out, so that the same responses give the same bytes."""


class Store:
    """One process's part of an output folder.

    Its journal has a line for a response as soon as that has ended, and later another one for its verdict. Memory holds
    the lines' places and marks alone, since the texts of a run don't fit into it.

    Args:
        folder: the output folder.
        part: (number of the part, number of parts).
        identity: settings that responses depend on; a folder begun with others is refused.
        seed: seed of all draws.
        rows_per_shard: number of rows in a parquet file.
    """

    def __init__(
        self, folder: Path, part: tuple[int, int], identity: dict[str, Any], seed: int, rows_per_shard: int
    ) -> None:
        refuse_other(folder / "config.json", identity)
        if not (folder / "config.json").exists():
            write_json(folder / "config.json", identity)
        name = f"{part[0]:05}-of-{part[1]:05}"
        self.seed, self.rows_per_shard = seed, rows_per_shard
        self._digests: dict[str, str] = {}
        self.shards, self.failures = folder / name, folder / f"{name}.failed.jsonl"
        self.problems = folder / f"{name}.problems.jsonl"
        path = folder / f"{name}.journal.jsonl"
        refusal = f"output: another process writes {path}; wait for its end, or give another shard"
        self.journal = Journal(path, refusal)
        self._lines = {key: (place, mark) for place, (key, mark) in read_lines(path, _name_of)}
        # why: a killed call leaves half-written shards; after the journal's lock they are not another process's
        for half in folder.glob(f".{name}.*"):
            shutil.rmtree(half, ignore_errors=True)

    def unfinished(self, requests: list[Request]) -> list[Request]:
        """Return the requests without a response.

        Raises:
            UserError: a problem has changed since its response was sampled.
        """
        for request in requests:
            if self._has("response", request) and self._mark(request) != self._digest(request.problem):
                raise UserError(
                    f"sources: {request.problem.id} is not the problem that it was when its response {request.sample} "
                    "was sampled; name another output folder"
                )
        return [request for request in requests if not self._has("response", request)]

    def unjudged(self, requests: list[Request]) -> list[Request]:
        """Return the requests that have a response and a ground truth, but no verdict."""
        finished = [request for request in requests if judgeable(request) and self._has("response", request)]
        return [request for request in finished if not self._has("verdict", request)]

    def add(self, finished: Finished) -> None:
        """Keep a response in the journal."""
        values = {"response": finished.text, "tokens": finished.tokens, "finish_reason": finished.finish_reason}
        self._append("response", finished.request, values)

    def add_verdict(self, finished: Finished, verdict: Verdict) -> None:
        """Keep the verdict on a response in the journal."""
        detail = {name: value for name, value in verdict.detail.items() if name not in _CLOCKS}
        values = {"status": verdict.status, "detail": to_json(detail)}
        self._append("verdict", finished.request, values)

    def finished(self, request: Request) -> Finished:
        """Return a request's response."""
        values = self._read("response", request)
        return Finished(request, values["response"], values["tokens"], values["finish_reason"])

    def write_shards(self, requests: list[Request]) -> None:
        """Write the finished requests, sorted by id and sample; a folder of shards appears whole or not at all."""
        # why: sorted, so that the bytes don't depend on the order in which responses came
        rows = sorted((r for r in requests if self._has("response", r)), key=lambda request: request.place)
        with atomic_folder(self.shards) as folder:
            for number, start in enumerate(range(0, len(rows), self.rows_per_shard)):
                file = folder / f"{number:05}.parquet"
                table = [self._row(request) for request in rows[start : start + self.rows_per_shard]]
                # why: parquet holds UTF-8, which has no half of a surrogate pair
                pq.write_table(pa.Table.from_pylist(without_halves(table), SCHEMA), file, compression="zstd")

    def write_problems(self, requests: list[Request]) -> None:
        """Write the problems of the shards, each with its ground truth, pass rate and mean length."""
        problems = {request.problem.id: request.problem for request in requests}
        found: dict[str, Rating] = ratings_of(self._columns("id", "status", "tokens"))
        rows = [described(problems[name]) | rating.columns() for name, rating in found.items() if name in problems]
        write_atomically(self.problems, "".join(to_json(row) + "\n" for row in rows))

    def shard_rows(self) -> int:
        """Return the number of rows in the written shards."""
        return sum(pq.read_metadata(file).num_rows for file in self.shards.glob("*.parquet"))

    def counts(self) -> dict[str, int]:
        """Return the number of rows by verdict and, under `length`, of those that the response budget ended."""
        counts = Counter[str]()
        for status, finish_reason in self._columns("status", "finish_reason"):
            counts[status or "unjudged"] += 1
            counts["length"] += finish_reason == "length"
        return counts

    def write_failures(self, failures: list[Failed]) -> None:
        """List the requests that failed in this call; no file where there are none."""
        if not failures:
            self.failures.unlink(missing_ok=True)
            return
        rows = [{"id": f.request.problem.id, "sample": f.request.sample, "reason": f.reason} for f in failures]
        write_atomically(self.failures, "".join(to_json(row) + "\n" for row in rows))

    def close(self) -> None:
        """Close the journal, so that other processes may have this part."""
        self.journal.close()

    def _columns(self, *names: str) -> Iterator[tuple[Any, ...]]:
        """Yield these columns' values of each row in the written shards."""
        for file in sorted(self.shards.glob("*.parquet")):
            yield from zip(*pq.read_table(file, columns=list(names)).to_pydict().values(), strict=True)

    def _has(self, kind: Kind, request: Request) -> bool:
        return (kind, request.place) in self._lines

    def _mark(self, request: Request) -> str:
        """Return the digest of the problem as it was when its response was sampled."""
        return self._lines["response", request.place][1]

    def _read(self, kind: Kind, request: Request) -> dict[str, Any]:
        return self.journal.read(self._lines[kind, request.place][0])

    def _append(self, kind: Kind, request: Request, values: dict[str, Any]) -> None:
        mark = self._digest(request.problem)
        name = {"kind": kind, "id": request.problem.id, "sample": request.sample, "mark": mark}
        self._lines[kind, request.place] = self.journal.append(name | values), mark

    def _digest(self, problem: Problem) -> str:
        # why: once a problem, not once a response: tests may be megabytes
        if problem.id not in self._digests:
            self._digests[problem.id] = statement_digest(problem)
        return self._digests[problem.id]

    def _row(self, request: Request) -> dict[str, Any]:
        problem = request.problem
        verdict = self._read("verdict", request) if self._has("verdict", request) else {}
        values = self._read("response", request) | verdict
        row = {name: values.get(name) for name in SCHEMA.names}
        own = {"id": problem.id, "sample": request.sample, "task": problem.task, "statement": problem.statement}
        return row | own | {"starter": problem.starter, "seed": request.seed(self.seed)}


def _name_of(line: dict[str, Any]) -> tuple[tuple[Kind, Place], str]:
    """Return what a line of the journal is of, and its mark."""
    return (line["kind"], (line["id"], line["sample"])), line["mark"]


def judgeable(request: Request) -> bool:
    """Return whether the problem has a ground truth to judge by."""
    return bool(request.problem.answer) or request.problem.tests is not None
