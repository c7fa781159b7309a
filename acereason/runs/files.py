"""The files in a run's folder. Each name is here and nowhere else."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol

from acereason.common.files import append_rows, read_rows, write_atomically
from acereason.rewards.settings import JUDGE

MARK = "run.json"
"""File that marks a folder as a run's: which verb began it, when, where, and by which command."""


class Rows:
    """A .jsonl file, whose rows hold the step that they are of.

    Args:
        path: the file, which may not exist yet.
        writes: whether this process writes it; on others the methods that write do nothing.
    """

    def __init__(self, path: Path, writes: bool = True) -> None:
        self.path, self.writes = path, writes

    def read(self) -> list[dict[str, Any]]:
        """Read all whole rows; none if there is no file."""
        return list(read_rows(self.path))

    def append(self, rows: Iterable[dict[str, Any]]) -> None:
        """Add rows; without any, make the file."""
        if self.writes:
            append_rows(self.path, rows)

    def replace(self, rows: Iterable[dict[str, Any]]) -> None:
        """Write these rows in place of all that are there."""
        if self.writes:
            write_atomically(self.path, "".join(json.dumps(row) + "\n" for row in rows))

    def keep_before(self, step: int) -> None:
        """Remove the rows that a run which goes on after `step` updates will write again."""
        if self.path.exists():
            self.replace(row for row in self.read() if stays(row, step))


def stays(row: Mapping[str, Any], step: int) -> bool:
    """Return whether a row was written before the checkpoint of `step`."""
    # why: an evaluation is logged at the number of updates before it, an update at its own number, from 0
    evaluation = any(name.startswith("eval/") and value not in ("", None) for name, value in row.items())
    return int(row["step"]) < step + evaluation


# why: not Lightning's Trainer, whose import would take `report`, which trains nothing, five seconds
class Training(Protocol):
    """What a trainer tells of its run."""

    is_global_zero: bool

    @property
    def log_dir(self) -> str | None:
        """The run's folder. Every rank must ask for it: Lightning broadcasts it."""


class RunFiles:
    """The files of one run.

    Args:
        folder: the run's folder.
        writes: whether this process writes them.
    """

    def __init__(self, folder: Path, writes: bool = True) -> None:
        self.folder = folder
        # why: the name that Lightning's CLI gives it
        self.config = folder / "config.yaml"
        self.checkpoints = folder / "checkpoints"
        """Names in it begin with step-NNNNNN."""
        self.exports = folder / "exports"
        self.export = folder / "export"
        """A link to the newest of the exports."""
        self.judge = folder / JUDGE
        """Journals of a judge's verdicts, one of each rank."""
        self.report = folder / "report"
        self.summary = folder / "summary.json"
        self.curves = folder / "curves.png"
        self.metrics = Rows(folder / "metrics.jsonl", writes)
        """Every metric, whatever the logger: `step`, and values by name."""
        self.groups = Rows(folder / "groups.jsonl", writes)
        self.samples = Rows(folder / "samples.jsonl", writes)
        self.health = Rows(folder / "health.jsonl", writes)
        """Findings of the health rules; there is a file, if an empty one, where the run was watched."""
        self.filtered = Rows(folder / "filtered.jsonl", writes)

    @classmethod
    def of(cls, trainer: Training) -> "RunFiles":
        """Return the files of a trainer's run. Every rank must call it, not only the writer."""
        return cls(Path(str(trainer.log_dir)), trainer.is_global_zero)

    def keep_before(self, step: int) -> None:
        """Remove the rows that a run which goes on after `step` updates will write again."""
        for rows in (self.metrics, self.groups, self.samples, self.health):
            rows.keep_before(step)

    def names(self) -> set[str]:
        """Return the names of all of them but the mark."""
        parts = [part for name, part in vars(self).items() if name != "folder"]
        return {(part.path if isinstance(part, Rows) else part).name for part in parts}
