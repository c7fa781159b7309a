"""What the documents say of keys, `data.stages.math_8k.steps: 1200`, `Overlong.reward: 0.0`, and what is so."""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

import callbacks
from acereason.verbs.callback_list import filled
from acereason.verbs.parsing import Parser
from acereason.verbs.table import VERBS, load
from tests.support.command_line import cli, plain

MISSING = object()


@dataclass(frozen=True)
class Claim:
    """A code span of a page that is about a file."""

    path: Path
    span: str
    default: bool
    """Whether (default) follows it: the file leaves it out."""

    @property
    def names_a_key(self) -> bool:
        """Whether it is written as a key of the file, or of a callback."""
        tops = {*written(self.path), *callbacks.__all__}
        return bool(re.match(r"[\w.]+(: .*)?$", self.span)) and re.split(r"[.:]", self.span)[0] in tops


def spans(path: Path, text: str) -> list[Claim]:
    """The code spans of a text about a file."""
    return [Claim(path, span, bool(default)) for span, default in re.findall(r"`([^`]+)`( \(default\))?", text)]


def fault(claim: Claim) -> str | None:
    """What is wrong with a claim about a key; None where it is so."""
    key, _, value = claim.span.partition(": ")
    found, is_set = looked_up(parsed(claim.path), key), looked_up(written(claim.path), key) is not MISSING
    same = not value or plain(yaml.safe_load(value)) == plain(found)
    if found is MISSING or not same or is_set == claim.default:
        return f"{claim.path}: {claim.span} is {found!r}, {'set' if is_set else 'not set'} there"
    return None


@cache
def written(path: Path) -> dict:
    """What a file holds."""
    return yaml.safe_load(path.read_text())


@cache
def parsed(path: Path, *flags: str) -> dict:
    """The whole configuration that a file and flags make, defaults included."""
    verb = VERBS.get(path.parent.name)
    if verb and verb.function:  # conf/curate, conf/predict
        parser = Parser(parser_mode="omegaconf+")
        parser.add_argument("--config", action="config")
        parser.add_function_arguments(load(verb.function))
    else:
        return plain(filled(cli().parser.parse_args([f"--config={path}", *flags])))
    return parser.parse_args([f"--config={path}", *flags]).as_dict()


def looked_up(config: Any, key: str) -> Any:
    """The value of a dotted key without `init_args`, of a callback's, or MISSING."""
    first, *rest = key.split(".")
    if first in callbacks.__all__:
        listed = {entry["class_path"].rpartition(".")[2]: entry for entry in config["trainer"].get("callbacks", [])}
        return _followed((config["trainer"].get("recipe") or listed).get(first, MISSING), rest)
    return _followed(config, [first, *rest])


def _followed(value: Any, names: list[str]) -> Any:
    for name in names:
        inner = value.get("init_args", value) if isinstance(value, dict) and "class_path" in value else value
        if not isinstance(inner, dict) or name not in inner:
            return MISSING
        value = inner[name]
    return value
