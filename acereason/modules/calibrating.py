"""The work of `calibrate`: rollouts at one temperature after the other, whose results are kept at once."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import lightning.pytorch as pl

from acereason.algorithm.calibration import TRIALS, Trial
from acereason.algorithm.metrics import rollout_metrics
from acereason.common.files import append_rows, read_rows
from acereason.common.seeds import derive_seed, shuffled
from acereason.common.types import Group, Problem, Sampling
from acereason.data.loader import Loader
from acereason.data.rl import RLData
from acereason.modules.counting import work_key
from acereason.modules.grpo import GRPOModule
from acereason.modules.sequences import as_sequence
from acereason.processes.distributed import gather, rank
from acereason.rollouts.engine import alone
from acereason.sampling.identity import digest


@dataclass
class Sweep:
    """Settings of a sweep over temperatures."""

    temperatures: list[float]
    stage: str
    """Stage whose problems and response budget are taken."""
    problems: int
    """Problems, the first of the stage in a seeded order."""
    rollouts: int
    """Responses of each problem."""
    masks: bool
    """Whether the stage masks truncated responses, whose tokens then are not in the loss."""
    folder: Path
    """Folder of the results, and of the trials until then."""


class Calibration(pl.LightningDataModule):
    """The trials of a sweep, one for each temperature, as Lightning's `predict` hands them to the module.

    Args:
        sweep: settings of the sweep.
        module: the policy that is calibrated.
        data: the data of its stages.
    """

    def __init__(self, sweep: Sweep, module: GRPOModule, data: RLData) -> None:
        super().__init__()
        self.sweep, self.module, self.data = sweep, module, data

    def setup(self, stage: str) -> None:
        """Load the stage's problems."""
        self.data.load(list(self.data.stages[self.sweep.stage].sources))

    def predict_dataloader(self) -> Loader[Callable[[], Trial]]:
        """Return the trials, each a batch."""
        trials = [partial(self.trial, temperature) for temperature in self.sweep.temperatures]
        return Loader([[number] for number in range(len(trials))], trials.__getitem__)

    def trial(self, temperature: float) -> Trial:
        """Return the statistics of rollouts at one temperature. Results of a killed sweep are read, not redone."""
        sweep, problems, sampling = self.sweep, self.problems(), self.sampling(temperature)
        # why: the seed leaves the temperature out, so that all temperatures meet the same draws
        seed = derive_seed(self.module.seed, "calibrate")
        weights = self.module.model.state_dict().values()
        key = work_key(self.module.rollouts, weights, problems, sampling, sweep.rollouts, seed)
        key = digest([key, sweep.masks])
        # why: one rank reads for all: machines may see a shared file at different times, and ranks must take one way
        for row in gather(list(read_rows(sweep.folder / TRIALS)) if rank() == 0 else []):
            if row.pop("key") == key:
                return Trial(**row)
        result = self._measured(problems, sampling, seed)
        if rank() == 0:
            sweep.folder.mkdir(parents=True, exist_ok=True)
            append_rows(sweep.folder / TRIALS, [{"key": key, **asdict(result)}])
        return result

    def problems(self) -> list[Problem]:
        """Return the sample of the stage's problems that is rolled out."""
        name = self.sweep.stage
        return shuffled(self.data.problems_of(name), self.data.seed, "calibrate", name)[: self.sweep.problems]

    def sampling(self, temperature: float) -> Sampling:
        """Return the sampling of a trial: at the stage's response budget."""
        budget = self.data.stages[self.sweep.stage].max_response_length
        return Sampling(temperature, budget or self.module.sampling.max_response_length)

    def _measured(self, problems: list[Problem], sampling: Sampling, seed: int) -> Trial:
        samples = [alone(problem, number) for problem in problems for number in range(self.sweep.rollouts)]
        groups = self.module.rollout(samples, sampling, 1, seed)
        entropy_all = self._entropy(groups, sampling.temperature, masks=False)
        entropy = self._entropy(groups, sampling.temperature, masks=True) if self.sweep.masks else entropy_all
        metrics = rollout_metrics(groups)
        names = ("reward/mean", "response/truncated", "response/length_mean")
        return Trial(sampling.temperature, entropy, entropy_all, *(metrics[name] for name in names))

    def _entropy(self, groups: list[Group], temperature: float, masks: bool) -> float:
        """Return the mean entropy of response tokens over all ranks, without truncated responses if `masks`."""
        rollouts = [(group, rollout) for group in groups for rollout in group.rollouts]
        sequences = [
            as_sequence(group, rollout, weight=0.0)
            for group, rollout in rollouts
            if not (masks and rollout.response.truncated)
        ]
        return self.module.measure(sequences, temperature)["policy/entropy"]
