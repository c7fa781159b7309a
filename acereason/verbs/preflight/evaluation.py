"""This module checks evaluations: benchmarks, the folder's samples, and the engine's memory."""

from pathlib import Path
from typing import Any

from acereason.common.files import check_writable
from acereason.common.types import Problem
from acereason.modules.evaluation import EvaluationModule
from acereason.sampling.identity import accept
from acereason.sampling.samples import read_samples, refuse_changed
from acereason.verbs.preflight.data import check_lengths, check_verifier
from acereason.verbs.preflight.memory import estimate_evaluation
from acereason.verbs.preflight.planned import Job
from acereason.verbs.preflight.resources import check_devices, check_held
from acereason.verbs.preflight.start import check_start


def check_evaluation(job: Job[EvaluationModule]) -> None:
    """Check the benchmarks that `test` loads, and the samples that it would go on with."""
    module, data = job.module, job.module.data
    loaded = {name: check_benchmark(job, name) for name in data.benchmarks}
    loaded = {name: problems for name, problems in loaded.items() if problems}
    with job.checks.catching("trainer.default_root_dir"):
        run = check_start(job.checks, job.trainer, job.module, job.planned.ckpt_path)
        check_writable(run.folder, run.key)
        check_samples(job, run.folder, loaded)
    if len(loaded) < len(data.benchmarks):
        return
    longest = data.longest(module.sampling)
    check_held(job, longest, group_size=1)
    check_devices(job, estimate_evaluation(module, job.parameters, job.planned.ranks, longest))


def check_benchmark(job: Job[EvaluationModule], name: str) -> list[Problem]:
    """Check a benchmark, and return its problems; none where it can't be measured."""
    key, entry, module = f"data.benchmarks.{name}", job.module.data.benchmarks[name], job.module
    with job.checks.catching(key):
        problems: list[Problem] = job.module.data.load(name)
        room = module.config.max_position_embeddings - entry.max_response_length
        check_lengths(job.checks, key, [len(problem.prompt_ids) for problem in problems], room)
        check_verifier(job.checks, key, problems, module.rewards)
        # why: ReplayEngine refuses here a benchmark for which its file lacks a response
        module.engine.check([(problem.id, number) for problem in problems for number in range(entry.n)])
        return problems
    return []


def check_samples(job: Job[EvaluationModule], folder: Path, loaded: dict[str, list[Problem]]) -> None:
    """Check that samples in the folder are of this model and these problems."""
    # why: without weights, whose digest takes as long as loading the model
    accept(folder / "samples" / "fingerprint.json", _without_weights(job.module.fingerprint("")), is_writer=False)
    kept = 0
    for name, problems in loaded.items():
        samples = read_samples(folder / "samples", name)
        refuse_changed(problems, samples, folder)
        kept += sum(sample.id in {problem.id for problem in problems} for sample in samples.values())
    total = sum(len(problems) * job.module.data.benchmarks[name].n for name, problems in loaded.items())
    job.checks.add("data.benchmarks", "ok", f"{total:,} responses to draw, {kept:,} are in {folder}")


def _without_weights(fingerprint: dict[str, Any]) -> dict[str, Any]:
    model = {name: value for name, value in fingerprint["model"].items() if name != "weights"}
    return fingerprint | {"model": model}
