"""The callbacks of a run: those that belong to its kind of training, and what a config changes of them by name."""

import importlib
import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import lightning.pytorch as pl
from jsonargparse import Namespace

from acereason.common.errors import UserError, did_you_mean
from acereason.modules.grpo import GRPOModule
from acereason.modules.sft import SFTModule
from acereason.verbs.former import FORMER
from acereason.verbs.parsing import Parser, merged

# why: in the order in which they act, which `place` of each class allows; classes of one place may change theirs
RL: dict[str, dict[str, Any]] = {
    "Curriculum": {},
    "WeightSync": {},
    "Overlong": {},
    "EasyFilter": {},
    "EntropyMonitor": {},
    "Health": {},
    "Recorder": {},
    "TensorBoard": {},
    "Evaluation": {"every_n_steps": 100},
    "Progress": {},
    "Export": {},
    "Checkpoints": {"every_n_steps": 20},
}
"""The callbacks of RL with their settings, where a config names no others."""
SFT: dict[str, dict[str, Any]] = {
    "Health": {},
    "Recorder": {},
    "Progress": {},
    "Export": {},
    "Checkpoints": {"every_n_steps": 100},
}
"""The callbacks of SFT, likewise."""
_RECIPE = "trainer.recipe"


class Defaults(pl.Callback):
    """Stands in the list `trainer.callbacks` for the callbacks that belong to the kind of training."""


@dataclass(frozen=True)
class Entry:
    """A callback of the list: its class and the settings that the config gives it."""

    kind: type[pl.Callback]
    settings: dict[str, Any]

    @property
    def place(self) -> int | None:
        """Where it acts among the others; None for a class that doesn't say so."""
        return getattr(self.kind, "place", None)


def filled(config: Namespace) -> Namespace:
    """Return a configuration of one of Lightning's verbs with every callback in `trainer.callbacks`, and without
    `trainer.recipe`; and with the epochs of RL, which its curriculum ends."""
    config = config.clone()
    trainer, recipe = config["trainer"], config["trainer"].pop("recipe", None) or {}
    model = config.get("model")
    kind = _class_at(model["class_path"]) if model else pl.LightningModule
    if issubclass(kind, GRPOModule) and trainer["max_epochs"] is None:
        trainer["max_epochs"] = -1
    listed = trainer["callbacks"]
    given = [_entry(entry) for entry in (listed if isinstance(listed, list) else [listed] if listed else [])]
    entries = list(_expanded(given, RL if issubclass(kind, GRPOModule) else SFT if issubclass(kind, SFTModule) else {}))
    for name, settings in recipe.items():
        entries = _changed(entries, name, settings)
    _refuse_twins(entries)
    # why: a list that nothing was added to or taken from stays as it is written, null and a single callback included
    if recipe or any(entry.kind is Defaults for entry in given):
        trainer["callbacks"] = [_parsed(entry) for entry in entries]
    return config


def _expanded(given: list[Entry], defaults: dict[str, dict[str, Any]]) -> list[Entry]:
    """Return the list with the defaults where it asks for them, and what else it holds at the places of its classes."""
    if all(entry.kind is not Defaults for entry in given):
        return given
    more = [entry for entry in given if entry.kind is not Defaults]
    known = [Entry(_class_at(f"callbacks.{name}"), settings) for name, settings in defaults.items()]
    # why: one that is listed takes the place of the default of its class, or of a class that it derives from
    entries = [entry for entry in known if not any(issubclass(other.kind, entry.kind) for other in more)]
    for entry in more:
        entries = _inserted(entries, entry)
    return entries


def _inserted(entries: list[Entry], entry: Entry) -> list[Entry]:
    """Return the list with one more, before the first whose place is after its own; at the end if it has no place."""
    place = entry.place
    later = [n for n, other in enumerate(entries) if place is not None and (other.place or 0) > place]
    at = later[0] if later else len(entries)
    return [*entries[:at], entry, *entries[at:]]


