"""Reading of datasets on the Hub, and of folders that are laid out as one."""

import hashlib
from pathlib import Path

from datasets import Dataset, DatasetBuilder, DownloadManager, config, load_dataset, load_dataset_builder
from datasets.data_files import resolve_pattern
from datasets.exceptions import DatasetNotFoundError
from datasets.packaged_modules.arrow.arrow import Arrow
from datasets.packaged_modules.json.json import Json
from datasets.packaged_modules.parquet.parquet import Parquet

from acereason.common.errors import UserError, first_line
from acereason.common.files import read_json, write_json
from acereason.data.tables import FORMATS, exact, part_of, table_of

HUB = "hf://"
"""Prefix of paths of files on the Hub."""
_KINDS = {Json: "json", Parquet: "parquet", Arrow: "arrow"}


def load_hub(name: str, subset: str | None, split: str, key: str) -> Dataset:
    """Read the rows of a dataset on the Hub, or of a folder that is laid out as one."""
    # why: JSON and folders are read as files, not by `datasets`: that infers types of JSON, and of a path and a subset
    # it keeps what it once read, whatever is in the files now
    try:
        kind, files = _files(name, subset)
        if not kind:
            return exact(load_dataset(name, subset, split=split))
        paths = _of_split(files, name, split.partition("[")[0], key)
    except UserError:
        raise
    except (DatasetNotFoundError, ConnectionError, FileNotFoundError, ValueError, RuntimeError) as error:
        reason = first_line(error)
        raise UserError(f"{key}: {name!r} is no .json, .jsonl or .parquet file; the Hub: {reason}") from error
    try:
        return part_of(table_of(paths, kind), split, key)
    except ValueError as error:
        raise UserError(f"{key}: {name} can't be read as {kind}: {first_line(error)}") from error


def names_on_the_hub(path: str, key: str) -> list[str]:
    """Return the files that an hf:// path or pattern names, sorted."""
    try:
        return sorted(resolve_pattern(path, base_path=""))
    except (OSError, ValueError, RuntimeError) as error:
        raise UserError(f"{key}: {path} can't be found on the Hub: {first_line(error)}") from error


def downloaded(names: list[str]) -> list[Path]:
    """Return local copies of files on the Hub, which are downloaded once."""
    return [Path(name) for name in DownloadManager().download(names)]


def _files(name: str, subset: str | None) -> tuple[str, dict[str, list[str]]]:
    """Return the kind of a dataset's files and {split: files}, if it is to be read as files; else "" and {}."""
    if Path(name).is_dir():
        builder = load_dataset_builder(name, subset)
        kind = next((kind for known, kind in _KINDS.items() if isinstance(builder, known)), "")
        if not kind:
            raise ValueError(f"its files are of a format that is not read here, {builder.dataset_name}")
        return kind, _by_split(builder)
    note = (
        Path(config.HF_DATASETS_CACHE)
        / "acereason"
        / f"hub-{hashlib.sha256(repr((name, subset)).encode()).hexdigest()[:32]}"
    )
    # why: noted, so that a machine without network knows the files that `datasets` has cached
    try:
        builder = load_dataset_builder(name, subset)
    except ConnectionError:
        if not note.exists():
            raise
        return "json", dict(read_json(note))
    if not isinstance(builder, Json) or not builder.config.data_files:
        return "", {}
    note.parent.mkdir(parents=True, exist_ok=True)
    write_json(note, _by_split(builder))
    return "json", _by_split(builder)


def _by_split(builder: DatasetBuilder) -> dict[str, list[str]]:
    return {str(split): [*map(str, names)] for split, names in (builder.config.data_files or {}).items()}


def _of_split(files: dict[str, list[str]], name: str, split: str, key: str) -> list[Path]:
    """Return local copies of the files of one split."""
    if split not in files:
        raise UserError(f"{key.rpartition('.')[0]}.split: {name} has no split {split!r}; there are {sorted(files)}")
    if others := [each for each in files[split] if not each.endswith(tuple(FORMATS))]:
        what = f"{others[0]} of {name} is compressed in a way that is not read here"
        raise UserError(f"{key}: {what}; unpack a copy of it, and name that")
    return downloaded(files[split])
