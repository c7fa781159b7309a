"""Reading and atomic writing of files: after a kill, a file has its old content or the new one, never half of it."""

import contextlib
import json
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TextIO

from acereason.common.errors import UserError
from acereason.common.texts import without_halves


def read_text(path: Path, key: str) -> str:
    """Read the text of a user's UTF-8 file, without a byte order mark. `key` is the setting that names the file.

    Raises:
        UserError: it is not UTF-8.
    """
    data = path.read_bytes()
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UserError(
            f"{key}: {path}, line {line}: byte 0x{data[error.start]:02x} is no UTF-8; save the file as UTF-8"
        ) from error


def read_json(path: Path) -> Any:
    """Read a JSON file that this project wrote.

    Raises:
        UserError: it is damaged.
    """
    try:
        return json.loads(path.read_bytes())
    except ValueError as error:
        raise UserError(f"{path}: damaged, no JSON ({error}); restore it, or delete it to start anew") from error


def check_writable(folder: Path, key: str) -> Path:
    """Raise a UserError if a folder could not be made and written to. The folder is not made, and the trial is removed.

    Args:
        folder: may exist or not.
        key: the setting that names it.

    Returns:
        the folder, or the nearest of its parents that exists.
    """
    # why: lexists: a link to nothing is in the way, too
    there = next(path for path in [folder.absolute(), *folder.absolute().parents] if os.path.lexists(path))
    if not there.is_dir():
        what = "a link to nothing" if there.is_symlink() else "a file"
        raise UserError(f"{key}: {there} is {what}, and {folder} is to be a folder; name another")
    try:
        with tempfile.TemporaryDirectory(prefix=".try-", dir=there) as trial:
            Path(trial, *folder.absolute().parts[len(there.parts) :]).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{key}: {folder} can't be written ({error.strerror}); allow it, or name another") from error
    return there


@contextlib.contextmanager
def naming(path: Path) -> Iterator[None]:
    """Add the file's name to an OSError of the block that has none."""
    # why: the error of a write to a full disk names no file
    try:
        yield
    except OSError as error:
        if error.filename is None and error.errno is not None:
            error.filename = str(path)
        raise


@contextlib.contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Give the path of a temporary file to write; if the block raises nothing, the file replaces `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # why: in the same folder, since a rename is atomic within one file system only; by chance, since containers that
    # share a disk number their processes alike
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with naming(path):
            yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def atomic_file(path: Path) -> Iterator[TextIO]:
    """Give a temporary text file to write; if the block raises nothing, it replaces `path`."""
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        yield file
        # why: without fsync a crash of the machine after the rename may leave an empty file
        file.flush()
        os.fsync(file.fileno())


def write_atomically(path: Path, text: str) -> None:
    """Replace the file at `path` by `text`; make its folder if needed."""
    with atomic_file(path) as file:
        file.write(without_halves(text))


def write_json(path: Path, value: Any) -> None:
    """Replace the file at `path` by `value` as indented JSON."""
    write_atomically(path, json.dumps(value, indent=2) + "\n")


def save_figure(path: Path, figure: Any, dpi: int, **options: Any) -> None:
    """Replace the PNG file at `path` by a matplotlib figure."""
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", dpi=dpi, **options)


@contextlib.contextmanager
def atomic_folder(folder: Path) -> Iterator[Path]:
    """Give a temporary folder to fill; if the block raises nothing, it replaces `folder`."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        with naming(folder):
            yield temporary
        # why: mkdtemp makes a folder that its owner alone can read
        temporary.chmod(0o755)
        shutil.rmtree(folder, ignore_errors=True)
        temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def read_rows(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the rows of a .jsonl file; none if there is no file."""
    if path.exists():
        # why: surrogateescape: a bad byte in one row must not cost the others
        with path.open(encoding="utf-8", errors="surrogateescape") as file:
            # why: a killed writer leaves half a last line, which is dropped
            yield from (json.loads(line) for line in file if line.endswith("}\n"))


def append_rows(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    """Add rows to a .jsonl file."""
    with naming(path), path.open("a", encoding="utf-8") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)


def flat(value: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Flatten nested dictionaries into {dotted key: value}."""
    found: dict[str, Any] = {}
    for name, inner in value.items():
        found |= flat(inner, f"{prefix}{name}.") if isinstance(inner, dict) else {prefix + name: inner}
    return found
