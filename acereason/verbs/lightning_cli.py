"""The verbs of Lightning's Trainer, by its command line."""

import os
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch.distributed
from jsonargparse import Namespace, get_loader, set_parsing_settings
from lightning.pytorch.callbacks import Timer
from lightning.pytorch.cli import ArgsType, LightningArgumentParser, LightningCLI
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from typing_extensions import override

from acereason.common.errors import UserError, plain
from acereason.common.files import read_text
from acereason.data.evaluation import EvaluationData  # noqa: F401  imported so that the YAML may use short class names
from acereason.data.rl import RLData
from acereason.data.sft import SFTData
from acereason.modules.base import QwenModule
from acereason.modules.evaluation import EvaluationModule
from acereason.modules.grpo import GRPOModule  # noqa: F401
from acereason.modules.hooks import callbacks_of
from acereason.modules.sft import SFTModule  # noqa: F401
from acereason.processes.distributed import LAUNCHED
from acereason.rollouts.hf import HFEngine  # noqa: F401
from acereason.rollouts.replay import ReplayEngine  # noqa: F401
from acereason.rollouts.vllm import VLLMEngine  # noqa: F401
from acereason.runs.places import place_of
from acereason.runs.resuming import looked_at
from acereason.verbs.callback_list import Defaults, filled
from acereason.verbs.former import renewed
from acereason.verbs.parsing import ByName, Parser, Whole
from acereason.verbs.preflight.planned import Planned
from acereason.verbs.starting import Begin, start_evaluation, start_fit, start_look
from acereason.verbs.trainer import Trainer
from acereason.verbs.unsupported import check_engine_devices, check_trainer


class LightningParser(Parser, LightningArgumentParser):
    """Lightning's parser with mistakes in one line, and with the defaults of every run."""

    @override
    def add_class_arguments(self, theclass: Any, *args: Any, **kwargs: Any) -> list[str]:
        added = super().add_class_arguments(theclass, *args, **kwargs)
        if theclass in (TensorBoardLogger, CSVLogger):
            # why: a run's folder is one that the next command can name, and not a new number each time
            self.set_defaults({"version": ""})
        if theclass is TensorBoardLogger:
            self.set_defaults({"default_hp_metric": False})
        if "seed" in added and isinstance(theclass, type) and issubclass(theclass, (QwenModule, RLData, SFTData)):
            # why: relative: it stands at model.init_args or data.init_args, three levels below the key that it names
            self.set_defaults({"seed": "${...seed_everything}"})
        return added

    @override
    def parse_path(self, path: Any, **kwargs: Any) -> Namespace:
        config = super().parse_path(path, **kwargs)
        trainer = get_loader(self.parser_mode)(read_text(Path(path), "config")).get("trainer")
        if isinstance(trainer, dict) and "callbacks" in trainer:
            # why: the list is the file's own, and what files before it say by name is of other callbacks
            config["trainer.recipe"] = trainer.get("recipe")
        return config

    @override
    def parse_string(self, content: str, *args: Any, **kwargs: Any) -> Namespace:
        return super().parse_string(renewed(content), *args, **kwargs)

    @override
    def dump(self, namespace: Namespace, *args: Any, **kwargs: Any) -> str:
        # why: what jsonargparse isn't to check is a step of its parsing, and no whole configuration yet
        if "trainer" in namespace and not kwargs.get("skip_validation"):
            whole = filled(namespace)
            # why: without the defaults it shows what a user would write
            namespace = namespace if kwargs.get("skip_default") else whole
        return super().dump(namespace, *args, **kwargs)


