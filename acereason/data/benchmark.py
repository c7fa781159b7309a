"""What accuracy is measured on."""

from dataclasses import dataclass

from acereason.types import Sampling


@dataclass
class Benchmark:
    """Problems on which accuracy is measured: avg@n."""

    source: str
    """Name under data.sources."""
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
        """How its responses are drawn."""
        return Sampling(self.temperature, self.max_response_length, self.top_p)
