"""The commands and code blocks of the documents, and whether run.py takes a command."""

import re
import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from pathlib import Path

import pytest

from acereason.verbs import cli
from acereason.verbs import table as verbs
from acereason.verbs.lightning_cli import AceReasonCLI

TRAINERS = ("fit", "validate", "test", "calibrate", "preflight")
ONE_CPU = ["--trainer.accelerator=cpu", "--trainer.devices=1", "--trainer.num_nodes=1", "--trainer.strategy=auto"]
REPOSITORY = Path(__file__).parents[2]
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
    file: str | None
    """The file that it is. The paragraph above one or several blocks names their files in this order."""


def pages() -> list[Path]:
    return [Path("README.md"), *sorted(Path("docs").glob("*.md"))]


def commands(page: Path) -> Iterator[Command]:
    """Every command of run.py: lines of blocks, fenced or indented, and code within a sentence."""
    text = page.read_text()
    line, span = rf"(?:^[ ]*|&& ){PROGRAM}(?:\\\n|[^`\n&])*", rf"`{PROGRAM}[^`]*"
    for found in re.finditer(f"{line}|{span}", text, re.MULTILINE):
        command = " ".join(found[0].replace("\\\n", " ").lstrip("`& ").split())
        if not any(mark in command for mark in UNFINISHED):
            yield Command(page, text.count("\n", 0, found.start()) + 1, command)


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page."""
    text, found, end, files = page.read_text(), [], 0, iter(())
    for fence in re.finditer(r"^```(\w*)[^\n]*\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        if above := text[end : fence.start()].strip():
            files = iter(_new_files(above.rpartition("\n\n")[2]))
        suffix = "." + fence[1].replace("python", "py")  # of a json block: .jsonl too
        found.append(Block(fence[1], fence[2], next((file for file in files if fence[1] and suffix in file), None)))
        end = fence.end()
    return found


def _new_files(paragraph: str) -> list[str]:
    """The files that a paragraph names and that are not in the repository, each once."""
    named = re.findall(r"(?<![\w./-])[\w/-]+\.(?:yaml|jsonl|json|py)\b", paragraph)
    return [name for name in dict.fromkeys(named) if not (REPOSITORY / name).exists()]


def write_files(page: Path, folder: Path) -> None:
    """Every file that the page tells its reader to write, below `folder`."""
    for block in blocks(page):
        if block.file:
            (folder / block.file).parent.mkdir(parents=True, exist_ok=True)
            (folder / block.file).write_text(block.text)


@contextmanager
def importable(folder: Path) -> Iterator[None]:
    """Python files below `folder` can be imported, and are forgotten afterwards."""
    before = set(sys.modules)
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        for name in set(sys.modules) - before:
            if str(getattr(sys.modules[name], "__file__", "")).startswith(str(folder)):
                del sys.modules[name]


def check(command: Command, folder: Path) -> None:
    """Let run.py parse the command and build what it names, short of doing it. Raises where it would refuse.

    Files that the page has as a block are written into `folder`.
    """
    write_files(command.page, folder)
    args = [_config(arg, folder) for arg in command.args]
    with importable(folder), pytest.MonkeyPatch.context() as patch:
        patch.setattr(AceReasonCLI, "_run_subcommand", lambda self, subcommand: None)
        load = verbs.load
        patch.setattr(verbs, "load", lambda path: _idle(load(path)))
        try:
            cli.run_verb(args + (ONE_CPU if args[0] in TRAINERS else []))
        except SystemExit as end:  # --help and --print_config
            if end.code:
                raise


def _idle(verb: Callable[..., None]) -> Callable[..., None]:
    @wraps(verb)
    def idle(*args: object, **kwargs: object) -> None:
        """Takes what the verb takes."""

    return idle


def _config(arg: str, folder: Path) -> str:
    """The argument; a config of the page's own is in the folder."""
    return str(folder / arg) if arg.endswith(".yaml") and (folder / arg).exists() else arg
