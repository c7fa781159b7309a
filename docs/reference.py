"""Writes docs/reference.md: every key of the configuration, from the code's signatures and docstrings.

python -m docs.reference
"""

import inspect
import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import MISSING, dataclass, fields, is_dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import docstring_parser
from lightning.pytorch.cli import OptimizerCallable

import callbacks
from acereason.common.files import write_atomically
from acereason.curation.pipeline import Curation
from acereason.curation.verb import curate
from acereason.rollouts.engine import RolloutEngine
from acereason.verbs import lightning_cli as cli
from acereason.verbs.table import VERBS, load
from acereason.verbs.trainer import Trainer

PAGE = Path(__file__).with_suffix(".md")
_LONGEST = 60
"""Characters of a default that are shown."""
_NO_KEYS = {"self", "model", "datamodule"}
"""Parameters that the command line fills in otherwise."""
_HANDED_ON = {curate: Curation}
_TYPES = {NoneType: "null", Any: "any", RolloutEngine: "[engine](#engines)", OptimizerCallable: "optimizer"}


@dataclass
class Key:
    """One key of a class, a function or a dataclass."""

    name: str
    hint: Any
    default: Any
    """MISSING where there is none."""
    meaning: str


@dataclass
class Section:
    """Classes or functions that are named in the same place."""

    title: str
    where: str
    """How their keys are written in YAML and on the command line."""
    members: list[Any]


SECTIONS = [
    Section(
        "Models",
        "Named by `model.class_path`; keys go under `model.init_args`, on the command line `--model.KEY`.",
        [cli.SFTModule, cli.GRPOModule, cli.EvaluationModule],
    ),
    Section(
        "Data",
        "Named by `data.class_path`; keys go under `data.init_args`, on the command line `--data.KEY`.",
        [cli.SFTData, cli.RLData, cli.EvaluationData],
    ),
    Section(
        "Engines",
        "Named by `model.init_args.engine.class_path`; keys go under its `init_args`. On the command line "
        "`--model.engine NAME` and `--model.engine.KEY`. `predict` has it under `engine.engine`.",
        [cli.HFEngine, cli.VLLMEngine, cli.ReplayEngine],
    ),
    Section(
        "Callbacks",
        "Named below `trainer.recipe`, as `Overlong: {reward: -1}`, on the command line `--trainer.recipe.NAME.KEY`. "
        "In the list `trainer.callbacks` keys go under an entry's `init_args`.",
        [getattr(callbacks, name) for name in callbacks.__all__],
    ),
    Section(
        "Verbs",
        "Keys of the verbs that Lightning lacks, in YAML at the top, on the command line `--KEY`. `calibrate` and "
        "`preflight` take the keys of `fit` too.",
        [Trainer.calibrate, Trainer.preflight, *(load(verb.function) for verb in VERBS.values() if verb.function)],
    ),
]


def keys_of(member: Any) -> list[Key]:
    """The keys that a class, a dataclass or a function takes, its own before those that it inherits.

    Raises:
        ValueError: one of them has no docstring.
    """
    found = list(_keys(member))
    keys = {key.name: key for key in reversed(found)}  # of two the subclass's
    for key in keys.values():
        if not key.meaning:
            raise ValueError(f"{member.__qualname__}.{key.name} has no docstring")
    return list(reversed(keys.values()))


def _keys(member: Any) -> Iterator[Key]:
    # why: a verb may hand all its keys on to a class
    member = _HANDED_ON.get(member, member)
    if not inspect.isclass(member):
        yield from _parameters(member, _documented(member))
    elif is_dataclass(member):
        yield from _fields(member)
    else:
        for base in member.__mro__:
            if base is object:
                return
            if constructor := vars(base).get("__init__"):
                yield from _parameters(constructor, _documented(base))
                if not _passes_on(constructor):
                    return


def _fields(member: type) -> Iterator[Key]:
    hints, bases = get_type_hints(member), [base for base in reversed(member.__mro__) if is_dataclass(base)]
    meanings = {name: text for base in bases for name, text in _documented(base).items()}
    for field in fields(member):
        default = field.default if field.default_factory is MISSING else field.default_factory()
        yield Key(field.name, hints[field.name], default, meanings.get(field.name, ""))


