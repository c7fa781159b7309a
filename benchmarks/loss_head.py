"""What does the loss head cost beside all logits in memory?

    python -m benchmarks.loss_head [--tokens 4096] [--repeats 3] [--dtypes float32 bfloat16]

Forward and backward of a weighted sum of log-probs, vocabulary and hidden size of Qwen2.5-0.5B, float32 and bfloat16.
The methods take turns, in alternating order, after a short round that warms up: ours; all logits; a checkpoint of each
512 tokens; and torch's own linear cross-entropy, which weighs every token the same. Ours alone gives the entropy as
well. Prints median seconds, memory at the peak beyond the inputs and their gradients, the medians of the ratios to all
logits, and whether ours keeps its bounds: an eighth of the memory, 1.2 times the time.
"""

import argparse
import time
from collections.abc import Callable
from statistics import median

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from acereason.models.head import PolicyLoss
from benchmarks.race import peak_after_reset, peak_bytes
from benchmarks.report import Row, print_rows

VOCABULARY, HIDDEN, CHUNK = 151936, 896, 512
LOGITS_MIB = 256
DTYPES = ["float32", "bfloat16"]
MEMORY_BOUND, TIME_BOUND = 1 / 8, 1.2

Loss = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]


def ours(hidden: Tensor, weight: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    """The trainer's."""
    unknown = torch.full_like(weights, torch.nan)  # log-probs of an engine
    return PolicyLoss.apply(hidden, weight, targets, weights, unknown, None, 1.0, LOGITS_MIB)[0]


def all_logits(hidden: Tensor, weight: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    """[N, V] logits and log-probs in memory."""
    logprobs = torch.log_softmax((hidden @ weight.T).float(), -1)
    return -(weights * logprobs.gather(-1, targets[:, None])[:, 0]).sum()


def checkpoints(hidden: Tensor, weight: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    """All logits of a chunk, computed again in backward."""
    chunks = zip(*(tensor.split(CHUNK) for tensor in (hidden, targets, weights)), strict=True)
    parts = [checkpoint(all_logits, h, weight, t, w, use_reentrant=False) for h, t, w in chunks]
    return torch.stack(parts).sum()


def torchs_own(hidden: Tensor, weight: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    """Chunked as torch chooses."""
    options = torch.nn.LinearCrossEntropyOptions()
    return torch.nn.functional.linear_cross_entropy(hidden, weight, targets, reduction="sum", options=options)


METHODS: dict[str, Loss] = {"all logits": all_logits, "ours": ours, "checkpoints": checkpoints}
if hasattr(torch.nn, "LinearCrossEntropyOptions"):
    METHODS["torch's own"] = torchs_own


def measure(tokens: int = 4096, repeats: int = 3, dtypes: list[str] = DTYPES) -> list[Row]:
    """All rows of the named dtypes."""
    return [row for dtype in dtypes for row in compare(dtype, tokens, repeats)]


def compare(dtype: str, tokens: int, repeats: int) -> list[Row]:
    """Each method beside all logits."""
    inputs = _inputs(dtype, tokens)
    for loss in METHODS.values():
        _once(loss, *(tensor[:CHUNK] if tensor is not inputs[1] else tensor for tensor in inputs))
    found: dict[str, list[tuple[float, int]]] = {name: [] for name in METHODS}
    for repeat in range(repeats):
        for name in list(METHODS)[:: -1 if repeat % 2 else 1]:
            found[name].append(_once(METHODS[name], *inputs))
    return [row for name, values in found.items() for row in _rows(dtype, name, values, found["all logits"])]


def _inputs(dtype: str, tokens: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    torch.manual_seed(0)
    hidden, weight = torch.randn(tokens, HIDDEN), torch.randn(VOCABULARY, HIDDEN).mul_(0.05)
    hidden, weight = (tensor.to(getattr(torch, dtype)) for tensor in (hidden, weight))
    return hidden, weight, torch.randint(VOCABULARY, (tokens,)), torch.randn(tokens)


def _once(loss: Loss, hidden: Tensor, weight: Tensor, targets: Tensor, weights: Tensor) -> tuple[float, int]:
    """Seconds, and bytes at the peak beyond inputs and gradients."""
    hidden, weight = hidden.detach().requires_grad_(), weight.detach().requires_grad_()
    gradients = hidden.nbytes + weight.nbytes
    before, start = peak_after_reset(), time.perf_counter()
    loss(hidden, weight, targets, weights).backward()
    return time.perf_counter() - start, peak_bytes() - before - gradients


def _rows(dtype: str, name: str, mine: list[tuple[float, int]], full: list[tuple[float, int]]) -> list[Row]:
    slower, larger = (median(a[i] / b[i] for a, b in zip(mine, full, strict=True)) for i in (0, 1))
    asked = (TIME_BOUND, MEMORY_BOUND) if name == "ours" else (None, None)
    label = f"{dtype}, {name}"
    return [
        Row(f"{label}: forward and backward", median(seconds for seconds, _ in mine), "s"),
        Row(f"{label}: peak memory", max(size for _, size in mine) / 2**20, "MiB"),
        Row(f"{label} / all logits: time", slower, "ratio", at_most=asked[0]),
        Row(f"{label} / all logits: peak memory", larger, "ratio", at_most=asked[1]),
    ]


def main() -> None:
    """Compare and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokens", type=int, default=4096)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--dtypes", nargs="+", choices=DTYPES, default=DTYPES)
    print_rows(measure(**vars(parser.parse_args())))


if __name__ == "__main__":
    main()
