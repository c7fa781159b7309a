"""This module runs the stages of a curation: each has a folder that appears when it is complete, and is skipped as long
as nothing changes that it depends on."""

import shutil
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from acereason.common.errors import UserError
from acereason.common.files import atomic_folder, read_json, write_json
from acereason.curation.digests import digest

_REPORT = "stage.json"
_KEYS = {"read": "sources", "filter": "filters", "version": "versions"}
"""{stage: YAML key}, where the two differ."""
_CODE = 3
"""Version of the stages' output; it is raised whenever a stage would write other bytes for the same config, so that old
folders are redone."""


@dataclass
class Report:
    """The numbers of a stage."""

    unit: str
    """The things that are counted: prompts or responses."""
    before: int
    after: int
    reasons: dict[str, int] = field(default_factory=dict)
    """{reason: number of rows dropped for it}."""
    details: dict[str, Any] = field(default_factory=dict)
    """Further facts about the stage for the manifest and the data card."""

    def line(self) -> str:
        """Format as `1,000 -> 900 prompts (80 near copy, 20 exact copy)`."""
        why = ", ".join(f"{count:,} {reason}" for reason, count in sorted(self.reasons.items(), key=lambda kv: -kv[1]))
        return f"{self.before:,} -> {self.after:,} {self.unit}" + (f" ({why})" if why else "")


class Stages:
    """Runs stages in order, in folders of their own below `folder`.

    A stage's key is a hash of its config and of the key of the stage before, so that a change redoes its stage and all
    after it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.reports: dict[str, Report] = {}
        self.folders: dict[str, Path] = {}
        self._key = digest(_CODE)
        _remove_leftovers(folder)

    def run(self, name: str, config: Any, work: Callable[[Path], Report], folder: Path | None = None) -> Path:
        """Run a stage unless it is complete already, and return its folder.

        Args:
            name: name of the stage.
            config: all settings and inputs of the stage, besides the results of the stage before.
            work: does the stage's work in an empty folder.
            folder: folder of the stage; by default a numbered one among the others.

        Raises:
            UserError: the stage leaves nothing.
        """
        self._key = digest([self._key, name, config])
        folder = folder or self.folder / f"{len(self.reports) + 1}-{name}"
        report, started = _done(folder, self._key), time.perf_counter()
        duration = "done before"
        if report is None:
            with atomic_folder(folder) as temporary:
                report = work(temporary)
                write_json(temporary / _REPORT, {"key": self._key, **asdict(report)})
            duration = f"{self._took(name, time.perf_counter() - started):.1f} s"
        print(f"{name}: {report.line()}, {duration}", flush=True)
        # why: parts of other configs go too, since nothing else would remove them
        for left in self.folder.glob(f".parts-{name}-*"):
            shutil.rmtree(left)
        self.reports[name], self.folders[name] = report, folder
        # why: an empty dataset is nobody's wish; the run on it would train on nothing
        if not report.after:
            message = f"nothing is left: {report.line()}; {folder} has what was dropped, and its evidence"
            raise UserError(f"{_KEYS.get(name, name)}: {message}")
        return folder

    def parts(self, name: str) -> Path:
        """Return a folder for the finished parts of the stage that runs now.

        It outlives a kill, and is removed when the stage is complete.
        """
        folder = self.folder / f".parts-{name}-{self._key[:16]}"
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def _took(self, name: str, seconds: float) -> float:
        """Write down a stage's seconds, and return them."""
        # why: in a file of its own, since times differ from run to run and the other files must not
        path = self.folder / "seconds.json"
        known = read_json(path) if path.exists() else {}
        write_json(path, known | {name: round(seconds, 2)})
        return seconds


def _remove_leftovers(folder: Path) -> None:
    """Remove the files and folders that a killed call left half written."""
    written = (".data.*", ".README.md.*", ".manifest.json.*", ".lengths-*")
    for left in [*folder.glob(".[0-9]*"), *(path for name in written for path in folder.parent.glob(name))]:
        if left.is_dir():
            shutil.rmtree(left)
        else:
            left.unlink()
    for left in folder.glob(".seconds.json.*"):
        left.unlink()


def _done(folder: Path, key: str) -> Report | None:
    path = folder / _REPORT
    if not path.exists():
        return None
    found = read_json(path)
    return Report(**found) if found.pop("key") == key else None
