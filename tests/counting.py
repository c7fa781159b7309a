"""An engine that writes down what it is asked for, slowly."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

from acereason.rollouts.hf import HFEngine
from acereason.types import Group, Problem, Sampling


class CountingEngine(HFEngine):
    """HFEngine; each response that leaves it is a line in the file that $ASKED names."""

    def generate(self, problems: list[Problem], sampling: Sampling, num_rollouts: int, seed: int) -> Iterator[Group]:
        for group in super().generate(problems, sampling, num_rollouts, seed):
            with Path(os.environ["ASKED"]).open("a") as file:
                file.write(group.problem.id + "\n")
            yield group
            time.sleep(float(os.environ.get("PAUSE", "0")))
