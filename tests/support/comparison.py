"""What two runs of conf/debug.yaml have in common."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from acereason.runs.curves import read_events
from tests.support.killed_runs import ONE_THREAD
from tests.support.limits import HANG

SGD = [
    "--model.optimizer=SGD",
    "--model.optimizer.lr=0.03",
    "--model.optimizer.momentum=0.9",
]  # AdamW would amplify rounding


def fit(folder: Path, name: str, *overrides: str) -> Path:
    logger = [f"--trainer.logger.save_dir={folder}", f"--trainer.logger.name={name}"]
    command = [sys.executable, "run.py", "fit", "--config=conf/debug.yaml", *logger, *overrides]
    done = subprocess.run(command, capture_output=True, text=True, timeout=HANG, env=ONE_THREAD)
    assert done.returncode == 0, done.stderr
    return folder / name


def equal(first: Path, second: Path, since: int = 0) -> None:
    """Every metric of the steps from `since` on, and the final weights, to 1e-5."""
    mine, theirs = metrics(first, since), metrics(second, since)
    assert mine.keys() == theirs.keys()
    for tag, curve in mine.items():
        # the gaps are rounding itself; the samples that they compare are equal
        tolerance = {"abs": 1e-5} if tag.startswith("sync/") else {"rel": 1e-5, "abs": 1e-7}
        assert dict(theirs[tag]) == pytest.approx(dict(curve), nan_ok=True, **tolerance), tag
    same_weights(first / "export", second / "export", tolerance=1e-5)


def same_weights(first: Path, second: Path, tolerance: float = 0.0) -> None:
    """Two exported folders hold the same policy."""
    mine, theirs = (load_file(folder / "model.safetensors") for folder in (first, second))
    assert mine.keys() == theirs.keys()
    for name in mine:
        torch.testing.assert_close(mine[name], theirs[name], atol=tolerance, rtol=0)


def metrics(folder: Path, since: int = 0) -> dict[str, list[tuple[int, float]]]:
    """Every curve but the clock's, of the updates after the first `since`."""
    clocks = ("time/", "throughput/", "sync/seconds")
    curves = {tag: curve for tag, curve in read_events(folder).items() if not tag.startswith(clocks)}
    first = {tag: since + (tag.startswith("eval/") and since > 0) for tag in curves}  # evaluated after the last update
    return {tag: [point for point in curve if point[0] >= first[tag]] for tag, curve in curves.items()}
