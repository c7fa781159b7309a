"""The verifier of each task: what is asked of a task is asked here."""

from acereason.common.types import Task
from acereason.rewards.code.verdict import Code
from acereason.rewards.gym.verdict import Gym
from acereason.rewards.math.verdict import Math
from acereason.rewards.verifier import Verifier

VERIFIERS: dict[Task, type[Verifier]] = {"math": Math, "code": Code, "reasoning-gym": Gym}


def task_of(name: object) -> Task:
    """Return the task of this name. Raises ValueError where there is none."""
    # why: one by one, since a row may hold a list there, which can't be looked up
    for known in VERIFIERS:
        if name == known:
            return known
    *others, last = VERIFIERS
    raise ValueError(f"task must be {', '.join(others)} or {last}, not {name!r}")


def takes_tests(task: Task) -> bool:
    """Return whether the ground truth of a task's problems is tests; else it is an answer."""
    return VERIFIERS[task].takes_tests


def is_curated(task: Task) -> bool:
    """Return whether `curate` takes a task's problems."""
    return VERIFIERS[task].curated


def judges_entries(task: Task) -> bool:
    """Return whether the ground truth of a task's problems is an entry of reasoning-gym."""
    return VERIFIERS[task] is Gym
