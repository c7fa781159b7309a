"""Whether a checkpoint is of the model, the task and the callbacks that a configuration makes."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lightning.pytorch as pl

from acereason.checkpoints import contents, settings_of, shapes_of
from acereason.data.rl import RLData
from acereason.errors import UserError, first_line

_MISFITS = (LookupError, TypeError, ValueError, AttributeError)
"""What reading a state of another shape raises."""


def refuse_other_weights(checkpoint: Path, wanted: Mapping[str, list[int]]) -> None:
    """Raise a UserError where a checkpoint holds other weights than those of a model; they are not read.

    Args:
        checkpoint: whole.
        wanted: {name: shape} of the model's weights.
    """
    there = shapes_of(checkpoint)
    for name in {**wanted, **there}:
        if there.get(name) != wanted.get(name):
            told = f"{name} is {there.get(name, 'missing')} in it, and {wanted.get(name, 'missing')} in the model"
            raise UserError(f"ckpt_path: {checkpoint} is of another model: {told}; name a checkpoint of this one")


def refuse_other_run(checkpoint: Path, data: pl.LightningDataModule, settings: Iterable[str]) -> None:
    """Raise a UserError where training can't go on from a checkpoint.

    Args:
        checkpoint: whole.
        data: what training is on.
        settings: names of those of the optimizer.
    """
    own, there, wanted = type(data).__qualname__, settings_of(checkpoint), set(settings)
    plan = (own if isinstance(data, RLData) else RLData.__qualname__) in contents(checkpoint)
    if plan != isinstance(data, RLData):
        kind = "RL" if plan else "SFT"
        raise UserError(f"ckpt_path: {checkpoint} is of {kind}, and data is {own}; {_new_run(checkpoint)}")
    odd = sorted(there - wanted)
    if odd and wanted - there:  # one side alone is another version of torch
        raise UserError(
            f"model.optimizer: {checkpoint} holds the state of another one, which has {', '.join(odd)}; name that one, "
            f"or {_new_run(checkpoint)}"
        )


def restore_callbacks(callbacks: Iterable[pl.Callback], held: Mapping[str, Any], checkpoint: Path) -> None:
    """Give each callback what a checkpoint holds of it; a UserError names the one that can't read it."""
    states = held.get("callbacks") or {}
    for callback in callbacks:
        if state := states.get(callback.state_key):
            with fitting(checkpoint, type(callback).__name__):
                callback.load_state_dict(state)


@contextmanager
def fitting(checkpoint: Path, name: str) -> Iterator[None]:
    """What a block can't read of a checkpoint is a UserError about it. `name` is whose state the block reads."""
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
