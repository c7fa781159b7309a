"""The verbs of run.py: what each does, where its function is, and what a signal leaves of it."""

import importlib
import itertools
import json
from collections.abc import Callable
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from acereason.common.configs import top_keys
from acereason.common.errors import UserError, did_you_mean


@dataclass(frozen=True)
class Verb:
    """A word of the command line and what it does."""

    about: str
    """Its line of the help."""
    kept: str = "nothing was written"
    """What a signal leaves of its work, where the verb itself doesn't say more."""
    function: str = ""
    """`module:name`, loaded when it is called; empty for a verb of Lightning's Trainer."""
    words: str = ""
    """The parameter that takes words without a `--name`; empty where there is none."""


# why: paths, not functions: help, typos and `score` need neither torch nor Lightning, which take ten seconds to load
VERBS = {
    "calibrate": Verb("Find the sampling temperature that gives a target entropy."),
    "compare": Verb(
        "Compare results of `test`, each folder with the one before it.",
        function="acereason.evaluation.compare:compare",
        words="folders",
    ),
    "curate": Verb(
        "Build a dataset: filter, deduplicate, decontaminate, verify.",
        "the stages that are complete are kept",
        "acereason.curation.verb:curate",
    ),
    "fit": Verb("Train a model, by SFT or by GRPO in stages.", "before its first step, so that nothing is lost"),
    "predict": Verb(
        "Sample a teacher's responses and judge them.",
        "every response that has ended is kept",
        "acereason.sampling.predict:predict",
    ),
    "preflight": Verb("Check a config for what would fail later, without a GPU."),
    "recipe": Verb(
        "Run steps in order; finished ones are skipped.",
        "the steps that are finished are kept",
        "acereason.verbs.recipe:recipe",
    ),
    "report": Verb(
        "Write runs as an HTML page and as Markdown.",
        function="acereason.runs.report.verb:report",
        words="runs",
    ),
    "scaling": Verb(
        "Fit accuracy to numbers of prompts and responses (4.4.2).",
        function="acereason.evaluation.scaling:scaling",
    ),
    "score": Verb("Judge every response of a file.", function="acereason.verbs.scoring.verb:score"),
    "study": Verb(
        "Run arms of a recipe with several seeds, and tell what they show.",
        "every run that is finished is kept",
        "acereason.verbs.studies.verb:study",
    ),
    "test": Verb("Evaluate a model on benchmarks, by avg@n and pass@k.", "every sample that was judged is kept"),
    "validate": Verb("Evaluate a model of a `fit` config once, without training."),
}


def help_of_all() -> str:
    """The table of every verb with its line."""
    table = Table("verb", "what it does", title="python run.py VERB --config FILE [--any.key value]", box=None)
    for name, verb in VERBS.items():
        table.add_row(name, verb.about)
    console = Console(highlight=False)
    with console.capture() as captured:
        console.print(table)
        console.print("`python run.py VERB --help` lists a verb's keys.")
    return captured.get().rstrip()


def asks_for_help(args: list[str]) -> bool:
    """Whether a command line asks for the help of all verbs."""
    return args[:1] in (["-h"], ["--help"])


def check_verb(args: list[str]) -> None:
    """Refuse a command line whose first word is no verb."""
    if args and (args[0] in VERBS or args[0].startswith("-")):
        return
    near = did_you_mean(args[0], VERBS) if args else ""
    hint = f"{near} There are" if near else "there are"
    raise UserError(f"{args[0] if args else 'verb'}: no such verb; {hint} {', '.join(VERBS)}")


def needs_trainer(args: list[str]) -> bool:
    """Whether a command line is for Lightning's Trainer."""
    if not args or asks_for_help(args):
        return False
    # why: Lightning's parser takes options before the verb
    return not _path(args) if args[0] in VERBS else args[0].startswith("-")


def function_of(args: list[str]) -> Callable[..., None]:
    """Load the function of a verb that needs no Trainer."""
    return load(_path(args))


def load(path: str) -> Callable[..., None]:
    """Import `module:name`."""
    module, _, name = path.partition(":")
    function: Callable[..., None] = getattr(importlib.import_module(module), name)
    return function


def _path(args: list[str]) -> str:
    """`module:name` of the function behind a command line. `preflight` depends on what the config is for."""
    if args[0] != "preflight":
        return VERBS[args[0]].function
    keys = top_keys(args[1:])
    if "steps" in keys:
        raise UserError("preflight: a recipe's steps are checked one by one; give it a step's own files and flags")
    if keys & {"server", "engine", "samples"}:
        return "acereason.verbs.preflight.datasets:preflight_predict"
    return "acereason.verbs.preflight.datasets:preflight_curate" if "sources" in keys else ""


def named(name: str, args: list[str]) -> list[str]:
    """`report A B --output C` as `report --runs=["A", "B"] --output C`."""
    words = list(itertools.takewhile(lambda arg: not arg.startswith("-"), args))
    if not words or not VERBS[name].words:
        return args
    return [f"--{VERBS[name].words}={json.dumps(words)}", *args[len(words) :]]
