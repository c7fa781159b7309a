"""This module stores responses in a folder with the settings it was begun with, a journal, and shards of parquet."""

import json
import shutil
from collections import Counter
from hashlib import blake2b
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from acereason.common.errors import UserError
from acereason.common.files import atomic_folder, flat, read_json, write_atomically, write_json
from acereason.common.ratings import Rating, ratings_of
from acereason.common.texts import to_json, without_halves
from acereason.common.types import Problem, Verdict
from acereason.data.loading import described
from acereason.rewards.code.compressed import tests_of
from acereason.teacher.journal import Journal
from acereason.teacher.requests import Failed, Finished, Request

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
        self.journal = Journal(folder / f"{name}.journal.jsonl")
        # why: a killed call leaves half-written shards; after the journal's lock they are not another process's
        for half in folder.glob(f".{name}.*"):
            shutil.rmtree(half, ignore_errors=True)

    def unfinished(self, requests: list[Request]) -> list[Request]:
        """Return the requests without a response.

        Raises:
            UserError: a problem has changed since its response was sampled.
        """
        finished = [request for request in requests if self.journal.has("response", request.key)]
        for request in finished:
            if self.journal.mark("response", request.key) != self._of(request.problem):
                raise UserError(
                    f"sources: {request.problem.id} is not the problem that it was when its response {request.sample} "
                    "was sampled; name another output folder"
                )
        return [request for request in requests if not self.journal.has("response", request.key)]

    def unjudged(self, requests: list[Request]) -> list[Request]:
        """Return the requests that have a response and a ground truth, but no verdict."""
        has = self.journal.has
        finished = [request for request in requests if judgeable(request) and has("response", request.key)]
        return [request for request in finished if not has("verdict", request.key)]

    def add(self, finished: Finished) -> None:
        """Keep a response in the journal."""
        values = {"response": finished.text, "tokens": finished.tokens, "finish_reason": finished.finish_reason}
        self.journal.append("response", finished.request.key, self._of(finished.request.problem), values)

    def add_verdict(self, request: Request, verdict: Verdict) -> None:
        """Keep the verdict on a response in the journal."""
        detail = {name: value for name, value in verdict.detail.items() if name not in _CLOCKS}
        values = {"status": verdict.status, "detail": to_json(detail)}
        self.journal.append("verdict", request.key, self._of(request.problem), values)

    def response(self, request: Request) -> str:
        """Return the text of a finished request's response."""
        return self.journal.read("response", request.key)["response"]

    def write_shards(self, requests: list[Request]) -> int:
        """Write the finished requests, sorted by id and sample, and return their number.

        A folder of shards appears whole or not at all.
        """
        # why: sorted, so that the bytes don't depend on the order in which responses came
        rows = sorted((r for r in requests if self.journal.has("response", r.key)), key=lambda request: request.key)
        with atomic_folder(self.shards) as folder:
            for number, start in enumerate(range(0, len(rows), self.rows_per_shard)):
                file = folder / f"{number:05}.parquet"
                table = [self._row(request) for request in rows[start : start + self.rows_per_shard]]
                # why: parquet holds UTF-8, which has no half of a surrogate pair
                pq.write_table(pa.Table.from_pylist(without_halves(table), SCHEMA), file, compression="zstd")
        return len(rows)

    def write_problems(self, requests: list[Request]) -> None:
        """Write the problems of the shards, each with its ground truth, pass rate and mean length."""
        files = sorted(self.shards.glob("*.parquet"))
        tables = [pq.read_table(file, columns=["id", "status", "tokens"]) for file in files]
        found: dict[str, Rating] = ratings_of(
            row for table in tables for row in zip(*table.to_pydict().values(), strict=True)
        )
        problems = {request.problem.id: request.problem for request in requests}
        rows = [described(problems[name]) | rating.columns() for name, rating in found.items() if name in problems]
        write_atomically(self.problems, "".join(to_json(row) + "\n" for row in rows))

    def shard_rows(self) -> int:
        """Return the number of rows in the written shards."""
        return sum(pq.read_metadata(file).num_rows for file in self.shards.glob("*.parquet"))

    def counts(self) -> dict[str, int]:
        """Return the number of rows by verdict and, under `length`, of those that the response budget ended."""
        columns = [pq.read_table(file, columns=["status", "finish_reason"]) for file in self.shards.glob("*.parquet")]
        counts = Counter[str]()
        for table in columns:
            counts.update(status or "unjudged" for status in table["status"].to_pylist())
            counts["length"] += pc.sum(pc.equal(table["finish_reason"], "length")).as_py() or 0
        return dict(counts)

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

    def _of(self, problem: Problem) -> str:
        """Return a short digest of the problem that a response answers."""
        # why: once a problem, not once a response: tests may be megabytes
        if problem.id not in self._digests:
            tests = repr(tests_of(problem) if problem.tests else None)
            parts = [problem.task, problem.statement, problem.starter, problem.answer, tests]
            digest = blake2b("\0".join(parts).encode(errors="replace"), digest_size=8)
            self._digests[problem.id] = digest.hexdigest()
        return self._digests[problem.id]

    def _row(self, request: Request) -> dict[str, Any]:
        problem, judged = request.problem, self.journal.has("verdict", request.key)
        verdict = self.journal.read("verdict", request.key) if judged else {}
        values = self.journal.read("response", request.key) | verdict
        row = {name: values.get(name) for name in SCHEMA.names}
        own = {"id": problem.id, "sample": request.sample, "task": problem.task, "statement": problem.statement}
        return row | own | {"starter": problem.starter, "seed": request.seed(self.seed)}


def judgeable(request: Request) -> bool:
    """Return whether the problem has a ground truth to judge by."""
    return bool(request.problem.answer) or request.problem.tests is not None


def refuse_other(path: Path, identity: dict[str, Any]) -> None:
    """Raise a UserError that names the differences where a folder was started with other settings."""
    if not path.exists():
        return
    # why: through JSON and back, since the file has lists where the identity has tuples
    before, now = flat(read_json(path)), flat(json.loads(json.dumps(identity)))
    changed = [name for name in before | now if before.get(name) != now.get(name)]
    if changed:
        differences = "; ".join(f"{name} was {before.get(name)!r}, now {now.get(name)!r}" for name in changed)
        raise UserError(
            f"output: {path.parent} was started with other settings: {differences}; set it back, or name another folder"
        )
