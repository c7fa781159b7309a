"""Translation of libraries' exceptions for a user's mistake into UserErrors of one line.

Only kinds that a config, a file or the machine causes are here. Any other exception is a bug, and keeps its traceback.
"""

import errno
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from omegaconf.errors import (
    GrammarParseError,
    InterpolationKeyError,
    OmegaConfBaseException,
    UnsupportedInterpolationType,
)

from acereason.common.errors import UserError, first_line

_NO_ROOM = "free some, or write elsewhere"
_NOT_ALLOWED = "allow it, or name another place"
_MACHINE = {
    errno.ENOSPC: _NO_ROOM,
    errno.EDQUOT: _NO_ROOM,
    errno.EFBIG: "the file system, or a limit of the shell (ulimit -f), allows no more",
    errno.EROFS: _NOT_ALLOWED,
    errno.EACCES: _NOT_ALLOWED,
    errno.EPERM: _NOT_ALLOWED,
    errno.ENOTDIR: "a part of this path is a file; name another place",
    errno.EISDIR: "name a file",
    errno.ENAMETOOLONG: "give it a shorter name",
    errno.ELOOP: "mend the link",
    errno.EBUSY: "it is in use, or a mount point; name another place",
    errno.ESTALE: "the file server has lost it; mount it again",
    errno.EIO: "the disk fails",
    errno.EMFILE: "raise the limit of open files (ulimit -n)",
    errno.ENFILE: "the machine has no more files to open; end other processes",
}
"""Errors of the operating system that a user has to mend, and the advice for each."""
_LIGHTNINGS = ("fit", "validate", "test", "calibrate", "preflight")
"""Verbs whose keys are below their name in the parsed configuration."""
# why: torch's writer raises a RuntimeError instead of an OSError
_TORCH_WRITES = re.compile(r"PytorchStreamWriter failed|inline_container|basic_ios::clear")
"""Messages of torch when it can't write a file."""


@contextmanager
def as_user_errors() -> Iterator[None]:
    """Raise a UserError for an exception of the block that is a user's mistake; any other passes as it is."""
    try:
        yield
    except Exception as error:
        line = mistake(error)
        if line is None or isinstance(error, UserError):
            raise
        raise UserError(line) from error


def mistake(error: BaseException) -> str | None:
    """Return the line about a user's mistake; None for any other exception."""
    if isinstance(error, UserError):
        return str(error)
    if isinstance(error, OmegaConfBaseException):
        return _reference(error)
    if _is_misconfiguration(error):
        return f"trainer: {_in_one_line(error)}"
    if isinstance(error, OSError) and error.errno in _MACHINE:
        return _of_the_machine(error)
    if isinstance(error, FileExistsError) and error.filename and Path(os.fsdecode(error.filename)).is_file():
        return f"{os.fsdecode(error.filename)}: is a file, and a folder is to be there; name another place"
    if isinstance(error, RuntimeError) and str(error).startswith("Early stopping conditioned on metric"):
        return f"trainer.callbacks: {_in_one_line(error)}"
    if isinstance(error, RuntimeError) and str(error).startswith("Found more than one stateful callback"):
        return f"trainer.callbacks: {_in_one_line(error).partition('. ')[0]}; leave one"
    if isinstance(error, ValueError) and "in bounds, numpy accepts" in str(error):
        return f"seed_everything: {_in_one_line(error)}"
    if isinstance(error, RuntimeError) and _TORCH_WRITES.search(str(error)):
        return f"a checkpoint can't be written: {first_line(error)}; {_NO_ROOM}"
    return None


def _is_misconfiguration(error: BaseException) -> bool:
    """Whether Lightning refuses a setting of its Trainer."""
    # why not imported: Lightning takes seconds to load, and only a loaded library raises
    loaded = sys.modules.get("lightning.fabric.utilities.exceptions")
    return loaded is not None and isinstance(error, loaded.MisconfigurationException)


def plain_key(key: str) -> str:
    """Return a key of the whole configuration as it is written on the command line.

    Example:
        >>> plain_key("fit.data.init_args.sources.sums.path")
        'data.sources.sums.path'
    """
    parts = [part for part in key.split(".") if part not in ("init_args", "dict_kwargs")]
    return ".".join(parts[1:] if _below_a_verb(key) else parts)


def _below_a_verb(key: str) -> bool:
    """Return whether the key is from the parser of one of Lightning's verbs, which puts the verb first."""
    verb, _, rest = key.partition(".")
    return verb in _LIGHTNINGS and rest.partition(".")[0] in ("trainer", "model", "data", "seed_everything")


def _reference(error: OmegaConfBaseException) -> str:
    """Return the line about a `${...}` in a value that can't be resolved."""
    key, told = plain_key(error.full_key or ""), first_line(error)
    if variable := re.search(r"Environment variable '(.*)' not found", told):
        name = variable[1]
        return f"{key}: the environment variable {name} is not set; set it, or write ${{oc.env:{name},DEFAULT}}"
    literal = "a text that is to hold ${ itself has \\${ in its place"
    if isinstance(error, InterpolationKeyError) and (target := re.search(r"resolved to '(.*)'", told)):
        verb = (error.full_key or "").partition(".")[0] if _below_a_verb(error.full_key or "") else ""
        wanted = plain_key(target[1].removeprefix(f"{verb}."))
        return f"{key}: there is no key {wanted}, to which its ${{...}} refers; {literal}"
    if "Recursive interpolation" in told:
        return f"{key}: its ${{...}} refers to itself, over other keys perhaps; give one of them a value"
    if isinstance(error, UnsupportedInterpolationType):
        return f"{key}: {told}; there is oc.env, as in ${{oc.env:NAME}}; {literal}"
    if isinstance(error, GrammarParseError):
        return f"{key}: what follows its ${{ can't be read ({told}); {literal}"
    return f"{key}: {told}"


def _of_the_machine(error: OSError) -> str:
    where = " to ".join(os.fsdecode(name) for name in (error.filename, error.filename2) if name is not None)
    return f"{where or 'a file'}: {error.strerror}; {_MACHINE[error.errno or 0]}"


def _in_one_line(error: BaseException) -> str:
    return " ".join(str(error).split())
