"""Requests to vLLM and its completions, as plain data that may cross a process boundary."""

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Literal, Protocol

from torch import Tensor

from acereason.common.types import Sampling


@dataclass(frozen=True)
class CoreSettings:
    """Settings that vLLM is built with."""

    folder: str
    """Folder with the model's config.json; weights come only through the weight sync."""
    dtype: Literal["float32", "bfloat16"]
    max_length: int
    """Tokens of prompt and response at most."""
    cache_bytes: int
    """Bytes of keys and values."""
    max_num_seqs: int
    enforce_eager: bool
    stop_ids: tuple[int, ...]
    sleep: bool = False
    tensor_parallel_size: int = 1
    launched: bool = False
    """Whether this process is one of several that share torch's process group."""


@dataclass(frozen=True)
class Place:
    """Identifies a response: its rank, the problem's index there, and the rollout's index in the group."""

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
    """One generated response."""

    place: Place
    token_ids: list[int]
    logprobs: list[float]
    """Log-prob of each token at the sampling temperature."""
    finish_reason: Literal["stop", "length"]


class Core(Protocol):
    """A vLLM engine, in this process or in another."""

    def generate(self, requests: list[Request], sampling: Sampling) -> Generator[Completion, None, None]:
        """Yield each response as it ends."""

    def load(self, buckets: Iterator[list[tuple[str, Tensor]]]) -> None:
        """Replace all weights, and drop the keys and values that were computed with the old ones."""

    def sleep(self) -> None:
        """Free the accelerator's memory: weights and cache are gone until `load`, which wakes it."""

    def close(self) -> None:
        """Free all memory, and end the process if it is one of its own."""


class InProcess(Core, Protocol):
    """A vLLM engine in this process."""

    def homes(self) -> dict[str, Tensor] | None:
        """Return the memory of the weights that lie in the engine as they come, by name; None as long as it keeps the
        weights of a bucket beyond their turn."""
