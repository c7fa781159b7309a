"""An engine that is slow on one rank."""

import time
from collections.abc import Iterator
from pathlib import Path

from acereason.common.types import Problem, Sampling
from acereason.processes.distributed import rank
from acereason.rollouts.engine import Ended
from acereason.rollouts.hf import HFEngine


class SlowEngine(HFEngine):
    """HFEngine; a rank waits before each part, and each writes down the parts that it generates."""

    def __init__(self, slow: int, asked: str, max_rows: int = 256) -> None:
        super().__init__(max_rows)
        self.slow, self.asked = slow, asked

    def responses(self, problems: list[Problem], sampling: Sampling, num_rollouts: int, seed: int) -> Iterator[Ended]:
        if rank() == self.slow:
            time.sleep(0.2)
        with Path(f"{self.asked}-{rank()}").open("a") as file:
            file.write(" ".join(problem.id for problem in problems) + "\n")
        yield from super().responses(problems, sampling, num_rollouts, seed)
