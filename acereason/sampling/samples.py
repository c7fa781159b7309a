"""This module keeps every sample of an evaluation the moment it is judged.

`samples/BENCHMARK-RANK.jsonl` is a journal with a line for each sample. A line is written whole and flushed, so that a
kill tears at most the last one, and that sample alone is drawn again. When a benchmark is complete its journals become
`samples/BENCHMARK.parquet`.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from acereason.common.errors import UserError
from acereason.common.files import atomic_path
from acereason.common.journal import RankJournals
from acereason.common.texts import without_halves
from acereason.common.types import Problem, Verdict
from acereason.rollouts.engine import Place
from acereason.sampling.identity import problem_digest
from acereason.sampling.request import Finished


@dataclass
class Sample:
    """A judged response to a problem."""

    id: str
    """Id of the problem."""
    sample: int
    """Number among the problem's samples, from 0 on."""
    response: str
    status: str
    """correct, wrong or error."""
    detail: dict[str, Any]
    """The verifier's account of how it came to the status."""
    seed: int
    """Seed that the response was drawn from."""
    tokens: int
    """Length of the response in tokens, the stop token included."""
    finish_reason: str
    problem: str
    """Digest of the prompt and the ground truth that it was judged by."""

    @classmethod
    def of(cls, finished: Finished, verdict: Verdict, seed: int) -> "Sample":
        """Make the sample of a response and its verdict; `seed` is the benchmark's."""
        request = finished.request
        return cls(
            id=request.problem.id,
            sample=request.sample,
            response=finished.text,
            status=verdict.status,
            detail=verdict.detail,
            seed=request.seed(seed),
            tokens=finished.tokens,
            finish_reason=finished.finish_reason,
            problem=problem_digest(request.problem),
        )

    @property
    def place(self) -> Place:
        """The problem's id and the sample's number, which together name it."""
        return self.id, self.sample

    @property
    def vote(self) -> str | None:
        """The answer that the sample votes for; None for a program, an error or a response without a box."""
        return self.detail.get("normal") if self.status != "error" else None


def read_samples(folder: Path, benchmark: str) -> dict[Place, Sample]:
    """Return every kept sample of a benchmark, by all ranks of all calls; a torn last line is dropped."""
    found: dict[Place, Sample] = {}
    # why: both, since a kill while the journals become a parquet file leaves the two, and later calls add journals
    for sample in [*_of_parquet(folder / f"{benchmark}.parquet"), *RankJournals(folder, benchmark).entries(Sample)]:
        found.setdefault(sample.place, sample)
    return found


def compact(folder: Path, benchmark: str, prompts: dict[str, str]) -> None:
    """Replace the journals of a complete benchmark by one parquet file.

    Args:
        folder: folder of the samples.
        benchmark: name of the benchmark.
        prompts: text of each problem's prompt, by id; samples of other problems keep theirs.
    """
    target = folder / f"{benchmark}.parquet"
    kept = dict(_prompts(target)) | prompts
    rows = [
        {"id": sample.id, "sample": sample.sample, "prompt": kept.get(sample.id, ""), **asdict(sample)}
        | {"detail": json.dumps(sample.detail)}
        for _, sample in sorted(read_samples(folder, benchmark).items())
    ]
    with atomic_path(target) as temporary:
        pq.write_table(pa.Table.from_pylist(without_halves(rows)), temporary)
    # why: after the file is there: a kill between the two leaves samples twice, which is harmless, and never lost
    for path in RankJournals(folder, benchmark).paths():
        path.unlink()


def refuse_changed(problems: list[Problem], kept: dict[Place, Sample], folder: Path) -> None:
    """Raise a UserError if kept samples of a problem answer another prompt or were judged by another ground truth."""
    digests = {problem.id: problem_digest(problem) for problem in problems}
    for sample in kept.values():
        if digests.get(sample.id, sample.problem) != sample.problem:
            raise UserError(
                f"{folder}: holds samples of {sample.id} with another prompt or ground truth; give another folder "
                "(--trainer.default_root_dir), or delete it"
            )


def _of_parquet(path: Path) -> Iterator[Sample]:
    if not path.exists():
        return
    for batch in pq.ParquetFile(path).iter_batches():
        for row in batch.to_pylist():
            row.pop("prompt")
            yield Sample(**row | {"detail": json.loads(row["detail"])})


def _prompts(path: Path) -> Iterator[tuple[str, str]]:
    if path.exists():
        table = pq.read_table(path, columns=["id", "prompt"])
        yield from zip(table["id"].to_pylist(), table["prompt"].to_pylist(), strict=True)
