"""Rows of files, of folders of files, and of datasets on the Hub, through `datasets`."""

from glob import escape, glob
from pathlib import Path

from datasets import Dataset, load_dataset
from datasets.exceptions import DatasetNotFoundError

from acereason.errors import UserError, first_line

_FORMATS = {".parquet": "parquet", ".jsonl": "json", ".jsonl.gz": "json", ".json": "json"}
"""Endings of files, in the order in which a folder is searched for them, and what `datasets` calls them."""
_ON_THE_HUB = "hf://"


def load(path: str, config: str | None, split: str, key: str) -> Dataset:
    """The rows of a path.

    Args:
        path: a file, a folder of files, a pattern, files on the Hub (hf://), or a dataset's name there.
        config: subset of a dataset on the Hub, or of a folder that is laid out as one; null: its only one.
        split: of a dataset on the Hub; a file has only train.
        key: names the path in errors.
    """
    files = _files(path, key) if config is None else []
    if not files:
        return _load_hub(path, config, split, key)
    kind = _format(files[0])
    try:
        return load_dataset(kind, data_files=files, split="train")
    except Exception as error:
        cause = error.__cause__ or error
        raise UserError(f"{key}: {path} can't be read as {kind}: {first_line(cause)}") from error


def _files(path: str, key: str) -> list[str]:
    """The files that a path names, in order; none: it is a name on the Hub."""
    here = Path(path)
    if _format(path) and (path.startswith(_ON_THE_HUB) or here.is_file()):
        return [path]
    if here.is_dir():
        found = _in_folder(path)
    elif "*" in path or _format(path):
        found = [name for name in sorted(glob(path)) if _format(name)]
    else:
        return []
    if not found:
        raise UserError(f"{key}: no file {path}" + ("/*.parquet, nor .jsonl or .json" if here.is_dir() else ""))
    if len({_format(name) for name in found}) > 1:
        raise UserError(f"{key}: {path} names files of several formats; let it end in *{Path(found[0]).suffix}")
    return found


def _format(name: str) -> str | None:
    """What `datasets` calls a file of this name; None for others."""
    return next((kind for ending, kind in _FORMATS.items() if name.endswith(ending)), None)


def _in_folder(folder: str) -> list[str]:
    """A folder's own files, else those of the folders in it; .parquet before any others, which then are about them."""
    for suffix in _FORMATS:
        for pattern in ("*", "*/*"):
            if found := sorted(glob(f"{escape(folder)}/{pattern}{suffix}")):  # without hidden ones
                return found
    return []


def _load_hub(name: str, config: str | None, split: str, key: str) -> Dataset:
    try:
        return load_dataset(name, config, split=split)
    except (DatasetNotFoundError, ConnectionError, FileNotFoundError, ValueError, RuntimeError) as error:
        reason = first_line(error)
        raise UserError(f"{key}: {name!r} is no .json, .jsonl or .parquet file; the Hub: {reason}") from error
