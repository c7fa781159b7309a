"""A run's checkpoints on disk: which there are, and whether they can be read."""

import pickle
import zipfile
from pathlib import Path
from typing import Any

import torch

from acereason.errors import first_line

CHECKPOINTS = "checkpoints"
"""Folder of checkpoints in a run's folder; their names begin with step-NNNNNN."""
_READ_BYTES = 2**30
"""Of a checkpoint's largest parts that are read in a second or two; beyond, what is inside them is taken as it is."""


def step_of(checkpoint: Path) -> int:
    """Updates behind a checkpoint, from its name."""
    return int(checkpoint.name.removesuffix(".ckpt").split("-")[1])


def checkpoints_of(folder: Path) -> list[Path]:
    """A run's checkpoints, the newest first; of one step, that of a stage's end first."""
    found = [path for path in (folder / CHECKPOINTS).glob("step-*.ckpt") if path.stem.split("-")[1].isdecimal()]
    return sorted(found, key=lambda path: (step_of(path), "-end-of-" in path.name), reverse=True)


def newest_checkpoint(folder: Path) -> Path | None:
    """The run's checkpoint of most steps; of one step, that of a stage's end."""
    return next(iter(checkpoints_of(folder)), None)


def contents(checkpoint: Path) -> dict[str, Any]:
    """What a whole checkpoint holds, its tensors left on disk; of shards what is beside weights and optimizer."""
    return _skeleton(checkpoint / "meta.pt" if checkpoint.is_dir() else checkpoint)


def shapes_of(checkpoint: Path) -> dict[str, list[int]]:
    """{name: shape} of the weights in a whole checkpoint."""
    if not checkpoint.is_dir():
        return {name: list(tensor.shape) for name, tensor in contents(checkpoint)["state_dict"].items()}
    stored, prefix = _index(checkpoint).state_dict_metadata.items(), "state_dict."
    return {name.removeprefix(prefix): list(about.size) for name, about in stored if name.startswith(prefix)}


def settings_of(checkpoint: Path) -> set[str]:
    """Names of the settings of the optimizer in a whole checkpoint; none where it has no optimizer."""
    if not checkpoint.is_dir():
        states = contents(checkpoint).get("optimizer_states", [])
        return {name for state in states for group in state["param_groups"] for name in group} - {"params"}
    names, prefix = _index(checkpoint).state_dict_metadata, "optimizer_0.param_groups."
    return {name.rpartition(".")[2] for name in names if name.startswith(prefix)} - {"params"}


def damage(checkpoint: Path) -> str | None:
    """Why a checkpoint can't be resumed from, found without loading it; None where nothing is seen."""
    try:
        return _damage_of_folder(checkpoint) if checkpoint.is_dir() else _damage_of_file(checkpoint)
    except OSError as error:
        return f"it can't be read: {error.strerror or first_line(error)}"


def _damage_of_file(path: Path) -> str | None:
    """Of what torch.save writes: a zip archive, whose directory is at its end."""
    if path.stat().st_size == 0:
        return "it is empty"
    try:
        with zipfile.ZipFile(path) as archive:
            bad = _unreadable(archive)
    except zipfile.BadZipFile:
        return "it is cut short, or no checkpoint"
    if bad:
        return f"{bad} in it is damaged"
    missing = {"state_dict", "global_step", "loops"} - _skeleton(path).keys()
    return f"it is no checkpoint of a run: it has no {min(missing)}" if missing else None


def _unreadable(archive: zipfile.ZipFile) -> str | None:
    """The first part whose place or content is wrong; the content of large parts is read as far as that is quick."""
    left = _READ_BYTES
    for part in sorted(archive.infolist(), key=lambda info: info.file_size):
        try:
            with archive.open(part) as content:  # reads the part's own header, which a hole in the file has lost
                left -= part.file_size
                while left > 0 and content.read(2**20):
                    pass
        except (zipfile.BadZipFile, EOFError):
            return part.filename
    return None


def _skeleton(path: Path) -> dict[str, Any]:
    """What a checkpoint holds, its tensors left on disk; nothing where that can't be told."""
    try:
        held = torch.load(path, map_location="cpu", mmap=True, weights_only=True)
    except (RuntimeError, pickle.UnpicklingError, EOFError):
        return {}
    return held if isinstance(held, dict) else {}


def _damage_of_folder(folder: Path) -> str | None:
    """Of what torch.distributed.checkpoint writes: each rank's shards, and where what is in them."""
    for name in (".metadata", "meta.pt"):
        if not (folder / name).exists():
            return f"it has no {name}"
    if damaged := _damage_of_meta(folder / "meta.pt"):
        return damaged
    ends = _ends(folder)
    if not ends:
        return ".metadata in it is damaged"
    for name, end in sorted(ends.items()):
        if not (folder / name).exists():
            return f"it has no {name}"
        if (size := (folder / name).stat().st_size) < end:
            return f"{name} in it is cut short: {size:,} of {end:,} bytes"
    return None


def _damage_of_meta(path: Path) -> str | None:
    try:
        with zipfile.ZipFile(path) as archive:
            return f"{path.name} in it is damaged" if _unreadable(archive) else None
    except zipfile.BadZipFile:
        return f"{path.name} in it is damaged"


def _ends(folder: Path) -> dict[str, int]:
    """{file: byte at which its last tensor ends}; nothing where the list of them can't be read."""
    try:
        stored = _index(folder).storage_data.values()
    except Exception:  # whatever unpickling damaged bytes raises
        return {}
    ends: dict[str, int] = {}
    for place in stored:
        ends[place.relative_path] = max(ends.get(place.relative_path, 0), place.offset + place.length)
    return ends


def _index(folder: Path) -> Any:
    """Which tensors there are, and where, as torch.distributed.checkpoint reads it."""
    return pickle.loads((folder / ".metadata").read_bytes())
