"""Configurations from before `Recorder`, whose work was that of five callbacks."""

import json
import re
from typing import Any

from jsonargparse._loaders_dumpers import yaml_load

FORMER = {"Groups": "groups", "Metrics": "metrics", "Samples": "samples", "Summary": "summary", "Curves": "curves"}
"""{callback of that time: the setting of `Recorder` that it became}."""
_NAMED = re.compile(rf"(?:callbacks\.(?:[a-z]+\.)?)?({'|'.join(FORMER)})")


def renewed(content: str) -> str:
    """Return the text of a configuration with one `Recorder` in its list of callbacks for those that it was.

    The config.yaml of a run lists every callback: a run of that time goes on by its own.
    """
    config = yaml_load(content) if _NAMED.search(content) else None
    trainer = config.get("trainer") if isinstance(config, dict) else None
    trainer = trainer if isinstance(trainer, dict) else {}
    entries = listed if isinstance(listed := trainer.get("callbacks"), list) else []
    settings = {name: entry.get("init_args") or {} for entry in entries if (name := _former(entry))}
    # why: as it was given: a text that is read and written anew loses the lines that a mistake is reported at
    if not settings:
        return content
    at = next(n for n, entry in enumerate(entries) if _former(entry))
    others = [entry for entry in entries[at:] if not _former(entry)]
    trainer["callbacks"] = [*entries[:at], _recorder(settings), *others]
    # why: JSON is YAML, too, in which a text stays a text
    return json.dumps(config, ensure_ascii=False)


def _former(entry: Any) -> str | None:
    """Return the name of an entry's class, if it is one of that time."""
    match = _NAMED.fullmatch(str(entry.get("class_path"))) if isinstance(entry, dict) else None
    return match[1] if match else None


def _recorder(settings: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return the entry of a recorder that does what the callbacks of these settings did, and no more."""
    kept: dict[str, Any] = {key: name in settings for name, key in FORMER.items()}
    kept |= {"samples": settings.get("Samples"), "title": settings.get("Curves", {}).get("title")}
    return {"class_path": "callbacks.recorder.Recorder", "init_args": kept}
