"""The next token of each row, drawn by the row's own random numbers.

A draw is the inverse of the cumulative distribution in the order of token ids. At a vocabulary of 152K nearly all of
its time would be float64 arithmetic for tokens that are not drawn. So probabilities are float32 there, their sums over
blocks tell the block, and only within that block they are added up in float64, one by one.
"""

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from acereason.common.types import Sampling

_WHOLE = 4096
"""Vocabularies up to this size are computed in float64, as one block."""
_BLOCK = 128
"""Tokens of a block of a larger vocabulary."""
_PART = 32
"""Tokens of a part of a block, among whose maxima the likeliest tokens are looked for."""
# why: more would leave a CPU's cache, and with fewer its threads would start and meet more often than they compute
_FLOATS = 2**20
"""Elements of the distributions that are drawn from at a time."""
_LIKELIEST = 64
"""A nucleus is looked for among so many likeliest tokens, before the whole vocabulary is sorted."""


class SeededSampler:
    """Draws each row's next token by the row's own random numbers.

    Each token takes one uniform number, through the inverse of the cumulative distribution: a row's draws depend on its
    seed and its distribution alone, never on the rows beside it.
    """

    def __init__(self, sampling: Sampling, seeds: list[int]) -> None:
        self.sampling = sampling
        self.uniforms = torch.stack([self._uniforms(seed) for seed in seeds])
        # why: kept from draw to draw: a fresh page of memory costs more than what is computed in it
        self._scratch = torch.empty(0, 0)

    def draw(self, logits: Tensor, rows: Tensor, position: int) -> tuple[Tensor, Tensor]:
        """Draw tokens [R] with log-probs [R] float32 from the logits [R, V] of these rows at a position of their
        responses."""
        if self.sampling.temperature == 0:
            return _greedy(logits), logits.new_zeros(len(logits), dtype=torch.float32)
        uniforms = self.uniforms[rows.cpu(), position, None].to(logits.device)
        few = max(1, _FLOATS // logits.shape[-1]) if logits.device.type == "cpu" else len(logits)
        drawn = map(self._draw, logits.split(few), uniforms.split(few))
        tokens, logprobs = (torch.cat(parts) for parts in zip(*drawn, strict=True))
        return tokens, logprobs.float()

    def _draw(self, logits: Tensor, uniform: Tensor) -> tuple[Tensor, Tensor]:
        weights = self._weights(logits)
        if self.sampling.top_p == 1:
            return _inverse(weights, uniform)
        return _from_nucleus(weights, uniform, self.sampling.top_p)

    def _weights(self, logits: Tensor) -> Tensor:
        """Return probabilities [R, V] up to a factor for each row; a large V is filled up to whole blocks by zeros."""
        (rows, vocabulary), temperature = logits.shape, self.sampling.temperature
        if vocabulary <= _WHOLE:
            return torch.softmax(logits.double().div_(temperature), dim=-1)
        if len(self._scratch) < rows:
            self._scratch = logits.new_empty(rows, vocabulary + -vocabulary % _BLOCK, dtype=torch.float32)
        scores = self._scratch[:rows]
        if temperature == 1 and vocabulary % _BLOCK == 0:
            # why: the usual case of training reads the logits once less than what follows
            return torch.softmax(logits.float(), dim=-1, out=scores)
        # why: the likeliest token's score is 0, so that float32 is finest where the probability is
        shift = logits.amax(-1, keepdim=True).float() / -temperature
        torch.add(shift, logits, alpha=1 / temperature, out=scores[:, :vocabulary])
        scores[:, vocabulary:] = -torch.inf
        return scores.exp_()

    def _uniforms(self, seed: int) -> Tensor:
        return torch.rand(
            self.sampling.max_response_length, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)
        )


def _greedy(logits: Tensor) -> Tensor:
    """Return each row's likeliest token, of equal ones the first."""
    if logits.shape[-1] <= _WHOLE:
        return logits.argmax(-1)
    missing = -logits.shape[-1] % _BLOCK
    blocks = (pad(logits, (0, missing), value=-torch.inf) if missing else logits).unflatten(-1, (-1, _BLOCK))
    # why: a CPU finds the place of a maximum some times more slowly than the maximum
    block = blocks.amax(-1).argmax(-1, keepdim=True)
    return block[:, 0] * _BLOCK + _block(blocks, block).argmax(-1)


