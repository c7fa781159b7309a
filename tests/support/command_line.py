"""Lightning's command line, ready to parse, and what it gives as plain data."""

from functools import cache
from typing import Any

from jsonargparse import Namespace

import callbacks  # noqa: F401  the YAML names them
from acereason.verbs.callback_list import filled
from acereason.verbs.lightning_cli import AceReasonCLI, lightning_cli


@cache
def cli() -> AceReasonCLI:
    """One for all tests: it takes a second to build."""
    return lightning_cli(["--config=conf/debug.yaml", "--trainer.logger=false"], run=False)


def listed(*args: str) -> list[dict]:
    """The callbacks that files and flags make, with all their settings, in order."""
    return plain(filled(cli().parser.parse_args(args)))["trainer"]["callbacks"]


def plain(value: Any) -> Any:
    """Dictionaries and lists alone, as YAML has them."""
    if isinstance(value, Namespace):
        value = value.as_dict()
    if isinstance(value, dict):
        return {name: plain(part) for name, part in value.items()}
    return [plain(part) for part in value] if isinstance(value, list | tuple) else value
