r"""Support for texts of a configuration that contain `${` literally.

OmegaConf's escape for it, `\${`, lasts through one resolution, and each class of a config is resolved once more within
the one that holds it. Between reading and use another text stands for it, which no resolution touches.
"""

from typing import Any

import yaml
from jsonargparse import Namespace, get_loader, set_loader
from jsonargparse._loaders_dumpers import get_loader_exceptions, set_omegaconf_loader, yaml_load

_ESCAPED, _STANDS_IN, _MEANT = r"\${", r"\$\{", "${"
_MODE = "omegaconf+"


def read_literals() -> None:
    """Let the parser accept the escape in files from now on."""
    set_omegaconf_loader(_MODE)
    load = get_loader(_MODE)
    # why: an earlier command line of this process may have done it already
    if getattr(load, "__module__", "") == __name__:
        return

    def loaded(text: str) -> Any:
        # why: first, since the loader would take the text after `${` for a key
        if _ESCAPED in text:
            text = yaml.safe_dump(replaced(yaml_load(text), _ESCAPED, _STANDS_IN))
        return load(text)

    set_loader(_MODE, loaded, get_loader_exceptions("yaml"))


def kept(args: list[str]) -> list[str]:
    """Return a command line with the escapes in its flags replaced by the text that stands for them."""
    return [arg.replace(_ESCAPED, _STANDS_IN) for arg in args]


def meant(config: Any) -> Any:
    """Return a parsed configuration with `${` in place of the text that stands for it."""
    return replaced(config, _STANDS_IN, _MEANT) if _STANDS_IN in str(config).replace("\\\\", "\\") else config


def replaced(value: Any, old: str, new: str) -> Any:
    """Return the value with `old` replaced by `new` in its texts, at any depth."""
    if isinstance(value, str):
        return value.replace(old, new)
    if isinstance(value, list):
        return [replaced(part, old, new) for part in value]
    if isinstance(value, dict):
        return {name: replaced(part, old, new) for name, part in value.items()}
    if isinstance(value, Namespace):
        return Namespace(**{name: replaced(part, old, new) for name, part in vars(value).items()})
    return value
