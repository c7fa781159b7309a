"""Make entries of reasoning-gym: `python -m acereason.rewards.gym.made '[NAME, CONFIG, SIZE, SEED]'` prints their JSON.

Some of its data sets draw from sets of texts, whose order Python changes with every process, and some from the global
generators: a process of their own, with the hashes fixed, makes the same entries wherever it runs.
"""

import contextlib
import json
import random
import sys
from typing import Any


def made(name: str, config: dict[str, Any], size: int, seed: int) -> list[dict[str, Any]]:
    """Return the first entries of a data set: question, answer, metadata."""
    import numpy as np
    import reasoning_gym

    random.seed(seed)
    np.random.seed(seed % 2**32)
    dataset = reasoning_gym.create_dataset(name, size=size, seed=seed, **config)
    return [dataset[index] for index in range(size)]


if __name__ == "__main__":
    # why: some data sets print as they go
    with contextlib.redirect_stdout(sys.stderr):
        found = json.dumps(made(*json.loads(sys.argv[1])))
    print(found)
