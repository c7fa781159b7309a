"""The debug run on the device: `calibrate`, `fit`, `test`, and a run that is killed and resumed."""

import json
import math
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.gpu.settings import Settings, Tell
from benchmarks.gpu.verbs import finish, into, kill_once, metrics_of, on_device, start
from benchmarks.report import Row

KILLED_AFTER = 3
"""Updates."""
OF_THE_MACHINE = ("time/", "throughput/", "sync/seconds")
"""Metrics that no two runs share."""
ROUNDING = 0.0
"""What a resumed run may differ by on a CPU."""


def run_all(settings: Settings, tell: Tell) -> None:
    """All of them, by the configuration of one GPU: FSDP2 on a mesh of one, in bfloat16. What can runs beside the
    rest: most of a debug run's time is its start."""
    flags = on_device(settings, "conf/debug.yaml")
    with tempfile.TemporaryDirectory() as folder:
        whole, killed, calibrated = (Path(folder, name) for name in ("whole", "killed", "calibrated"))
        few = ["--temperatures=[0.7,1.0]", "--problems=4", "--rollouts=2", f"--output={calibrated}"]
        beside = [start(settings, "calibrate", *flags, *few), start(settings, "fit", *flags, *into(whole))]
        if not kill_once(start(settings, "fit", *flags, *into(killed)), lambda: updates(killed) >= KILLED_AFTER):
            raise RuntimeError(f"the run that was to be killed after {KILLED_AFTER} updates ended before it was")
        tell(Row("fit: SIGKILL after", updates(killed), "updates"))
        for process in beside:
            finish(process)
        _tell_calibration(calibrated, tell)
        tell(Row("fit: updates", updates(whole), "updates"))
        on = [(verb, into(run)) for verb, run in {"test": whole, "fit": killed}.items()]
        for process in [start(settings, verb, *flags, *place, "--ckpt_path=last") for verb, place in on]:
            finish(process)
        tell(Row("test on its last checkpoint", "ended well"))
        _tell_resumed(settings, whole, killed, tell)


def _tell_calibration(folder: Path, tell: Tell) -> None:
    for trial in json.loads((folder / "calibration.json").read_text())["trials"]:
        row = f"calibrate: entropy at T {trial['temperature']}"
        tell(Row(row, trial["entropy"], "nats", at_least=5, at_most=math.log(260)))  # random weights, 260 tokens


def _tell_resumed(settings: Settings, whole: Path, killed: Path, tell: Tell) -> None:
    tell(Row("resumed: updates", updates(killed), "updates", at_least=updates(whole), at_most=updates(whole)))
    asked = ROUNDING if settings.device == "cpu" else None  # kernels of a GPU add up in any order
    tell(Row("resumed: largest difference of a metric", difference(whole, killed), "absolute", at_most=asked))


def updates(folder: Path) -> int:
    """That the run's metrics tell of."""
    return len({row["step"] for row in metrics_of(folder) if "policy/loss" in row})


def difference(first: Path, second: Path) -> float:
    """Of any metric at any step; infinite where one run has what the other lacks, NaN where one alone has no number."""
    mine, theirs = _values(first), _values(second)
    if mine.keys() != theirs.keys():
        return math.inf
    apart = [_apart(value, theirs[place]) for place, value in mine.items()]
    return math.inf if not apart else math.nan if any(map(math.isnan, apart)) else max(apart)


def _values(folder: Path) -> dict[tuple[int, str], Any]:
    return {
        (row["step"], name): value
        for row in metrics_of(folder)
        for name, value in row.items()
        if not name.startswith(OF_THE_MACHINE)
    }


def _apart(one: float, other: float) -> float:
    """Nothing where neither is a number."""
    return 0.0 if math.isnan(one) and math.isnan(other) else abs(one - other)
