"""What two runs have in common."""

from pathlib import Path

import torch
from safetensors.torch import load_file

from acereason.curves import read_events


def same_weights(first: Path, second: Path, tolerance: float = 0.0) -> None:
    """Two exported folders hold the same policy."""
    mine, theirs = (load_file(folder / "model.safetensors") for folder in (first, second))
    assert mine.keys() == theirs.keys()
    for name in mine:
        torch.testing.assert_close(mine[name], theirs[name], atol=tolerance, rtol=0)


def metrics(folder: Path, since: int = 0) -> dict[str, list[tuple[int, float]]]:
    """Every curve but the clock's, of the updates after the first `since`."""
    clocks = ("time/", "throughput/", "sync/seconds")
    curves = {tag: curve for tag, curve in read_events(folder).items() if not tag.startswith(clocks)}
    first = {tag: since + (tag.startswith("eval/") and since > 0) for tag in curves}  # evaluated after the last update
    return {tag: [point for point in curve if point[0] >= first[tag]] for tag, curve in curves.items()}
