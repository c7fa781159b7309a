"""A policy that is measured while it trains: by benchmarks, by screenings, and by a probe of its engine."""

from collections.abc import Callable
from dataclasses import replace
from itertools import product
from typing import TypeVar

from acereason.common.seeds import derive_seed
from acereason.common.types import Problem, Sampling
from acereason.data.rl import RLData
from acereason.evaluation.accuracy import Accuracy, accuracy
from acereason.modules.counting import counts, forget, unfinished_folder, work_key
from acereason.modules.rollout import RolloutModule
from acereason.modules.sequences import as_sequence
from acereason.processes.distributed import dealt
from acereason.rollouts.engine import alone
from acereason.sampling.counts import Counts, Judged, together

T = TypeVar("T")


class MeasuredModule(RolloutModule):
    """A policy with rollouts of its own whose responses to problems of its data are counted, and compared with it."""

    data: RLData

    def counted(
        self, name: str, problems: list[Problem], sampling: Sampling, num_rollouts: int, seed: int
    ) -> list[Judged]:
        """Return the counts of each problem's judged responses, over all ranks. They are kept under this name as they
        come, so that a run that is killed goes on where it was."""
        self.require_current_engine()
        weights = self.model.state_dict().values()
        key = work_key(self.rollouts, weights, problems, sampling, num_rollouts, seed)
        kept = Counts(unfinished_folder(self.trainer), name, key)
        return counts(self.rollouts, kept, problems, sampling, num_rollouts, seed)

    def probe(self, prompts: int, tokens: int = 16) -> float:
        """Compare the engine's log-probs with the trainer's on short responses to a few of the epoch's prompts.

        Returns:
            their mean absolute difference in nats, over all ranks.

        Raises:
            RuntimeError: it is above `max_logprob_gap`: the engine does not hold the trainer's weights.
        """
        problems = dealt(self.data.problems[:prompts])
        sampling = replace(self.sampling, max_response_length=min(tokens, self.sampling.max_response_length))
        groups = self.engine.generate(problems, sampling, 1, derive_seed(self.seed, "probe"))
        sequences = [as_sequence(group, group.rollouts[0], weight=0.0) for group in groups]
        metrics = self.measure(sequences, sampling.temperature)
        self.accept(metrics)
        return metrics["sync/logprob_gap"]

    def evaluate(self, benchmarks: list[str] | None = None) -> dict[str, Accuracy]:
        """Measure avg@n and its standard error on the named benchmarks (None: all), over all ranks; log them and call
        the callbacks' `on_evaluation`."""
        accuracies = {name: self._accuracy(name) for name in benchmarks or self.data.benchmarks}
        for name, result in accuracies.items():
            values = {f"eval/{name}/{key}": value for key, value in result.metrics().items()}
            self.log_now(values, self.trainer.global_step)
        for callback in self.rollout_callbacks():
            callback.on_evaluation(self.trainer, self, accuracies)
        return accuracies

    def _accuracy(self, name: str) -> Accuracy:
        # why: the seed leaves the step out, so that the policies of all steps meet the same draws
        benchmark, seed = self.data.benchmarks[name], derive_seed(self.seed, "evaluation", name)
        samples = [alone(*place) for place in product(self.data.benchmark_problems(name), range(benchmark.n))]
        return accuracy(together(self.counted(f"evaluation-{name}", samples, benchmark.sampling, 1, seed)))

    def validation_step(self, batch: list[None], batch_idx: int) -> None:
        """Evaluate all benchmarks in one step (the `validate` and `test` verbs)."""
        self.push_weights()
        self.evaluate()
        forget(self.trainer)

    test_step = validation_step

    def predict_step(self, work: list[Callable[[], T]], batch_idx: int) -> T:
        """Do a piece of a verb's own work with the policy in the engine, and return its result."""
        # why: Lightning starts ranks and loads a checkpoint for its own four loops alone; `calibrate` is one of them
        self.push_weights()
        return work[0]()

    def on_train_end(self) -> None:
        """Remove the counts that were kept of unfinished evaluations and screenings."""
        forget(self.trainer)
