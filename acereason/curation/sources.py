r"""This module declares the sources of the paper (3.1.1) and of its reinforcement learning: each dataset's place on the
Hub, its columns, its verifier, and its licence."""

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import xxhash
from datasets import Dataset

from acereason.common.errors import UserError
from acereason.common.types import Task
from acereason.curation.digests import digest
from acereason.data.fields import Fields
from acereason.data.problems import Source
from acereason.data.reading import HUB, files_of
from acereason.data.where import holds
from acereason.rewards.registry import is_curated


@dataclass
class CuratedSource(Source):
    """A source of prompts, or a benchmark: a known dataset, or anything else that a `Source` reads."""

    dataset: str | None = None
    """Name of a known dataset (`SOURCES`): its path, config, split, fields, task, where and licence are used, unless
    they are given beside it; rows must meet both its `where` and yours. With a `path` of a local copy its config and
    split do not count."""
    licence: str = "unknown"
    """Licence that manifest and data card name."""

    def resolved(self, key: str) -> "CuratedSource":
        """Return the source with the known dataset's declarations put in; `key` names this source in errors."""
        if self.dataset is None:
            return self
        if self.dataset not in SOURCES:
            raise UserError(f"{key}.dataset: {self.dataset!r} is not known; there are {sorted(SOURCES)}")
        known, given = SOURCES[self.dataset], self._given()
        if generators := given.keys() & {"arithmetic", "programs", "reasoning_gym"}:
            raise UserError(f"{key}.{min(generators)}: does not go with dataset; leave one of the two out")
        # why: a local copy is files, which have neither the Hub's configs nor its splits
        place = {"config": None, "split": "train"} if self.path else {}
        return replace(known, **place | given | {"dataset": None, "where": {**known.where, **self.where}})

    def _given(self) -> dict[str, Any]:
        """Return the keys that have another value than their default."""
        default = CuratedSource()
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        return {name: value for name, value in values.items() if value != getattr(default, name)}

    def columns(self, there: list[str] | None = None) -> set[str]:
        """Return the columns that the mapping and `where` name."""
        return super().columns(there) | set(self.where)

    def takes(self, row: dict[str, Any]) -> bool:
        """Return whether the row has the values that `where` asks for."""
        return all(holds(row[column], asked) for column, asked in self.where.items())

    def _task(self, row: dict[str, Any]) -> Task:
        task = super()._task(row)
        if not is_curated(task):
            raise ValueError(f"curate takes no problems of {task}; name its source where it is trained on")
        return task

    def _chosen(self, rows: Dataset, key: str) -> Dataset:
        self.check_where(rows, key)
        # why: all rows, since `read` leaves out those that `where` doesn't ask for, and counts them
        return rows

    def fingerprint(self, rows: Dataset, key: str) -> str:
        """Return a hash of the data: of the files' bytes, of the Hub's revision, or of a generator's settings."""
        names = files_of(self.path, key) if self.path and self.config is None and not self.path.startswith(HUB) else []
        if names:
            hashes = [file_hash(Path(name)) for name in names]
            return hashes[0] if len(hashes) == 1 else digest(hashes)
        revision = sorted(map(str, rows.info.download_checksums or {}))
        revision = revision or [file_hash(Path(file["filename"])) for file in rows.cache_files]
        return digest([self.path, self.config, self.split, revision or str(self.arithmetic or self.programs)])


