"""The command line: a verb is a function given to jsonargparse, or one of Lightning's Trainer."""

import logging
import re
import sys
import warnings

from jsonargparse import auto_cli

from acereason.common.configs import check_flags
from acereason.common.literals import kept, read_literals
from acereason.processes.signals import Interrupted
from acereason.verbs.mistakes import as_user_errors
from acereason.verbs.parsing import Parser
from acereason.verbs.table import VERBS, asks_for_help, check_verb, function_of, help_of_all, named, needs_trainer


def run_verb(args: list[str]) -> None:
    """Parse and run `args`, the command line without the program's name."""
    check_flags(args)
    read_literals()
    try:
        with as_user_errors():
            _run_verb(kept(args))
    except Interrupted as interrupted:
        interrupted.kept = interrupted.kept or (VERBS[args[0]].kept if args and args[0] in VERBS else "")
        raise


def _run_verb(args: list[str]) -> None:
    if asks_for_help(args):
        print(help_of_all())
        return
    check_verb(args)
    if needs_trainer(args):
        # why here: it loads torch and Lightning, which takes longer than most of the other verbs' work
        from acereason.verbs.lightning_cli import run_trainer

        _quiet()
        run_trainer(args)
    else:
        _run_function(args)


def _run_function(args: list[str]) -> None:
    function = function_of(args)
    _quiet()
    # why: --max-error-rate is as good as --max_error_rate
    flags = [re.sub(r"^--[^=]+", lambda flag: flag[0][:2] + flag[0][2:].replace("-", "_"), arg) for arg in args[1:]]
    auto_cli(function, args=named(args[0], flags), as_positional=False, parser_mode="omegaconf+", parser_class=Parser)


def _quiet() -> None:
    """Silence what the loaded libraries say of every run and no reader can act on."""
    if datasets := sys.modules.get("datasets"):
        datasets.disable_progress_bars()
    if transformers := sys.modules.get("transformers"):
        transformers.logging.disable_progress_bar()
    logging.getLogger("lightning.pytorch.utilities.rank_zero").addFilter(
        lambda record: not record.getMessage().startswith(("💡", "TPU", "HPU"))
    )
    logging.getLogger("lightning.pytorch.trainer.connectors.checkpoint_connector").addFilter(
        lambda record: not record.getMessage().startswith("`weights_only`")
    )
    for message in (
        "LightningCLI's args parameter",
        "Checkpoint directory .* exists",
        ".*does not have many workers",
        ".*pre-optimization state",
        ".*LeafSpec",
        "Total length of `list` across ranks is zero",  # no validation loaders while training
    ):
        warnings.filterwarnings("ignore", message)
