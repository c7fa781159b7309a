"""Checks of a command line's YAML before it is parsed, for mistakes that the parser would accept silently."""

from collections.abc import Iterator
from pathlib import Path

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from acereason.common.errors import UserError
from acereason.common.files import read_text


def check_config(path: Path) -> None:
    """Raise a UserError if a file is not UTF-8 text, no YAML, no mapping of keys, or holds a key twice."""
    if path.is_dir():
        raise UserError(f"config: {path} is a folder; name the .yaml file in it")
    # why: for a missing file the parser's own message says where it looked
    if not path.exists():
        return
    node = composed(read_text(path, "config"), str(path))
    if not isinstance(node, MappingNode):
        what = "nothing" if node is None else "a list" if isinstance(node, SequenceNode) else "a text"
        raise UserError(f"config: {path} holds {what}, and no keys as `seed_everything: 0`")
    refuse_twins(node, str(path))


def check_flags(args: list[str]) -> None:
    """Raise a UserError if YAML in a flag's value holds a key twice."""
    for arg in args:
        name, equals, value = arg.partition("=") if arg.startswith("--") else ("a flag's value", "", arg)
        text = value.strip()
        if text.startswith(("{", "[")):
            try:
                node = composed(text, name)
            except UserError:
                # why: a text may begin with a brace; the parser knows whether the value has to be YAML
                continue
            if node is not None:
                refuse_twins(node, name)


def top_keys(args: list[str]) -> set[str]:
    """Return the first parts of all keys that the files and flags of a command line set."""
    flags = [arg.partition("=") for arg in args if arg.startswith("--")]
    keys = {name.removeprefix("--").partition(".")[0].removesuffix("+") for name, _, _ in flags} - {"config"}
    for place, arg in enumerate(args):
        name, equals, path = arg.partition("=")
        path = path if equals else "".join(args[place + 1 : place + 2])
        if name == "--config" and Path(path).is_file():
            check_config(Path(path))
            node = composed(read_text(Path(path), "config"), path)
            keys |= {key.value for key, _ in node.value if isinstance(key, ScalarNode)} if node else set()
    return keys


def composed(text: str, name: str) -> Node | None:
    """Parse YAML into nodes, which keep the lines of their keys; None for an empty text.

    Raises:
        UserError: it is no YAML; tells line and column. `name` is what the text is called.
    """
    try:
        return yaml.compose(text, yaml.CSafeLoader)
    except yaml.MarkedYAMLError as error:
        mark, problem = error.problem_mark or error.context_mark, error.problem or error.context
        where = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        # why: a slice: the mark of an error at the end of the text is beyond its last line
        lines = text.splitlines()[mark.line : mark.line + 1] if mark else []
        hint = "; indent with spaces, not tabs" if any(line.startswith("\t") for line in lines) else ""
        raise UserError(f"{name}{where}: no YAML: {problem}{hint}") from error
    except yaml.YAMLError as error:
        raise UserError(f"{name}: no YAML: {' '.join(str(error).split())}") from error


def refuse_twins(node: Node, name: str) -> None:
    """Raise a UserError if a mapping holds a key twice."""
    # why: the parser would keep the last of them and drop the others silently
    for mapping, above in _mappings(node, "", set()):
        lines: dict[str, int] = {}
        for key, _ in mapping.value:
            if not isinstance(key, ScalarNode):
                continue
            line = key.start_mark.line + 1
            if key.value in lines:
                raise UserError(
                    f"{name}, line {line}: {above}{key.value} is there already, in line {lines[key.value]}, and one of "
                    "the two would be lost; leave one, or give them two names"
                )
            lines[key.value] = line


def _mappings(node: Node, above: str, seen: set[int]) -> Iterator[tuple[MappingNode, str]]:
    """Yield every mapping with the keys above it."""
    # why: an alias repeats a node, and may lie inside the node that it repeats
    if id(node) in seen:
        return
    seen.add(id(node))
    if isinstance(node, MappingNode):
        yield node, above
        for key, value in node.value:
            yield from _mappings(value, f"{above}{key.value if isinstance(key, ScalarNode) else '?'}.", seen)
    elif isinstance(node, SequenceNode):
        for number, value in enumerate(node.value):
            yield from _mappings(value, f"{above}{number}.", seen)
