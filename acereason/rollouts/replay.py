"""An engine that reads responses from a file; they are judged, counted and kept like sampled ones."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase
from typing_extensions import override

from acereason.common.errors import UserError
from acereason.common.types import Problem, Response, Sampling
from acereason.data.reading import load
from acereason.models.family import QwenConfig
from acereason.rollouts.engine import Ended, EngineMemory, Place, RolloutEngine, numbered
from acereason.rollouts.weights import checked, shapes_of

_KEY = "model.engine.responses"
_FORMATS = (".jsonl", ".parquet")
_SHOWN_MISSING = 10


class ReplayEngine(RolloutEngine):
    """Yields the responses of a file: ground truths, another system's samples, or kept ones to judge again.

    Args:
        responses: a .jsonl or .parquet file of rows with `id` (a problem's), `sample` (counted from 0) and `response`.
    """

    def __init__(self, responses: str) -> None:
        self.path = Path(responses)
        if self.path.suffix not in _FORMATS or not self.path.is_file():
            raise ValueError(f"responses: no .jsonl or .parquet file {responses}")

    @override
    def identity(self) -> dict[str, str]:
        return super().identity() | {"responses": hashlib.sha256(self.path.read_bytes()).hexdigest()[:16]}

    @override
    def start(
        self,
        config: QwenConfig,
        tokenizer: PreTrainedTokenizerBase,
        stop_ids: list[int],
        device: torch.device,
        longest: int,
        ranks: int = 1,
    ) -> None:
        self.tokenizer, self.shapes = tokenizer, shapes_of(config)
        self._texts = _read(self.path)

    @override
    def check(self, places: list[Place]) -> None:
        self._require(places, _read(self.path))

    @override
    def responses(self, problems: list[Problem], sampling: Sampling, num_rollouts: int, seed: int) -> Iterator[Ended]:
        """Yield the file's responses as they are, whatever the sampling.

        Raises:
            UserError: the file lacks some of the responses; names them.
        """
        wanted = {problem.id: _places(problem, num_rollouts) for problem in problems}
        self._require([place for places in wanted.values() for place in places], self._texts)
        for problem in problems:
            for index, place in enumerate(wanted[problem.id]):
                yield problem, index, self._response(self._texts[place])

    @override
    def update_weights(self, named_tensors: Iterator[tuple[str, Tensor]], version: int) -> None:
        # why: unused, but all must be taken: each may be a gather of all ranks, and is digested on its way
        for _ in checked(named_tensors, self.shapes, self.weights_dtype):
            pass
        self.policy_version = version

    @override
    def memory(self, config: QwenConfig, parameters: int, longest: int, group_size: int) -> EngineMemory:
        return EngineMemory(weights=0.0, cache=0.0, token=0.0)

    def _require(self, places: list[Place], responses: dict[Place, str]) -> None:
        """Raise a UserError that names the places without a response."""
        missing = [place for place in places if place not in responses]
        if missing:
            shown = ", ".join(f"{name} sample {sample}" for name, sample in missing[:_SHOWN_MISSING])
            more = f" and {len(missing) - _SHOWN_MISSING} more" if len(missing) > _SHOWN_MISSING else ""
            raise UserError(f"{_KEY}: {self.path} has no response to {shown}{more}; add them")

    def _response(self, text: str) -> Response:
        tokens = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        return Response(tokens, [0.0] * len(tokens), "stop", text)


def _places(problem: Problem, num_rollouts: int) -> list[Place]:
    name, first = numbered(problem.id)
    return [(name, first + index) for index in range(num_rollouts)]


def _read(path: Path) -> dict[Place, str]:
    rows = load(str(path), None, "train", _KEY)
    for column in ("id", "sample", "response"):
        if column not in rows.column_names:
            raise UserError(f"{_KEY}: {path} has no column {column!r}; it has {rows.column_names}")
    responses: dict[Place, str] = {}
    for number, row in enumerate(rows, 1):
        place = _place(row, f"{_KEY}: {path}, row {number}")
        if place in responses:
            raise UserError(
                f"{_KEY}: {path}, row {number}: a second response to {place[0]}, sample {place[1]}; leave one, or "
                "count the samples of a problem from 0 on"
            )
        responses[place] = row["response"]
    return responses


def _place(row: dict[str, Any], where: str) -> Place:
    """Return the place of a row's response; raise a UserError if id, sample or response has a wrong type."""
    name, sample, response = row["id"], row["sample"], row["response"]
    if not isinstance(name, str | int) or isinstance(name, bool):
        raise UserError(f"{where}: id must be a problem's, as text, not {name!r}")
    # why: a column of numbers with a gap elsewhere is read as floats
    if isinstance(sample, float) and sample.is_integer():
        sample = int(sample)
    if not isinstance(sample, int) or isinstance(sample, bool) or sample < 0:
        raise UserError(f"{where}: sample must be a number, counted from 0, not {sample!r}")
    if not isinstance(response, str):
        raise UserError(
            f"{where}: response must be a text, not {response!r}; leave the row out, or write an empty text"
        )
    return str(name), sample
