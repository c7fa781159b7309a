"""The configuration as a run's folder keeps it."""

from pathlib import Path

import yaml
from jsonargparse import Namespace


def look_config(config: Namespace, checkpoint: str | None) -> Namespace:
    """What looks at the same checkpoint again: `last` may be another one by then."""
    saved = config.clone()
    saved["ckpt_path"] = checkpoint
    return saved


def saved_config(config: Namespace, folder: Path) -> Namespace:
    """What starts the run in `folder` again: the checkpoint of another run that it began with is part of that, those of
    its own that it went on from are not.

    Args:
        config: of the call that writes it.
        folder: the run's, with the config.yaml of the call before, if there was one.
    """
    given = config.get("ckpt_path")
    goes_on = given in ("last", "auto") or (given is not None and folder.resolve() in Path(given).resolve().parents)
    saved = config.clone()
    saved["ckpt_path"] = _begun_with(folder / "config.yaml") if goes_on else given
    return saved


def _begun_with(file: Path) -> str | None:
    return (yaml.safe_load(file.read_text()) or {}).get("ckpt_path") if file.exists() else None
