r"""The sources of the paper (3.1.1) and of its reinforcement learning, as declarations: where a dataset is on the Hub,
which columns hold what, which verifier judges, and its licence."""

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import xxhash
from datasets import Dataset

from acereason.curation.digests import digest
from acereason.data.fields import Fields
from acereason.data.problems import Source
from acereason.data.reading import HUB, files_of
from acereason.data.where import holds
from acereason.errors import UserError


@dataclass
class CuratedSource(Source):
    """One source of prompts, or a benchmark: a known dataset, or anything that a `Source` reads."""

    dataset: str | None = None
    """Name of a known dataset (`SOURCES`): its path, config, split, fields, task, where and licence are used, unless
    they are given beside it; rows must meet both its `where` and yours. With a `path` of a local copy its config and
    split do not count."""
    licence: str = "unknown"
    """Told in manifest and data card."""

    def resolved(self, key: str) -> "CuratedSource":
        """With the known dataset's declarations put in. `key` names this source in errors."""
        if self.dataset is None:
            return self
        if self.dataset not in SOURCES:
            raise UserError(f"{key}.dataset: {self.dataset!r} is not known; there are {sorted(SOURCES)}")
        known, given = SOURCES[self.dataset], self._given()
        if generators := given.keys() & {"arithmetic", "programs"}:
            raise UserError(f"{key}.{min(generators)}: is no part of a known dataset; leave out dataset, or this")
        place = {"config": None, "split": "train"} if self.path else {}
        return replace(known, **place | given | {"dataset": None, "where": {**known.where, **self.where}})

    def _given(self) -> dict[str, Any]:
        """The keys that have another value than their default."""
        default = CuratedSource()
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        return {name: value for name, value in values.items() if value != getattr(default, name)}

    def columns(self, there: list[str] | None = None) -> set[str]:
        """The columns that the mapping and `where` name."""
        return super().columns(there) | set(self.where)

    def takes(self, row: dict[str, Any]) -> bool:
        """Whether the row has the values that `where` asks for."""
        return all(holds(row[column], asked) for column, asked in self.where.items())

    def _chosen(self, rows: Dataset, key: str) -> Dataset:
        self.check_where(rows, key)
        return rows  # `read` leaves out the others, and counts them

    def fingerprint(self, rows: Dataset, key: str) -> str:
        """Hash of the data: of the files' bytes, the revision of the Hub, or the rows of a generator."""
        names = files_of(self.path, key) if self.path and self.config is None and not self.path.startswith(HUB) else []
        if names:
            hashes = [file_hash(Path(name)) for name in names]
            return hashes[0] if len(hashes) == 1 else digest(hashes)
        revision = sorted(map(str, rows.info.download_checksums or {}))
        revision = revision or [file_hash(Path(file["filename"])) for file in rows.cache_files]
        return digest([self.path, self.config, self.split, revision or str(self.arithmetic or self.programs)])


SOURCES = {
    "acemath": CuratedSource(  # the answer column holds whole responses
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
    "taco": CuratedSource(  # the files: by its name `datasets` would run a script, which it refuses; so for apps
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
    "opencodereasoning": CuratedSource(  # split_1, a quarter of it, has - for statements that stand in TACO and APPS
        "nvidia/OpenCodeReasoning",
        Fields("input", None, solution="output", id="id"),
        task="code",
        config="split_0",
        split="split_0",
        licence="CC-BY-4.0",
    ),
}
"""Known datasets, by name."""


def resolve(sources: dict[str, CuratedSource], key: str) -> dict[str, CuratedSource]:
    """Every source with its declarations; `key` names the mapping in errors."""
    return {name: source.resolved(f"{key}.{name}") for name, source in sources.items()}


def batches(
    source: CuratedSource, rows: Dataset, start: int, end: int, size: int = 1000
) -> Iterator[list[dict[str, Any]]]:
    """Rows `start` to `end` with the columns that the mapping names, a list of dicts at a time."""
    columns = rows.select_columns(sorted(source.columns(rows.column_names)))
    for first in range(start, end, size):
        lists = columns[first : min(first + size, end)]
        yield [dict(zip(lists, values, strict=True)) for values in zip(*lists.values(), strict=True)]


def file_hash(path: Path) -> str:
    """32 hexadecimal digits of a file's bytes."""
    hasher = xxhash.xxh3_128()
    with path.open("rb") as file:
        while block := file.read(2**22):
            hasher.update(block)
    return hasher.hexdigest()
