r"""python -m benchmarks.starts: what a verb costs before its own work begins, and a step beside a busy core.

Processor seconds of commands and of the imports beside them, each in a process of its own; they take turns, and the
figures are medians. `fit` is the debug run up to its first step. The step is of the quickstart's SFT, by threads that
sleep while they wait, as `run.py` has them, and by threads that spin, OpenMP's default.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

from benchmarks.report import Row, print_rows

_ROUNDS = 3
_STEPS = 8
_TORCH = "import torch"
_TRAINING = "import lightning.pytorch, transformers.models.qwen2.modeling_qwen2"
_ROWS = [f'{{"task": "math", "answer": "{number}", "response": "\\\\boxed{{{number}}}"}}' for number in range(10)]


def measure() -> list[Row]:
    """Measure the commands and their baselines."""
    with tempfile.TemporaryDirectory() as folder:
        rounds = [_round(Path(folder)) for _ in range(_ROUNDS)]
    seconds = {name: median(found[name] for found in rounds) for name in rounds[0]}
    asked = {"run.py --help": 1.5}
    rows = [Row(name, value, "s of processor time", at_most=asked.get(name)) for name, value in seconds.items()]
    ratios = {f"{name} / {base}": [each[name] / each[base] for each in rounds] for name, base in _beside(seconds)}
    return [*rows, *(Row(name, median(values)) for name, values in ratios.items()), beside_a_busy_core()]


def beside_a_busy_core() -> Row:
    """Compare the seconds of a step by threads that spin with those by threads that sleep, as one core is kept busy."""
    busy = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        spinning, asleep = _seconds_of_a_step("active"), _seconds_of_a_step("passive")
    finally:
        busy.kill()
    return Row("a step beside a busy core, threads spin / sleep", spinning / asleep, at_least=1.0)


def _seconds_of_a_step(policy: str) -> float:
    with tempfile.TemporaryDirectory() as folder:
        fit = ["--config=conf/quickstart/sft.yaml", f"--trainer.logger.init_args.save_dir={folder}"]
        command = [sys.executable, "run.py", "fit", *fit, f"--trainer.max_steps={_STEPS}"]
        subprocess.run(command, check=True, capture_output=True, env=os.environ | {"OMP_WAIT_POLICY": policy})
        rows = [json.loads(line) for line in Path(folder, "sft", "metrics.jsonl").read_text().splitlines()]
    return median(row["time/train"] for row in rows if row["step"] and "time/train" in row)


def seconds_of(*command: str) -> float:
    """Run `python COMMAND` to its end, and return the processor's seconds of it and of its children."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *command], check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _round(folder: Path) -> dict[str, float]:
    rows = folder / "rows.jsonl"
    rows.write_text("\n".join(_ROWS) + "\n")
    fit = ["--config=conf/debug.yaml", "--trainer.max_steps=1", f"--trainer.logger.init_args.save_dir={folder}"]
    return {
        "run.py --help": seconds_of("run.py", "--help"),
        "run.py score, ten rows": seconds_of("run.py", "score", f"--input={rows}", f"--output={folder}/verdicts.jsonl"),
        "run.py compare --help": seconds_of("run.py", "compare", "--help"),
        "run.py curate --help": seconds_of("run.py", "curate", "--help"),
        _TORCH: seconds_of("-c", _TORCH),
        "run.py fit, one step": seconds_of("run.py", "fit", *fit),
        "run.py report of it": seconds_of("run.py", "report", f"{folder}/debug", f"--output={folder}/report"),
        _TRAINING: seconds_of("-c", _TRAINING),
    }


def _beside(names: dict[str, float]) -> list[tuple[str, str]]:
    """Return (command, baseline) for each command; `fit` alone needs what training does."""
    commands = [name for name in names if name.startswith("run.py")]
    return [(name, _TRAINING if " fit" in name else _TORCH) for name in commands]


if __name__ == "__main__":
    print_rows(measure())
