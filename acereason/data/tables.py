"""Reading of files as one Arrow table on disk; files of another format are converted once, and the result is kept."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from datasets import Dataset, ReadInstruction, concatenate_datasets, config
from filelock import FileLock

from acereason.common.errors import UserError, first_line
from acereason.common.files import atomic_path
from acereason.data.json_rows import json_columns, write_rows

_MADE = 1
"""Version of the conversion, raised whenever it makes another table of a file, so that old tables are not used."""
_BATCH = 1_000
FORMATS = {
    ".parquet": "parquet",
    ".arrow": "arrow",
    ".jsonl": "json",
    ".jsonl.gz": "json",
    ".json": "json",
    ".json.gz": "json",
}
"""Formats by the ending of a file's name, in the order in which a folder is searched for them."""


def table_of(files: list[Path], kind: str) -> Dataset:
    """Read the rows of files of one kind (json, parquet, arrow), in order.

    Raises:
        ValueError, OSError or pyarrow's errors: they can't be read; says why.
    """
    # why: Arrow streams are mapped into memory as they are; Arrow's file format `datasets` can't map
    if kind == "arrow" and not any(map(_is_ipc_file, files)):
        return exact(concatenate_datasets([Dataset.from_file(str(path)) for path in files]))
    if kind != "json":
        return exact(Dataset.from_file(str(_made(files, kind, write_typed))))
    path = _made(files, kind, write_rows)
    with pa.memory_map(str(path)) as file:
        decoded = json_columns(pa.ipc.open_stream(file).schema)
    rows = Dataset.from_file(str(path))
    return rows.with_transform(decoded) if decoded.columns else rows


def part_of(rows: Dataset, split: str, key: str) -> Dataset:
    """Return the part of the rows that a split such as `train[100:]` names; its name is ignored, as files have none."""
    name, bracket, span = split.partition("[")
    if not bracket:
        return rows
    try:
        (part,) = ReadInstruction.from_spec(f"{name}[{span}").to_absolute({name: len(rows)})
    except (ValueError, AssertionError) as error:
        raise UserError(f"{key.rpartition('.')[0]}.split: {split!r}: {first_line(error)}") from error
    return rows.select(range(part.from_, part.to))


def write_typed(files: list[Path], target: Path) -> None:
    """Write the rows of parquet or Arrow files as an Arrow stream.

    Raises:
        ValueError: a column has another type in another file.
    """
    # why: from all files before the first is written: a stream has one schema
    schema = _common({path: _schema(path) for path in files})
    with pa.OSFile(str(target), "wb") as file, pa.ipc.new_stream(file, schema) as writer:
        for batch in (batch for path in files for batch in _batches(path)):
            columns = [
                batch[field.name].cast(field.type)
                if field.name in batch.schema.names
                else pa.nulls(len(batch), field.type)
                for field in schema
            ]
            writer.write_batch(pa.record_batch(columns, schema=schema))


_NARROW: dict[pa.DataType, type[np.floating]] = {pa.float16(): np.float16, pa.float32(): np.float32}


def exact(rows: Dataset) -> Dataset:
    """Return the rows with numbers of single and half precision as they were written: 0.1, not 0.10000000149011612."""
    narrow = {field.name: field.type for field in rows.features.arrow_schema if _has_narrow(field.type)}
    return rows.with_transform(_Widened(narrow)) if narrow else rows


@dataclass
class _Widened:
    columns: dict[str, pa.DataType]

    def __call__(self, rows: dict[str, list[Any]]) -> dict[str, list[Any]]:
        return {name: self._column(name, cells) for name, cells in rows.items()}

    def _column(self, name: str, cells: list[Any]) -> list[Any]:
        kind = self.columns.get(name)
        return cells if kind is None else [_wide(cell, kind) for cell in cells]


def _has_narrow(kind: pa.DataType) -> bool:
    return kind in _NARROW or any(_has_narrow(kind.field(index).type) for index in range(kind.num_fields))


