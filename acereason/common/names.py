"""Checks of the names of stages, benchmarks, sources, versions and steps, which become names of files and metrics."""

import unicodedata
from collections.abc import Iterable
from typing import Any

from acereason.common.errors import UserError

# why: a file system takes 255 bytes, and a name is part of `.step-000001-end-of-NAME.ckpt` and its like
_LONGEST = 150
"""Bytes of a name at most."""

_FORBIDDEN = "/\\*?[]"


def check_names(names: Iterable[Any], key: str) -> None:
    """Raise a UserError for a name that can't be a file's; `key` is the mapping that holds the names."""
    seen: dict[str, str] = {}
    for name in names:
        if reason := _flaw(name):
            raise UserError(f"{key}: {name!r} can't be a name: {reason}")
        # why: macOS and Windows take names for one that differ in case or in Unicode's composition alone
        twin = seen.setdefault(unicodedata.normalize("NFC", name).casefold(), name)
        if twin != name:
            raise UserError(f"{key}: {twin!r} and {name!r} are one file where upper and lower case are; rename one")


def _flaw(name: Any) -> str | None:
    """Return the reason why a value can't be a name, or None."""
    # why: YAML reads 8 as a number, and on, yes and true as a truth value
    if not isinstance(name, str):
        return f"YAML reads it as {type(name).__name__}, not as text; put it in quotes"
    if not name.strip():
        return "it is empty"
    if name != name.strip() or name.startswith(".") or name.endswith("."):
        return "it begins or ends with a blank or a dot"
    if found := [sign for sign in name if sign in _FORBIDDEN or not sign.isprintable()]:
        return f"it becomes a file's, which {found[0]!r} has no place in"
    if len(name.encode()) > _LONGEST:
        return f"it has {len(name.encode())} bytes, at most {_LONGEST} fit into a file's"
    return None
