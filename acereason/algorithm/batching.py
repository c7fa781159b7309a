"""Packing of sequences of any length into micro batches of a token budget, the same number of them on every rank."""

from bisect import bisect_left, insort
from collections.abc import Sequence as Items
from dataclasses import dataclass
from itertools import chain, repeat

import torch
from torch import Tensor

from acereason.common.types import Sequence
from acereason.processes.distributed import largest


@dataclass
class MicroBatch:
    """Packed sequences: one row of N tokens, D documents whose positions restart at 0, and the M response tokens to
    predict.

    Example:
        two sequences, prompt 2 + response 2 and prompt 1 + response 1 -> N = 6, document_lengths [4, 2], M = 3,
        predictors [1, 2, 4]: the token before each response token.
    """

    input_ids: Tensor
    """[1, N]"""
    position_ids: Tensor
    """[1, N]"""
    document_lengths: list[int]
    """D lengths that sum to N."""
    cu_seqlens: Tensor
    """[D + 1] int32, the start of each document, and N."""
    predictors: Tensor
    """[M] index into N of the position that predicts each response token."""
    targets: Tensor
    """[M] the response tokens."""
    weights: Tensor
    """[M] float32, each token's weight in the objective."""
    sampler_logprobs: Tensor
    """[M] float32, NaN where the engine gave none."""
    stands_for: Tensor
    """[M] float32, tokens that each stands for in the metrics."""
    first_tenth: Tensor
    """[M] bool, tokens in the first tenth of their response (at least one token)."""
    last_tenth: Tensor
    """[M] bool, tokens in its last tenth."""
    old_logprobs: Tensor
    """[M] float32, by the policy before the step's first update; NaN where that is the policy which is updated."""
    sequences: list[Sequence]
    """The D sequences."""

    @property
    def response_lengths(self) -> list[int]:
        """D numbers of response tokens that sum to M."""
        return [sequence.response_length for sequence in self.sequences]

    def remember(self, logprobs: Tensor) -> None:
        """Let each sequence keep its part of these [M] log-probs as those of the policy before the step."""
        for sequence, own in zip(self.sequences, logprobs.split(self.response_lengths), strict=True):
            sequence.old_logprobs = own.tolist()


def pack(lengths: Items[int], budget: int) -> list[list[int]]:
    """Return indices of `lengths` in bins whose lengths sum to at most `budget`, by best-fit decreasing.

    Each item goes, longest first, into the fullest bin that has room for it. An item above the budget gets a bin of its
    own.

    Example:
        >>> pack([3, 4, 1], budget=4)
        [[1], [0, 2]]
    """
    bins: list[list[int]] = []
    # why: kept in order, so that the fullest bin with room is found by bisection: a step has thousands of sequences
    room: list[tuple[int, int]] = []  # (tokens left, bin), ascending
    for index in sorted(range(len(lengths)), key=lambda index: -lengths[index]):
        fit = bisect_left(room, (lengths[index], -1))
        left, chosen = room.pop(fit) if fit < len(room) else (max(budget, lengths[index]), len(bins))
        if chosen == len(bins):
            bins.append([])
        bins[chosen].append(index)
        insort(room, (left - lengths[index], chosen))
    return bins


def split_evenly(sequences: list[Sequence], budget: int, num_bins: int) -> list[list[Sequence]]:
    """Pack the sequences into exactly `num_bins` lists, with empty ones at the end."""
    bins = [[sequences[index] for index in bin_] for bin_ in pack([len(s.token_ids) for s in sequences], budget)]
    # why: under FSDP forward and backward are collectives, so that every rank needs the same number of micro batches
    return bins + [[] for _ in range(num_bins - len(bins))]


def even_parts(sequences: list[Sequence], budget: int) -> list[list[Sequence]]:
    """Pack the sequences into lists of at most `budget` tokens, on every rank as many as on the rank that needs the
    most. Every rank must call it."""
    needed = int(largest(len(pack([len(sequence.token_ids) for sequence in sequences], budget))))
    return split_evenly(sequences, budget, max(needed, 1))


def collate(sequences: list[Sequence], device: torch.device | str = "cpu") -> MicroBatch:
    """Pack the sequences into one row, as one micro batch."""
    # why: a rank without sequences computes one document without targets, as it must join the others' collectives
    sequences = sequences or [Sequence(token_ids=[0], prompt_length=1, weight=0.0)]
    lengths = [len(sequence.token_ids) for sequence in sequences]
    sizes = torch.tensor(lengths)
    ends = sizes.cumsum(0)
    starts = ends - sizes
    prompts = torch.tensor([sequence.prompt_length for sequence in sequences])
    responses = torch.tensor([sequence.response_length for sequence in sequences])
    before = _counted(responses)  # response tokens before each
    tenth = ((responses + 9) // 10).repeat_interleave(responses)
    input_ids = torch.tensor([*chain.from_iterable(sequence.token_ids for sequence in sequences)])
    predictors = (starts + prompts - 1).repeat_interleave(responses) + before
    return MicroBatch(
        input_ids=input_ids[None].to(device),
        position_ids=_counted(sizes)[None].to(device),
        document_lengths=lengths,
        cu_seqlens=torch.cat([starts, ends[-1:]]).to(device, torch.int32),
        predictors=predictors.to(device),
        targets=input_ids[predictors + 1].to(device),
        weights=_weights(sequences, responses).to(device),
        sampler_logprobs=_known([s.sampler_logprobs for s in sequences], responses).to(device),
        stands_for=_of_tokens([s.stands_for for s in sequences], responses).to(device),
        first_tenth=(before < tenth).to(device),
        last_tenth=(responses.repeat_interleave(responses) - 1 - before < tenth).to(device),
        old_logprobs=_known([s.old_logprobs for s in sequences], responses).to(device),
        sequences=sequences,
    )


def _weights(sequences: list[Sequence], responses: Tensor) -> Tensor:
    """Return each response token's weight, float32: its response's, and its own on top where it has one."""
    shared = _of_tokens([sequence.weight for sequence in sequences], responses)
    if all(sequence.token_weights is None for sequence in sequences):
        return shared
    own = chain.from_iterable(s.token_weights or repeat(0.0, s.response_length) for s in sequences)
    return shared + torch.tensor([*own], dtype=torch.float32)


def _known(logprobs: list[list[float] | None], responses: Tensor) -> Tensor:
    """Return the log-probs of all response tokens, float32, NaN where a response has none."""
    lengths, unknown = responses.tolist(), float("nan")
    each = chain.from_iterable(own or repeat(unknown, n) for own, n in zip(logprobs, lengths, strict=True))
    return torch.tensor([*each], dtype=torch.float32)


def _of_tokens(values: list[float], responses: Tensor) -> Tensor:
    """Return each response's value for each of its tokens, float32."""
    return torch.tensor(values, dtype=torch.float32).repeat_interleave(responses)


def _counted(lengths: Tensor) -> Tensor:
    """Return 0, 1, ... of each length, one after the other: [2, 3] -> 0, 1, 0, 1, 2."""
    starts = lengths.cumsum(0) - lengths
    return torch.arange(int(lengths.sum())) - starts.repeat_interleave(lengths)
