"""The verbs of run.py: their functions, what they do, and what a signal leaves of them."""

import itertools
import json
from collections.abc import Callable

from rich.console import Console
from rich.table import Table

from acereason.configs import top_keys
from acereason.curation.verb import curate
from acereason.errors import UserError
from acereason.evaluation.compare import compare
from acereason.evaluation.scaling import scaling
from acereason.preflight.datasets import CHECKED
from acereason.recipe import recipe
from acereason.report.verb import report
from acereason.scoring.verb import score
from acereason.teacher.verb import predict
from acereason.trainer import Trainer

VERBS: dict[str, Callable[..., None]] = {
    "compare": compare,
    "curate": curate,
    "predict": predict,
    "recipe": recipe,
    "report": report,
    "scaling": scaling,
    "score": score,
}
"""Verbs that need no Trainer in this process."""

KEPT = {
    "compare": "nothing was written",
    "curate": "the stages that are complete are kept",
    "calibrate": "nothing was written",
    "fit": "before its first step, so that nothing is lost",
    "predict": "every response that has ended is kept",
    "preflight": "nothing was written",
    "recipe": "the steps that are finished are kept",
    "report": "nothing was written",
    "scaling": "nothing was written",
    "score": "nothing was written",
    "test": "every sample that was judged is kept",
    "validate": "nothing was written",
}
"""What a signal leaves of each verb, where the verb itself doesn't say more."""

ABOUT = {
    "fit": "Train a model, by SFT or by GRPO in stages.",
    "test": "Evaluate a model on benchmarks, by avg@n and pass@k.",
    "validate": "Evaluate a model of a `fit` config on its benchmarks once, without training.",
}
"""What Lightning's verbs do here."""

POSITIONAL = {"compare": "folders", "report": "runs"}
"""Verbs and the list that their words without a name make up."""


def help_of_all() -> str:
    """Every verb with what it does."""
    table = Table("verb", "what it does", title="python run.py VERB --config FILE [--any.key value]", box=None)
    for verb in sorted(KEPT):
        doc = ABOUT.get(verb) or (VERBS.get(verb) or getattr(Trainer, verb)).__doc__ or ""
        table.add_row(verb, " ".join(doc.split("\n\n")[0].split()))
    console = Console(highlight=False)
    with console.capture() as captured:
        console.print(table)
        console.print("`python run.py VERB --help` lists a verb's keys.")
    return captured.get().rstrip()


def function_of(args: list[str]) -> Callable[..., None] | None:
    """The function behind a command line; None where it is Lightning's. `preflight` is of what the config is for."""
    if args[:1] != ["preflight"]:
        return VERBS.get(args[0]) if args else None
    keys = top_keys(args[1:])
    if "steps" in keys:
        raise UserError("preflight: a recipe's steps are checked one by one; give it a step's own files and flags")
    if keys & {"server", "engine", "samples"}:
        return CHECKED["predict"]
    return CHECKED["curate"] if "sources" in keys else None


def named(verb: str, args: list[str]) -> list[str]:
    """`report A B --output C` as `report --runs=["A", "B"] --output C`."""
    words = list(itertools.takewhile(lambda arg: not arg.startswith("-"), args))
    if not words or verb not in POSITIONAL:
        return args
    return [f"--{POSITIONAL[verb]}={json.dumps(words)}", *args[len(words) :]]
