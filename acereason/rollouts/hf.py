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
from acereason.rollouts.draws import SeededSampler
from acereason.rollouts.engine import Ended, EngineMemory, RolloutEngine
from acereason.rollouts.weights import checked, copy_finite, shapes_of


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
