"""Every sample of an evaluation, kept the moment it is judged.

`samples/BENCHMARK-RANK.jsonl` is a journal, a line a sample, written whole and flushed: whatever kills the process, at
most its last line is torn, and that sample alone is drawn again. When a benchmark is complete its journals become
`samples/BENCHMARK.parquet`.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from acereason.errors import UserError
from acereason.evaluation.accuracy import Judged
from acereason.files import atomic_path
from acereason.locks import hold
from acereason.texts import without_halves

Place = tuple[str, int]
"""A problem's id and the number of the sample."""


@dataclass
class Sample:
    """One judged response."""

    id: str
    """The problem's."""
    sample: int
    """Its number among the problem's samples, from 0 on."""
    response: str
    status: str
    """correct, wrong or error."""
    detail: dict[str, Any]
    """What the verifier saw."""
    seed: int
    tokens: int
    """Of the response, the stop token included."""
    finish_reason: str
    problem: str
    """Digest of the prompt and the ground truth that it was judged by."""

    @property
    def place(self) -> Place:
        """Which sample it is."""
        return self.id, self.sample

    @property
    def vote(self) -> str | None:
        """The answer that it votes for; None for a program, an error or a response without a box."""
        return self.detail.get("normal") if self.status != "error" else None


class Journal:
    """This rank's journal of a benchmark, open for appending; a context manager.

    Raises:
        UserError: another process writes it.
    """

    def __init__(self, folder: Path, benchmark: str, rank: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / f"{benchmark}-{rank}.jsonl"

    def __enter__(self) -> "Journal":
        self.file = self.path.open("ab")
        hold(self.file, f"{self.path}: another process evaluates into this folder; wait for it")
        self.file.truncate(_whole_lines(self.path))
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()

    def append(self, sample: "Sample | Judged") -> None:
        """Add one line and hand it to the system."""
        self.file.write(json.dumps(asdict(sample)).encode() + b"\n")
        self.file.flush()


def read_samples(folder: Path, benchmark: str) -> dict[Place, Sample]:
    """Every kept sample of a benchmark, by all ranks of all runs into this folder; a torn last line is none."""
    found: dict[Place, Sample] = {}
    for sample in [*_of_parquet(folder / f"{benchmark}.parquet"), *_of_journals(folder, benchmark)]:
        found.setdefault(sample.place, sample)
    return found


def compact(folder: Path, benchmark: str, prompts: dict[str, str]) -> None:
    """Replace the journals of a complete benchmark by one parquet file. A kill leaves either, or both, which then hold
    the same.

    Args:
        prompts: the text of each problem's prompt, by id; samples of other problems keep theirs.
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
    for journal in journals(folder, benchmark):
        journal.unlink()


def journals(folder: Path, benchmark: str) -> list[Path]:
    """Those of all ranks."""
    found = folder.glob(f"{benchmark}-*.jsonl")
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
    """Bytes up to the end of the last whole line."""
    return path.read_bytes().rfind(b"\n") + 1