class AceReasonCLI(LightningCLI):
    """LightningCLI with the verbs that this project supports, and errors for people."""

    config: Namespace
    """What files and flags make, with all callbacks."""

    @override
    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        recipe = parser.add_argument(
            "--trainer.recipe",
            type=dict[str, Any] | None,
            default=None,
            help="Settings of callbacks by name, as {Overlong: {reward: -1}}; null for a name leaves the callback out.",
        )
        callbacks: Any = parser._option_string_actions["--trainer.callbacks"]
        # why: jsonargparse has no type of which a later file changes only what it gives, and makes the actions itself
        recipe.__class__, callbacks.__class__, callbacks.by_name = ByName, Whole, recipe.dest
        parser.set_defaults({"trainer.callbacks": [{"class_path": f"{Defaults.__module__}.{Defaults.__name__}"}]})

    @override
    def parse_arguments(self, parser: LightningArgumentParser, args: ArgsType) -> None:
        super().parse_arguments(parser, args)
        if verb := self.config.get("subcommand"):
            self.config[verb] = filled(self.config[verb])
        else:
            self.config = filled(self.config)

    @override
    def instantiate_classes(self) -> None:
        if self.subcommand:
            trainer = self._settings("trainer")
            check_trainer(trainer, here=self.subcommand != "preflight")
            check_engine_devices(trainer["devices"], self._engine())
        planned = self._on_one_cpu() if self.subcommand == "preflight" else None
        try:
            super().instantiate_classes()
        except ValueError as error:
            raise UserError(plain(str(error))) from error
        self.trainer.connect(self.model, self.datamodule)
        if planned:
            self.trainer.planned = planned

    def _settings(self, key: str) -> Any:
        return self.config[str(self.subcommand)][key]

    def _engine(self) -> str:
        """The name of the engine's class; empty where there is none."""
        engine = self._settings("model").get("init_args", {}).get("engine")
        return str(engine["class_path"]).rpartition(".")[2] if engine else ""

    def _on_one_cpu(self) -> Planned:
        """Change the trainer's config to a single CPU process; what it asked for."""
        trainer = self._settings("trainer")
        strategy = trainer["strategy"]
        settings = strategy.get("init_args") if isinstance(strategy, Namespace) else None
        mesh = settings.get("data_parallel_size") if settings else None  # over one dimension, see check_trainer
        name = strategy["class_path"].rpartition(".")[2] if isinstance(strategy, Namespace) else str(strategy)
        devices = trainer["devices"]
        if isinstance(devices, list):
            devices = len(devices)
        elif str(devices).isdecimal():
            devices = int(devices)
        planned = Planned(trainer["accelerator"], devices, trainer["num_nodes"], name, mesh)
        trainer.update(Namespace(accelerator="cpu", devices=1, num_nodes=1, strategy="auto"))
        return planned

    def before_fit(self) -> None:
        """Settle where the run starts and where it writes."""
        config = self.config_init["fit"]
        config["weights_only"] = True  # our checkpoints hold plain data alone
        config["ckpt_path"] = start_fit(self.trainer, config.get("ckpt_path"))

    def before_validate(self) -> None:
        """Settle what is looked at and where that is written."""
        verb = str(self.subcommand)
        config = self.config_init[verb]
        if isinstance(self.model, EvaluationModule):
            config["ckpt_path"] = start_evaluation(self.trainer, config.get("ckpt_path"))
        else:
            config["ckpt_path"] = start_look(self.trainer, verb, config.get("ckpt_path"))

    before_test = before_validate

    def before_calibrate(self) -> None:
        """Settle what is calibrated."""
        config = self.config_init["calibrate"]
        place = place_of(self.trainer.loggers, self.trainer.default_root_dir)
        checkpoint = looked_at(place, "calibrate", config.get("ckpt_path"))
        config["ckpt_path"] = checkpoint and str(checkpoint)

    @override
    def _run_subcommand(self, subcommand: str) -> None:
        try:
            super()._run_subcommand(subcommand)
        finally:
            if self.trainer.run:
                self.trainer.run.release()

    def after_fit(self) -> None:
        """Refuse to call finished what a limit of time has ended."""
        timers = callbacks_of(self.trainer, Timer)
        left = [seconds for timer in timers if (seconds := timer.time_remaining()) is not None]
        if min(left, default=1.0) <= 0:
            raise UserError(f"trainer.max_time: over at step {self.trainer.global_step}, before the run was finished")

    @override
    @staticmethod
    def subcommands() -> dict[str, set[str]]:
        lightnings = {name: LightningCLI.subcommands()[name] for name in ("fit", "validate", "test")}
        return lightnings | dict.fromkeys(("calibrate", "preflight"), {"model", "datamodule"})


def run_trainer(args: list[str]) -> None:
    """Run a command line of Lightning's to its end."""
    before = {name: os.environ.get(name) for name in LAUNCHED}
    try:
        lightning_cli(args)
    finally:
        # why: Lightning, and a colocated vLLM's start, leave them set: a run that this process starts later would take
        # itself for a rank of this one, and wait for the others at this one's port
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
        if torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()


def _only(verbs: list[str]) -> type[AceReasonCLI]:
    """The command line of one verb, where it is known: the parsers of the others take a second to build."""
    every = AceReasonCLI.subcommands()
    if not every.keys() & set(verbs):
        return AceReasonCLI
    return type("AceReasonCLI", (AceReasonCLI,), {"subcommands": staticmethod(lambda: {verbs[0]: every[verbs[0]]})})


def lightning_cli(args: list[str], run: bool = True) -> AceReasonCLI:
    """Parse a command line of Lightning's and instantiate what it names; run it unless told otherwise."""
    set_parsing_settings(omegaconf_absolute_to_relative_paths=True)  # ${key} sees the command line's overrides
    return _only(args[:1])(
        QwenModule,
        pl.LightningDataModule,
        trainer_class=Trainer,
        subclass_mode_model=True,
        subclass_mode_data=True,
        parser_class=LightningParser,
        auto_configure_optimizers=False,  # the model exists only after configure_model
        parser_kwargs={"parser_mode": "omegaconf+"},
        save_config_callback=Begin,
        seed_everything_default=0,
        trainer_defaults={"reload_dataloaders_every_n_epochs": 1},  # every epoch is planned anew, or has its own order
        args=args,
        run=run,
    )
