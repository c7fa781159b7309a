"""Responses of which only the counts are wanted, for hours perhaps: in parts, and kept as they come."""

import contextlib
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import lightning.pytorch as pl

from acereason.distributed import dealt, gather, rank, world_size
from acereason.evaluation.accuracy import Judged
from acereason.evaluation.fingerprint import checksum, digest
from acereason.evaluation.kept import Counts, problems_digest
from acereason.hooks import run_folder
from acereason.types import Problem, Sampling

if TYPE_CHECKING:
    from acereason.modules.rollout import RolloutModule

PART = 2048
"""Responses of each rank between two meetings of the ranks: about half an hour of a 7B model, so that none waits for
hours, and the engine's last responses, which leave most of it idle, don't count."""


def counts(
    module: "RolloutModule", name: str, problems: list[Problem], sampling: Sampling, num_rollouts: int, seed: int
) -> list[Judged]:
    """The counts of each problem's responses, in the order of the problems, on every rank. What an earlier process has
    kept of the same work by the same policy is not drawn again.

    Args:
        name: of the work, in the run.
        num_rollouts: responses of each problem.
    """
    kept = Counts(unfinished_folder(module.trainer), name, work_key(module, problems, sampling, num_rollouts, seed))
    found = _found(kept)
    lacking = [problem for problem in problems if problem.id not in found]
    size = max(1, PART // num_rollouts) * world_size()
    with kept.journal(rank()) as journal:
        for start in range(0, len(lacking), size):
            part: list[Judged] = []
            with module.breaking_off():
                for group in module.stream(dealt(lacking[start : start + size]), sampling, num_rollouts, seed):
                    part.append(Judged.of(group))
                    journal.append(part[-1])
            found |= {row.problem: row for row in gather(part)}
    return [found[problem.id] for problem in problems]


def forget(trainer: pl.Trainer) -> None:
    """Remove what is kept: all of it is finished, and what came of it is saved."""
    folder = unfinished_folder(trainer)
    if trainer.is_global_zero and folder.is_dir():
        for path in folder.glob("*.jsonl"):
            path.unlink()
        with contextlib.suppress(OSError):  # somebody's own files are in it
            folder.rmdir()


def unfinished_folder(trainer: pl.Trainer) -> Path:
    """Beside the run's folder, which has not begun when its first stage is screened."""
    folder = run_folder(trainer)
    return folder / "unfinished" if trainer.fast_dev_run else folder.with_name(f".{folder.name}-unfinished")


def _found(kept: Counts) -> dict[str, Judged]:
    """What rank 0 finds, on every rank: machines may see a folder that they share at different times."""
    if rank() == 0:
        kept.forget_others()
    rows = gather(list(kept.read().values()) if rank() == 0 else [])
    return {row.problem: row for row in rows}


def work_key(module: "RolloutModule", problems: list[Problem], sampling: Sampling, num_rollouts: int, seed: int) -> str:
    """Of all that the verdicts on responses depend on, the policy's weights with it; the same on every rank."""
    rewards = asdict(module.rewards.settings)
    judged = [rewards[name] for name in ("math", "code", "after_think", "timeout", "memory_gib")]
    drawn = [module.engine.identity(), asdict(sampling), num_rollouts, seed]
    return digest([checksum(module.model.state_dict().values()), problems_digest(problems), judged, drawn])
