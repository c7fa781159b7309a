r"""The sources of the paper (3.1.1) and of its reinforcement learning, as declarations: where a dataset is on the Hub,
which columns hold what, which verifier judges, and its licence."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import xxhash
from datasets import Dataset

from acereason.curation.digests import digest
from acereason.data.fields import Fields
from acereason.data.problems import Source
from acereason.errors import UserError


@dataclass
class CuratedSource(Source):
    """One source of prompts, or a benchmark: a known dataset, or anything that a `Source` reads."""

    dataset: str | None = None
    """Name of a known dataset (`SOURCES`): its path, config, split, fields, task and licence are used. `path` may still
    name a local copy."""
    licence: str = "unknown"
    """Told in manifest and data card."""

    def resolved(self, key: str) -> "CuratedSource":
        """With the known dataset's declarations put in. `key` names this source in errors."""
        if self.dataset is None:
            return self
        if self.dataset not in SOURCES:
            raise UserError(f"{key}.dataset: {self.dataset!r} is not known; there are {sorted(SOURCES)}")
        known = SOURCES[self.dataset]
        if self.path:
            known = replace(known, path=self.path, config=None, split=self.split)
        return replace(known, limit=self.limit)

    def columns(self) -> set[str]:
        """The columns that the mapping and `where` name."""
        return super().columns() | set(self.where)

    def takes(self, row: dict[str, Any]) -> bool:
        """Whether the row has the values that `where` asks for."""
        return all(str(row[column]) in values for column, values in self.where.items())

    def _chosen(self, rows: Dataset, key: str) -> Dataset:
        return rows  # `read` leaves out the others, and counts them

    def fingerprint(self, rows: Dataset) -> str:
        """Hash of the data: a file's bytes, the revision of the Hub, or the rows of a generator."""
        if self.path and Path(self.path).is_file():
            return file_hash(Path(self.path))
        revision = sorted(map(str, rows.info.download_checksums or {}))
        return digest([self.path, self.config, self.split, revision or str(self.arithmetic or self.programs)])


SOURCES = {
    "acemath": CuratedSource(
        "nvidia/AceMath-Instruct-Training-Data",
        Fields("messages", "answer", solution="messages"),
        split="math_sft",
        licence="CC-BY-NC-4.0",
    ),
    "numinamath": CuratedSource(
        "AI-MO/NuminaMath-CoT", Fields("problem", "solution", solution="solution"), licence="Apache-2.0"
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
        Fields("problem", "solution", solution="solution", difficulty="level"),
        licence="MIT",
    ),
    "taco": CuratedSource(
        "BAAI/TACO",
        Fields("question", None, tests=["input_output"], starter="starter_code", date="date"),
        task="code",
        licence="Apache-2.0",
    ),
    "apps": CuratedSource("codeparrot/apps", "apps", task="code", licence="MIT"),
    "opencoder": CuratedSource(
        "OpenCoder-LLM/opc-sft-stage2",
        Fields("instruction", None, solution="output", id="seq_id", tests=["testcase"]),
        task="code",
        config="educational_instruct",
        licence="MIT",
    ),
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


def resolve(sources: dict[str, CuratedSource], key: str) -> dict[str, CuratedSource]:
    """Every source with its declarations; `key` names the mapping in errors."""
    return {name: source.resolved(f"{key}.{name}") for name, source in sources.items()}


def batches(
    source: CuratedSource, rows: Dataset, start: int, end: int, size: int = 1000
) -> Iterator[list[dict[str, Any]]]:
    """Rows `start` to `end` with the columns that the mapping names, a list of dicts at a time."""
    columns = rows.select_columns(sorted(source.columns()))
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