def _parameters(function: Callable, meanings: dict[str, str]) -> Iterator[Key]:
    hints = get_type_hints(function)
    for name, parameter in inspect.signature(function).parameters.items():
        if name not in _NO_KEYS and parameter.kind is not parameter.VAR_KEYWORD:
            default = MISSING if parameter.default is parameter.empty else parameter.default
            yield Key(name, hints[name], default, meanings.get(name, ""))


def _passes_on(function: Callable) -> bool:
    """Whether what it doesn't know goes to its base class."""
    return any(p.kind is p.VAR_KEYWORD for p in inspect.signature(function).parameters.values())


def _documented(member: Any) -> dict[str, str]:
    """{name: meaning} by a docstring's Args, and by the docstrings under a dataclass's fields."""
    parsed = docstring_parser.parse_from_object(member)
    return {parameter.arg_name: _line(parameter.description or "") for parameter in parsed.params}


def told_type(hint: Any) -> str:
    """A type as Markdown, a dataclass as a link to its table."""
    origin, parts = get_origin(hint), get_args(hint)
    if inspect.isclass(hint) and is_dataclass(hint):
        return f"[{hint.__name__}](#{hint.__name__.lower()})"
    if hint in _TYPES or origin is None:
        return _TYPES.get(hint) or hint.__name__
    if origin is Literal:
        return " or ".join(f"`{part}`" for part in parts)
    told = [told_type(part) for part in parts]
    if origin in (Union, UnionType):
        return " or ".join(told)
    if origin is dict:
        return f"{{{'name' if parts[0] is str else told[0]}: {told[1]}}}"
    return f"[{', '.join(told)}]" if origin is tuple else f"list of {told[0]}"


def told_default(default: Any) -> str:
    """A default as YAML has it."""
    if default is MISSING:
        return "required"
    if is_dataclass(default):
        return _told_changes(default)
    if inspect.isclass(default):
        return f"`{default.__name__}`"
    text = default if isinstance(default, str) and re.fullmatch(r"[\w./-]+", default) else json.dumps(default)
    return f"`{text if len(text) <= _LONGEST else text[:_LONGEST] + '...'}`"


def _told_changes(default: Any) -> str:
    """What of a dataclass differs from its own defaults."""
    keys = [key for key in keys_of(type(default)) if getattr(default, key.name) != key.default]
    changes = ", ".join(f"{key.name}: {json.dumps(getattr(default, key.name))}" for key in keys)
    return f"`{{{changes}}}`" if changes else "its defaults"


def nested(members: Iterable[Any]) -> list[type]:
    """The dataclasses that keys of the members take, and those that theirs take, in the order in which they occur."""
    found: dict[type, None] = {}
    for member in members:
        for part in (part for key in keys_of(member) for part in _dataclasses(key.hint)):
            found |= dict.fromkeys([part, *nested([part])])
    return list(found)


def _dataclasses(hint: Any) -> Iterator[type]:
    if inspect.isclass(hint) and is_dataclass(hint):
        yield hint
    for part in get_args(hint):
        yield from _dataclasses(part)


def render() -> str:
    """The page."""
    members = [member for section in SECTIONS for member in section.members]
    settings = Section("Settings", "What keys above hold, and what these hold.", nested(members))
    return "\n\n".join([_HEAD, *(part for section in [*SECTIONS, settings] for part in _section(section))]) + "\n"


def _section(section: Section) -> list[str]:
    parts = (part for member in section.members for part in _member(member))
    return [f"## {section.title}", section.where, *parts]


def _member(member: Any) -> list[str]:
    about = docstring_parser.parse_from_object(member).description or ""
    rows = [
        _row(f"`{key.name}`", told_type(key.hint), told_default(key.default), key.meaning) for key in keys_of(member)
    ]
    table = "\n".join(["| key | type | default | |", "|---|---|---|---|", *rows]) if rows else "No keys."
    return [f"### {member.__name__}", *map(_line, about.split("\n\n")), table]


def _row(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _line(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()


_HEAD = """# Every key

Made by `python -m docs.reference` from signatures and docstrings; a test holds it equal to them.
[configuration.md](configuration.md) tells how files and flags make a configuration. The keys under `trainer` that
are not here are [Lightning's](https://lightning.ai/docs/pytorch/stable/common/trainer.html#trainer-flags); a logger and
an optimizer have those of their class."""


if __name__ == "__main__":
    write_atomically(PAGE, render())
