"""How many GRPO steps a second, and in how much memory, beside TRL's GRPOTrainer?

    pip install acereason[bench]
    python -m benchmarks.grpo_step [--rounds 7] [--sizes 0.8M 30M 135M]

Three processes take turns on the same random policy, prompts, group size, response budget, optimizer and rewards (1 for
the right answer, 0 for a wrong one, -1 for a truncated response), in float32: ours with the embedded engine, ours on
vLLM, and TRL, which generates with transformers. A step is all of it: rollout, rewards, update, and ours also pushes
its weights to the engine and probes it. TRL makes one update a batch, as ours does, all of it in one pass or, in a
process of its own, in eight passes; without gradient checkpointing, which would slow it down. At 30M and 135M every
token ends a response with the same probability, so that most are short and some reach the budget.

The requirements are for the faster of our engines beside TRL in one pass.
"""

import argparse
import importlib.util
import tempfile
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from statistics import mean, median

from benchmarks.race import Contestant, Turn, median_ratio, race
from benchmarks.report import Row, print_rows

TRL, ACCUMULATING = "TRL", "TRL accumulating"
PARTS = {TRL: 1, ACCUMULATING: 8}
"""In how many passes forward and backward TRL makes an update."""
ENGINES = ("HFEngine", "VLLMEngine")
"""What our contestants generate with."""


@dataclass
class Task:
    """What all contestants do."""

    size: str
    """Of `policies.SIZES`."""
    prompts: int
    """Of a step."""
    group_size: int
    budget: int
    """Of a response, tokens."""
    mean_length: float | None
    """Of responses without a budget; null: as random weights have it."""
    steps: int
    """Of a turn."""
    faster: float
    """How many times TRL's steps a second are asked for."""
    learning_rate: float = 1e-6


TASKS = {
    "0.8M": Task("0.8M", prompts=16, group_size=8, budget=64, mean_length=None, steps=4, faster=1.6),
    "30M": Task("30M", prompts=16, group_size=8, budget=128, mean_length=26, steps=1, faster=5.0),
    # why 2 prompts: TRL in one pass takes more than 9 GB with 4
    "135M": Task("135M", prompts=2, group_size=8, budget=128, mean_length=26, steps=1, faster=5.0),
}
MEMORY = 0.6
"""Of TRL's peak, at most."""


def measure(sizes: list[str] = list(TASKS), rounds: int = 7) -> list[Row]:  # noqa: B006  read only
    """All rows of the named sizes."""
    if importlib.util.find_spec("trl") is None:
        raise SystemExit("trl is not installed: pip install acereason[bench]")
    return [row for size in sizes for row in rows(TASKS[size], compete(TASKS[size], rounds))]


def compete(task: Task, rounds: int) -> dict[str, list[Turn]]:
    """Each contestant's turns, in which it counts response tokens."""
    from benchmarks.policies import write_policy  # not above: every process of a race imports this file

    engines = [name for name in ENGINES if name != "VLLMEngine" or importlib.util.find_spec("vllm")]
    total = (1 + rounds) * task.steps
    with tempfile.TemporaryDirectory() as folder:
        policy = f"{folder}/policy"
        write_policy(Path(policy), task.size, task.mean_length)
        contestants = {engine: Contestant("benchmarks.ours:grpo", (task, policy, total, engine)) for engine in engines}
        contestants |= {
            name: Contestant("benchmarks.peers:grpo", (task, policy, total, n)) for name, n in PARTS.items()
        }
        return race(contestants, rounds, task.steps)


def rows(task: Task, turns: dict[str, list[Turn]]) -> list[Row]:
    """Of one size. The requirement is for the better of our engines."""
    responses = task.prompts * task.group_size * task.steps
    found = []
    for name, taken in turns.items():
        label = f"{task.size}, {name}"
        found.append(Row(f"{label}: a step", median(turn.seconds for turn in taken) / task.steps, "s"))
        found.append(Row(f"{label}: mean response", mean(turn.units for turn in taken) / responses, "tokens"))
        found.append(Row(f"{label}: peak memory", taken[-1].peak_bytes / 2**20, "MiB"))
    ours = [name for name in turns if name in ENGINES]
    best = max(ours, key=lambda name: _faster(turns, name, TRL))
    for name, peer in product(ours, (peer for peer in turns if peer in PARTS)):
        asked, limit = (task.faster, MEMORY) if (name, peer) == (best, TRL) else (None, None)
        smaller = turns[name][-1].peak_bytes / turns[peer][-1].peak_bytes
        label = f"{task.size}, {name} / {peer}"
        found.append(Row(f"{label}: steps a second", _faster(turns, name, peer), "ratio", at_least=asked))
        found.append(Row(f"{label}: peak memory", smaller, "ratio", at_most=limit))
    return found


def _faster(turns: dict[str, list[Turn]], name: str, peer: str) -> float:
    return median_ratio([turn.seconds for turn in turns[peer]], [turn.seconds for turn in turns[name]])


def main() -> None:
    """Race and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--sizes", nargs="+", choices=TASKS, default=list(TASKS))
    arguments = parser.parse_args()
    print_rows(measure(arguments.sizes, arguments.rounds))


if __name__ == "__main__":
    main()
