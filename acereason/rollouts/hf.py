"""The embedded engine: a second copy of the weights that generates token by token, in the trainer's own process.

The default, for a CPU, a laptop and tests. It needs no server and no GPU, and it is slow on large models: use vLLM
there.
"""

from collections.abc import Iterator
from typing import Literal

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase
from typing_extensions import override

from acereason.common.seeds import derive_seed
from acereason.common.types import Problem, Response, Sampling
from acereason.models.family import QwenConfig, copy_of, head_size, model_class
from acereason.rollouts.decoder import Decoder
from acereason.rollouts.engine import Ended, EngineMemory, RolloutEngine
from acereason.rollouts.weights import checked, copy_finite, shapes_of

# why: in so few, the float64 intermediates of a draw stay in a CPU's cache
_FLOATS = 2**17
"""Elements of the distributions that are drawn from at a time."""
# why: a whole vocabulary takes twenty times as long to sort, and a nucleus is mostly among the likeliest few
_LIKELIEST = (64, 1024)
"""Numbers of likeliest tokens among which a nucleus is looked for, before the whole vocabulary."""


class HFEngine(RolloutEngine):
    """Generates with `Decoder`, `max_rows` responses at a time.

    Args:
        max_rows: responses generated together; whole groups, so at least one group.
        dtype: of weights and computation; the trainer's `backbone.compute_dtype` keeps the log-probs close. bfloat16 is
            faster on processors that multiply in it, and takes half the memory.
    """

    def __init__(self, max_rows: int = 256, dtype: Literal["float32", "bfloat16"] = "float32") -> None:
        self.max_rows, self.weights_dtype = max_rows, getattr(torch, dtype)

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
        # why: a copy: transformers writes into the config that it builds a model of
        config = copy_of(config)
        # why: random initial weights, replaced before any use, must not move the run's random numbers
        with torch.random.fork_rng(devices=[]):
            self.model = model_class(config)(config).eval()
        self.decoder = Decoder(self.model.to(device, self.weights_dtype))
        self.tokenizer, self.stop_ids, self.shapes = tokenizer, stop_ids, shapes_of(config)

    @override
    def at_once(self, num_rollouts: int) -> int:
        return max(1, self.max_rows // num_rollouts)

    @override
    def responses(self, problems: list[Problem], sampling: Sampling, num_rollouts: int, seed: int) -> Iterator[Ended]:
        at_once = self.at_once(num_rollouts)
        # why: rows that are generated together are padded to the longest prompt, so prompts of one length go together
        if len(problems) > at_once:
            problems = sorted(problems, key=lambda problem: len(problem.prompt_ids))
        for start in range(0, len(problems), at_once):
            yield from self._generate(problems[start : start + at_once], sampling, num_rollouts, seed)

    @torch.inference_mode()
    def _generate(self, problems: list[Problem], sampling: Sampling, num_rollouts: int, seed: int) -> Iterator[Ended]:
        seeds = [derive_seed(seed, problem.id, index) for problem in problems for index in range(num_rollouts)]
        prompts = [problem.prompt_ids for problem in problems]
        sampler = SeededSampler(sampling, seeds)
        for ended in self.decoder.generate(
            prompts, num_rollouts, sampling.max_response_length, self.stop_ids, sampler.draw
        ):
            for row, tokens, logprobs in zip(*(part.tolist() for part in ended), strict=True):
                yield problems[row // num_rollouts], row % num_rollouts, self._response(tokens, logprobs)

    @override
    def update_weights(self, named_tensors: Iterator[tuple[str, Tensor]], version: int) -> None:
        # why: no version until all weights are in: after a failure half way the engine refuses to generate
        self.policy_version = None
        parameters = dict(self.model.named_parameters())
        with torch.no_grad():
            for name, tensor in checked(named_tensors, self.shapes, self.weights_dtype):
                if tensor.dtype == self.weights_dtype:
                    parameters[name].copy_(tensor)
                else:
                    copy_finite(name, parameters[name], tensor)
        self.policy_version = version

    @override
    def memory(self, config: QwenConfig, parameters: int, longest: int, group_size: int) -> EngineMemory:
        rows = max(self.max_rows, group_size)
        heads = config.num_key_value_heads or config.num_attention_heads
        size = self.weights_dtype.itemsize
        token = 2.0 * size * config.num_hidden_layers * heads * head_size(config)  # keys and values
        return EngineMemory(weights=float(size * parameters), cache=rows * longest * token, token=token, responses=rows)

    def _response(self, tokens: list[int], logprobs: list[float]) -> Response:
        end = next((i + 1 for i, token in enumerate(tokens) if token in self.stop_ids), None)
        tokens, logprobs = tokens[:end], logprobs[:end]
        text = str(self.tokenizer.decode(tokens, skip_special_tokens=True))
        return Response(tokens, logprobs, "length" if end is None else "stop", text)


class SeededSampler:
    """Draws each row's next token by the row's own random numbers.

    Each token takes one uniform number, through the inverse of the cumulative distribution: a row's draws depend on its
    seed and its distribution alone, never on the rows beside it.
    """

    def __init__(self, sampling: Sampling, seeds: list[int]) -> None:
        self.sampling = sampling
        self.uniforms = torch.stack([self._uniforms(seed) for seed in seeds])

    def draw(self, logits: Tensor, rows: Tensor, position: int) -> tuple[Tensor, Tensor]:
        """Draw tokens [R] with log-probs [R] float32 from the logits [R, V] of these rows at a position of their
        responses."""
        if self.sampling.temperature == 0:
            return logits.argmax(-1), logits.new_zeros(len(logits), dtype=torch.float32)
        uniforms = self.uniforms[rows.cpu(), position, None].to(logits.device)
        few = max(1, _FLOATS // logits.shape[-1]) if logits.device.type == "cpu" else len(logits)
        drawn = map(self._draw, logits.split(few), uniforms.split(few))
        tokens, logprobs = (torch.cat(parts) for parts in zip(*drawn, strict=True))
        return tokens, logprobs.float()

    def _draw(self, logits: Tensor, uniform: Tensor) -> tuple[Tensor, Tensor]:
        # why: float64: in float32 a cumulative sum near 1 loses every token of less than 6e-8
        logprobs = torch.log_softmax(logits.double().div_(self.sampling.temperature), dim=-1)
        if self.sampling.top_p == 1:
            return _inverse(logprobs, uniform)
        logprobs, tokens = _nucleus(logprobs, self.sampling.top_p)
        place, chosen = _inverse(logprobs, uniform)
        return tokens.gather(-1, place[:, None])[:, 0], chosen

    def _uniforms(self, seed: int) -> Tensor:
        return torch.rand(
            self.sampling.max_response_length, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)
        )


def _inverse(logprobs: Tensor, uniform: Tensor) -> tuple[Tensor, Tensor]:
    """Return the places where the cumulative distributions [R, K] reach the numbers [R, 1], and the log-probs there."""
    cumulative = logprobs.exp().cumsum(-1)
    # why: scaled by the total, so that rounding never leaves the draw beyond the last token
    place = torch.searchsorted(cumulative, uniform * cumulative[:, -1:], right=True)
    return place[:, 0], logprobs.gather(-1, place)[:, 0]


def _nucleus(logprobs: Tensor, top_p: float) -> tuple[Tensor, Tensor]:
    """Return the fewest likeliest tokens of each row that hold `top_p` of its probability.

    Args:
        logprobs: [R, V], normalized.
        top_p: below 1.

    Returns:
        renormalized log-probs, minus infinity outside the nucleus, and the tokens in ascending order: both [R, K].
    """
    vocabulary = logprobs.shape[-1]
    for size in (*(size for size in _LIKELIEST if size < vocabulary), vocabulary):
        ordered, order = _likeliest(logprobs, size)
        mass = ordered.exp().cumsum(-1)
        if bool((mass[:, -1] >= top_p).all()):
            break
    # why: the mass before a token, not with it, so that the token that reaches top_p is inside
    outside = mass - ordered.exp() >= top_p
    # why: by token: a draw must not depend on the order of equally likely tokens, or on how many were sorted
    tokens, by_token = order.sort(dim=-1)
    kept = ordered.masked_fill(outside, -torch.inf).gather(-1, by_token)
    return torch.log_softmax(kept, dim=-1), tokens


def _likeliest(logprobs: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Return the log-probs and token ids of each row's `size` likeliest tokens, descending: both [R, size]."""
    if size < logprobs.shape[-1]:
        values, tokens = logprobs.topk(size)
    else:
        values, tokens = logprobs.sort(-1, descending=True)
    return values, tokens
