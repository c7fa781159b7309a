"""Checks that a checkpoint fits the model, the data and the callbacks of a configuration."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lightning.pytorch as pl

from acereason.common.errors import UserError, first_line
from acereason.data.policy import Data
from acereason.data.rl import RLData
from acereason.runs.checkpoints import contents, settings_of, shapes_of

_MISFITS = (LookupError, TypeError, ValueError, AttributeError)
"""Exceptions of reading a state of another shape."""


def refuse_other_weights(checkpoint: Path, wanted: Mapping[str, list[int]]) -> None:
    """Raise a UserError if a checkpoint's weights differ from a model's in name or shape; their values are not read.

    Args:
        checkpoint: an undamaged one.
        wanted: {name: shape} of the model's weights.
    """
    there = shapes_of(checkpoint)
    for name in {**wanted, **there}:
        if there.get(name) != wanted.get(name):
            told = f"{name} is {there.get(name, 'missing')} in it, and {wanted.get(name, 'missing')} in the model"
            raise UserError(f"ckpt_path: {checkpoint} is of another model: {told}; name a checkpoint of this one")


def refuse_shards(checkpoint: Path, sharded: bool) -> None:
    """Raise a UserError for a checkpoint in shards where the trainer's strategy reads whole files only."""
    if checkpoint.is_dir() and not sharded:
        raise UserError(
            f"ckpt_path: {checkpoint} is a checkpoint in shards, which trainer.strategy ModelParallelStrategy reads; "
            "set it, with the file that the run was trained with, or give model.pretrained the run's export"
        )


def refuse_other_run(checkpoint: Path, data: Data, settings: Iterable[str]) -> None:
    """Raise a UserError if training can't go on from a checkpoint: SFT and RL are mixed, or the optimizer is another.

    Args:
        checkpoint: an undamaged one.
        data: the data module of training.
        settings: names of the optimizer's settings.
    """
    own, there, wanted = type(data).__qualname__, settings_of(checkpoint), set(settings)
    plan = (own if isinstance(data, RLData) else RLData.__qualname__) in contents(checkpoint)
    if plan != isinstance(data, RLData):
        kind = "RL" if plan else "SFT"
        raise UserError(f"ckpt_path: {checkpoint} is of {kind}, and data is {own}; {_new_run(checkpoint)}")
    odd = sorted(there - wanted)
    # why: names that one side alone has too many come from another version of torch, not from another optimizer
    if odd and wanted - there:
        raise UserError(
            f"model.optimizer: {checkpoint} holds the state of another one, which has {', '.join(odd)}; name that one, "
            f"or {_new_run(checkpoint)}"
        )


def restore_callbacks(callbacks: Iterable[pl.Callback], held: Mapping[str, Any], checkpoint: Path) -> None:
    """Load each callback's state from a checkpoint; a UserError names the callback that can't read it."""
    states = held.get("callbacks") or {}
    for callback in callbacks:
        if state := states.get(callback.state_key):
            with fitting(checkpoint, type(callback).__name__):
                callback.load_state_dict(state)


@contextmanager
def fitting(checkpoint: Path, name: str) -> Iterator[None]:
    """Turn errors of a block that reads a checkpoint into UserErrors. `name` is the class whose state it reads."""
    try:
        yield
    except UserError:
        raise
    except _MISFITS as error:
        raise UserError(
            f"ckpt_path: {checkpoint}: what it holds of {name} can't be read ({type(error).__name__}: "
            f"{first_line(error)}), as of another version or configuration; {_new_run(checkpoint)}"
        ) from error


def _new_run(checkpoint: Path) -> str:
    return f"begin a new run from an export, --model.pretrained {checkpoint.parent.parent / 'export'}"
