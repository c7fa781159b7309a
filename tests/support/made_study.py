"""A stand-in for run.py, whose runs take no time, and studies of it."""

import json
from pathlib import Path

import pytest

from acereason.processes import steps

PROGRAM = """
import json, os, pathlib, random, re, sys, time
calls = pathlib.Path({calls!r})
flags = dict(arg.removeprefix("--").split("=", 1) for arg in sys.argv[2:])
with calls.open("a") as file:
    file.write(json.dumps(sys.argv[1:]) + "\\n")
seed = int(flags["seed_everything"])
if sys.argv[1] == "fit":
    folder = pathlib.Path(flags["trainer.logger.save_dir"], flags["trainer.logger.name"])
    folder.mkdir(parents=True, exist_ok=True)
    if "fail" in flags and not (folder / "tried").exists():
        (folder / "tried").touch()
        sys.exit(3)
    size = float(flags.get("size", 0))
    (folder / "config.yaml").write_text("model: {{}}\\ndata: {{}}\\n")
    (folder / "gain").write_text(str(size))
    rows = [{{"step": step, "policy/loss": 0.0, "length": size * step + seed}} for step in range(4)]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\\n" for row in rows))
else:
    folder = pathlib.Path(flags["trainer.default_root_dir"])
    folder.mkdir(parents=True, exist_ok=True)
    gain = float(pathlib.Path(flags["model.pretrained"], "gain").read_text())
    avg = (10 + gain + random.Random(seed).random()) / 100
    result = dict(n=2, avg=avg, stderr_problems=0, stderr_runs=0, majority=None, error_rate=0, errors=[],
        length_mean=7.5, truncated=0.25, pass_at_k={{"1": avg, "2": 2 * avg}}, pass_at_k_drawn={{}}, problems={{}})
    (folder / "results.json").write_text(json.dumps({{"benchmarks": {{"sums": result}}}}))
time.sleep(float(flags.get("seconds", 0)))
pathlib.Path(os.environ["ACEREASON_MARK"]).touch()
"""


@pytest.fixture
def program(tmp_path, monkeypatch):
    """Puts the stand-in in the place of run.py; returns a function for the command lines that it was given so far.

    A run of `fit` takes `--size`, which is what its `test` finds, in points, above 10 and the seed's own luck.
    """
    script, calls = tmp_path / "program.py", tmp_path / "calls"
    script.write_text(PROGRAM.format(calls=str(calls)))
    monkeypatch.setattr(steps, "_RUN", script)
    return lambda: [json.loads(line) for line in calls.read_text().splitlines()] if calls.exists() else []


def config(folder: Path, text: str = "a: 1\n") -> str:
    """Writes a file of settings and returns its path."""
    path = folder / "config.yaml"
    # why: a study in another thread may be reading it
    if not path.exists() or path.read_text() != text:
        path.write_text(text)
    return str(path)
