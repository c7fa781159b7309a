"""A run's metrics over steps, read from what it left on disk."""

from pathlib import Path

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from acereason.files import read_rows

Curve = list[tuple[int, float]]
"""(step, value), steps rising."""

METRICS = "metrics.jsonl"
"""Every metric of a run, whatever its logger: a row holds `step` and values by name."""


def read_curves(folder: Path) -> dict[str, Curve]:
    """Every metric of a run, by name: from `metrics.jsonl`, or without it from TensorBoard's events."""
    return read_metrics(folder) if (folder / METRICS).exists() else read_events(folder)


def read_metrics(folder: Path) -> dict[str, Curve]:
    """The metrics in `metrics.jsonl`."""
    found: dict[str, dict[int, float]] = {}
    for row in read_rows(folder / METRICS):
        step = row.pop("step")
        for name, value in row.items():
            found.setdefault(name, {})[step] = value
    return {name: sorted(values.items()) for name, values in found.items()}


def read_events(folder: Path) -> dict[str, Curve]:
    """Every scalar of a run's TensorBoard events; of steps written twice, by a resumed run, the later counts."""
    events = EventAccumulator(str(folder), size_guidance={"scalars": 0}).Reload()
    return {
        tag: sorted({event.step: event.value for event in events.Scalars(tag)}.items())
        for tag in events.Tags()["scalars"]
    }
