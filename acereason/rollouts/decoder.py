"""Qwen's forward pass and key-value cache, token by token, for rollouts alone.

transformers' `generate` computes every row until the last one ends, and copies all keys and values at every token. Here
a prompt is read once for all of its rollouts, ended rows leave the batch, and keys and values stay where they are.
"""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding, linear, rms_norm, scaled_dot_product_attention, silu

from acereason.models.family import QwenForCausalLM

Draw = Callable[[Tensor, Tensor, int], tuple[Tensor, Tensor]]
"""Draws tokens [R] and log-probs [R] from logits [R, V], the rows' numbers [R] and the position in the response."""

# why: dropping rows copies the keys and values of all others, which costs more than a few ended rows
_LEAST_ENDED = 8
"""Ended rows are dropped once they are one in so many."""
# why: a prompt's mask is quadratic in its length, so prompts are read in parts that bound it
_MASK_ELEMENTS = 2**20
"""Elements of the attention mask of the prompts that are read at once."""


class Decoder:
    """Generates with a model's weights, which may change between two calls.

    Args:
        model: its projections of one input are laid side by side in memory, so that one product computes them all.
    """

    def __init__(self, model: QwenForCausalLM) -> None:
        self.model = model
        heads, kv_heads = model.config.num_attention_heads, model.config.num_key_value_heads
        self.heads, self.kv_heads = heads, kv_heads or heads
        self.blocks = [_Block(layer, self.heads, self.kv_heads) for layer in model.model.layers]

    def generate(
        self, prompts: list[list[int]], copies: int, budget: int, stop_ids: list[int], draw: Draw
    ) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Generate `copies` responses to each prompt, of at most `budget` tokens.

        Yields:
            responses that have ended, when they leave the batch: their rows [E] of prompts x copies, tokens and
            log-probs, both [E, budget]; all after a row's first stop token is void.
        """
        device = self.model.device
        ids, padding = _left_padded(prompts, device)
        rows = torch.arange(len(prompts) * copies, device=device)
        tokens = torch.full((len(rows), budget), stop_ids[0], device=device)
        logprobs = torch.zeros(len(rows), budget, device=device)
        logits, cache = self._read(ids, padding, copies, budget)
        stops, alive = torch.tensor(stop_ids, device=device), torch.ones_like(rows, dtype=torch.bool)
        for position in range(budget):
            drawn, drawn_logprobs = draw(logits, rows, position)
            tokens[rows, position], logprobs[rows, position] = drawn, drawn_logprobs
            alive &= torch.isin(drawn, stops, invert=True)
            left = int(alive.sum())
            if left == 0 or position + 1 == budget:
                break
            if len(rows) - left >= max(1, len(rows) // _LEAST_ENDED):
                yield rows[~alive], tokens[rows[~alive]], logprobs[rows[~alive]]
                cache.keep(alive)
                rows, drawn, alive = rows[alive], drawn[alive], alive[alive]
            logits = self._forward(drawn[:, None], cache)
        yield rows, tokens[rows], logprobs[rows]

    def _read(self, ids: Tensor, padding: Tensor, copies: int, budget: int) -> tuple[Tensor, "Cache"]:
        """Return the logits [R, V] after the prompts, and their cache, each prompt `copies` times."""
        shape = (len(self.blocks), 2, len(ids), self.kv_heads, ids.shape[1], self.blocks[0].head)
        data = torch.zeros(shape, dtype=self.model.dtype, device=ids.device)
        at_once = max(1, _MASK_ELEMENTS // (self.heads // self.kv_heads * ids.shape[1] ** 2))
        logits = []
        for start in range(0, len(ids), at_once):
            rows = slice(start, start + at_once)
            # why: columns that are padding for all prompts of this part are not computed
            first = int(padding[rows].min())
            logits.append(self._forward(ids[rows, first:], Cache(data[:, :, rows], padding[rows], first)))
        cache = Cache(data, padding, ids.shape[1])
        return torch.cat(logits).repeat_interleave(copies, 0), cache.repeated(copies, budget)

    def _forward(self, ids: Tensor, cache: "Cache") -> Tensor:
        """Return the logits [R, V] after the last of the next tokens [R, L], whose keys and values enter the cache."""
        model = self.model.model
        hidden = embedding(ids, model.embed_tokens.weight)
        rotation = model.rotary_emb(hidden, cache.positions(ids.shape[1]))
        mask = cache.mask(ids.shape[1], self.heads // self.kv_heads, hidden.dtype)
        for block, (keys, values) in zip(self.blocks, cache.data, strict=True):
            hidden = block(hidden, rotation, mask, keys, values, cache.length)
        cache.length += ids.shape[1]
        return linear(_norm(hidden[:, -1], model.norm), self.model.lm_head.weight)


class Cache:
    """Keys and values of R rows, of which the first `length` columns have been written.

    Args:
        data: [layers, 2, R, kv_heads, capacity, d]. Memory that is not written yet costs nothing on a CPU.
        padding: [R] columns at the start of each row that hold no token.
        length: columns that have been written.
    """

    def __init__(self, data: Tensor, padding: Tensor, length: int = 0) -> None:
        self.data, self.padding, self.length = data, padding, length
        columns = torch.arange(data.shape[4], device=data.device)
        self._hidden = columns < padding[:, None] if padding.any() else None

    def positions(self, count: int) -> Tensor:
        """Return the positions [R, count] of the next tokens in their rows; 0 for padding."""
        columns = torch.arange(self.length, self.length + count, device=self.data.device)
        return (columns - self.padding[:, None]).clamp_(min=0)

    def mask(self, count: int, copies: int, dtype: torch.dtype) -> Tensor | None:
        """Return [R, 1, copies x count, length + count] to add to the scores of the next tokens; None for zeros."""
        end = self.length + count
        if count == 1 and self._hidden is None:
            return None
        columns = torch.arange(end, device=self.data.device)
        hidden = (columns > columns[self.length :, None])[None, None]
        if self._hidden is not None:
            hidden = hidden | self._hidden[:, None, None, :end]
        # why: the least number, not minus infinity: a padding column sees nothing, and must not become NaN
        added = torch.zeros(hidden.shape, dtype=dtype, device=hidden.device)
        return added.masked_fill_(hidden, torch.finfo(dtype).min).repeat(1, 1, copies, 1)

    def repeated(self, copies: int, more: int) -> "Cache":
        """Return a cache with each row `copies` times and room for `more` tokens."""
        layers, two, rows, heads, length, head = self.data.shape
        data = self.data.new_empty(layers, two, rows * copies, heads, length + more, head)
        data[..., :length, :] = self.data.repeat_interleave(copies, 2)
        return Cache(data, self.padding.repeat_interleave(copies), self.length)

    def keep(self, rows: Tensor) -> None:
        """Drop all rows but those where the mask [R] is true."""
        # why: indexing by a mask copies, so that the write below doesn't overlap its source; the capacity stays
        kept, self.padding = self.data[:, :, rows, :, : self.length], self.padding[rows]
        self.data = self.data[:, :, : len(self.padding)]
        self.data[..., : self.length, :] = kept
        self._hidden = None if self._hidden is None else self._hidden[rows]


class _Block:
    """One layer's forward pass with the weights of transformers' layer."""

    def __init__(self, layer: Any, heads: int, kv_heads: int) -> None:
        attention, mlp = layer.self_attn, layer.mlp
        self.layer, self.heads, self.kv_heads, self.head = layer, heads, kv_heads, attention.head_dim
        projections = [attention.q_proj, attention.k_proj, attention.v_proj]
        self.qkv, self.qkv_bias = _side_by_side(projections, "weight"), None
        if attention.q_proj.bias is not None:
            self.qkv_bias = _side_by_side(projections, "bias")
        self.gate_up = _side_by_side([mlp.gate_proj, mlp.up_proj], "weight")
        # why: Qwen3 normalizes each head's queries and keys, Qwen2 does not
        self.norms = (attention.q_norm, attention.k_norm) if hasattr(attention, "q_norm") else None

    def __call__(
        self,
        hidden: Tensor,
        rotation: tuple[Tensor, Tensor],
        mask: Tensor | None,
        keys: Tensor,
        values: Tensor,
        start: int,
    ) -> Tensor:
        """Map hidden states [R, L, H] to the same, and write the L tokens' keys and values from column `start` on."""
        layer = self.layer
        attended = self._attend(_norm(hidden, layer.input_layernorm), rotation, mask, keys, values, start)
        hidden = hidden + linear(attended, layer.self_attn.o_proj.weight, layer.self_attn.o_proj.bias)
        gate, up = linear(_norm(hidden, layer.post_attention_layernorm), self.gate_up).chunk(2, -1)
        return hidden + linear(silu(gate) * up, layer.mlp.down_proj.weight)

    def _attend(
        self,
        hidden: Tensor,
        rotation: tuple[Tensor, Tensor],
        mask: Tensor | None,
        keys: Tensor,
        values: Tensor,
        start: int,
    ) -> Tensor:
        rows, count, _ = hidden.shape
        projected = linear(hidden, self.qkv, self.qkv_bias).view(rows, count, -1, self.head).transpose(1, 2)
        rotated, value = projected.split([self.heads + self.kv_heads, self.kv_heads], dim=1)
        query, key = _rotated(self._normalized(rotated), rotation).split([self.heads, self.kv_heads], dim=1)
        end = start + count
        keys[:, :, start:end], values[:, :, start:end] = key, value
        # why: queries that share a key head lie one under the other, so that keys need not be repeated for each
        query = query.reshape(rows, self.kv_heads, -1, self.head)
        attended = (_attend_once if count == 1 else scaled_dot_product_attention)(
            query, keys[:, :, :end], values[:, :, :end], mask
        )
        return attended.view(rows, -1, count, self.head).transpose(1, 2).reshape(rows, count, -1)

    def _normalized(self, heads: Tensor) -> Tensor:
        """Apply the norms of queries and keys, where there are any, to [R, heads + kv_heads, L, d]."""
        if self.norms is None:
            return heads
        parts = heads.split([self.heads, self.kv_heads], dim=1)
        return torch.cat([_norm(part, norm) for part, norm in zip(parts, self.norms, strict=True)], dim=1)


