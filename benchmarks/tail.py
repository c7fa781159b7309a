"""How long does a rank wait for the other one where a few prompts have responses many times as long as the rest?

    python -m benchmarks.tail [--rounds 5]

Two ranks generate steps of 64 prompts x 4 responses, 0.8M parameters, with the embedded engine. Six prompts of a step,
drawn anew, have responses of about 300 tokens, the others of about 20; all forward passes are computed, only where a
response ends is given. Dealt by number and dealt by expected length take turns, on the same steps. A rank is idle from
its last response until the other's.
"""

import argparse
import json
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean, median
from typing import Any

import torch
import torch.distributed as dist
import torch.multiprocessing as multiprocessing
from torch import Tensor

from acereason.common.types import Group, Problem, Sampling, Verdict
from acereason.models.backbone import Backbone, load_config
from acereason.models.bytes import byte_tokenizer
from acereason.models.exports import stream_weights
from acereason.models.qwen import build_model
from acereason.processes.distributed import gather, rank, world_size
from acereason.processes.ports import lasting
from acereason.rollouts.hf import HFEngine
from acereason.rollouts.judged import Rollouts
from benchmarks.policies import SIZES
from benchmarks.report import Row, print_rows

PROMPTS, COPIES, LONG = 64, 4, 6
LENGTHS = {True: 300, False: 20}
"""Tokens of a long prompt's responses, and of the others', on average."""
SAMPLING = Sampling(1.0, max_response_length=400)


@dataclass
class Turn:
    """One step in one way."""

    seconds: float
    """Until the last rank is done."""
    idle: list[float]
    """Share of it that each rank waits."""
    busiest: float
    """Tokens of the busiest rank's update over the mean."""


class Given:
    """A decoder whose responses end where their prompts say."""

    def __init__(self, decoder: Any) -> None:
        self.decoder = decoder

    def generate(self, prompts: list[list[int]], copies: int, budget: int, stops: list[int], draw: Callable) -> Any:
        """As the decoder's own."""
        wanted = [length(ids, copy) for ids in prompts for copy in range(copies)]

        def ending(logits: Tensor, rows: Tensor, position: int) -> tuple[Tensor, Tensor]:
            logits[:, stops] = -torch.inf
            tokens, logprobs = draw(logits, rows, position)
            ends = torch.tensor([position + 1 == wanted[row] for row in rows.tolist()])
            return torch.where(ends, stops[0], tokens), logprobs

        return self.decoder.generate(prompts, copies, budget, stops, ending)


def length(prompt: list[int], copy: int) -> int:
    """Of a prompt's response: between 3/4 and 5/4 of the mean of its kind."""
    mean = LENGTHS[bool(prompt[0])]
    return mean * 3 // 4 + random.Random(f"{prompt} {copy}").randrange(mean // 2)


def problems(step: int) -> list[Problem]:
    """A step's, the long ones anywhere. The first token of a prompt tells which they are."""
    long = set(random.Random(step).sample(range(PROMPTS), LONG))
    return [
        Problem(f"{step}/{number}", "math", "", "", prompt_ids=[int(number in long), *range(step, step + 20)])
        for number in range(PROMPTS)
    ]


class Correct:
    """Verifiers that find each response correct at once."""

    def submit(self, problem: Problem, text: str) -> "Future[Verdict]":
        """As of RewardPool."""
        verdict: Future[Verdict] = Future()
        verdict.set_result(Verdict("correct"))
        return verdict


class Rank:
    """One of the two: takes steps in either way, together with the other."""

    def __init__(self, max_rows: int) -> None:
        self.rollouts = Rollouts(engine(max_rows), Correct(), lambda name: nullcontext(), self.own)  # type: ignore[arg-type]
        self.done = 0.0

    @contextmanager
    def own(self) -> Iterator[None]:
        """Note when this rank's own part of a step is done."""
        yield
        self.done = time.perf_counter()

    def by_number(self, step: int) -> list[Group]:
        """Generate every second prompt, and train on it."""
        with self.own():
            some = problems(step)[rank() :: world_size()]
            return list(self.rollouts.engine.generate(some, SAMPLING, COPIES, step))

    def by_length(self, step: int) -> list[Group]:
        """Generate what is expected to be half of the tokens, and train on what is half of them."""
        some = problems(step)
        lengths = [float(LENGTHS[bool(each.prompt_ids[0])]) for each in some]
        return next(self.rollouts.waves(some, SAMPLING, COPIES, step, lengths=lengths))

    def turn(self, way: Callable[[int], list[Group]], step: int) -> Turn:
        """Take a step."""
        dist.barrier()
        started = time.perf_counter()
        groups = way(step)
        # why: clocks of processes on one machine count from the same moment
        ends = gather([self.done])
        seconds = max(ends) - started
        tokens = gather([sum(len(r.response.token_ids) for group in groups for r in group.rollouts)])
        return Turn(seconds, [(max(ends) - end) / seconds for end in ends], max(tokens) / fmean(tokens))


def engine(max_rows: int) -> HFEngine:
    """The embedded engine, of random weights, with given ends."""
    tokenizer, backbone = byte_tokenizer(), Backbone(config=SIZES["0.8M"], tokenizer="bytes")
    model = build_model(load_config(None, backbone), None, backbone, seed=0)
    made = HFEngine(max_rows)
    made.start(model.config, tokenizer, [tokenizer.eos_token_id], torch.device("cpu"), longest=512)
    made.update_weights(stream_weights(model), version=0)
    made.decoder = Given(made.decoder)  # type: ignore[assignment]
    return made


def work(number: int, port: int, max_rows: int, rounds: int, path: str) -> None:
    """In a rank's process: both ways on each step, the first of which warms up."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", f"tcp://127.0.0.1:{port}", rank=number, world_size=2)
    own = Rank(max_rows)
    turns = [
        {"number": own.turn(own.by_number, step), "length": own.turn(own.by_length, step)} for step in range(rounds + 1)
    ]
    if number == 0:
        Path(path).write_text(json.dumps([{name: asdict(each) for name, each in both.items()} for both in turns[1:]]))
    dist.barrier()
    dist.destroy_process_group()


def measure(rounds: int = 5) -> list[Row]:
    """Medians over the steps, where all responses begin at once and where three of four must wait."""
    rows = []
    for max_rows, label in ((256, "all at once"), (32, "32 at a time")):
        with tempfile.TemporaryDirectory() as folder:
            path = f"{folder}/turns.json"
            multiprocessing.spawn(work, (lasting(), max_rows, rounds, path), nprocs=2)  # type: ignore[no-untyped-call]
            turns = json.loads(Path(path).read_text())
        for name in ("number", "length"):
            idle = median(max(both[name]["idle"]) for both in turns)
            asked = 0.1 if name == "length" else None
            rows.append(Row(f"{label}, dealt by {name}: idle share of the rank that waits", idle, "", at_most=asked))
            busiest = median(both[name]["busiest"] for both in turns)
            rows.append(Row(f"{label}, dealt by {name}: tokens of the busiest rank's update / mean", busiest, "ratio"))
        ratio = median(both["number"]["seconds"] / both["length"]["seconds"] for both in turns)
        rows.append(Row(f"{label}: seconds by number / by length", ratio, "ratio", at_least=1.0))
    return rows


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="steps in each way")
    print_rows(measure(parser.parse_args().rounds))


if __name__ == "__main__":
    main()
