"""This module has what the stages of one call share: their inputs, and the results of the stages before."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from acereason.curation.origins import Origins
from acereason.curation.sources import Opened
from acereason.curation.stages import Report, Stages
from acereason.curation.tables import DROPPED, Dropped, Prompts, write_dropped, write_examples
from acereason.rewards.pool import RewardPool

TABLE = "responses.parquet"
"""The responses that a stage leaves."""
LOST = "lost.parquet"
"""Responses of kept prompts that are cut or empty: number, status, tokens."""


@dataclass
class Context:
    """The inputs of all stages, and the results of those that are done."""

    stages: Stages
    sources: list[Opened]
    benchmarks: list[Opened]
    origins: Origins
    """The files that hold the responses' texts."""
    pool: RewardPool
    workers: int
    """Number of processes of the stages that read text."""
    examples: int
    """Number of dropped prompts of each reason that a stage shows."""
    seed: int

    @cached_property
    def prompts(self) -> Prompts:
        """All prompts, by the stage `read`."""
        return Prompts(self.stages.folders["read"])

    def kept(self) -> np.ndarray:
        """Return [P] bool: the prompts that none of the stages so far has dropped."""
        kept = np.ones(len(self.prompts), dtype=bool)
        # why: without the first stage, `read`, which drops no prompts
        for folder in list(self.stages.folders.values())[1:]:
            kept[pq.read_table(folder / DROPPED, columns=["number"])["number"].to_numpy()] = False
        return kept

    def responses(self) -> pa.Table:
        """Read the responses that the stage before left."""
        return pq.read_table(list(self.stages.folders.values())[-1] / TABLE)

    def drop(self, to: Path, dropped: list[Dropped], details: dict[str, Any] | None = None) -> Report:
        """Write the dropped ones of the prompts that were left, and some of them in full."""
        before, reasons = int(self.kept().sum()), write_dropped(to, dropped)
        write_examples(to / "examples.jsonl", dropped, self.prompts, self.examples, self.seed)
        return Report("prompts", before, before - len(dropped), reasons, details or {})
