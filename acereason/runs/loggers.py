"""Late start of Lightning's loggers, when a run's folder begins, their continuation, and TensorBoard's own writers."""

import csv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.loggers import CSVLogger, Logger, MLFlowLogger, TensorBoardLogger, WandbLogger
from torch.utils.tensorboard import SummaryWriter

from acereason.common.files import write_atomically
from acereason.runs.files import stays


def begin_loggers(trainer: pl.Trainer, loggers: Sequence[Logger], step: int) -> None:
    """Give the loggers to the trainer and open their files, as Lightning does before it sets up the data.

    Args:
        step: updates before this start; metrics.csv loses the rows of later ones, which are logged again.
    """
    trainer.loggers = list(loggers)
    # why: WandbLogger first, as in Lightning's own order
    for logger in sorted(loggers, key=lambda each: not isinstance(each, WandbLogger)):
        if isinstance(logger, CSVLogger) and trainer.is_global_zero:
            with _rows_kept(logger, step):
                _ = logger.experiment
        elif hasattr(logger, "experiment"):
            _ = logger.experiment


def tensorboards(trainer: pl.Trainer) -> list[SummaryWriter]:
    """Return the writers of the TensorBoard loggers; none on ranks other than 0."""
    loggers = [logger for logger in trainer.loggers if isinstance(logger, TensorBoardLogger)]
    return [logger.experiment for logger in loggers] if trainer.is_global_zero else []


def identities(loggers: Sequence[Logger]) -> dict[str, str]:
    """Return the ids of this run at the loggers' services, by the logger's class."""
    found = {type(logger).__name__: _identity(logger) for logger in loggers}
    return {name: identity for name, identity in found.items() if identity}


def identify(loggers: Sequence[Logger], known: dict[str, Any]) -> None:
    """Let loggers continue the known runs of their services, unless the config names another."""
    for logger in loggers:
        identity = known.get(type(logger).__name__)
        if identity and isinstance(logger, WandbLogger) and logger.version is None:
            logger._id = logger._wandb_init["id"] = identity
        elif identity and isinstance(logger, MLFlowLogger) and logger._run_id is None:
            logger._run_id = identity


def _identity(logger: Logger) -> str | None:
    if isinstance(logger, MLFlowLogger):
        return logger._run_id
    return logger.version if isinstance(logger, WandbLogger) else None


@contextmanager
def _rows_kept(logger: CSVLogger, step: int) -> Iterator[None]:
    """Keep the rows of metrics.csv from before `step` while the block opens the logger."""
    # why: CSVLogger deletes the metrics.csv that it finds
    path = Path(logger.log_dir, "metrics.csv")
    # why: a fixed name: the file that a kill between these lines leaves is found at the next start
    aside = path.with_name(".metrics.csv")
    if path.exists():
        path.replace(aside)
    yield
    if aside.exists():
        rows = csv.DictReader(StringIO(aside.read_text()))
        names = list(rows.fieldnames or [])
        write_atomically(path, _table(names, [row for row in rows if stays(row, step)]))
        logger.experiment.metrics_keys = names
        aside.unlink()


def _table(names: list[str], rows: list[dict[str, str]]) -> str:
    text = StringIO()
    writer = csv.DictWriter(text, fieldnames=names)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
