"""Counts of judged responses for a screening or an evaluation: drawn in parts and kept at once, as they take hours."""

import contextlib
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

import lightning.pytorch as pl
from torch import Tensor

from acereason.common.types import Problem, Sampling
from acereason.modules.hooks import run_folder
from acereason.processes.distributed import gather, rank, world_size
from acereason.rollouts.judged import Rollouts
from acereason.sampling.counts import Counts, Judged
from acereason.sampling.identity import checksum, digest, problems_digest

# why: about half an hour of a 7B model: no rank waits for hours, yet the end of a part, when few responses are left
# and most of the engine is idle, hardly counts
PART = 2048
"""Responses that each rank draws between two collectives."""


def counts(
    rollouts: Rollouts, kept: Counts, problems: list[Problem], sampling: Sampling, num_rollouts: int, seed: int
) -> list[Judged]:
    """Return the counts of each problem's responses, in the order of the problems, on every rank. Counts that an
    earlier process has kept of the same work by the same policy are not drawn again.

    Args:
        rollouts: those of the policy.
        kept: where this work keeps its counts.
        num_rollouts: responses of each problem.
    """
    found = _found(kept)
    lacking = [problem for problem in problems if problem.id not in found]
    size = max(1, PART // num_rollouts) * world_size()
    with kept.journal(rank()) as journal:
        for start in range(0, len(lacking), size):
            part: list[Judged] = []
            with rollouts.breaking_off():
                for group in rollouts.stream(lacking[start : start + size], sampling, num_rollouts, seed):
                    # why: counts, not texts: `gather` below pickles the part for every rank
                    part.append(Judged.of(group))
                    journal.append(asdict(part[-1]))
            found |= {row.problem: row for row in gather(part)}
    return [found[problem.id] for problem in problems]


def forget(trainer: pl.Trainer) -> None:
    """Remove all kept counts. Call it when the work is finished and its results are saved."""
    folder = unfinished_folder(trainer)
    if trainer.is_global_zero and folder.is_dir():
        for path in folder.glob("*.jsonl"):
            path.unlink()
        # why: the folder stays where a user has put files of their own into it
        with contextlib.suppress(OSError):
            folder.rmdir()


def unfinished_folder(trainer: pl.Trainer) -> Path:
    """Return the folder of counts of unfinished work, a hidden one beside the run's folder."""
    folder = run_folder(trainer)
    # why: beside the run's folder, not in it: that has not begun when its first stage is screened
    return folder / "unfinished" if trainer.fast_dev_run else folder.with_name(f".{folder.name}-unfinished")


def _found(kept: Counts) -> dict[str, Judged]:
    """Return the kept counts by problem id, as rank 0 reads them, on every rank."""
    # why: one rank reads for all: machines may see a folder that they share at different times
    if rank() == 0:
        kept.forget_others()
    rows = gather(list(kept.read().values()) if rank() == 0 else [])
    return {row.problem: row for row in rows}


def work_key(
    rollouts: Rollouts,
    weights: Iterable[Tensor],
    problems: list[Problem],
    sampling: Sampling,
    num_rollouts: int,
    seed: int,
) -> str:
    """Return a digest of all that verdicts on responses depend on, weights included; equal on every rank."""
    judged = list(rollouts.rewards.settings.identity().values())
    drawn = [rollouts.engine.identity(), asdict(sampling), num_rollouts, seed]
    return digest([checksum(weights), problems_digest(problems), judged, drawn])
