"""Packing of sequences of any length into micro batches of a token budget, the same number of them on every rank."""

from bisect import bisect_left, insort
from collections.abc import Sequence as Items
from dataclasses import dataclass

import torch
from torch import Tensor

from acereason.common.types import Sequence


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


def collate(sequences: list[Sequence], device: torch.device | str = "cpu") -> MicroBatch:
    """Pack the sequences into one row, as one micro batch."""
    # why: a rank without sequences computes one document without targets, as it must join the others' collectives
    sequences = sequences or [Sequence(token_ids=[0], prompt_length=1, weight=0.0)]
    lengths = [len(sequence.token_ids) for sequence in sequences]
    starts = [0, *torch.tensor(lengths).cumsum(0).tolist()]
    # why: not strict: `starts` has one more, the end of the last sequence
    responses = list(zip(starts, sequences, strict=False))
    places = [
        (i, s.response_length - 1 - i, -(-s.response_length // 10)) for s in sequences for i in range(s.response_length)
    ]
    return MicroBatch(
        input_ids=_row([t for s in sequences for t in s.token_ids], device)[None],
        position_ids=_row([p for length in lengths for p in range(length)], device)[None],
        document_lengths=lengths,
        cu_seqlens=torch.tensor(starts, dtype=torch.int32, device=device),
        predictors=_row(
            [p - 1 for start, s in responses for p in range(start + s.prompt_length, start + len(s.token_ids))], device
        ),
        targets=_row([t for s in sequences for t in s.token_ids[s.prompt_length :]], device),
        weights=_row([s.weight for s in sequences for _ in range(s.response_length)], device, torch.float32),
        sampler_logprobs=_row(
            [lp for s in sequences for lp in s.sampler_logprobs or [float("nan")] * s.response_length],
            device,
            torch.float32,
        ),
        stands_for=_row([s.stands_for for s in sequences for _ in range(s.response_length)], device, torch.float32),
        first_tenth=_row([before < tenth for before, _, tenth in places], device, torch.bool),
        last_tenth=_row([after < tenth for _, after, tenth in places], device, torch.bool),
    )


def _row(values: list, device: torch.device | str, dtype: torch.dtype = torch.long) -> Tensor:
    return torch.tensor(values, dtype=dtype, device=device)
