"""This module tells what a study will cost before it starts: runs, minutes and disk."""

from collections.abc import Callable, Iterable, Sequence
from statistics import fmean

from acereason.runs.report.words import number
from acereason.verbs.studies.plan import Cell, Job
from acereason.verbs.studies.work import Work


def told(cells: dict[Cell, Job], work: Work) -> str:
    """Return the number of runs, and the minutes and disk of those that are finished and of those that are left.

    Each of the latter comes from the mean of the step's finished runs; before there is one, from the study file.
    """
    left = [job for job in work.jobs if work.done(job) is None]
    runs = f"{len(work.jobs)} runs"
    if len(cells) > len(work.jobs):
        runs += f" (arms share them; {len(cells)} otherwise)"
    finished = work.counted()
    if len(left) < len(work.jobs):
        finished += f", {_cost(work, [job for job in work.jobs if work.done(job)])}"
    return f"{runs}; {finished}; left: {len(left)}, {_cost(work, left)}"


def _cost(work: Work, jobs: Sequence[Job]) -> str:
    minutes = _sum(jobs, lambda job: _one(work, job, "minutes", 1.0, job.step.minutes))
    megabytes = _sum(jobs, lambda job: _one(work, job, "bytes", 1e-6, job.step.megabytes))
    return f"{_told(minutes, 'minutes')} one after the other, {_told(megabytes, 'MB of disk')}"


def _one(work: Work, job: Job, what: str, factor: float, expected: float | None) -> float | None:
    """Return what a run took; of one that isn't finished, or was resumed, what it is expected to take."""
    done = work.done(job)
    return factor * done[what] if done and done[what] is not None else _mean(work, job, what, factor, expected)


def _mean(work: Work, job: Job, what: str, factor: float, expected: float | None) -> float | None:
    found = [done for other in work.jobs if other.step.name == job.step.name and (done := work.done(other))]
    measured = [factor * done[what] for done in found if done[what] is not None]
    return fmean(measured) if measured else expected


def _sum(jobs: Iterable[Job], cost: Callable[[Job], float | None]) -> float | None:
    """Return the sum of the jobs' costs; None if one is unknown."""
    costs = [cost(job) for job in jobs]
    known = [one for one in costs if one is not None]
    return sum(known) if len(known) == len(costs) else None


def _told(value: float | None, unit: str) -> str:
    return f"an unknown number of {unit}" if value is None else f"about {number(round(value))} {unit}"
