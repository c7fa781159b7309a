"""An engine that writes down what it is asked for, slowly."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

from acereason.common.types import Problem, Sampling
from acereason.rollouts.engine import Ended
from acereason.rollouts.hf import HFEngine


class CountingEngine(HFEngine):
    """HFEngine; each response that leaves it is a line in the file that $ASKED names. With $DIES_AT it fails when the
    file has so many."""

    def responses(self, problems: list[Problem], sampling: Sampling, num_rollouts: int, seed: int) -> Iterator[Ended]:
        for ended in super().responses(problems, sampling, num_rollouts, seed):
            asked, last = Path(os.environ["ASKED"]), os.environ.get("DIES_AT")
            if last and asked.exists() and len(asked.read_text().split()) >= int(last):
                raise RuntimeError("killed")
            with asked.open("a") as file:
                file.write(ended[0].id + "\n")
            yield ended
            time.sleep(float(os.environ.get("PAUSE", "0")))
