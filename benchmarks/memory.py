"""What do offloading and moments of 8 bits cost, and what do they change?

    pip install acereason[8bit]
    python -m benchmarks.memory [--steps 250] [--rounds 7] [--parts runs updates]

`runs`: the quickstart's SFT model under FSDP2 on a mesh of one CPU, plain, offloaded, offloaded with fused AdamW, and
with torchao's AdamW of 8 bits, side by side, 16 rows an update: loss of the last updates and held out, the largest
difference of any update's loss from that of the plain run, median seconds of an update, bytes of a checkpoint. On a CPU
both sides of the offloading are the same memory: what it does to speed and memory on a GPU is not measured here.

`updates`: AdamW alone on 33 million numbers, as it runs on the machine's cores when it is offloaded; its variants take
turns. The bytes a second are of 28 a number: gradient, weight and two moments read, three of them written.
"""

import argparse
import importlib.util
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import fmean, median

import torch

from benchmarks.race import median_ratio
from benchmarks.report import Row, print_rows

MESH = ["--trainer.strategy=ModelParallelStrategy", "--trainer.strategy.tensor_parallel_size=1"]
MESH += ["--trainer.strategy.data_parallel_size=1"]
EIGHT_BITS = "8-bit AdamW"
RUNS = {
    "plain": [],
    "offloaded": ["--model.backbone.offload=true"],
    "offloaded, fused": ["--model.backbone.offload=true", "--model.optimizer.init_args.fused=true"],
    EIGHT_BITS: ["--model.optimizer.class_path=torchao.optim.AdamW8bit", "--model.optimizer.init_args.lr=1e-3"],
}
SHAPES = [(4096, 1024), (1024, 4096)] * 4
ROWS = 16
"""Of an update."""
LAST = 25
"""Updates over which the loss is averaged."""


def measure(steps: int = 250, rounds: int = 7, parts: tuple[str, ...] = ("runs", "updates")) -> list[Row]:
    """All rows; those of 8 bits only where torchao is installed."""
    runs = _beside_plain(_runs(steps), steps) if "runs" in parts else []
    return [*runs, *(updates(rounds) if "updates" in parts else [])]


def _here(names: dict) -> list[str]:
    there = importlib.util.find_spec("torchao") is not None
    return [name for name in names if there or name != EIGHT_BITS]


def _runs(steps: int) -> list[tuple[str, list[dict], int]]:
    """(name, lines of metrics, bytes of the last checkpoint) of each run; they go side by side, so that whatever else
    the machine does slows all of them."""
    with tempfile.TemporaryDirectory() as folder:
        names = _here(RUNS)
        processes = [_start(name, steps, Path(folder)) for name in names]
        if failed := [name for name, process in zip(names, processes, strict=True) if process.wait()]:
            raise RuntimeError(f"{failed[0]}: failed")
        return [_ended(name, Path(folder)) for name in names]


def _start(name: str, steps: int, folder: Path) -> subprocess.Popen:
    place = [f"--trainer.logger.init_args.save_dir={folder}", f"--trainer.logger.init_args.name={name}"]
    fit = ["--config=conf/quickstart/sft.yaml", *place, *MESH, *RUNS[name], f"--data.batch_size={ROWS}"]
    fit += [f"--trainer.limit_train_batches={steps}", "--trainer.max_epochs=1"]
    return subprocess.Popen([sys.executable, "run.py", "fit", *fit], stdout=sys.stderr)


def _ended(name: str, folder: Path) -> tuple[str, list[dict], int]:
    lines = [json.loads(line) for line in (folder / name / "metrics.jsonl").read_text().splitlines()]
    *_, last = sorted((folder / name / "checkpoints").iterdir(), key=lambda path: path.stat().st_mtime)
    return name, lines, sum(file.stat().st_size for file in last.rglob("*.distcp"))


def _beside_plain(runs: list[tuple[str, list[dict], int]], steps: int) -> list[Row]:
    found = []
    for name, lines, size in runs:
        losses, plain = _values(lines, "policy/loss"), _values(runs[0][1], "policy/loss")
        far = max(abs(mine - theirs) for mine, theirs in zip(losses, plain, strict=True))
        found += [
            Row(f"{name}: loss of the last {LAST} of {steps} updates", fmean(losses[-LAST:]), "nats"),
            Row(f"{name}: largest difference of an update's loss from plain", far, "nats"),
            Row(f"{name}: loss held out", _values(lines, "eval/heldout/loss")[-1], "nats"),
            Row(f"{name}: an update", median(_values(lines, "time/train")), "s"),
            Row(f"{name}: of it the optimizer", median(_values(lines, "time/optimizer")), "s"),
            Row(f"{name}: checkpoint", size / 2**20, "MiB"),
        ]
    return found


def _values(lines: list[dict], name: str) -> list[float]:
    return [line[name] for line in lines if name in line]


def updates(rounds: int) -> list[Row]:
    """AdamW's variants beside each other, after a round that warms up and compiles."""
    variants = {name: _update(name) for name in _here({"plain": 0, "fused": 0, EIGHT_BITS: 0})}
    seconds: dict[str, list[float]] = {name: [] for name in variants}
    for number in range(rounds + 1):
        for name in list(variants)[:: -1 if number % 2 else 1]:
            started = time.perf_counter()
            variants[name]()
            if number:
                seconds[name].append(time.perf_counter() - started)
    count, plain = sum(rows * columns for rows, columns in SHAPES), seconds["plain"]
    found = []
    for name, values in seconds.items():
        found.append(Row(f"AdamW {name}: a billion numbers", median(values) / count * 1e9, "s"))
        found.append(Row(f"AdamW {name}: plain / it", median_ratio(plain, values), "ratio"))
    return [*found, Row("AdamW fused: moved", 28 * count / median(seconds["fused"]) / 1e9, "GB a second")]


def _update(name: str) -> Callable[[], object]:
    generator = torch.Generator().manual_seed(0)
    parameters = [torch.nn.Parameter(torch.randn(shape, generator=generator)) for shape in SHAPES]
    for parameter in parameters:
        parameter.grad = torch.randn(parameter.shape, generator=generator)
    if name == EIGHT_BITS:
        from torchao.optim import AdamW8bit  # optional

        return AdamW8bit(parameters).step
    return torch.optim.AdamW(parameters, fused=name == "fused").step


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=250)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--parts", nargs="+", choices=("runs", "updates"), default=("runs", "updates"))
    arguments = parser.parse_args()
    print_rows(measure(arguments.steps, arguments.rounds, tuple(arguments.parts)))


if __name__ == "__main__":
    main()
