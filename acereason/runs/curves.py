"""Readers of a run's metrics over steps, from the files in its folder."""

from pathlib import Path

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from acereason.runs.files import RunFiles

Curve = list[tuple[int, float]]
"""(step, value) pairs, in ascending order of steps."""


def read_curves(folder: Path) -> dict[str, Curve]:
    """Read the metrics of a run by name, from `metrics.jsonl` if it exists, else from TensorBoard's events."""
    return read_metrics(folder) if RunFiles(folder).metrics.path.exists() else read_events(folder)


def read_metrics(folder: Path) -> dict[str, Curve]:
    """Read the metrics in `metrics.jsonl` by name."""
    found: dict[str, dict[int, float]] = {}
    for row in RunFiles(folder).metrics.read():
        step = row.pop("step")
        for name, value in row.items():
            found.setdefault(name, {})[step] = value
    return {name: sorted(values.items()) for name, values in found.items()}


def read_events(folder: Path) -> dict[str, Curve]:
    """Read the scalars of a run's TensorBoard events by name; of a step that was written twice, the later value."""
    # why: a size of 0 keeps all events; TensorBoard's default is a sample of 10,000
    events = EventAccumulator(str(folder), size_guidance={"scalars": 0}).Reload()
    return {
        tag: sorted({event.step: event.value for event in events.Scalars(tag)}.items())
        for tag in events.Tags()["scalars"]
    }
