"""The library reasoning-gym: its data sets, their entries as ground truths, and their scorers."""

import difflib
import importlib.util
import json
import os
import subprocess
import sys
from functools import lru_cache
from typing import Any

from acereason.common.errors import UserError, first_line


def check_dataset(key: str, name: str, config: dict[str, Any]) -> None:
    """Raise a UserError where the library is missing, has no data set of this name, or refuses its settings; `key`
    names the source."""
    if importlib.util.find_spec("reasoning_gym") is None:
        raise UserError(f"{key}: reasoning-gym is not installed; pip install acereason[reasoning-gym]")
    # why here: it takes two seconds, and is an optional extra
    from reasoning_gym.factory import DATASETS

    if name not in DATASETS:
        near = difflib.get_close_matches(name, DATASETS, n=3) or sorted(DATASETS)[:3]
        raise UserError(f"{key}.dataset: reasoning-gym has no {name!r}; near it are {', '.join(near)}")
    try:
        opened(name, json.dumps(config))
    # why: the library checks its settings by assertions, and by whatever a wrong value meets first
    except Exception as error:
        raise UserError(f"{key}.config: {name} refuses it: {first_line(error) or type(error).__name__}") from error


def entries(name: str, config: dict[str, Any], size: int, seed: int) -> list[dict[str, Any]]:
    """Return the first entries of a data set, a function of the arguments: question, answer, metadata.

    Raises:
        UserError: the library fails to make them, or they are no plain data.
    """
    # why: see `made.py`; the path, since this process may have found modules by more than its environment says
    environment = os.environ | {"PYTHONHASHSEED": "0", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-m", "acereason.rewards.gym.made", json.dumps([name, config, size, seed])]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
        raise UserError(f"reasoning_gym: {name} can't be made: {reason}")
    return json.loads(done.stdout)


def ground_truth(name: str, config: dict[str, Any], entry: dict[str, Any]) -> str:
    """Return an entry as the ground truth of a problem, in JSON."""
    return json.dumps({"dataset": name, "config": config, "entry": entry})


@lru_cache(maxsize=64)
def opened(name: str, config: str) -> Any:
    """Return a data set, of one entry; its scorer may depend on its settings.

    Args:
        name: name of the data set.
        config: its settings, as JSON.
    """
    import reasoning_gym

    # why: the entries to score are given; without a seed it would draw one
    return reasoning_gym.create_dataset(name, size=1, seed=0, **json.loads(config))


def score(truth: dict[str, Any], answer: str) -> float:
    """Return the library's score of an answer, from 0 to 1.

    Args:
        truth: a ground truth, read from its JSON.
    """
    return float(opened(truth["dataset"], json.dumps(truth["config"])).score_answer(answer, truth["entry"]))
