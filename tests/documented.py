"""The commands and code blocks of the documents, and whether run.py takes a command."""

import re
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import wraps
from pathlib import Path

import pytest

from acereason import cli
from acereason.errors import UserError

TRAINERS = ("fit", "validate", "test", "calibrate", "preflight")
ONE_CPU = ["--trainer.accelerator=cpu", "--trainer.devices=1", "--trainer.num_nodes=1", "--trainer.strategy=auto"]
PROGRAM = "python run.py "
UNFINISHED = ("...", "VERB")
"""What marks a text as the form of a command, not a command."""


@dataclass(frozen=True)
class Command:
    """A command line of a page."""

    page: Path
    line: int
    text: str

    @property
    def args(self) -> list[str]:
        """Without the program."""
        return shlex.split(self.text.removeprefix(PROGRAM), comments=True)

    def __str__(self) -> str:
        return f"{self.page}:{self.line}: {self.text}"


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    language: str
    text: str
    before: str
    """The paragraph above it."""


def pages() -> list[Path]:
    return [Path("README.md"), *sorted(Path("docs").glob("*.md"))]


def commands(page: Path) -> Iterator[Command]:
    """Every command of run.py: lines of blocks, fenced or indented, and code within a sentence."""
    text = page.read_text().replace("\\\n", "  ")  # as long as before, so that offsets count
    for found in re.finditer(rf"(?:^[ ]*|`|&& ){PROGRAM}[^`\n&]*", text, re.MULTILINE):
        command = " ".join(found[0].lstrip("`& \n").split())
        if not any(mark in command for mark in UNFINISHED):
            yield Command(page, text.count("\n", 0, found.start()) + 1, command)


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page."""
    text = page.read_text()
    return [
        Block(found[1], found[2], text[: found.start()].rstrip().rpartition("\n\n")[2])
        for found in re.finditer(r"^```(\w*)[^\n]*\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    ]


def file_of(page: Path, name: str) -> str:
    """A file that a page tells its reader to write: the block under a paragraph that names it last."""
    for block in blocks(page):
        if re.findall(r"`([\w-]+\.\w+)`", block.before)[-1:] == [name]:
            return block.text
    raise UserError(f"{page}: no file {name}, and no block under a paragraph that names it")


def check(command: Command, folder: Path) -> None:
    """Let run.py parse the command and build what it names, short of doing it. Raises where it would refuse.

    Files that the page has as a block are written into `folder`.
    """
    args = [_with_files(arg, command.page, folder) for arg in command.args]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cli.AceReasonCLI, "_run_subcommand", lambda self, subcommand: None)
        for name, verb in cli.VERBS.items():
            patch.setitem(cli.VERBS, name, _idle(verb))
        cli.run_verb(args + (ONE_CPU if args[0] in TRAINERS else []))


def _idle(verb: Callable[..., None]) -> Callable[..., None]:
    @wraps(verb)
    def idle(*args: object, **kwargs: object) -> None:
        """Takes what the verb takes."""

    return idle


def _with_files(arg: str, page: Path, folder: Path) -> str:
    """The argument, with a config that is not there taken from the page."""
    name = arg.removeprefix("--config=")
    if not name.endswith(".yaml") or name.startswith("--") or Path(name).exists():
        return arg
    path = folder / Path(name).name
    path.write_text(file_of(page, name))
    return arg.replace(name, str(path))
