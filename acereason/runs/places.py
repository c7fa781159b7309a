"""The folder that a config gives to a run: one folder, whatever its loggers, or one line that says what to set."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeGuard

from lightning.pytorch.loggers import CSVLogger, Logger, TensorBoardLogger, WandbLogger

from acereason.common.errors import UserError

ROOT = "trainer.default_root_dir"


@dataclass(frozen=True)
class Place:
    """A folder that a config names for a run."""

    folder: Path
    """The run's folder; of numbered versions the next."""
    key: str
    """The setting that chooses another folder."""
    versions: dict[int, Path] | None = None
    """Existing versions by number, the newest first, if the logger numbers them; else None."""


def place_of(loggers: Sequence[Logger], root: str) -> Place:
    """Return the folder that loggers and `trainer.default_root_dir` name.

    It is that of the first logger which has one: TensorBoardLogger and CSVLogger write into `save_dir/name/version`,
    and WandbLogger is given `save_dir/name/version` too, as far as they are set. Other loggers write elsewhere: with
    them, and without a logger, it is `trainer.default_root_dir`.
    """
    for logger in loggers:
        place = _of_files(logger) or _of_wandb(logger)
        if place is not None:
            _refuse_apart(loggers, place)
            return place
    unnamed = any(isinstance(logger, WandbLogger) for logger in loggers)
    return Place(_local(root, ROOT), "trainer.logger.name" if unnamed else ROOT)


def settle(loggers: Sequence[Logger], place: Place, folder: Path) -> None:
    """Make the loggers that number their versions write into the version of this folder."""
    if place.versions is None:
        return
    number = next((n for n, there in place.versions.items() if there == folder), max(place.versions, default=-1) + 1)
    for logger in loggers:
        if _numbers(logger):
            # why: a private attribute, since a logger that has been made offers no other way
            logger._version = number


def _of_files(logger: Logger) -> Place | None:
    if not isinstance(logger, TensorBoardLogger | CSVLogger):
        return None
    if not _numbers(logger):
        return Place(_local(logger.log_dir, "trainer.logger.save_dir"), "trainer.logger.name")
    first = _local(_at(logger, 0), "trainer.logger.save_dir")
    above = first.parents[len(Path(getattr(logger, "sub_dir", None) or "").parts)]
    found = [re.fullmatch(r"version_(\d+)", path.name) for path in above.glob("version_*") if path.is_dir()]
    numbers = sorted((int(match[1]) for match in found if match), reverse=True)
    there = {number: Path(_at(logger, number)) for number in numbers}
    return Place(Path(_at(logger, max(numbers, default=-1) + 1)), "trainer.logger.name", there)


def _of_wandb(logger: Logger) -> Place | None:
    if not isinstance(logger, WandbLogger):
        return None
    # why: `_name`, since WandbLogger's `.name` is the project's
    named = [part for part in (logger._name, logger.version) if part]
    if not named:
        return None
    return Place(Path(_local(logger.save_dir or ".", "trainer.logger.save_dir"), *named), "trainer.logger.name")


def _refuse_apart(loggers: Sequence[Logger], place: Place) -> None:
    """Raise a UserError if another logger writes outside the run's folder."""
    # why: of two folders that are numbered apart, one would soon be that of another run
    for logger in loggers:
        other = _of_files(logger)
        if other and place.folder not in (other.folder, *other.folder.parents):
            raise UserError(
                f"trainer.logger: {type(logger).__name__} writes into {other.folder}, apart from the run's folder "
                f"{place.folder}; give all loggers the same save_dir, name and version"
            )


def _numbers(logger: Logger) -> TypeGuard[TensorBoardLogger | CSVLogger]:
    return isinstance(logger, TensorBoardLogger | CSVLogger) and logger._version is None


def _at(logger: TensorBoardLogger | CSVLogger, number: int) -> str:
    """Return the folder of a version of a logger that numbers them."""
    logger._version = number
    folder = logger.log_dir
    logger._version = None
    return folder


def _local(path: str, key: str) -> Path:
    if "://" in path:
        raise UserError(f"{key}: {path} is not on this machine; name a folder that is, on a shared disk if need be")
    return Path(path)
