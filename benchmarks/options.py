"""What do activation checkpointing and compiled layers give and take?

    python -m benchmarks.options [--steps 8] [--tokens 4096]

Updates of a random policy of 28 million parameters on packed micro batches whose documents differ at every step. The
variants take turns on the same micro batch, in alternating order. Prints the seconds of the first step (compilation),
median seconds of the later ones, their memory at the peak beyond what they found, and the medians of the ratios to a
plain step.
"""

import argparse
import ctypes
import random
import time
from collections.abc import Callable
from statistics import median

import torch

from acereason.algorithm.batching import MicroBatch, collate
from acereason.common.types import Sequence
from acereason.models.backbone import Backbone, load_config
from acereason.models.qwen import Qwen, build_model
from benchmarks.race import peak_after_reset, peak_bytes
from benchmarks.report import Row, print_rows

CONFIG = {
    "vocab_size": 8192,
    "hidden_size": 512,
    "intermediate_size": 1536,
    "num_hidden_layers": 8,
    "num_attention_heads": 8,
    "num_key_value_heads": 2,
    "max_position_embeddings": 1024,
    "tie_word_embeddings": True,
}
VARIANTS = ("plain", "checkpointing", "compile")


def measure(steps: int = 8, tokens: int = 4096) -> list[Row]:
    """Each variant beside a plain update."""
    updates = {name: _updates(name) for name in VARIANTS}
    found: dict[str, list[tuple[float, int, float]]] = {name: [] for name in VARIANTS}
    for step in range(steps):
        batch = _batch(step, tokens)
        for name in VARIANTS[:: -1 if step % 2 else 1]:
            found[name].append(_once(updates[name], batch))
    return [row for name, values in found.items() for row in _rows(name, values, found["plain"])]


def _updates(variant: str) -> Callable[[MicroBatch], float]:
    """An update that returns its loss, of a model of its own."""
    options = {"gradient_checkpointing": variant == "checkpointing", "compile": variant == "compile"}
    backbone = Backbone(config=CONFIG, tokenizer="bytes", **options)
    model = build_model(load_config(None, backbone), None, backbone, seed=0)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    return lambda batch: _update(model, optimizer, batch)


def _update(model: Qwen, optimizer: torch.optim.Optimizer, batch: MicroBatch) -> float:
    loss, _, _ = model.policy_loss(batch, 1.0, 256)
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
    return loss.item()


def _batch(seed: int, tokens: int) -> MicroBatch:
    """Documents of 64 to 512 tokens, a quarter of each its prompt."""
    rng, lengths = random.Random(seed), []
    while sum(lengths) + 512 <= tokens:
        lengths.append(rng.randint(64, 512))
    return collate(
        [
            Sequence([rng.randrange(CONFIG["vocab_size"]) for _ in range(length)], length // 4, 1 / tokens)
            for length in lengths
        ]
    )


def _once(update: Callable[[MicroBatch], float], batch: MicroBatch) -> tuple[float, int, float]:
    """Seconds, bytes at the peak beyond what was there, and loss."""
    ctypes.CDLL(None).malloc_trim(0)  # memory that is free but kept would hide the peak
    before, start = peak_after_reset(), time.perf_counter()
    loss = update(batch)
    return time.perf_counter() - start, peak_bytes() - before, loss


def _rows(name: str, mine: list[tuple[float, int, float]], plain: list[tuple[float, int, float]]) -> list[Row]:
    pairs = list(zip(mine[1:], plain[1:], strict=True))
    return [
        Row(f"{name}: the first update", mine[0][0], "s"),
        Row(f"{name}: an update", median(seconds for seconds, _, _ in mine[1:]), "s"),
        Row(f"{name}: peak memory", median(size for _, size, _ in mine[1:]) / 2**20, "MiB"),
        Row(f"{name} / plain: time", median(a[0] / b[0] for a, b in pairs), "ratio"),
        Row(f"{name} / plain: peak memory", median(a[1] / b[1] for a, b in pairs), "ratio"),
        Row(f"{name} / plain: largest difference of losses", max(abs(a[2] / b[2] - 1) for a, b in pairs), "ratio"),
    ]


def main() -> None:
    """Compare and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=8, help="updates, the first one a warm-up")
    parser.add_argument("--tokens", type=int, default=4096, help="of a micro batch, at most")
    print_rows(measure(**vars(parser.parse_args())))


if __name__ == "__main__":
    main()
