"""Benchmarks on which accuracy is measured, and the sampling of their responses."""

from dataclasses import dataclass

from acereason.common.types import Sampling
from acereason.data.problems import Source


@dataclass(kw_only=True)
class Draws:
    """Number and sampling of the responses to a benchmark: the paper's values (4.1) but for n."""

    n: int = 1
    """Responses per problem."""
    temperature: float = 0.6
    """Sampling temperature (the paper's, 4.1)."""
    top_p: float = 0.95
    """Nucleus mass (the paper's, 4.1)."""
    max_response_length: int = 32768
    """Response budget, tokens (the paper's, 4.1)."""

    @property
    def sampling(self) -> Sampling:
        """Sampling of the benchmark's responses."""
        return Sampling(self.temperature, self.max_response_length, self.top_p)


@dataclass
class Benchmark(Draws):
    """Problems on which accuracy is measured while training: avg@n."""

    source: str
    """Name under data.sources."""


@dataclass
class Measured(Draws):
    """A benchmark of `EvaluationData`: the source of its problems, and the sampling of its responses."""

    source: Source
    """Source of its problems."""
