"""Conversion of JSON files to a table that keeps every value as the file spells it.

A column whose values are all texts, or null, holds them as they are. Any other holds the JSON of each value as the file
spells it, and is parsed when a row is read: so an integer keeps all its digits, 0.10 its zero and 2024-08-01 its form,
and columns may change their type from row to row.
"""

import gzip
import json
import re
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa

from acereason.data.values import Spelled, whole

# why: characters too, since a row may hold megabytes of tests
_ROWS, _CHARACTERS = 1_000, 2**24
"""Rows, and characters, that are in memory at a time."""
_MOST_COLUMNS = 1_000
_SPACE = re.compile(r"[ \t\n\r]*")
_OPEN = ("{", "[", ",")
_MARK = "\ufeff"
_TURNS = ("role", "from")
# why: only the end of a value is wanted: `len` in place of int and float makes no number of its digits
_QUICKLY = json.JSONDecoder(parse_int=len, parse_float=len)
_JSON = b"json columns"


@dataclass(frozen=True)
class Decoded:
    """The transform of a table's columns of JSON into values."""

    columns: frozenset[str]

    def __call__(self, rows: dict[str, list[Any]]) -> dict[str, list[Any]]:
        """Parse the cells of some rows, given by column."""
        return {name: [*map(_value, cells)] if name in self.columns else cells for name, cells in rows.items()}


def json_columns(schema: pa.Schema) -> Decoded:
    """Return the transform for the columns of a written table that hold JSON."""
    return Decoded(frozenset(json.loads((schema.metadata or {}).get(_JSON, b"[]"))))


def write_rows(files: list[Path], target: Path) -> None:
    """Write the rows of .json and .jsonl files, compressed or not, as an Arrow stream.

    Raises:
        ValueError: a file can't be read; names the file, the row, and what is wrong.
    """
    columns: dict[str, bool] = {}
    # why: two passes: the columns, and which of them need JSON, are known only after the last row
    for path in files:
        for place, row in _told(path):
            _note(place, row, columns)
    if not columns:
        raise ValueError("it has no rows")
    metadata = {_JSON: json.dumps([name for name, is_json in columns.items() if is_json])}
    schema = pa.schema([(name, pa.string()) for name in columns], metadata)
    with pa.OSFile(str(target), "wb") as file, pa.ipc.new_stream(file, schema) as writer:
        for rows in _in_portions(text.text for path in files for text in _texts(path)):
            cells = [_cells(row) for row in rows]
            arrays = [
                pa.array([_stored(row.get(name), columns[name]) for row in cells], pa.string()) for name in columns
            ]
            writer.write_batch(pa.record_batch(arrays, schema=schema))


@dataclass
class _Text:
    """The JSON of one row."""

    text: str
    place: str


