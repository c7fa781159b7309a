"""This module checks evaluations: benchmarks, the folder's samples, and the engine's memory."""

from pathlib import Path
from typing import Any

import lightning.pytorch as pl

from acereason.common.files import check_writable
from acereason.common.types import Problem
from acereason.data.evaluation import EvaluationData
from acereason.evaluation.fingerprint import accept
from acereason.evaluation.samples import read_samples
from acereason.modules.evaluation import EvaluationModule, refuse_changed
from acereason.verbs.preflight.checks import Checks
from acereason.verbs.preflight.data import check_lengths, check_verifier
from acereason.verbs.preflight.memory import count_parameters, estimate_evaluation
from acereason.verbs.preflight.resources import Planned, check_devices, check_held
from acereason.verbs.preflight.start import check_start


def check_evaluation(
    checks: Checks,
    trainer: pl.Trainer,
    module: EvaluationModule,
    data: EvaluationData,
    planned: Planned,
    device: str | None,
) -> None:
    """Check the benchmarks that `test` loads, and the samples that it would go on with."""
    loaded = {name: check_benchmark(checks, module, data, name) for name in data.benchmarks}
    loaded = {name: problems for name, problems in loaded.items() if problems}
    key = "trainer.default_root_dir"
    with checks.catching(key):
        run = check_start(checks, trainer, module, planned.ckpt_path)
        check_writable(run.folder, run.key)
        check_samples(checks, run.folder, module, data, loaded)
    if len(loaded) < len(data.benchmarks):
        return
    longest, parameters = data.longest(module.sampling), count_parameters(module.config)
    check_held(checks, module, parameters, longest, group_size=1)
    phases = estimate_evaluation(module, parameters, planned.ranks, longest)
    check_devices(checks, f"{parameters:,} parameters", phases, planned, device)


def check_benchmark(checks: Checks, module: EvaluationModule, data: EvaluationData, name: str) -> list[Problem]:
    """Check a benchmark, and return its problems; none where it can't be measured."""
    key, entry = f"data.benchmarks.{name}", data.benchmarks[name]
    with checks.catching(key):
        problems = data.load(name)
        room = module.config.max_position_embeddings - entry.max_response_length
        check_lengths(checks, key, [len(problem.prompt_ids) for problem in problems], room)
        check_verifier(checks, key, problems, module.rewards)
        # why: ReplayEngine refuses here a benchmark for which its file lacks a response
        module.engine.check([(problem.id, number) for problem in problems for number in range(entry.n)])
        return problems
    return []


def check_samples(
    checks: Checks, folder: Path, module: EvaluationModule, data: EvaluationData, loaded: dict[str, list[Problem]]
) -> None:
    """Check that samples in the folder are of this model and these problems."""
    # why: without weights, whose digest takes as long as loading the model
    accept(folder / "samples" / "fingerprint.json", _without_weights(module.fingerprint("")), is_writer=False)
    kept = 0
    for name, problems in loaded.items():
        samples = read_samples(folder / "samples", name)
        refuse_changed(problems, samples, folder)
        kept += sum(sample.id in {problem.id for problem in problems} for sample in samples.values())
    total = sum(len(problems) * data.benchmarks[name].n for name, problems in loaded.items())
    checks.add("data.benchmarks", "ok", f"{total:,} responses to draw, {kept:,} are in {folder}")


def _without_weights(fingerprint: dict[str, Any]) -> dict[str, Any]:
    model = {name: value for name, value in fingerprint["model"].items() if name != "weights"}
    return fingerprint | {"model": model}
