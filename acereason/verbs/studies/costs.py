"""This module tells what a study will cost before it starts: runs, minutes and disk."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from statistics import fmean
from typing import Any

from acereason.runs.report.words import number
from acereason.verbs.studies.plan import Cell, Job
from acereason.verbs.studies.work import Work

Done = Mapping[str, Mapping[str, Any]]
"""What each finished run has left of itself, by its id; read once, since a study has hundreds of runs."""


def told(cells: dict[Cell, Job], work: Work) -> str:
    """Return the number of runs, and the minutes and disk of those that are finished and of those that are left.

    Each of the latter comes from the mean of the step's finished runs; before there is one, from the study file.
    """
    done = {job.id: found for job in work.jobs if (found := work.done(job)) is not None}
    finished, left = ([job for job in work.jobs if (job.id in done) == wanted] for wanted in (True, False))
    runs = f"{len(work.jobs)} runs"
    if len(cells) > len(work.jobs):
        runs += f" (arms share them; {len(cells)} otherwise)"
    took = f", {_cost(finished, work.jobs, done)}" if finished else ""
    return f"{runs}; {work.counted()}{took}; left: {len(left)}, {_cost(left, work.jobs, done)}"


def _cost(jobs: Sequence[Job], among: Sequence[Job], done: Done) -> str:
    minutes = _sum(jobs, lambda job: _one(job, among, done, "minutes", 1.0, job.step.minutes))
    megabytes = _sum(jobs, lambda job: _one(job, among, done, "bytes", 1e-6, job.step.megabytes))
    return f"{_told(minutes, 'minutes')} one after the other, {_told(megabytes, 'MB of disk')}"


def _one(job: Job, among: Sequence[Job], done: Done, what: str, factor: float, expected: float | None) -> float | None:
    """Return what a run took; of one that isn't finished, or was resumed, what it is expected to take."""
    own = done.get(job.id, {}).get(what)
    if own is not None:
        return factor * own
    same = [done[other.id][what] for other in among if other.step.name == job.step.name and other.id in done]
    measured = [factor * value for value in same if value is not None]
    return fmean(measured) if measured else expected


def _sum(jobs: Iterable[Job], cost: Callable[[Job], float | None]) -> float | None:
    """Return the sum of the jobs' costs; None if one is unknown."""
    costs = [cost(job) for job in jobs]
    known = [one for one in costs if one is not None]
    return sum(known) if len(known) == len(costs) else None


def _told(value: float | None, unit: str) -> str:
    return f"an unknown number of {unit}" if value is None else f"about {number(round(value))} {unit}"
