"""LiveCodeBench's packed tests: base64 of zlib of a pickle of a JSON text. Taken apart within a bound, and nothing in
them is run: of pickle only the few opcodes that hold one text are understood."""

import base64
import binascii
import json
import pickletools
import re
import zlib
from typing import Any

LARGEST = 128 * 2**20
"""Bytes of unpacked tests; the largest of LiveCodeBench's are less than half of it."""
MOST_VALUES = 1_000_000
"""Lists, mappings and members in them, each of which takes a hundred bytes once it is read."""
_IN_JSON = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"|([\[{,])', re.DOTALL)  # possessive: nothing is remembered
_FRAME = {"PROTO", "FRAME", "MEMOIZE", "BINPUT", "LONG_BINPUT", "PUT"}
_TEXT = {"SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8", "UNICODE"}


def unpacked(text: str) -> Any:
    """The value of tests that are JSON, or packed.

    Raises:
        ValueError: they are neither, or too large; says why in one line.
    """
    try:
        return json.loads(text)
    except (json.JSONDecodeError, RecursionError):
        pass
    except ValueError as error:  # the only one that is no JSONDecodeError
        raise ValueError("tests have an integer of more than 4,300 digits, which can't be read") from error
    try:
        inner = _pickled_text(_inflated(base64.b64decode(text, validate=True)))
        _check_size(inner)
        return json.loads(inner)
    except _Refused:
        raise
    except (binascii.Error, zlib.error, ValueError, RecursionError) as error:
        raise ValueError(f"tests are neither JSON nor LiveCodeBench's packed form: {text[:40]!r}") from error


class _Refused(ValueError):
    """Tests of the packed form that are not taken."""


def _inflated(data: bytes) -> bytes:
    inflate = zlib.decompressobj()
    found = inflate.decompress(data, LARGEST)
    if inflate.unconsumed_tail:
        raise _Refused(f"packed tests of more than {LARGEST // 2**20} MiB")
    return found


def _pickled_text(data: bytes) -> str:
    """The text of a pickle that holds one text and nothing else."""
    text = None
    for opcode, argument, _ in pickletools.genops(data):
        if opcode.name == "STOP" and text is not None:
            return text
        if opcode.name in _TEXT and text is None:
            text = argument
        elif opcode.name not in _FRAME:
            raise _Refused(f"a pickle of tests must not name or make anything but a text ({opcode.name})")
    raise _Refused("a pickle of tests without an end")


def _check_size(text: str) -> None:
    count = 0
    for found in _IN_JSON.finditer(text):
        count += found[1] is not None
        if count > MOST_VALUES:
            raise _Refused(f"packed tests of more than {MOST_VALUES:,} values")
