"""This module reads a run's folder."""

import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from acereason.common.configs import check_config
from acereason.common.errors import UserError
from acereason.runs.curves import Curve, read_curves
from acereason.runs.files import RunFiles


@dataclass
class Span:
    """The steps of a stage, the last one included."""

    name: str
    first: int
    last: int

    @property
    def steps(self) -> int:
        """Number of steps."""
        return self.last - self.first + 1


@dataclass
class Run:
    """The contents of a run's folder, so far."""

    name: str
    files: RunFiles
    config: dict[str, Any]
    """Contents of config.yaml."""
    curves: dict[str, Curve]
    samples: list[dict[str, Any]] = field(default_factory=list)
    filtered: list[dict[str, Any]] = field(default_factory=list)
    groups: list[dict[str, Any]] = field(default_factory=list)
    health: list[dict[str, Any]] | None = None
    """Findings of the health rules; None where no callback watched the run."""

    @property
    def model(self) -> dict[str, Any]:
        """The settings of the model."""
        return self.config["model"].get("init_args", {})

    @property
    def data(self) -> dict[str, Any]:
        """The settings of the data."""
        return self.config["data"].get("init_args", {})

    @property
    def stages(self) -> dict[str, dict[str, Any]]:
        """The settings of the stages, by name; none in SFT."""
        return self.data.get("stages") or {}

    @property
    def is_rl(self) -> bool:
        """Whether the run is reinforcement learning rather than SFT."""
        return bool(self.stages)

    @property
    def steps(self) -> int:
        """Number of updates so far."""
        return 1 + max((step for name in ("policy/loss",) for step, _ in self.curves.get(name, [])), default=-1)

    @property
    def benchmarks(self) -> list[str]:
        """Names of the evaluated benchmarks."""
        return sorted(name.split("/")[1] for name in self.curves if name.startswith("eval/") and name.endswith("/avg"))

    @property
    def finished(self) -> bool:
        """Whether the last stage, or the last epoch of SFT, has ended."""
        if self.is_rl:
            return any(self.files.checkpoints.glob(f"*-end-of-{list(self.stages)[-1]}.ckpt"))
        return (self.files.exports / f"epoch-{self.config['trainer']['max_epochs'] - 1}").exists()

    def spans(self) -> list[Span]:
        """Return the stages that the run has been in, in order; an SFT run is one."""
        # why: SFT logs no stage
        index = self.curves.get("stage/index") or [(step, 0.0) for step, _ in self.curves.get("policy/loss", [])]
        names = list(self.stages) or ["sft"]
        steps: dict[int, list[int]] = {}
        for step, value in index:
            steps.setdefault(int(value), []).append(step)
        return [Span(names[number], found[0], found[-1]) for number, found in sorted(steps.items())]

    def values(self, name: str, span: Span | None = None) -> list[float]:
        """Return the values of a metric, in the whole run or in a stage."""
        curve = self.curves.get(name, [])
        return [value for step, value in curve if span is None or span.first <= step <= span.last]

    def callback(self, name: str) -> dict[str, Any] | None:
        """Return the settings of a callback; None where the run has none of that name."""
        for entry in self.config["trainer"].get("callbacks") or []:
            if entry["class_path"].rpartition(".")[2] == name:
                return entry.get("init_args", {})
        return None


def read_run(folder: Path, name: str) -> Run:
    """Read a run's folder, whether the run is over or not."""
    run = read_outline(folder, name)
    run.samples, run.filtered, run.groups = (
        rows.read() for rows in (run.files.samples, run.files.filtered, run.files.groups)
    )
    run.health = run.files.health.read() if run.files.health.path.exists() else None
    return run


def read_outline(folder: Path, name: str) -> Run:
    """Read the configuration and the metrics in a run's folder, without its many rows.

    Args:
        folder: folder of the run.
        name: name of the run in the report.

    Raises:
        UserError: the folder is not a run's.
    """
    files = RunFiles(folder)
    if not files.config.exists():
        raise UserError(f"runs: {folder} has no {files.config.name}: name the folder of a run")
    check_config(files.config)
    return Run(name, files, yaml.safe_load(files.config.read_text("utf-8")), read_curves(folder))


def read_runs(folders: list[str]) -> list[Run]:
    """Read several runs, each named by its folder and the one above, or by its folder where the one above is shared."""
    paths = [Path(folder).resolve() for folder in folders]
    parents = {path.parent for path in paths}
    # why: runs of two folders may have one name, such as `rl`
    names = [path.name if len(paths) > 1 == len(parents) else f"{path.parent.name}/{path.name}" for path in paths]
    return [read_run(path, name) for path, name in zip(paths, names, strict=True)]


def num_parameters(export: Path) -> int | None:
    """Return the number of parameters in an exported folder; None where there is none."""
    total = 0
    # why: the headers alone are read: 8 bytes of their length, then shapes as JSON, in front of gigabytes of weights
    for path in export.glob("*.safetensors"):
        with path.open("rb") as file:
            header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        shapes = [entry["shape"] for name, entry in header.items() if name != "__metadata__"]
        total += sum(map(math.prod, shapes))
    return total or None
