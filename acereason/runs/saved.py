"""The configuration that is saved in a run's folder, with the checkpoint that starts it again."""

from pathlib import Path

import yaml
from jsonargparse import Namespace

from acereason.runs.files import RunFiles


def look_config(config: Namespace, checkpoint: str | None) -> Namespace:
    """Return the configuration that looks at the same checkpoint again."""
    saved = config.clone()
    # why: the path in place of `last`, which may be another checkpoint by then
    saved["ckpt_path"] = checkpoint
    return saved


def saved_config(config: Namespace, folder: Path) -> Namespace:
    """Return the configuration that starts the run in `folder` again: it keeps a checkpoint of another run that the run
    began with, but no checkpoint of its own that it resumed from.

    Args:
        config: configuration of the call that writes it.
        folder: the run's folder, with the config.yaml of the call before, if there was one.
    """
    given = config.get("ckpt_path")
    goes_on = given in ("last", "auto") or (given is not None and folder.resolve() in Path(given).resolve().parents)
    saved = config.clone()
    saved["ckpt_path"] = _begun_with(RunFiles(folder).config) if goes_on else given
    return saved


def _begun_with(file: Path) -> str | None:
    return (yaml.safe_load(file.read_text()) or {}).get("ckpt_path") if file.exists() else None
