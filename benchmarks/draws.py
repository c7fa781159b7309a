"""What does a draw of the embedded engine cost beside float64 over whole vocabularies?

    python -m benchmarks.draws [--vocabularies 260 49152 151936] [--rows 8 64 256] [--repeats 5]

`SeededSampler` and a plain one, which computes all of a row in float64 and was the engine's before, draw from the same
logits in turn. Rows fall off as powers of the rank, from 1.5 to 4. Prints milliseconds of processor time on one thread,
which other work disturbs less than wall time, medians of ratios, how many tokens differ, and what the product with the
vocabulary's weights takes beside a draw, at Qwen2.5-0.5B's hidden size.
"""

import argparse
import itertools
import time
from collections.abc import Sequence
from statistics import median

import torch
from torch import Tensor
from torch.nn.functional import linear

from acereason.common.types import Sampling
from acereason.rollouts.draws import SeededSampler
from benchmarks.race import median_ratio
from benchmarks.report import Row, print_rows

HIDDEN = 896
SETTINGS = {"top-p 1": (1.0, 1.0), "top-p 0.95": (0.6, 0.95), "wide nuclei": (2.0, 0.95), "greedy": (0.0, 1.0)}
"""Temperature and top-p: those of training, of evaluations, one that leaves hundreds of tokens, the likeliest token."""


class PlainSampler(SeededSampler):
    """Computes log-probs of the whole vocabulary in float64, for as few rows at a time as stay in a CPU's cache."""

    def draw(self, logits: Tensor, rows: Tensor, position: int) -> tuple[Tensor, Tensor]:
        """Tokens and log-probs."""
        if self.sampling.temperature == 0:
            return logits.argmax(-1), logits.new_zeros(len(logits))
        few = max(1, 2**17 // logits.shape[-1])
        drawn = map(self._plain, logits.split(few), self.uniforms[rows, position, None].split(few))
        tokens, logprobs = (torch.cat(parts) for parts in zip(*drawn, strict=True))
        return tokens, logprobs.float()

    def _plain(self, logits: Tensor, uniform: Tensor) -> tuple[Tensor, Tensor]:
        logprobs = torch.log_softmax(logits.double().div_(self.sampling.temperature), dim=-1)
        if self.sampling.top_p < 1:
            logprobs, tokens = _nucleus(logprobs, self.sampling.top_p)
        cumulative = logprobs.exp().cumsum(-1)
        place = torch.searchsorted(cumulative, uniform * cumulative[:, -1:], right=True)
        chosen = logprobs.gather(-1, place)[:, 0]
        return (tokens.gather(-1, place) if self.sampling.top_p < 1 else place)[:, 0], chosen


def _nucleus(logprobs: Tensor, top_p: float) -> tuple[Tensor, Tensor]:
    """Renormalized log-probs, and tokens in ascending order, of the likeliest few that hold top-p."""
    for size in (*(size for size in (64, 1024) if size < logprobs.shape[-1]), logprobs.shape[-1]):
        ordered, order = logprobs.topk(size) if size <= 1024 else logprobs.sort(-1, descending=True)
        mass = ordered.exp().cumsum(-1)
        if bool((mass[:, -1] >= top_p).all()):
            break
    tokens, by_token = order.sort(dim=-1)
    kept = ordered.masked_fill(mass - ordered.exp() >= top_p, -torch.inf).gather(-1, by_token)
    return torch.log_softmax(kept, dim=-1), tokens


def logits_of(vocabulary: int, rows: int) -> Tensor:
    """[rows, vocabulary], of peaked and of flat distributions."""
    generator = torch.Generator().manual_seed(0)
    ranks = torch.randperm(vocabulary, generator=generator) + 1.0
    return -torch.linspace(1.5, 4, rows)[:, None] * ranks.log()


@torch.inference_mode()
def compare(vocabulary: int, rows: int, setting: str, repeats: int) -> list[Row]:
    """Both samplers in turn; the first round warms up."""
    logits, numbers = logits_of(vocabulary, rows), torch.arange(rows)
    temperature, top_p = SETTINGS[setting]
    sampling = Sampling(temperature, 1 + repeats, top_p)
    samplers = {kind: kind(sampling, list(range(rows))) for kind in (PlainSampler, SeededSampler)}
    seconds: dict[type, list[float]] = {kind: [] for kind in samplers}
    differ = 0
    for position in range(1 + repeats):
        drawn = {}
        for kind, sampler in samplers.items():
            start = time.process_time()
            drawn[kind] = sampler.draw(logits, numbers, position)[0]
            seconds[kind].append(time.process_time() - start)
        differ += int((drawn[SeededSampler] != drawn[PlainSampler]).sum())
    return _rows(vocabulary, rows, setting, [taken[1:] for taken in seconds.values()], differ)


def _rows(vocabulary: int, rows: int, setting: str, seconds: list[list[float]], differ: int) -> list[Row]:
    label = f"{vocabulary:,} tokens, {rows} rows, {setting}"
    plain, ours = seconds
    asked = 3.0 if vocabulary > 260 else None
    # rounding may decide whether a wide nucleus, of which it is most, holds one token more
    exact = None if setting == "wide nuclei" else 0
    return [
        Row(f"{label}: plain", median(plain) * 1000, "ms"),
        Row(f"{label}: ours", median(ours) * 1000, "ms"),
        Row(f"{label}: plain / ours", median_ratio(plain, ours), "ratio", at_least=asked),
        Row(f"{label}: tokens that differ", differ, "", at_most=exact),
    ]


@torch.inference_mode()
def product(vocabulary: int, rows: int, repeats: int) -> Row:
    """What comes before a draw."""
    hidden, weight = torch.randn(rows, HIDDEN), torch.randn(vocabulary, HIDDEN)
    seconds = []
    for _ in range(1 + repeats):
        start = time.process_time()
        linear(hidden, weight)
        seconds.append(time.process_time() - start)
    return Row(f"{vocabulary:,} tokens, {rows} rows, product with the weights", median(seconds[1:]) * 1000, "ms")


def measure(
    vocabularies: Sequence[int] = (260, 49152, 151936), rows: Sequence[int] = (8, 64, 256), repeats: int = 5
) -> list[Row]:
    """All rows."""
    torch.set_num_threads(1)
    found = []
    for vocabulary, count in itertools.product(vocabularies, rows):
        found.append(product(vocabulary, count, repeats))
        for setting in SETTINGS:
            found += compare(vocabulary, count, setting, repeats)
    return found


def main() -> None:
    """Compare and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vocabularies", type=int, nargs="+", default=[260, 49152, 151936])
    parser.add_argument("--rows", type=int, nargs="+", default=[8, 64, 256])
    parser.add_argument("--repeats", type=int, default=5)
    print_rows(measure(**vars(parser.parse_args())))


if __name__ == "__main__":
    main()