def _wide(value: Any, kind: pa.DataType) -> Any:
    if value is None or not _has_narrow(kind):
        return value
    if kind in _NARROW:
        # why: by way of its shortest text, which is the decimal that was written
        return float(str(_NARROW[kind](value)))
    if pa.types.is_struct(kind):
        return {name: _wide(each, kind.field(name).type) for name, each in value.items()}
    return [_wide(each, kind.field(0).type) for each in value]


def _is_ipc_file(path: Path) -> bool:
    """Return whether a file has Arrow's file format, not its stream format, which `datasets` maps into memory."""
    with path.open("rb") as file:
        return file.read(6) == b"ARROW1"


def _schema(path: Path) -> pa.Schema:
    if path.suffix != ".arrow":
        return pq.read_schema(path)
    with pa.memory_map(str(path)) as file:
        return (pa.ipc.open_file if _is_ipc_file(path) else pa.ipc.open_stream)(file).schema


def _batches(path: Path) -> Iterator[pa.RecordBatch]:
    if path.suffix != ".arrow":
        yield from pq.ParquetFile(path).iter_batches(_BATCH)
        return
    with pa.memory_map(str(path)) as file:
        if _is_ipc_file(path):
            reader = pa.ipc.open_file(file)
            yield from (reader.get_batch(i) for i in range(reader.num_record_batches))
        else:
            yield from pa.ipc.open_stream(file)


def _common(schemas: dict[Path, pa.Schema]) -> pa.Schema:
    """Return one schema for all files; a column that a file lacks, or has no value in, is null there."""
    found: dict[str, tuple[pa.DataType, Path]] = {}
    for path, schema in schemas.items():
        for field in schema:
            known, before = found.setdefault(field.name, (pa.null(), path))
            kind = _joined(known, _simple(field.type))
            if kind is None:
                both = f"{known} in {before.name} and {field.type} in {path.name}"
                raise ValueError(f"column {field.name!r} is {both}; read them as two sources, or make them one type")
            found[field.name] = (kind, before if kind == known else path)
    return pa.schema([(name, kind) for name, (kind, _) in found.items()])


def _joined(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    """Return the type that holds the values of both types unchanged; None if there is none."""
    if one == other or pa.types.is_null(other):
        return one
    if pa.types.is_null(one):
        return other
    if pa.types.is_list(one) and pa.types.is_list(other):
        inner = _joined(one.value_type, other.value_type)
        return None if inner is None else pa.list_(inner)
    return None


def _simple(kind: pa.DataType) -> pa.DataType:
    """Return the type that a column is kept as: one for all forms of text, of lists, and of signed integers."""
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return pa.string()
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return pa.list_(_simple(kind.value_type))
    return pa.int64() if pa.types.is_signed_integer(kind) else kind


def _made(files: list[Path], kind: str, write: Callable[[list[Path], Path], None]) -> Path:
    """Return the Arrow file of these files, in the cache of `datasets`; make it if it isn't there."""
    path = Path(config.HF_DATASETS_CACHE) / "acereason" / _key(files, kind) / "rows.arrow"
    path.parent.mkdir(parents=True, exist_ok=True)
    # why: all ranks of a machine want the file at once, and one of them makes it
    with FileLock(f"{path}.lock"):
        if not path.exists():
            with atomic_path(path) as temporary:
                write(files, temporary)
    return path


def _key(files: list[Path], kind: str) -> str:
    """Return a digest of the files' names, sizes, inodes and times of change, and of their kind."""
    # why: not of their contents, which would take minutes to read at every start
    told = [(str(path.resolve()), (stat := path.stat()).st_size, stat.st_mtime_ns, stat.st_ino) for path in files]
    return hashlib.sha256(repr((_MADE, kind, told)).encode(errors="surrogatepass")).hexdigest()[:32]
