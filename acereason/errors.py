"""Errors for people."""

import re

_SCAFFOLD = ("Parser key", "Does not validate", "Subtypes:", "Errors:", "Given value", "Problem with given class_path")


class UserError(ValueError):
    """A mistake in a config, a file or a row. Its message is one line that names the key, file or row, and what to do.

    `run.py` prints it without a traceback and exits with status 2.
    """


def plain(report: str) -> str:
    """The one telling line of jsonargparse's report on a value that it refused.

    Example:
        >>> plain('Parser key "model":\\n  Errors:\\n    - Problem with given class_path "X":\\n        No option "n"')
        'model: No option "n"'
    """
    key = ".".join(re.findall(r'Parser key "([^"]+)"', report))
    lines = [re.sub(r'^[\s-]*(Parser key "[^"]+": ?)?', "", line) for line in report.splitlines()]
    told = [line for line in lines if line and not line.startswith(_SCAFFOLD) and "<class 'NoneType'>" not in line]
    return ": ".join(filter(None, [key, "; ".join(dict.fromkeys(told))]))


def first_line(error: BaseException) -> str:
    """What an exception says, in one line."""
    return next(iter(str(error).splitlines()), type(error).__name__)
