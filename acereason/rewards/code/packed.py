"""Unpack LiveCodeBench's tests: base64 of zlib of a pickle of a JSON text.

Their size is bounded, and nothing in them runs: only the few opcodes of pickle that hold one text are understood.
"""

import base64
import binascii
import json
import pickletools
import re
import zlib
from typing import Any

LARGEST = 128 * 2**20
"""Bytes that unpacked tests may have; LiveCodeBench's largest have less than half of it."""
MOST_VALUES = 1_000_000
"""Lists, mappings and their members that unpacked tests may have; each takes a hundred bytes once it is read."""
# why: possessive: in a string of megabytes the matcher would remember a place to go back to for each part
_IN_JSON = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"|([\[{,])', re.DOTALL)
_FRAME = {"PROTO", "FRAME", "MEMOIZE", "BINPUT", "LONG_BINPUT", "PUT"}
_TEXT = {"SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8", "UNICODE"}


def unpacked(text: str) -> Any:
    """Return the value of tests that are JSON, or packed.

    Raises:
        ValueError: they are neither, or too large; the message says why in one line.
    """
    try:
        return json.loads(text)
    except (json.JSONDecodeError, RecursionError):
        pass
    # why: json raises only one ValueError that is no JSONDecodeError: int() refuses more than 4,300 digits
    except ValueError as error:
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
    """The tests are packed, but refused."""


def _inflated(data: bytes) -> bytes:
    inflate = zlib.decompressobj()
    # why: a few megabytes of zeros inflate to gigabytes; inflating stops at the bound
    found = inflate.decompress(data, LARGEST)
    if inflate.unconsumed_tail:
        raise _Refused(f"packed tests of more than {LARGEST // 2**20} MiB")
    return found


def _pickled_text(data: bytes) -> str:
    """Return the text of a pickle that holds one text and nothing else."""
    text = None
    # why: pickletools only lists the opcodes; pickle.loads would import and call whatever they name
    for opcode, argument, _ in pickletools.genops(data):
        if opcode.name == "STOP" and text is not None:
            return text
        if opcode.name in _TEXT and text is None:
            text = argument
        elif opcode.name not in _FRAME:
            raise _Refused(f"a pickle of tests must not name or make anything but a text ({opcode.name})")
    raise _Refused("a pickle of tests without an end")


def _check_size(text: str) -> None:
    # why: megabytes of brackets become gigabytes of Python objects, so they are counted before parsing
    count = 0
    for found in _IN_JSON.finditer(text):
        count += found[1] is not None
        if count > MOST_VALUES:
            raise _Refused(f"packed tests of more than {MOST_VALUES:,} values")
