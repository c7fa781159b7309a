"""Choice of the checkpoint that a run resumes from, and of its folder."""

from pathlib import Path

from lightning.pytorch.utilities import rank_zero_info, rank_zero_warn

from acereason.common.errors import UserError
from acereason.runs.checkpoints import checkpoints_of, damage
from acereason.runs.folder import is_run
from acereason.runs.places import Place


def checkpoint_of(place: Place, ckpt_path: str | None) -> Path | None:
    """Return the checkpoint that `ckpt_path` means, undamaged as far as can be seen.

    Args:
        place: the folder that the config gives to the run.
        ckpt_path: a path; `last`, the newest of a run that exists; `auto`, the same if there is one, or the newest that
            is whole; None: none.
    """
    if ckpt_path is None:
        return None
    if ckpt_path not in ("last", "auto"):
        return _named(Path(ckpt_path), place)
    run = next((folder for folder in _folders(place) if is_run(folder, "fit")), None)
    if run is None and ckpt_path == "last":
        raise UserError(f"ckpt_path: there is no run in {_where(place)} to resume; leave ckpt_path out to start one")
    if run is None:
        rank_zero_info(f"ckpt_path: there is no run in {_where(place)} to resume: it starts anew")
        return None
    return _newest(run, ckpt_path)


def looked_at(place: Place, verb: str, ckpt_path: str | None) -> Path | None:
    """Return the checkpoint that a verb without training takes; None for the model's own weights."""
    if ckpt_path == "auto":
        raise UserError(f"ckpt_path: auto is for fit; {verb} takes last, or a path")
    checkpoint = checkpoint_of(place, ckpt_path)
    if ckpt_path is not None and checkpoint is None:
        raise UserError(f"ckpt_path: the run in {place.folder} has no checkpoint yet; leave it out, or name one")
    return checkpoint


def home_of(place: Place, checkpoint: Path | None) -> Path | None:
    """Return the folder of the run that holds the checkpoint, and so goes on; None if a run starts anew."""
    if checkpoint is None:
        return None
    return next((folder for folder in _folders(place) if folder.resolve() in checkpoint.resolve().parents), None)


def _folders(place: Place) -> list[Path]:
    """Return the folders that an earlier run may have left."""
    return [place.folder] if place.versions is None else list(place.versions.values())


def _where(place: Place) -> Path:
    return place.folder if place.versions is None else place.folder.parent


def _named(checkpoint: Path, place: Place) -> Path:
    if not checkpoint.exists():
        raise UserError(f"ckpt_path: no checkpoint {checkpoint}; `last` takes the newest of {_where(place)}")
    if why := damage(checkpoint):
        raise UserError(f"ckpt_path: {checkpoint} is damaged: {why}; name another")
    return checkpoint


def _newest(run: Path, word: str) -> Path | None:
    found = checkpoints_of(run)
    if not found:
        rank_zero_info(f"ckpt_path: the run in {run} has no checkpoint yet: it starts anew")
        return None
    why = damage(found[0])
    if why is None:
        return found[0]
    whole = next((path for path in found[1:] if damage(path) is None), None)
    if whole is None:
        raise UserError(
            f"ckpt_path: {found[0]} is damaged: {why}; no other checkpoint of the run is whole; leave ckpt_path out to "
            "start anew, which moves the run aside"
        )
    if word == "last":
        raise UserError(f"ckpt_path: {found[0]} is damaged: {why}; the one before it is whole: --ckpt_path {whole}")
    rank_zero_warn(f"ckpt_path: {found[0]} is damaged: {why}; the run goes on from the one before it, {whole}")
    return whole
