"""The `calibrate` verb measures rollouts at one temperature after the other and keeps each result at once."""

from dataclasses import asdict
from typing import TYPE_CHECKING

from acereason.algorithm.calibration import TRIALS, Trial
from acereason.algorithm.metrics import rollout_metrics
from acereason.common.files import append_rows, read_rows
from acereason.common.seeds import derive_seed
from acereason.common.types import Group, Problem, Sampling
from acereason.modules.counting import work_key
from acereason.modules.sequences import as_sequence
from acereason.processes.distributed import dealt, gather
from acereason.rollouts.engine import alone
from acereason.sampling.identity import digest

if TYPE_CHECKING:
    from acereason.modules.rollout import RolloutModule


def trial(module: "RolloutModule", temperature: float) -> Trial:
    """Return the statistics of rollouts at one temperature. Results of a sweep that was killed are read, not redone."""
    data = module.trainer.datamodule
    plan, problems = data.calibration, data.calibration_problems()
    budget = data.stages[plan.stage].max_response_length or module.sampling.max_response_length
    # why: the seed leaves the temperature out, so that all temperatures meet the same draws
    sampling, seed = Sampling(temperature, budget), derive_seed(module.seed, "calibrate")
    key = digest([work_key(module, problems, sampling, plan.rollouts, seed), plan.masks])
    # why: one rank reads for all: machines may see a shared file at different times, and ranks must take one way
    rows = list(read_rows(plan.folder / TRIALS)) if module.trainer.is_global_zero else []
    for row in gather(rows):
        if row.pop("key") == key:
            return Trial(**row)
    found = _measured(module, problems, sampling, seed)
    if module.trainer.is_global_zero:
        plan.folder.mkdir(parents=True, exist_ok=True)
        append_rows(plan.folder / TRIALS, [{"key": key, **asdict(found)}])
    return found


def _measured(module: "RolloutModule", problems: list[Problem], sampling: Sampling, seed: int) -> Trial:
    plan = module.trainer.datamodule.calibration
    samples = [alone(problem, number) for problem in problems for number in range(plan.rollouts)]
    groups = module.rollout(dealt(samples), sampling, 1, seed)
    entropy_all = _entropy(module, groups, sampling.temperature, masks=False)
    entropy = _entropy(module, groups, sampling.temperature, masks=True) if plan.masks else entropy_all
    seen = rollout_metrics(groups)
    measured = (seen[name] for name in ("reward/mean", "response/truncated", "response/length_mean"))
    return Trial(sampling.temperature, entropy, entropy_all, *measured)


def _entropy(module: "RolloutModule", groups: list[Group], temperature: float, masks: bool) -> float:
    """Return the mean entropy of response tokens over all ranks, without truncated responses if `masks`."""
    rollouts = [(group, rollout) for group in groups for rollout in group.rollouts]
    sequences = [
        as_sequence(group, rollout, weight=0.0)
        for group, rollout in rollouts
        if not (masks and rollout.response.truncated)
    ]
    return module.measure(sequences, temperature)["policy/entropy"]
