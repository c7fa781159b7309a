"""Configurations of former versions, read as what they are now: five callbacks are `Recorder`, and no setting lets
training be off-policy without taking account of it."""

import json
import re
from typing import Any

import yaml
from jsonargparse._loaders_dumpers import yaml_load

from acereason.common.errors import UserError

FORMER = {"Groups": "groups", "Metrics": "metrics", "Samples": "samples", "Summary": "summary", "Curves": "curves"}
"""{callback of that time: the setting of `Recorder` that it became}."""
_NAMED = re.compile(rf"(?:callbacks\.(?:[a-z]+\.)?)?({'|'.join(FORMER)})")
_OFF_POLICY = "several updates on a step's rollouts are model.off_policy now, see docs/algorithms.md"


def renewed(content: str) -> str:
    """Return the text of a configuration with one `Recorder` in its list of callbacks for those that it was, and
    without the settings that are fixed now.

    The config.yaml of a run has every callback and setting: a run of that time goes on by its own.

    Raises:
        UserError: a setting has a value that trained off-policy without taking account of it.
    """
    named = _NAMED.search(content) or "strict_on_policy" in content or "WeightSync" in content
    try:
        config = yaml_load(content) if named else None
    except yaml.YAMLError:
        # why: the parser tells what is wrong, and in which line
        return content
    trainer, model = (_within(config, name) for name in ("trainer", "model"))
    entries = listed if isinstance(listed := trainer.get("callbacks"), list) else []
    changed = [_with_recorder(trainer, entries), _strict(_within(model, "init_args")), *map(_every_step, entries)]
    # why: as it was given: a text that is read and written anew loses the lines that a mistake is reported at
    # why: JSON is YAML, too, in which a text stays a text
    return json.dumps(config, ensure_ascii=False) if any(changed) else content


def _within(config: Any, name: str) -> dict[str, Any]:
    """Return a part of a configuration; empty where it isn't one."""
    part = config.get(name) if isinstance(config, dict) else None
    return part if isinstance(part, dict) else {}


def _with_recorder(trainer: dict[str, Any], entries: list[Any]) -> bool:
    """Put a recorder in the place of the first callback that it was; whether there was any."""
    settings = {name: entry.get("init_args") or {} for entry in entries if (name := _former(entry))}
    if settings:
        at = next(n for n, entry in enumerate(entries) if _former(entry))
        others = [entry for entry in entries[at:] if not _former(entry)]
        trainer["callbacks"] = [*entries[:at], _recorder(settings), *others]
    return bool(settings)


def _strict(model: dict[str, Any]) -> bool:
    """Take out the flag that training is strictly on-policy; whether it was there."""
    if model.get("strict_on_policy") is False:
        raise UserError(f"model.strict_on_policy: there is no false any more: {_OFF_POLICY}")
    return model.pop("strict_on_policy", None) is not None


def _every_step(entry: Any) -> bool:
    """Take out of `WeightSync` that it pushes after every step; whether it was there."""
    named = isinstance(entry, dict) and str(entry.get("class_path")).rpartition(".")[2] == "WeightSync"
    settings = _within(entry, "init_args") if named else {}
    if settings.get("every_n_steps", 1) != 1:
        raise UserError(f"WeightSync.every_n_steps: weights are sent after every step; {_OFF_POLICY}")
    return settings.pop("every_n_steps", None) is not None


def _former(entry: Any) -> str | None:
    """Return the name of an entry's class, if it is one of that time."""
    match = _NAMED.fullmatch(str(entry.get("class_path"))) if isinstance(entry, dict) else None
    return match[1] if match else None


def _recorder(settings: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return the entry of a recorder that does what the callbacks of these settings did, and no more."""
    kept: dict[str, Any] = {key: name in settings for name, key in FORMER.items()}
    kept |= {"samples": settings.get("Samples"), "title": settings.get("Curves", {}).get("title")}
    return {"class_path": "callbacks.recorder.Recorder", "init_args": kept}
