"""Writes that leave the old or the new, never half: a temporary neighbour, then one rename."""

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TextIO


@contextlib.contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Give the path of a temporary file to write; when the block ends well the file takes the place of `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def atomic_file(path: Path) -> Iterator[TextIO]:
    """Give a temporary file to fill; when the block ends well it takes the place of `path`."""
    with atomic_path(path) as temporary, temporary.open("w") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())


def write_atomically(path: Path, text: str) -> None:
    """Replace the file at `path` by `text`, making its folder where needed."""
    with atomic_file(path) as file:
        file.write(text)


def write_json(path: Path, value: Any) -> None:
    """Replace the file at `path` by `value` as indented JSON."""
    write_atomically(path, json.dumps(value, indent=2) + "\n")


@contextlib.contextmanager
def atomic_folder(folder: Path) -> Iterator[Path]:
    """Give a temporary folder to fill; when the block ends well it takes the place of `folder`."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        yield temporary
        temporary.chmod(0o755)
        shutil.rmtree(folder, ignore_errors=True)
        temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def read_rows(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of a .jsonl file; none where there is no file, and without a last line that a kill cut short."""
    if path.exists():
        with path.open() as file:
            yield from (json.loads(line) for line in file if line.endswith("}\n"))


def append_rows(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    """Add rows to a .jsonl file."""
    with path.open("a") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)


def keep_rows_before(path: Path, step: int) -> None:
    """Leave a .jsonl file the rows of the steps before `step`: a resumed run takes the others again."""
    rows = [json.dumps(row) + "\n" for row in read_rows(path) if row["step"] < step]
    if path.exists():
        write_atomically(path, "".join(rows))


def flat(value: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """{dotted key: value} of nested dictionaries, as two JSON files are compared."""
    found: dict[str, Any] = {}
    for name, inner in value.items():
        found |= flat(inner, f"{prefix}{name}.") if isinstance(inner, dict) else {prefix + name: inner}
    return found
