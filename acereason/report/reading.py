"""A run's folder as data."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from acereason.configs import check_config
from acereason.curves import Curve, read_curves
from acereason.errors import UserError
from acereason.files import read_rows


@dataclass
class Span:
    """A stage's steps."""

    name: str
    first: int
    last: int

    @property
    def steps(self) -> int:
        """How many."""
        return self.last - self.first + 1


@dataclass
class Run:
    """What a run left in its folder, up to now."""

    name: str
    folder: Path
    config: dict[str, Any]
    """config.yaml"""
    curves: dict[str, Curve]
    samples: list[dict[str, Any]] = field(default_factory=list)
    filtered: list[dict[str, Any]] = field(default_factory=list)
    groups: list[dict[str, Any]] = field(default_factory=list)
    health: list[dict[str, Any]] | None = None
    """None: nothing watched the run."""

    @property
    def model(self) -> dict[str, Any]:
        """The model's settings."""
        return self.config["model"].get("init_args", {})

    @property
    def data(self) -> dict[str, Any]:
        """The data's settings."""
        return self.config["data"].get("init_args", {})

    @property
    def stages(self) -> dict[str, dict[str, Any]]:
        """The curriculum's settings; none in SFT."""
        return self.data.get("stages") or {}

    @property
    def is_rl(self) -> bool:
        """Whether it learns from rewards."""
        return bool(self.stages)

    @property
    def steps(self) -> int:
        """Updates so far."""
        return 1 + max((step for name in ("policy/loss",) for step, _ in self.curves.get(name, [])), default=-1)

    @property
    def benchmarks(self) -> list[str]:
        """What was evaluated."""
        return sorted(name.split("/")[1] for name in self.curves if name.startswith("eval/") and name.endswith("/avg"))

    @property
    def finished(self) -> bool:
        """Whether the last stage, or the last epoch of SFT, has ended."""
        if self.is_rl:
            return any((self.folder / "checkpoints").glob(f"*-end-of-{list(self.stages)[-1]}.ckpt"))
        return (self.folder / "exports" / f"epoch-{self.config['trainer']['max_epochs'] - 1}").exists()

    def spans(self) -> list[Span]:
        """The stages that it has been in, in order; an SFT run is one."""
        index = self.curves.get("stage/index") or [(step, 0.0) for step, _ in self.curves.get("policy/loss", [])]
        names = list(self.stages) or ["sft"]
        steps: dict[int, list[int]] = {}
        for step, value in index:
            steps.setdefault(int(value), []).append(step)
        return [Span(names[number], found[0], found[-1]) for number, found in sorted(steps.items())]

    def values(self, name: str, span: Span | None = None) -> list[float]:
        """A metric's values, all or those of a stage."""
        curve = self.curves.get(name, [])
        return [value for step, value in curve if span is None or span.first <= step <= span.last]

    def callback(self, name: str) -> dict[str, Any] | None:
        """A callback's settings; None where the run has none of that name."""
        for entry in self.config["trainer"].get("callbacks") or []:
            if entry["class_path"].rpartition(".")[2] == name:
                return entry.get("init_args", {})
        return None


def read_run(folder: Path, name: str) -> Run:
    """Read a run's folder, whether the run is over or not."""
    config = folder / "config.yaml"
    if not config.exists():
        raise UserError(f"runs: {folder} has no config.yaml: name the folder of a run")
    check_config(config)
    rows = {kind: list(read_rows(folder / f"{kind}.jsonl")) for kind in ("samples", "filtered", "groups")}
    health = list(read_rows(folder / "health.jsonl")) if (folder / "health.jsonl").exists() else None
    return Run(name, folder, yaml.safe_load(config.read_text("utf-8")), read_curves(folder), **rows, health=health)


def read_runs(folders: list[str]) -> list[Run]:
    """Read several, each named by its folder and the one above, unless that is the same for all."""
    paths = [Path(folder).resolve() for folder in folders]
    parents = {path.parent for path in paths}
    names = [path.name if len(paths) > 1 == len(parents) else f"{path.parent.name}/{path.name}" for path in paths]
    return [read_run(path, name) for path, name in zip(paths, names, strict=True)]


def num_parameters(folder: Path) -> int | None:
    """Parameters of the newest export, from the headers of its files; None where there is none."""
    total = 0
    for path in (folder / "export").glob("*.safetensors"):
        with path.open("rb") as file:
            header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        shapes = [entry["shape"] for name, entry in header.items() if name != "__metadata__"]
        total += sum(_product(shape) for shape in shapes)
    return total or None


def _product(shape: list[int]) -> int:
    product = 1
    for size in shape:
        product *= size
    return product