def _changed(entries: list[Entry], name: str, settings: dict[str, Any] | None) -> list[Entry]:
    """Return the list as `trainer.recipe` changes it by one name: other settings or class, one more, or one less."""
    there = [n for n, entry in enumerate(entries) if entry.kind.__name__ == name]
    if len(there) > 1:
        raise UserError(f"{_RECIPE}.{name}: is in trainer.callbacks {len(there)} times; change it there")
    if settings is None:
        _known(name, entries)
        return [entry for n, entry in enumerate(entries) if n not in there]
    kind = _replacement(name, settings["class_path"]) if "class_path" in settings else _known(name, entries)
    given = {key: value for key, value in settings.items() if key not in ("class_path", "init_args")}
    given = merged(settings.get("init_args") or {}, given)
    _check_settings(name, kind, given)
    if not there:
        return _inserted(entries, Entry(kind, given))
    before = entries[there[0]]
    after = Entry(kind, merged(before.settings, given) if kind is before.kind else given)
    return [after if entry is before else entry for entry in entries]


def _replacement(name: str, path: str) -> type[pl.Callback]:
    try:
        kind = _class_at(path)
    except (ImportError, AttributeError, ValueError) as error:
        raise UserError(f"{_RECIPE}.{name}: no class {path}; it is named with its module, as mine.{name}") from error
    return kind


def _known(name: str, entries: list[Entry]) -> type[pl.Callback]:
    """Return the class of a name in `trainer.recipe`: of one that is listed, of ours or of Lightning's."""
    kinds = [*(kind for kind in _subclasses(pl.Callback) if kind is not Defaults), *(entry.kind for entry in entries)]
    classes = {kind.__name__: kind for kind in kinds}
    if name not in classes:
        hint = did_you_mean(name, classes) or "one of your own is added with trainer.callbacks+"
        if name in FORMER:
            hint = f"it is {_RECIPE}.Recorder.{FORMER[name]} now"
        raise UserError(f"{_RECIPE}.{name}: no such callback; {hint}")
    return classes[name]


def _subclasses(kind: type) -> Iterator[type]:
    below: type
    for below in kind.__subclasses__():
        yield below
        yield from _subclasses(below)


def _check_settings(name: str, kind: type[pl.Callback], settings: dict[str, Any]) -> None:
    parameters = inspect.signature(kind).parameters
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        return
    for setting in settings:
        if setting not in parameters:
            hint = did_you_mean(setting, parameters) or f"there are {', '.join(parameters) or 'none'}"
            raise UserError(f"{_RECIPE}.{name}.{setting}: no such setting; {hint}")


def _refuse_twins(entries: list[Entry]) -> None:
    """Raise a UserError for a callback that would do everything twice."""
    for n, entry in enumerate(entries):
        if entry in entries[:n]:
            raise UserError(
                f"trainer.callbacks: {entry.kind.__name__} is there twice with the same settings; leave one"
            )


def _entry(listed: Namespace | str) -> Entry:
    if isinstance(listed, str):
        return Entry(_class_at(listed), {})
    settings = listed.get("init_args") or {}
    return Entry(_class_at(listed["class_path"]), settings.as_dict() if isinstance(settings, Namespace) else settings)


def _parsed(entry: Entry) -> Namespace:
    """Return an entry of `trainer.callbacks` with all settings of its class, checked."""
    name, parser = entry.kind.__name__, Parser(parser_mode="omegaconf+")
    parser.add_argument(f"--{_RECIPE}.{name}", type=pl.Callback)
    path = f"{entry.kind.__module__}.{entry.kind.__qualname__}"
    parsed = parser.parse_object({"trainer": {"recipe": {name: {"class_path": path, "init_args": entry.settings}}}})
    return parsed[f"{_RECIPE}.{name}"]


def _class_at(path: str) -> type:
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(module), name)
