"""This module checks configs of `curate` and `predict`: sources, responses, servers, and the output folder."""

import functools
import shutil
from pathlib import Path
from typing import Any

from acereason.common.files import check_writable
from acereason.curation.pipeline import Curation
from acereason.curation.read import prompts_of, refuse_differing
from acereason.curation.sources import CuratedSource, open_sources
from acereason.curation.verb import curate
from acereason.data.problems import Source
from acereason.rewards.pool import RewardPool, RewardSettings
from acereason.sampling.identity import refuse_other
from acereason.sampling.predict import Prediction, load, predict
from acereason.sampling.teachers.engine import EngineTeacher
from acereason.sampling.teachers.server import ServerTeacher
from acereason.verbs.preflight.checks import Checks
from acereason.verbs.preflight.data import check_judge
from acereason.verbs.preflight.memory import human
from acereason.verbs.preflight.model import check_weights

_LOOKED_AT = 20_000
"""Number of rows of a source that are made into prompts: all rows of a large one would take too long here."""


# why: `wraps` gives the signature of the verb, from which the command line makes its keys
@functools.wraps(curate)
def preflight_curate(**arguments: Any) -> None:
    """Check a config of `curate`, given as the verb's arguments."""
    checks = Checks()
    check_curation(checks, Curation(**arguments))
    checks.report()


@functools.wraps(predict)
def preflight_predict(**arguments: Any) -> None:
    """Check a config of `predict`, given as the verb's arguments."""
    checks = Checks()
    check_prediction(checks, Prediction(**arguments))
    checks.report()


def check_curation(checks: Checks, curation: Curation) -> None:
    """Check the files that `curate` opens, and the first rows of each source."""
    with checks.catching("curate"):
        curation.check()
    for key, sources in (
        ("sources", curation.sources),
        ("decontaminate.benchmarks", curation.decontaminate.benchmarks),
    ):
        for name, source in sources.items():
            with checks.catching(f"{key}.{name}"):
                check_prompts(checks, key, name, source)
    with checks.catching("responses.path"):
        if shards := curation.responses.shards():
            checks.add("responses.path", "ok", f"{len(shards):,} files of responses")
    with checks.catching("responses"):
        # why: this loads the tokenizer, whose wrong name `curate` would meet only after its first stages
        curation.responses.lengths(["a response"], [None])
    check_output(checks, curation.folder)
    check_verifiers(checks, curation.rewards)


def check_prompts(checks: Checks, key: str, name: str, source: CuratedSource) -> None:
    """Check that a source can be read, and that its first rows are prompts."""
    (entry,) = open_sources({name: source}, key)
    total, looked = len(entry.rows), min(_LOOKED_AT, len(entry.rows))
    found = prompts_of(entry, 0, looked)
    left = [f"{count:,} {reason}" for reason, count in found.counts.items() if reason != "taken" and count]
    message = f"{total:,} rows; of the first {looked:,} {len(found.rows):,} are prompts"
    checks.add(f"{key}.{name}", "warning" if found.bad or not found.rows else "ok", "; ".join([message, *left]))
    if key == "sources":
        refuse_differing(found.rows)


def check_output(checks: Checks, folder: Path) -> None:
    """Check that a folder can be written."""
    with checks.catching("output"):
        there = check_writable(folder, "output")
        checks.add("output", "ok", f"{folder} can be written; {human(shutil.disk_usage(there).free)} free in {there}")


def check_verifiers(checks: Checks, rewards: RewardSettings) -> None:
    """Check that the processes that judge can be set up."""
    with checks.catching("rewards"):
        RewardPool(rewards).close()
    check_judge(checks, rewards)


def check_prediction(checks: Checks, prediction: Prediction) -> None:
    """Check the sources that `predict` reads, its teacher, and the folder that it would go on with."""
    prompts = sum(check_source(checks, name, source, prediction) for name, source in prediction.sources.items())
    with checks.catching("output"):
        refuse_other(Path(prediction.output) / "config.json", prediction.identity())
    check_output(checks, Path(prediction.output))
    check_verifiers(checks, prediction.rewards)
    with checks.catching("server" if prediction.server else "engine"):
        check_teacher(checks, prediction)
    if prompts:
        each = f"{prompts:,} prompts x {prediction.samples:,} = {prompts * prediction.samples:,} responses in all"
        checks.add("samples", "ok", each)


def check_source(checks: Checks, name: str, source: Source, prediction: Prediction) -> int:
    """Check a source, and return its number of prompts; 0 where it can't be used."""
    with checks.catching(f"sources.{name}"):
        problems = load(source, name, prediction.bad_rows)
        checks.add(f"sources.{name}", "ok", f"{len(problems):,} prompts")
        return len(problems)
    return 0


def check_teacher(checks: Checks, prediction: Prediction) -> None:
    """Check that the teacher's server answers, or that the teacher's files can be loaded."""
    teacher = prediction.teacher()
    if isinstance(teacher, ServerTeacher):
        teacher.greet()
        checks.add("server.url", "ok", f"{teacher.server.url} answers")
        teacher.close()
    elif isinstance(teacher, EngineTeacher):
        folder = Path(teacher.local.pretrained)
        if folder.is_dir():
            check_weights(folder, teacher.config, "engine.pretrained")
        context, budget = teacher.config.max_position_embeddings, prediction.sampling.max_response_length
        key, message = "sampling.max_response_length", f"{budget:,} tokens of a context of {context:,}"
        checks.require(key, budget < context, message, f"{message}: no room for a prompt")
