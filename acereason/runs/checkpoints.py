"""A run's checkpoints on disk: their names, order and contents, and whether they are damaged."""

import pickle
import zipfile
from pathlib import Path
from typing import Any

import torch

from acereason.common.errors import first_line
from acereason.runs.files import RunFiles

# why: read in a second or two; a checkpoint of 7B would take minutes, so its largest tensors are only looked up
_READ_BYTES = 2**30
"""Bytes of a checkpoint that are read to check them; the content of larger parts is not."""


def step_of(checkpoint: Path) -> int:
    """Return the number of updates of a checkpoint, from its name."""
    return int(checkpoint.name.removesuffix(".ckpt").split("-")[1])


def checkpoints_of(folder: Path) -> list[Path]:
    """Return a run's checkpoints, the newest first; of one step, that of a stage's end first."""
    found = [path for path in RunFiles(folder).checkpoints.glob("step-*.ckpt") if path.stem.split("-")[1].isdecimal()]
    return sorted(found, key=lambda path: (step_of(path), "-end-of-" in path.name), reverse=True)


def newest_checkpoint(folder: Path) -> Path | None:
    """Return the run's checkpoint of most steps, of one step that of a stage's end; None without any."""
    return next(iter(checkpoints_of(folder)), None)


def contents(checkpoint: Path) -> dict[str, Any]:
    """Read an undamaged checkpoint, its tensors left on disk; of a sharded one all but weights and optimizer."""
    return _skeleton(checkpoint / "meta.pt" if checkpoint.is_dir() else checkpoint)


def shapes_of(checkpoint: Path) -> dict[str, list[int]]:
    """Return {name: shape} of the weights in an undamaged checkpoint."""
    if not checkpoint.is_dir():
        return {name: list(tensor.shape) for name, tensor in contents(checkpoint)["state_dict"].items()}
    stored, prefix = _index(checkpoint).state_dict_metadata.items(), "state_dict."
    return {name.removeprefix(prefix): list(about.size) for name, about in stored if name.startswith(prefix)}


def settings_of(checkpoint: Path) -> set[str]:
    """Return the names of the optimizer's settings in an undamaged checkpoint; none if it has no optimizer."""
    if not checkpoint.is_dir():
        states = contents(checkpoint).get("optimizer_states", [])
        return {name for state in states for group in state["param_groups"] for name in group} - {"params"}
    names, prefix = _index(checkpoint).state_dict_metadata, "optimizer_0.param_groups."
    return {name.rpartition(".")[2] for name in names if name.startswith(prefix)} - {"params"}


def damage(checkpoint: Path) -> str | None:
    """Return why a checkpoint can't be resumed from, without loading it; None if no damage is found."""
    try:
        return _damage_of_folder(checkpoint) if checkpoint.is_dir() else _damage_of_file(checkpoint)
    except OSError as error:
        return f"it can't be read: {error.strerror or first_line(error)}"


def _damage_of_file(path: Path) -> str | None:
    # why: torch.save writes a zip archive, whose directory is at its end: a file that is cut short has none
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
    """Return the name of the first damaged part, or None; the content of parts is read up to `_READ_BYTES` in all."""
    left = _READ_BYTES
    # why: the smallest first: they hold counters and structure, and fit into the bytes that are read
    for part in sorted(archive.infolist(), key=lambda info: info.file_size):
        try:
            # why: opening reads the part's own header, which a hole in the file has lost
            with archive.open(part) as content:
                left -= part.file_size
                while left > 0 and content.read(2**20):
                    pass
        except (zipfile.BadZipFile, EOFError):
            return part.filename
    return None


def _skeleton(path: Path) -> dict[str, Any]:
    """Read a checkpoint's structure, its tensors left on disk; return {} if it can't be read."""
    try:
        held = torch.load(path, map_location="cpu", mmap=True, weights_only=True)
    except (RuntimeError, pickle.UnpicklingError, EOFError):
        return {}
    return held if isinstance(held, dict) else {}


def _damage_of_folder(folder: Path) -> str | None:
    """Return the damage of a sharded checkpoint by torch: each rank's file of shards, and .metadata, their index."""
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
        # why: the size tells a shard that is cut short without reading gigabytes of it
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
    """Return {file: byte at which its last tensor ends}; {} if the index can't be read."""
    try:
        stored = _index(folder).storage_data.values()
    # why: unpickling damaged bytes may raise any exception
    except Exception:
        return {}
    ends: dict[str, int] = {}
    for place in stored:
        ends[place.relative_path] = max(ends.get(place.relative_path, 0), place.offset + place.length)
    return ends


def _index(folder: Path) -> Any:
    """Read the index of tensors and their places, as torch.distributed.checkpoint does."""
    return pickle.loads((folder / ".metadata").read_bytes())
