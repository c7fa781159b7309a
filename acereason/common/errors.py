"""Error messages for users: one line that names the key, file or row."""

import difflib
import re
from collections.abc import Iterable

_SCAFFOLD = (
    *("Parser key", "Does not validate", "Subtypes:", "Errors:", "Given value", "Problem with given class_path"),
    *("Not a valid subclass of", "Subclass types expect one of", "a class path (str)", "a dict with"),
)
_NO_CLASS = re.compile(
    r"Expected a path but \S+ either not accessible or invalid; Expected a dot import path string: (\S+)"
)
_NO_MODULE = re.compile(r"Expected a path but \S+ either not accessible or invalid; (No module named .*)")


class UserError(ValueError):
    """A mistake in a config, a file or a row. Its message is one line that names the key, file or row, and what to do.

    `run.py` prints it without a traceback and exits with status 2.
    """


def plain(report: str) -> str:
    """Reduce jsonargparse's report on a value that it refused to one line with key and reason.

    Example:
        >>> plain('Parser key "model":\\n  Errors:\\n    - Problem with given class_path "X":\\n        No option "n"')
        'model: No option "n"'
    """
    key = ".".join(re.findall(r'Parser key "([^"]+)"', report))
    lines = [re.sub(r'^[\s-]*(Parser key "[^"]+": ?)?', "", line) for line in report.splitlines()]
    told = [line for line in lines if line and not line.startswith(_SCAFFOLD) and "<class 'NoneType'>" not in line]
    # why: of a value that is no settings at all, the report has nothing else to say
    told = told or [f"can't be {value}" for value in re.findall(r"Given value: (.*)", report)]
    line = "; ".join(dict.fromkeys(told))
    line = _NO_CLASS.sub(r"no class \1 that may stand here; one of your own is named with its module, as mine.\1", line)
    return ": ".join(filter(None, [key, _NO_MODULE.sub(r"\1", line)]))


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return a hint at the known word that is nearest to a mistyped one; empty if none is near.

    Example:
        >>> did_you_mean("overlng", ["overlong", "metrics"])
        'did you mean overlong?'
    """
    near = difflib.get_close_matches(word, list(known), n=1)
    return f"did you mean {near[0]}?" if near else ""


def first_line(error: BaseException) -> str:
    """Return the first line of an exception's message, or the name of its type if there is none."""
    return next(iter(str(error).splitlines()), type(error).__name__)
