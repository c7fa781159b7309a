"""How many tokens a second does SFT learn from, beside TRL's SFTTrainer?

    pip install acereason[bench]
    python -m benchmarks.sft_step [--rounds 7] [--sizes 0.8M 30M]

Four processes take turns on the same random model, rows and optimizer, in float32: ours, TRL packed (its `bfd`; 8 rows
of 1,024 tokens a pass, its defaults), TRL packed with a row a pass, and TRL padded (8 rows a pass). Without
FlashAttention TRL masks packed documents by a matrix, which grows with the square of what a pass holds: hence the
third. Rows have 24 to 1,000 tokens, half of them fewer than 140. An update takes 48 rows, or packed 8,192 tokens, which
is about the same. A token is one of a row, prompt or response; padding is none.
"""

import argparse
import importlib.util
import json
import os
import random
import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.race import Contestant, Turn, median_ratio, race
from benchmarks.report import Row, print_rows

OURS = "ours"
MAX_LENGTH = 1024


@dataclass
class Mode:
    """Of TRL's."""

    packing: bool
    rows: int
    """Of a pass."""
    passes: int
    """Of an update."""
    faster: float
    """How many times its tokens a second are asked for."""
    memory: float | None = None
    """How much of its peak memory is ours at most; null: nothing is asked."""


MODES = {
    "TRL packed": Mode(packing=True, rows=8, passes=1, faster=2.0),
    "TRL packed, a row a pass": Mode(packing=True, rows=1, passes=8, faster=1.5, memory=1.0),
    "TRL padded": Mode(packing=False, rows=8, passes=6, faster=1.3),
}


@dataclass
class Task:
    """What all contestants do."""

    size: str
    """Of `policies.SIZES`."""
    steps: int
    """Of a turn."""
    batch_size: int = 48
    """Rows of an update."""
    learning_rate: float = 1e-4


TASKS = {"0.8M": Task("0.8M", steps=2), "30M": Task("30M", steps=1)}


def measure(sizes: list[str] = list(TASKS), rounds: int = 7) -> list[Row]:  # noqa: B006  read only
    """All rows of the named sizes."""
    if importlib.util.find_spec("trl") is None:
        raise SystemExit("trl is not installed: pip install acereason[bench]")
    return [row for size in sizes for row in rows(TASKS[size], compete(TASKS[size], rounds))]


def compete(task: Task, rounds: int) -> dict[str, list[Turn]]:
    """Each contestant's turns, in which it counts tokens."""
    from benchmarks.policies import write_policy  # not above: every process of a race imports this file

    total = (1 + rounds) * task.steps
    with tempfile.TemporaryDirectory() as folder:
        os.environ["HF_DATASETS_CACHE"] = folder  # of the processes that are started
        write_policy(Path(folder, "policy"), task.size)
        texts = made_up_rows(task.batch_size * total)
        Path(folder, "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in texts))
        arguments = (task, folder, total)
        contestants = {OURS: Contestant("benchmarks.ours:sft", arguments)}
        for name, mode in MODES.items():
            contestants[name] = Contestant("benchmarks.peers:sft", (*arguments, mode))
        return race(contestants, rounds, task.steps)


def made_up_rows(count: int, seed: int = 0) -> list[dict[str, str]]:
    """Random letters, a token each: a fifth of a row is its prompt, the rest its response."""
    draw = random.Random(seed)
    rows = []
    for _ in range(count):
        length = round(min(1000, max(24, draw.lognormvariate(4.9, 0.8))))
        text = "".join(draw.choices("abcdefghijklmnopqrstuvwxyz", k=length - 1))  # and the token that ends it
        rows.append({"prompt": text[: length // 5], "completion": text[length // 5 :]})
    return rows


def rows(task: Task, turns: dict[str, list[Turn]]) -> list[Row]:
    """Of one size."""
    rates = {name: [turn.units / turn.seconds for turn in taken] for name, taken in turns.items()}
    found = []
    for name, taken in turns.items():
        found.append(Row(f"{task.size}, {name}: tokens", median(rates[name]), "a second"))
        found.append(Row(f"{task.size}, {name}: peak memory", taken[-1].peak_bytes / 2**20, "MiB"))
    for name, mode in MODES.items():
        ratio = median_ratio(rates[OURS], rates[name])
        smaller = turns[OURS][-1].peak_bytes / turns[name][-1].peak_bytes
        found.append(Row(f"{task.size}, ours / {name}: tokens a second", ratio, "ratio", at_least=mode.faster))
        found.append(Row(f"{task.size}, ours / {name}: peak memory", smaller, "ratio", at_most=mode.memory))
    return found


def main() -> None:
    """Race and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--sizes", nargs="+", choices=TASKS, default=list(TASKS))
    arguments = parser.parse_args()
    print_rows(measure(arguments.sizes, arguments.rounds))


if __name__ == "__main__":
    main()
