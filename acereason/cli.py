"""The verbs: Lightning's through LightningCLI, the others as typed functions given to jsonargparse."""

import logging
import re
import warnings
from collections.abc import Callable
from typing import NoReturn

import datasets
import lightning.pytorch as pl
import torch.distributed
import transformers
from jsonargparse import auto_cli, set_parsing_settings
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI
from typing_extensions import override

from acereason.data.rl import RLData  # noqa: F401  imported so that the YAML may use short class names
from acereason.data.sft import SFTData  # noqa: F401
from acereason.errors import UserError, plain
from acereason.modules.base import QwenModule
from acereason.modules.grpo import GRPOModule  # noqa: F401
from acereason.modules.sft import SFTModule  # noqa: F401
from acereason.recipe import recipe
from acereason.rollouts.hf import HFEngine  # noqa: F401
from acereason.scoring.verb import score

VERBS: dict[str, Callable[..., None]] = {"recipe": recipe, "score": score}
"""Verbs that need no Trainer in this process."""


class Parser(LightningArgumentParser):
    """Reports a mistake in one line instead of the whole usage."""

    @override
    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        raise UserError(plain(message)) from ex


class AceReasonCLI(LightningCLI):
    """LightningCLI with the verbs that this project supports, and errors for people."""

    @override
    def instantiate_classes(self) -> None:
        try:
            super().instantiate_classes()
        except ValueError as error:
            raise UserError(plain(str(error))) from error

    @override
    @staticmethod
    def subcommands() -> dict[str, set[str]]:
        return {name: skip for name, skip in LightningCLI.subcommands().items() if name in ("fit", "validate", "test")}


def run_verb(args: list[str]) -> None:
    """Parse and run `args`, the command line without the program's name."""
    _quiet()
    if args and args[0] in VERBS:
        verb = VERBS[args[0]]
        args = [
            re.sub(r"^--[^=]+", lambda option: option[0][:2] + option[0][2:].replace("-", "_"), arg) for arg in args
        ]
        auto_cli(verb, args=args[1:], as_positional=False, parser_mode="omegaconf+", parser_class=Parser)
        return
    try:
        lightning_cli(args)
    finally:
        if torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()


def lightning_cli(args: list[str], run: bool = True) -> AceReasonCLI:
    """Parse a command line of Lightning's and instantiate what it names; run it unless told otherwise."""
    set_parsing_settings(omegaconf_absolute_to_relative_paths=True)  # ${key} sees the command line's overrides
    return AceReasonCLI(
        QwenModule,
        pl.LightningDataModule,
        subclass_mode_model=True,
        subclass_mode_data=True,
        parser_class=Parser,
        auto_configure_optimizers=False,  # the model exists only after configure_model
        parser_kwargs={"parser_mode": "omegaconf+"},
        save_config_kwargs={"overwrite": True},
        args=args,
        run=run,
    )


def _quiet() -> None:
    """Silence what the libraries say of every run and no reader can act on."""
    datasets.disable_progress_bars()
    transformers.logging.disable_progress_bar()
    logging.getLogger("lightning.pytorch.utilities.rank_zero").addFilter(
        lambda record: not record.getMessage().startswith(("💡", "TPU", "HPU"))
    )
    for message in (
        "LightningCLI's args parameter",
        "Checkpoint directory .* exists",
        ".*does not have many workers",
        ".*pre-optimization state",
        ".*LeafSpec",
    ):
        warnings.filterwarnings("ignore", message)
