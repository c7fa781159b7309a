"""What does an update cost of which half of the groups, or three in four, teach nothing?

    python -m benchmarks.signal_only [--rounds 5]

Updates of a random policy of 30M parameters on 8 groups of 8 responses with long-tailed lengths. Three contestants
take turns on the same groups: ours, which passes responses without a signal by, but for one in eight that is measured
forward; one that measures all of them forward; and one that passes all of them forward and backward. Prints medians of
the ratios of their processor time, and how far ours is from the exact entropy.
"""

import argparse
import random
import time
from dataclasses import replace
from statistics import median

import lightning.pytorch as pl
import torch

from acereason.algorithm.objective import assign_advantages
from acereason.common.types import Group, Problem, Response, Rollout, Sequence, Verdict
from acereason.models.backbone import Backbone, load_config
from acereason.models.qwen import build_model
from acereason.modules.grpo import GRPOModule
from acereason.modules.measures import Measures
from acereason.modules.sequences import as_sequence, rows_of
from acereason.rollouts.hf import HFEngine
from benchmarks.policies import SIZES
from benchmarks.report import Row, print_rows

PROMPTS, GROUP_SIZE, MEAN_LENGTH, BUDGET = 8, 8, 26, 128
ASKED = {0.5: 1.2, 0.75: 1.5}
"""By share of silent groups: how many times as long an update must take that measures all of them."""
_NOTHING = 1e-30
"""A weight that is not 0 and adds nothing."""


def measure(rounds: int = 5) -> list[Row]:
    """Both shares."""
    module = policy()
    return [row for share in ASKED for row in rows(module, share, rounds)]


def policy() -> GRPOModule:
    """A module outside a run, with the part of a trainer that a backward pass needs."""
    backbone = Backbone(config=SIZES["30M"], tokenizer="bytes")
    module = GRPOModule(engine=HFEngine(), backbone=backbone, micro_batch_tokens=2048)
    module.model = build_model(load_config(None, backbone), None, backbone, seed=0)
    module.trainer = pl.Trainer(accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False)
    module.trainer.strategy.connect(module)
    return module


def rows(module: GRPOModule, share: float, rounds: int) -> list[Row]:
    """Of one share of silent groups."""
    groups = step(share)
    every = [as_sequence(group, rollout, rollout.advantage) for group in groups for rollout in group.rollouts]
    contestants = {
        "ours": [row for group in groups for row in rows_of(group, "batch")],
        "all measured": every,
        "all backward": [replace(row, weight=row.weight or _NOTHING) for row in every],
    }
    optimizer = torch.optim.AdamW(module.model.parameters(), lr=1e-6)
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in contestants}
    for number in range(1 + rounds):
        for name in list(contestants)[:: -1 if number % 2 else 1]:
            taken[name].append(_update(module, optimizer, contestants[name]))
    label, times = f"{share:.0%} silent", {name: [seconds for seconds, _ in found[1:]] for name, found in taken.items()}
    ours, exact = taken["ours"][0][1], taken["all measured"][0][1]
    found = [Row(f"{label}: ours, an update", median(times["ours"]), "s of processor time")]
    for name in ("all measured", "all backward"):
        ratio = median(a / b for a, b in zip(times[name], times["ours"], strict=True))
        asked = ASKED[share] if name == "all measured" else None
        found.append(Row(f"{label}: {name} / ours: time", ratio, "ratio", at_least=asked))
    return [*found, Row(f"{label}: ours / exact entropy, less 1", abs(ours / exact - 1), "ratio", at_most=0.02)]


def step(share: float) -> list[Group]:
    """Groups of which this share has rewards that are all alike."""
    rng = random.Random(0)
    groups = [_group(number, number < share * PROMPTS, rng) for number in range(PROMPTS)]
    assign_advantages(groups)
    return groups


def _group(number: int, silent: bool, rng: random.Random) -> Group:
    lengths = [min(BUDGET, 1 + int(rng.expovariate(1 / MEAN_LENGTH))) for _ in range(GROUP_SIZE)]
    rewards = [float(not silent and place % 2) for place in range(GROUP_SIZE)]
    prompt = [rng.randrange(256) for _ in range(12)]
    return Group(Problem(str(number), "math", "", "", prompt_ids=prompt), list(map(_rollout, lengths, rewards)))


def _rollout(length: int, reward: float) -> Rollout:
    tokens = [(7 * place + length) % 256 for place in range(length)]
    return Rollout(Response(tokens, [-5.5] * length, "stop", ""), Verdict("correct" if reward else "wrong"), reward)


def _update(module: GRPOModule, optimizer: torch.optim.Optimizer, sequences: list[Sequence]) -> tuple[float, float]:
    """Processor seconds, and the entropy that is told."""
    start, measures = time.process_time(), Measures(torch.device("cpu"))
    module.accumulate(sequences, measures)
    optimizer.step()
    optimizer.zero_grad()
    return time.process_time() - start, measures.metrics()["policy/entropy"]


def main() -> None:
    """Compare and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    print_rows(measure(parser.parse_args().rounds))


if __name__ == "__main__":
    main()