def _inverse(weights: Tensor, uniform: Tensor) -> tuple[Tensor, Tensor]:
    """Return the tokens [R] where the cumulative weights [R, V] reach the numbers [R, 1], and their log-probs [R]."""
    if weights.shape[-1] <= _WHOLE:
        token, _, logprob = _placed(weights, uniform)
        return token[:, 0], logprob[:, 0]
    blocks = weights.unflatten(-1, (-1, _BLOCK))
    block, within, logprob = _placed(blocks.sum(-1), uniform)
    place, _, logprob_within = _placed(_block(blocks, block), within)
    return (block * _BLOCK + place)[:, 0], (logprob + logprob_within)[:, 0]


def _block(blocks: Tensor, index: Tensor) -> Tensor:
    """Return the blocks [R, K] of the index [R, 1] from blocks [R, B, K]."""
    return blocks.take_along_dim(index[..., None], 1)[:, 0]


def _placed(weights: Tensor, uniform: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Find the places where the cumulative weights [R, K] reach the numbers, which are below 1.

    Returns:
        places, how far within their weight the numbers are, and log-probs of the places: all [R, 1].
    """
    # why: float64: in float32 a cumulative sum near 1 loses every token of less than 6e-8
    weights = weights.double()
    cumulative = weights.cumsum(-1)
    # why: scaled by the total, so that rounding never leaves the draw beyond the last place
    target = uniform * cumulative[:, -1:]
    place = torch.searchsorted(cumulative, target, right=True)
    weight = weights.gather(-1, place)
    within = (target - (cumulative.gather(-1, place) - weight)) / weight
    return place, within.clamp_(0, 1 - 2**-53), (weight / cumulative[:, -1:]).log()


def _from_nucleus(weights: Tensor, uniform: Tensor, top_p: float) -> tuple[Tensor, Tensor]:
    """Draw as `_inverse` does from the fewest likeliest tokens of each row that hold `top_p` of its probability."""
    wanted = weights.sum(-1, keepdim=True).double() * top_p
    values, tokens = _likeliest(weights)
    # why: of equally likely tokens the first are inside, not those that happened to be sorted to the front
    ordered, order = values.sort(dim=-1, descending=True, stable=True)
    inside = _inside(ordered, wanted)
    kept = torch.zeros_like(values).scatter_(-1, order, ordered * inside)
    place, _, logprob = _placed(kept, uniform)
    token, logprob = tokens.gather(-1, place)[:, 0], logprob[:, 0]
    edge = ordered.gather(-1, inside.sum(-1, keepdim=True) - 1)
    # why: alone: a row must not be wide because one beside it is
    wide = ordered[:, -1] == edge[:, 0]
    if wide.any():
        token[wide], logprob[wide] = _inverse(_cut(weights[wide], wanted[wide]), uniform[wide])
    return token, logprob


def _likeliest(weights: Tensor) -> tuple[Tensor, Tensor]:
    """Return the weights and ids of each row's likeliest tokens, in the order of ids: both [R, K]."""
    if weights.shape[-1] <= _WHOLE:
        values, tokens = weights.topk(min(_LIKELIEST, weights.shape[-1]))
    else:
        parts = weights.unflatten(-1, (-1, _PART))
        # why: maxima are found quickly, and the likeliest tokens are in the parts of the largest maxima
        best = parts.amax(-1).topk(_LIKELIEST).indices
        values, place = parts.take_along_dim(best[..., None], 1).flatten(1).topk(_LIKELIEST)
        tokens = best.gather(-1, place // _PART) * _PART + place % _PART
    tokens, by_token = tokens.sort(-1)
    return values.gather(-1, by_token), tokens


def _inside(ordered: Tensor, wanted: Tensor) -> Tensor:
    """Tell which of the descending weights [R, K] are in the nucleus of the mass `wanted` [R, 1]."""
    exact = ordered.double()
    # why: the mass before a token, not with it, so that the token that reaches the mass is inside
    return exact.cumsum(-1) - exact < wanted


def _cut(weights: Tensor, wanted: Tensor) -> Tensor:
    """Return the weights [R, V] with zeros outside the nucleus of the mass `wanted` [R, 1], which may be wide."""
    ordered = _descending(weights)
    inside = _inside(ordered, wanted)
    edge = ordered.gather(-1, inside.sum(-1, keepdim=True) - 1)
    room = (inside & (ordered == edge)).sum(-1, keepdim=True)
    equal = weights == edge
    return weights.masked_fill((weights < edge) | (equal & (equal.cumsum(-1) > room)), 0)


def _descending(values: Tensor) -> Tensor:
    """Sort the rows [R, V]."""
    if values.device.type != "cpu":
        return values.sort(-1, descending=True).values
    # why: torch sorts places along with values, which takes twenty times as long on a CPU
    return torch.from_numpy(np.sort(values.numpy())).flip(-1)
