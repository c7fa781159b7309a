"""The `test` verb: sample benchmarks with a policy that is not trained, judge every sample and keep it."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console

from acereason.common.errors import UserError
from acereason.common.journal import Journal, RankJournals
from acereason.common.seeds import derive_seed
from acereason.common.types import Sampling, Verdict
from acereason.data.evaluation import EvaluationData
from acereason.evaluation.measured import result_of, write_problems
from acereason.evaluation.results import Result, table, write_results
from acereason.models.backbone import Backbone
from acereason.models.exports import stream_weights
from acereason.modules.hooks import run_folder
from acereason.modules.rollout import RolloutModule
from acereason.processes.distributed import dealt, gather, rank, world_size
from acereason.processes.signals import Interrupted
from acereason.rewards.pool import RewardSettings
from acereason.rollouts.engine import RolloutEngine
from acereason.sampling.identity import WeightsDigest, accept, digest
from acereason.sampling.judging import Judging
from acereason.sampling.progress import SamplingProgress
from acereason.sampling.request import Finished, Request, drawn, requests_of
from acereason.sampling.samples import Sample, compact, read_samples, refuse_changed


class EvaluationModule(RolloutModule):
    """Samples benchmarks with a policy, judges and keeps every sample: avg@n, pass@k, solve rates.

    Args:
        engine: generates the responses.
        pretrained: Hub name or folder of the weights; null for random ones (`backbone.config`).
        backbone: which model, and how it computes.
        rewards: how responses are judged.
        seed: of the responses.
    """

    data: EvaluationData

    def __init__(
        self,
        engine: RolloutEngine,
        pretrained: str | None = None,
        backbone: Backbone = Backbone(),  # noqa: B008  read only
        rewards: RewardSettings = RewardSettings(),  # noqa: B008  read only
        seed: int = 0,
    ) -> None:
        super().__init__(engine=engine, rewards=rewards, pretrained=pretrained, backbone=backbone, seed=seed)

    def test_step(self, batch: list[None], batch_idx: int) -> None:
        """Draw and judge the samples of each benchmark that the run's folder lacks, and write the results so far."""
        folder, data = run_folder(self.trainer), self.data
        self.keep_verdicts()
        fingerprint = self.fingerprint(self.push_digested_weights())
        accept(folder / "samples" / "fingerprint.json", fingerprint, self.trainer.is_global_zero)
        results: dict[str, Result] = {}
        for name in data.benchmarks:
            try:
                self.complete(name, folder / "samples")
            except Interrupted as interrupted:
                interrupted.kept = f"every sample that was judged is kept in {folder / 'samples'}"
                raise
            if self.trainer.is_global_zero:
                results[name] = self.result(name, folder / "samples")
                write_results(folder, fingerprint, results)
                write_problems(folder, {each: data.benchmark_problems(each) for each in results}, results)
        if self.trainer.is_global_zero:
            _show(results, folder)

    validation_step = test_step

    def result(self, name: str, folder: Path) -> Result:
        """Return a benchmark's numbers, once all ranks have kept their samples; merge its journals into one file."""
        data = self.data
        problems, n = data.benchmark_problems(name), data.benchmarks[name].n
        compact(folder, name, {problem.id: str(self.tokenizer.decode(problem.prompt_ids)) for problem in problems})
        samples, wanted = read_samples(folder, name), [request.place for request in requests_of(problems, n)]
        # why: with a folder on each machine's own disk, rank 0 sees its own samples only
        if missing := [place for place in wanted if place not in samples]:
            raise UserError(f"trainer.default_root_dir: {folder} lacks {missing[0]}: the machines must share it")
        return result_of((samples[place] for place in wanted), n, self.seed)

    def complete(self, name: str, folder: Path) -> None:
        """Draw and judge this rank's share of a benchmark's samples that are not kept yet, and wait for the others."""
        problems = self.data.benchmark_problems(name)
        entry, seed = self.data.benchmarks[name], derive_seed(self.seed, "evaluation", name)
        kept = read_samples(folder, name)
        refuse_changed(problems, kept, folder)
        # why: a barrier: no rank may write while another still reads
        gather([])
        requests = requests_of(problems, entry.n)
        lacking = [request for request in requests if request.place not in kept]
        missing, done = dealt(lacking), (len(requests) - len(lacking)) // world_size()
        self.require_current_engine()
        progress = SamplingProgress(len(missing) + done, done, name, quiet=not self.trainer.is_global_zero)
        with RankJournals(folder, name).journal(rank()) as journal, progress.shown():
            self._sample(missing, entry.sampling, seed, journal, progress)
        # why: a barrier: rank 0 reads all journals next
        gather([])

    def _sample(
        self, requests: list[Request], sampling: Sampling, seed: int, journal: Journal, progress: SamplingProgress
    ) -> None:
        def keep(finished: Finished, verdict: Verdict) -> None:
            journal.append(asdict(Sample.of(finished, verdict, seed)))

        judging = Judging(self.rewards, keep)
        for finished in drawn(self.engine, requests, sampling, seed):
            progress.count(finished)
            judging.begin(finished)
        judging.finish()

    def push_digested_weights(self) -> str:
        """Send the engine the weights and return their digest."""
        # why: digested as they pass: under FSDP every weight is a gather, and a second pass would double them
        seen = WeightsDigest()
        weights = seen.passing(stream_weights(self.model, self.engine.weights_dtype))
        self.engine.update_weights(weights, version=self.trainer.global_step)
        return seen.value()

    def fingerprint(self, weights: str) -> dict[str, Any]:
        """Return all that the samples depend on, as plain data."""
        data = self.data
        # why: n and limit are left out, so that more of either goes on with the samples that are there
        return {
            "model": {"weights": weights, "config": digest(_config_of(self.config.to_dict()))},
            "engine": self.engine.identity(),
            "seed": self.seed,
            "template": asdict(data.template),
            "rewards": self.rewards.settings.identity(),
            "benchmarks": {name: asdict(entry.sampling) for name, entry in data.benchmarks.items()},
        }


def _show(results: dict[str, Result], folder: Path) -> None:
    Console().print(table(results, str(folder)))
    for name, result in results.items():
        print("".join(f"{name}: the verifier failed on {error}\n" for error in result.errors), end="")


def _config_of(values: dict[str, Any]) -> dict[str, Any]:
    """Return the entries of a model's configuration that its outputs depend on."""
    # why: these four change with the folder, the saved dtype or the transformers version, for one and the same model
    return {
        name: value
        for name, value in values.items()
        if name not in ("_name_or_path", "transformers_version", "dtype", "architectures")
    }