def _side_by_side(modules: list[nn.Module], name: str) -> Tensor:
    """Concatenate the modules' parameters of this name into one tensor."""
    whole = torch.cat([getattr(module, name).data for module in modules])
    parts = whole.split([len(getattr(module, name)) for module in modules])
    # why: the parameters become views of the whole, so that a weight update through them reaches it
    for module, part in zip(modules, parts, strict=True):
        getattr(module, name).data = part
    return whole


def _norm(hidden: Tensor, norm: Any) -> Tensor:
    return rms_norm(hidden, hidden.shape[-1:], norm.weight, norm.variance_epsilon)


def _rotated(heads: Tensor, rotation: tuple[Tensor, Tensor]) -> Tensor:
    """Apply the rotary embedding to [R, heads, L, d], by cosines and sines [R, L, d]."""
    cos, sin = (part.unsqueeze(1) for part in rotation)
    first, second = heads.chunk(2, -1)
    return heads * cos + torch.cat([-second, first], -1) * sin


def _attend_once(query: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None) -> Tensor:
    # why: scaled_dot_product_attention's CPU kernel is made for long queries, and slow for a single token
    scores = query @ keys.transpose(2, 3) * query.shape[-1] ** -0.5
    weights = (scores if mask is None else scores + mask).softmax(-1, dtype=torch.float32)
    return weights.to(values.dtype) @ values


def _left_padded(prompts: list[list[int]], device: torch.device) -> tuple[Tensor, Tensor]:
    """Return token ids [prompts, longest] and each row's number of padding columns, which come first."""
    padding = [max(map(len, prompts)) - len(prompt) for prompt in prompts]
    ids = [[0] * pad + prompt for pad, prompt in zip(padding, prompts, strict=True)]
    return torch.tensor(ids, device=device), torch.tensor(padding, device=device)