SOURCES = {
    # why: its column `answer` holds whole responses, of which the last box is the ground truth
    "acemath": CuratedSource(
        "nvidia/AceMath-Instruct-Training-Data",
        Fields("messages", "answer", solution="answer"),
        split="math_sft",
        licence="CC-BY-NC-4.0",
    ),
    "numinamath": CuratedSource(
        "AI-MO/NuminaMath-CoT", Fields("problem", "solution", solution="solution", worked=True), licence="Apache-2.0"
    ),
    "openmathreasoning": CuratedSource(
        "nvidia/OpenMathReasoning",
        Fields("problem", "expected_answer", solution="generated_solution"),
        split="cot",
        licence="CC-BY-4.0",
        where={"problem_type": ["has_answer_extracted"]},
    ),
    "acereason-math": CuratedSource("nvidia/AceReason-Math", "acereason-math", licence="CC-BY-4.0"),
    "acereason-sft-math": CuratedSource(
        "nvidia/AceReason-1.1-SFT", "acereason-sft", licence="CC-BY-4.0", where={"category": ["math"]}
    ),
    "acereason-sft-code": CuratedSource(
        "nvidia/AceReason-1.1-SFT", "acereason-sft", task="code", licence="CC-BY-4.0", where={"category": ["code"]}
    ),
    "gsm8k": CuratedSource("openai/gsm8k", "gsm8k", config="main", licence="MIT"),
    "math": CuratedSource(
        "DigitalLearningGmbH/MATH-lighteval",
        Fields("problem", "solution", solution="solution", worked=True, difficulty="level"),
        licence="MIT",
    ),
    # why: files, here and for apps: by its name `datasets` would run the dataset's script, which it refuses
    "taco": CuratedSource(
        "hf://datasets/BAAI/TACO/ALL/train-*.parquet",
        Fields("question", None, tests=["input_output"], starter="starter_code", date="date"),
        task="code",
        licence="Apache-2.0",
    ),
    "apps": CuratedSource("hf://datasets/codeparrot/apps/train.jsonl", "apps", task="code", licence="MIT"),
    "opencoder": CuratedSource(
        "OpenCoder-LLM/opc-sft-stage2",
        Fields("instruction", None, solution="output", id="seq_id", tests=["testcase"]),
        task="code",
        config="educational_instruct",
        licence="MIT",
    ),
    # why: split_0 alone: split_1, a quarter of it, has `-` for statements that stand in TACO and APPS
    "opencodereasoning": CuratedSource(
        "nvidia/OpenCodeReasoning",
        Fields("input", None, solution="output", id="id"),
        task="code",
        config="split_0",
        split="split_0",
        licence="CC-BY-4.0",
    ),
}
"""Known datasets, by name."""


@dataclass
class Opened:
    """A source with its rows."""

    name: str
    source: CuratedSource
    rows: Dataset
    fingerprint: str = ""
    """Hash of the data, by which a change of the source is noticed."""

    def described(self) -> dict[str, Any]:
        """Return the source's entry in the manifest."""
        facts = {name: getattr(self.source, name) for name in ("path", "config", "split", "task", "licence")}
        return facts | {"rows": len(self.rows), "fingerprint": self.fingerprint}

    def between(self, start: int, end: int) -> Iterator[dict[str, Any]]:
        """Yield rows `start` to `end` with the columns that the mapping and `where` name."""
        columns = self.rows.select_columns(sorted(self.source.columns(self.rows.column_names)))
        # why: some at a time, since a row at a time is slow and all rows may not fit into memory
        for first in range(start, end, 1000):
            lists = columns[first : min(first + 1000, end)]
            yield from (dict(zip(lists, values, strict=True)) for values in zip(*lists.values(), strict=True))


def open_sources(sources: dict[str, CuratedSource], key: str) -> list[Opened]:
    """Resolve and open every source, and check its columns; `key` names the mapping in errors."""
    opened = []
    resolved = {name: source.resolved(f"{key}.{name}") for name, source in sources.items()}
    for name, source in resolved.items():
        rows = source.rows(f"{key}.{name}")
        opened.append(Opened(name, source, rows, source.fingerprint(rows, f"{key}.{name}.path")))
    return opened


def file_hash(path: Path) -> str:
    """Return the hash of a file's bytes, as 32 hexadecimal digits."""
    hasher = xxhash.xxh3_128()
    with path.open("rb") as file:
        while block := file.read(2**22):
            hasher.update(block)
    return hasher.hexdigest()
