"""What goes into vLLM and what comes out, as plain data that may cross a process boundary."""

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Literal, Protocol

from torch import Tensor

from acereason.types import Sampling


@dataclass(frozen=True)
class CoreSettings:
    """How vLLM is built."""

    folder: str
    """Holds the model's config.json; weights come only through the weight sync."""
    dtype: Literal["float32", "bfloat16"]
    max_length: int
    """Prompt and response, tokens."""
    cache_bytes: int
    """Of keys and values."""
    max_num_seqs: int
    enforce_eager: bool
    stop_ids: tuple[int, ...]
    sleep: bool = False
    tensor_parallel_size: int = 1
    launched: bool = False
    """Whether this process is one of several that share torch's process group."""


@dataclass(frozen=True)
class Place:
    """Which response this is."""

    rank: int
    problem: int
    rollout: int


@dataclass(frozen=True)
class Request:
    """One response to generate."""

    place: Place
    prompt_ids: list[int]
    seed: int


@dataclass(frozen=True)
class Completion:
    """One response."""

    place: Place
    token_ids: list[int]
    logprobs: list[float]
    """Of each token, at the sampling temperature."""
    finish_reason: Literal["stop", "length"]


class Core(Protocol):
    """vLLM with these settings, wherever it runs."""

    def generate(self, requests: list[Request], sampling: Sampling) -> Generator[Completion, None, None]:
        """Yield each response as it ends."""

    def load(self, buckets: Iterator[list[tuple[str, Tensor]]]) -> None:
        """Replace all weights, and forget what was computed with the old ones."""

    def sleep(self) -> None:
        """Free the accelerator's memory: weights and cache are gone; `load` wakes it."""

    def close(self) -> None:
        """Free everything."""
