"""The command line's parser, which reports a mistake in one line."""

from pathlib import Path
from typing import Any, NoReturn

import yaml
from jsonargparse import ArgumentParser, Namespace
from jsonargparse._loaders_dumpers import yaml_load
from jsonargparse._typehints import ActionTypeHint, NestedArg
from typing_extensions import override

from acereason.common.configs import check_config
from acereason.common.errors import UserError, plain
from acereason.common.literals import meant


class Parser(ArgumentParser):
    """Reports a mistake in one line instead of the whole usage."""

    @override
    def parse_path(self, path: Any, **kwargs: Any) -> Namespace:
        check_config(Path(path))
        try:
            return super().parse_path(path, **kwargs)
        except UserError as error:
            if str(error).startswith("Problems parsing config"):  # which names no file
                raise UserError(f"config: {path}: {str(error).partition(': ')[2]}") from error
            raise

    @override
    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        raise UserError(plain(message)) from ex

    @override
    def instantiate(self, namespace: Namespace, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().instantiate(meant(namespace), *args, **kwargs)
        except ValueError as error:  # a value that a class refuses
            raise UserError(plain(str(error))) from error


class ByName(ActionTypeHint):
    """An option of settings by name, of which a later file or flag changes those that it gives, at any depth."""

    @override
    def _check_type(self, value: Any, append: bool = False, cfg: Any = None, mode: Any = None) -> Any:
        if isinstance(value, NestedArg):
            given = _read(value.val)
            for name in reversed(value.key.split(".")):
                given = {name: given}
        else:
            given = _read(value)
        if given is None:
            return None
        if not isinstance(given, dict) or not all(isinstance(part, dict | None) for part in given.values()):
            raise TypeError(f'Parser key "{self.dest}": settings by name, as {{Overlong: {{reward: -1}}}}, not {given}')
        return merged((cfg.get(self.dest) if cfg else None) or {}, given)

    @override
    def serialize(self, value: Any, dump_kwargs: Any = None) -> Any:
        # why: jsonargparse would read a text in it as YAML once more, so that `a: b` became a mapping
        return value


class Whole(ActionTypeHint):
    """The option of a list; given whole, it ends what a ByName option has said of its entries before."""

    by_name: str
    """That option."""

    @override
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        result = super().__call__(*args, **kwargs)
        # why: with `+` it adds to the list, with a dot it changes the last entry
        if len(args) == 4 and args[3] == self.option_strings[0]:
            args[1][self.by_name] = None
        return result


def _read(value: Any) -> Any:
    """Return the value of a flag's text; any other as it is."""
    try:
        return yaml_load(value) if isinstance(value, str) else value
    except yaml.YAMLError:
        return value


def merged(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """Return settings in which those of `after` stand for those of `before`, at any depth.

    Example:
        >>> merged({"a": {"b": 1, "c": 2}, "d": 3}, {"a": {"b": 4}, "d": None})
        {'a': {'b': 4, 'c': 2}, 'd': None}
    """
    result = dict(before)
    for name, value in after.items():
        old = result.get(name)
        result[name] = merged(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return result
