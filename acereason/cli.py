"""The verbs: Lightning's through LightningCLI, the others as typed functions given to jsonargparse."""

import itertools
import json
import logging
import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import datasets
import lightning.pytorch as pl
import torch.distributed
import transformers
from jsonargparse import Namespace, auto_cli, set_parsing_settings
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI, SaveConfigCallback
from lightning.pytorch.utilities import rank_zero_info, rank_zero_only
from typing_extensions import override

from acereason.curation.verb import curate
from acereason.data.evaluation import EvaluationData  # noqa: F401
from acereason.data.rl import RLData  # noqa: F401  imported so that the YAML may use short class names
from acereason.data.sft import SFTData  # noqa: F401
from acereason.errors import UserError, plain
from acereason.evaluation.compare import compare
from acereason.evaluation.scaling import scaling
from acereason.hooks import newest_checkpoint, planned_folder
from acereason.modules.base import QwenModule
from acereason.modules.evaluation import EvaluationModule  # noqa: F401
from acereason.modules.grpo import GRPOModule  # noqa: F401
from acereason.modules.sft import SFTModule  # noqa: F401
from acereason.preflight.resources import Planned
from acereason.recipe import recipe
from acereason.report.verb import report
from acereason.rollouts.hf import HFEngine  # noqa: F401
from acereason.rollouts.replay import ReplayEngine  # noqa: F401
from acereason.rollouts.vllm import VLLMEngine  # noqa: F401
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

POSITIONAL = {"compare": "folders", "report": "runs"}
"""Verbs and the list that their words without a name make up."""


class Parser(LightningArgumentParser):
    """Reports a mistake in one line instead of the whole usage."""

    @override
    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        raise UserError(plain(message)) from ex

    @override
    def instantiate(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().instantiate(*args, **kwargs)
        except ValueError as error:  # a value that a class refuses
            raise UserError(plain(str(error))) from error


class SaveConfig(SaveConfigCallback):
    """config.yaml in the folder of what `fit` and `test` make; other verbs only look at a run, whose file stays."""

    @override
    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        if stage in ("fit", "test"):
            super().setup(trainer, pl_module, stage)


class AceReasonCLI(LightningCLI):
    """LightningCLI with the verbs that this project supports, and errors for people."""

    @override
    def instantiate_classes(self) -> None:
        planned = self._on_one_cpu() if self.subcommand == "preflight" else None
        try:
            super().instantiate_classes()
        except ValueError as error:
            raise UserError(plain(str(error))) from error
        if planned:
            self.trainer.planned = planned

    def _on_one_cpu(self) -> Planned:
        """Change the trainer's config to a single CPU process; what it asked for."""
        trainer = self.config[self.subcommand]["trainer"]
        strategy = trainer["strategy"]
        settings = strategy.get("init_args") if isinstance(strategy, Namespace) else None
        mesh = settings["data_parallel_size"] * settings["tensor_parallel_size"] if settings else None
        name = strategy["class_path"].rpartition(".")[2] if settings else str(strategy)
        planned = Planned(trainer["accelerator"], trainer["devices"], trainer["num_nodes"], name, mesh)
        trainer.update(Namespace(accelerator="cpu", devices=1, num_nodes=1, strategy="auto"))
        return planned

    def before_fit(self) -> None:
        """Settle where the run starts: `last` and `auto` name the newest checkpoint of the run's folder."""
        config = self.config_init["fit"]
        config["weights_only"] = True  # our checkpoints hold plain data alone
        config["ckpt_path"] = start_of(planned_folder(self.trainer), config.get("ckpt_path"))

    @override
    @staticmethod
    def subcommands() -> dict[str, set[str]]:
        lightnings = {name: LightningCLI.subcommands()[name] for name in ("fit", "validate", "test")}
        return lightnings | dict.fromkeys(("calibrate", "preflight"), {"model", "datamodule"})


def start_of(folder: Path, ckpt_path: str | None) -> str | None:
    """The checkpoint that a fit resumes from, or None; a run that starts anew first moves an old one out of its folder.

    Args:
        folder: the run's.
        ckpt_path: a path; `last`, the newest of a run that exists; `auto`, the same if there is one; None: start anew.
    """
    newest = newest_checkpoint(folder)
    if ckpt_path == "last" and not folder.exists():
        raise UserError(f"ckpt_path: there is no run in {folder} to resume; leave ckpt_path out to start one")
    if ckpt_path in ("last", "auto") and newest is not None:
        rank_zero_info(f"resuming from {newest}")
        return str(newest)
    if ckpt_path in (None, "last", "auto"):
        _set_aside(folder)
        return None
    if not Path(str(ckpt_path)).exists():
        raise UserError(f"ckpt_path: no checkpoint {ckpt_path}; `last` takes the newest of {folder}")
    return ckpt_path


@rank_zero_only
def _set_aside(folder: Path) -> None:
    """Nothing is lost: an earlier run in the same folder is renamed."""
    if folder.exists() and any(folder.iterdir()):
        number = next(n for n in itertools.count(1) if not folder.with_name(f"{folder.name}~{n}").exists())
        folder.rename(folder.with_name(f"{folder.name}~{number}"))
        rank_zero_info(
            f"the earlier run in {folder} is now {folder.name}~{number}; to resume a run, give --ckpt_path last"
        )


def run_verb(args: list[str]) -> None:
    """Parse and run `args`, the command line without the program's name."""
    _quiet()
    if args and args[0] in VERBS:
        verb = VERBS[args[0]]
        args = [
            re.sub(r"^--[^=]+", lambda option: option[0][:2] + option[0][2:].replace("-", "_"), arg) for arg in args
        ]
        auto_cli(
            verb, args=_named(args[0], args[1:]), as_positional=False, parser_mode="omegaconf+", parser_class=Parser
        )
        return
    try:
        lightning_cli(args)
    finally:
        if torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()


def _named(verb: str, args: list[str]) -> list[str]:
    """`report A B --output C` as `report --runs=["A", "B"] --output C`."""
    words = list(itertools.takewhile(lambda arg: not arg.startswith("-"), args))
    if not words or verb not in POSITIONAL:
        return args
    return [f"--{POSITIONAL[verb]}={json.dumps(words)}", *args[len(words) :]]


def lightning_cli(args: list[str], run: bool = True) -> AceReasonCLI:
    """Parse a command line of Lightning's and instantiate what it names; run it unless told otherwise."""
    set_parsing_settings(omegaconf_absolute_to_relative_paths=True)  # ${key} sees the command line's overrides
    return AceReasonCLI(
        QwenModule,
        pl.LightningDataModule,
        trainer_class=Trainer,
        subclass_mode_model=True,
        subclass_mode_data=True,
        parser_class=Parser,
        auto_configure_optimizers=False,  # the model exists only after configure_model
        parser_kwargs={"parser_mode": "omegaconf+"},
        save_config_callback=SaveConfig,
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