def _told(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield (place, row) of a file; errors name file and row."""
    where = "at its beginning"
    try:
        for text in _texts(path):
            where = text.place
            yield f"{path}, {where}", _parsed(text.text)
            where = f"after {text.place}"
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ValueError(f"{path}, {where}: the compressed file is cut or damaged") from error
    except json.JSONDecodeError as error:
        raise ValueError(f"{path}, {where}: {error.msg} at character {error.pos + 1}") from error
    except RecursionError as error:
        raise ValueError(f"{path}, {where}: too deep a nesting") from error
    except _Refused as error:
        raise ValueError(f"{path}, {error.place or where}: {error}") from error


class _Refused(ValueError):
    """An error of a row that is valid JSON but can't be read, such as a key that is there twice."""

    def __init__(self, reason: str, place: str = "") -> None:
        super().__init__(reason)
        self.place = place


def _parsed(text: str) -> dict[str, Any]:
    row = json.loads(text, object_pairs_hook=_once, parse_int=len, parse_float=len)
    if not isinstance(row, dict):
        raise _Refused(f"a row must be an object, not a {type(row).__name__}")
    return row


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise _Refused(f"the key {next(name for name in names if names.count(name) > 1)!r} stands there twice")
    return found


def _note(place: str, row: dict[str, Any], columns: dict[str, bool]) -> None:
    """Add a row's columns to {name: whether it needs JSON}."""
    for name, value in row.items():
        if name not in columns:
            if not _is_unicode(name):
                raise ValueError(f"{place}: the key {name!r:.40} has half of a surrogate pair, which is no Unicode")
            if len(columns) == _MOST_COLUMNS:
                raise ValueError(f"{place}: more than {_MOST_COLUMNS} different keys; rows share their keys")
            columns[name] = False
        if value is not None and not columns[name]:
            columns[name] = not (isinstance(value, str) and _is_unicode(value))


def _is_unicode(text: str) -> bool:
    if text.isascii():
        return True
    try:
        text.encode()
    # why: half of a surrogate pair can't be Arrow's text; in a column of JSON it stays an escape
    except UnicodeEncodeError:
        return False
    return True


def _texts(path: Path) -> Iterator[_Text]:
    """Yield the rows of a file: one a line, or the members of a list, or of the only list in an object."""
    with _opened(path) as file:
        lines = _lines(file)
        first = [*islice(lines, 2)]
        if not first:
            return
        start = first[0].text.lstrip()
        if start.startswith("[") or len(first) > 1 and start.rstrip().endswith(_OPEN):
            yield from _of_whole(path)
        elif len(first) == 1 and ".jsonl" not in path.name and (inner := _rows_inside(start)) is not None:
            yield from _members(inner)
        else:
            yield from first
            yield from lines


def _lines(file: Iterable[bytes]) -> Iterator[_Text]:
    for number, line in enumerate(file, 1):
        # why: files that were joined have byte order marks in the middle
        text = _decoded(line, f"line {number}").lstrip(_MARK)
        if text.strip():
            yield _Text(text, f"line {number}")


def _decoded(data: bytes, place: str) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        reason = f"not UTF-8 (0x{data[error.start]:02x} at byte {error.start + 1}); convert it, as by iconv"
        raise _Refused(reason, place) from error


def _opened(path: Path) -> BinaryIO:
    """Open a file to read, decompressed if it is gzip."""
    # why: by its first bytes: the name of a downloaded copy may not end in .gz
    with path.open("rb") as file:
        compressed = file.read(2) == b"\x1f\x8b"
    return gzip.open(path, "rb") if compressed else path.open("rb")  # type: ignore[return-value]


def _of_whole(path: Path) -> Iterator[_Text]:
    """Yield the rows of a file that is one JSON value, which is held in memory as text."""
    with _opened(path) as file:
        text = _decoded(file.read(), "").lstrip(_MARK).strip()
    if text.startswith("["):
        yield from _members(text)
    else:
        inner = _rows_inside(text)
        yield from [_Text(text, "row 1")] if inner is None else _members(inner)


def _rows_inside(text: str) -> str | None:
    """Return the JSON of the only list of objects in an object, such as {"version": 1, "data": [...]}; None for others,
    and for a list of messages, which is one row's."""
    try:
        cells = _cells(text)
    except json.JSONDecodeError:
        return None
    lists = [cell.text for cell in cells.values() if isinstance(cell, _Raw) and re.match(r"\[\s*\{", cell.text)]
    if len(lists) != 1 or any(name in json.loads(next(_members(lists[0])).text) for name in _TURNS):
        return None
    return lists[0]


def _members(text: str) -> Iterator[_Text]:
    """Yield the JSON of each member of a list, given as JSON."""
    position, number = _skip(text, 1), 0
    while text[position : position + 1] != "]":
        number += 1
        _, end = _QUICKLY.raw_decode(text, position)
        yield _Text(text[position:end], f"row {number}")
        position = _skip(text, end)
        if text[position : position + 1] == ",":
            position = _skip(text, position + 1)
            if text[position : position + 1] == "]":
                raise json.JSONDecodeError("a comma before the list's end", text, position)
        elif text[position : position + 1] != "]":
            raise json.JSONDecodeError("neither a comma nor the list's end", text, position)
    if _skip(text, position + 1) < len(text):
        raise json.JSONDecodeError("something after the list's end", text, position + 1)


@dataclass
class _Raw:
    """The JSON of a value that is neither a text nor null, as the file spells it."""

    text: str


def _cells(text: str) -> dict[str, str | _Raw | None]:
    """Return the values of an object, given as JSON, by key."""
    row: dict[str, Any] = json.loads(text, parse_int=len, parse_float=len)
    # why: most rows hold texts alone, which the fast parser has read already
    if all(value is None or isinstance(value, str) for value in row.values()):
        return row
    cells: dict[str, str | _Raw | None] = {}
    position = _skip(text, _skip(text, 0) + 1)
    while len(cells) < len(row):
        name, position = _QUICKLY.raw_decode(text, position)
        start = _skip(text, _skip(text, position) + 1)
        value, end = _QUICKLY.raw_decode(text, start)
        cells[name] = value if value is None or isinstance(value, str) else _Raw(text[start:end])
        position = _skip(text, _skip(text, end) + 1)
    return cells


def _skip(text: str, position: int) -> int:
    """Return the position of the next character that is no space."""
    return _SPACE.match(text, position).end()  # type: ignore[union-attr]  # it matches anywhere


def _stored(cell: str | _Raw | None, is_json: bool) -> str | None:
    if isinstance(cell, _Raw):
        return cell.text
    return json.dumps(cell) if is_json and cell is not None else cell


def _in_portions(texts: Iterable[str]) -> Iterator[list[str]]:
    portion: list[str] = []
    characters = 0
    for text in texts:
        portion.append(text)
        characters += len(text)
        if len(portion) == _ROWS or characters > _CHARACTERS:
            yield portion
            portion, characters = [], 0
    if portion:
        yield portion


def _value(cell: str | None) -> Any:
    return None if cell is None else json.loads(cell, parse_int=whole, parse_float=Spelled)
