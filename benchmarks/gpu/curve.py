"""A learning curve of the real model: SFT on worked sums, then RL on sums; docs/real-model.md has the whole of it."""

import tempfile
from pathlib import Path

from benchmarks.gpu.settings import Settings, Tell
from benchmarks.gpu.verbs import finish, into, metrics_of, on_device, start
from benchmarks.report import Row

FILES = ("model/config.json", "sft.jsonl", "train.jsonl", "heldout.jsonl")
"""What `python -m docs.real_model` makes."""
CONFIGS = Path("conf/real-model")


def lacking(folder: Path) -> str:
    """What the folder has not, as an error in a line; empty where it has all."""
    missing = next((name for name in FILES if not (folder / name).is_file()), None)
    return f"error: --model: {folder} has no {missing}; python -m docs.real_model makes it" if missing else ""


def curve(settings: Settings, tell: Tell) -> None:
    """Held-out accuracy after SFT and on the way through RL."""
    folder, size = Path(str(settings.model)).absolute(), settings.size
    with tempfile.TemporaryDirectory() as place:
        sft, rl = Path(place, "sft"), Path(place, "rl")
        flags = [*on_device(settings, str(CONFIGS / "sft.yaml")), *into(sft), f"--model.pretrained={folder / 'model'}"]
        flags += [f"--data.sources.worked.path={folder / 'sft.jsonl'}", f"--trainer.max_steps={size.sft_steps}"]
        finish(start(settings, "fit", *flags))
        for row in metrics_of(sft)[:: max(1, size.sft_steps // 4)]:
            tell(Row(f"SFT: loss of update {row['step']}", row["policy/loss"], "nats"))
        flags = [*on_device(settings, str(CONFIGS / "rl.yaml")), *into(rl), f"--model.pretrained={sft / 'export'}"]
        flags += [f"--data.sources.{name}.path={folder / name}.jsonl" for name in ("train", "heldout")]
        flags += [f"--trainer.max_steps={size.rl_steps}"]
        finish(start(settings, "fit", *flags))
        _tell_curve(rl, tell)


def _tell_curve(folder: Path, tell: Tell) -> None:
    """What training saw, and what held-out sums say."""
    for row in metrics_of(folder):
        for name, unit in {"reward/mean": "of 1", "eval/heldout/avg": "of 1", "policy/entropy": "nats"}.items():
            if name in row:
                tell(Row(f"RL: {name} at step {row['step']}", row[name], unit))
