"""Reading of rows from files, folders of files, and datasets on the Hub."""

import re
from glob import escape, glob
from pathlib import Path

from datasets import Dataset, DatasetDict, load_from_disk

from acereason.common.errors import UserError, first_line
from acereason.data.hub import HUB, downloaded, load_hub, names_on_the_hub
from acereason.data.tables import FORMATS, exact, part_of, table_of

_SAVED = ("dataset_dict.json", "state.json")
"""Files that mark a folder which `save_to_disk` wrote."""
_PATTERN = re.compile(r"[*?[]")


def load(path: str, config: str | None, split: str, key: str) -> Dataset:
    """Read the rows of a path.

    Args:
        path: a file, a folder of files, a pattern, files on the Hub (hf://), or a dataset's name there.
        config: subset of a dataset on the Hub, or of a folder that is laid out as one; null: its only one.
        split: split of a dataset on the Hub; files have only train, of which a part may be taken: train[100:].
        key: names the path in errors.
    """
    if config is None and any((Path(path) / name).is_file() for name in _SAVED):
        return part_of(_saved(path, split, key), split, key)
    names = files_of(path, key) if config is None else []
    if not names:
        return load_hub(path, config, split, key)
    kind = str(_format(names[0]))
    try:
        rows = table_of([*map(Path, names)] if not names[0].startswith(HUB) else downloaded(names), kind)
    # why: the readers raise any exception for a damaged file, which is the user's
    except Exception as error:
        reason = first_line(error).removeprefix(f"{path}, ")
        raise UserError(f"{key}: {path} can't be read as {kind}: {reason}") from error
    return part_of(rows, split, key)


def files_of(path: str, key: str) -> list[str]:
    """Return the files that a path names, in order; none if it is a dataset's name on the Hub."""
    # why: a path that exists is taken as it is, since names of files may hold [, ] and ?; else it is a pattern
    here = Path(path)
    if path.startswith(HUB):
        found = [name for name in names_on_the_hub(path, key) if _format(name)]
        if not found:
            raise UserError(f"{key}: no .parquet, .arrow, .jsonl or .json file {path}")
        return found
    if here.is_file():
        if not _format(path):
            raise UserError(f"{key}: {path} must end in one of {', '.join(FORMATS)}")
        return [path]
    if here.is_dir():
        found = _in_folder(path)
    elif _PATTERN.search(path) or _format(path):
        found = [name for name in sorted(glob(_escaped(path))) if _format(name) and Path(name).is_file()]
    else:
        return []
    if not found:
        raise UserError(f"{key}: no file {path}" + ("/*.parquet, nor .arrow, .jsonl or .json" if here.is_dir() else ""))
    if len({_format(name) for name in found}) > 1:
        raise UserError(f"{key}: {path} names files of several formats; let it end in *{Path(found[0]).suffix}")
    return found


def _escaped(pattern: str) -> str:
    """Escape a pattern's leading folders as far as they exist under just these names."""
    parts = Path(pattern).parts
    count = next(n for n in range(len(parts) - 1, -1, -1) if Path(*parts[:n]).is_dir())
    return str(Path(escape(str(Path(*parts[:count]))), *parts[count:]))


def _format(name: str) -> str | None:
    """Return the format of a file by its name; None if it is not read."""
    return next((kind for ending, kind in FORMATS.items() if name.endswith(ending)), None)


def _in_folder(folder: str) -> list[str]:
    """Return a folder's own files of one format, else those of the folders in it."""
    # why: .parquet first: beside it, JSON files are often about the data, and not rows
    for suffix in FORMATS:
        for pattern in ("*", "*/*"):
            found = [name for name in sorted(glob(f"{escape(folder)}/{pattern}{suffix}")) if Path(name).is_file()]
            # why: glob leaves out hidden files, such as half-written ones
            if found:
                return found
    return []


def _saved(folder: str, split: str, key: str) -> Dataset:
    """Read a folder that `save_to_disk` wrote: one dataset, or one for each split."""
    found = load_from_disk(folder)
    if isinstance(found, DatasetDict):
        name = split.partition("[")[0]
        if name not in found:
            raise UserError(f"{key}: {folder} has no split {name!r}; there are {sorted(found)}")
        found = found[name]
    return exact(found)
