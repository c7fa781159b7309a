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
from acereason.common.locks import hold
from acereason.common.texts import without_halves
from acereason.evaluation.accuracy import Judged

Place = tuple[str, int]
"""A problem's id and the number of the sample."""


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

    @property
    def place(self) -> Place:
        """The problem's id and the sample's number, which together name it."""
        return self.id, self.sample

    @property
    def vote(self) -> str | None:
        """The answer that the sample votes for; None for a program, an error or a response without a box."""
        return self.detail.get("normal") if self.status != "error" else None


class Journal:
    """This rank's journal of a benchmark, open for appending; a context manager.

    Raises:
        UserError: another process writes the same journal.
    """

    def __init__(self, folder: Path, benchmark: str, rank: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / f"{benchmark}-{rank}.jsonl"

    def __enter__(self) -> "Journal":
        self.file = self.path.open("ab")
        hold(self.file, f"{self.path}: another process evaluates into this folder; wait for it")
        # why: a killed writer leaves half a line, to which the next sample would be glued
        self.file.truncate(_whole_lines(self.path))
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()

    def append(self, sample: "Sample | Judged") -> None:
        """Add one line and hand it to the operating system."""
        # why: `json.dumps` escapes all beyond ASCII: UTF-8 can't hold half a surrogate pair
        self.file.write(json.dumps(asdict(sample)).encode() + b"\n")
        # why: what the system has outlives the process, even by SIGKILL
        self.file.flush()


def read_samples(folder: Path, benchmark: str) -> dict[Place, Sample]:
    """Return every kept sample of a benchmark, by all ranks of all calls; a torn last line is dropped."""
    found: dict[Place, Sample] = {}
    # why: both, since a kill while the journals become a parquet file leaves the two, and later calls add journals
    for sample in [*_of_parquet(folder / f"{benchmark}.parquet"), *_of_journals(folder, benchmark)]:
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
    for journal in journals(folder, benchmark):
        journal.unlink()


def journals(folder: Path, benchmark: str) -> list[Path]:
    """Return the journals of a benchmark, of all ranks."""
    found = folder.glob(f"{benchmark}-*.jsonl")
    # why: the pattern also finds journals of a benchmark whose name begins with this one's and a dash
    return sorted(path for path in found if path.stem.removeprefix(f"{benchmark}-").isdecimal())


def _of_journals(folder: Path, benchmark: str) -> Iterator[Sample]:
    for path in journals(folder, benchmark):
        with path.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                if line.endswith(b"\n"):
                    yield _sample(line, f"{path}, line {number}")


def _sample(line: bytes, place: str) -> Sample:
    try:
        return Sample(**json.loads(line))
    except (ValueError, TypeError) as error:
        raise UserError(f"{place}: no sample; delete the line to draw it again") from error


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


def _whole_lines(path: Path) -> int:
    """Return the number of bytes up to the end of the last whole line."""
    return path.read_bytes().rfind(b"\n") + 1
