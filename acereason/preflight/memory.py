"""Memory of one device in a step, estimated from the shapes alone. Upper bounds; fragmentation and buffers are not in.

Training: FSDP2 with float32 parameters, gradients and AdamW moments sharded over the ranks; two layers gathered at a
time in the compute dtype. Activations: each layer's input for every token of a micro batch, and one layer's own while
it is recomputed (all layers' own without checkpointing).
"""

import torch
from transformers import Qwen2Config, Qwen2ForCausalLM

from acereason.modules.grpo import GRPOModule

DEVICES = {
    "a100-40gb": 40e9,
    "a100-80gb": 80e9,
    "h100-80gb": 80e9,
    "h200-141gb": 141e9,
    "b200-192gb": 192e9,
}
"""Bytes of memory by name."""


def human(size: float) -> str:
    """Bytes for people.

    Example:
        >>> human(3 * 2**30)
        '3.0 GiB'
    """
    for unit in ("bytes", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.1f} {unit}" if unit != "bytes" else f"{size:.0f} bytes"
        size /= 1024
    return f"{size:,.1f} GiB"


def count_parameters(config: Qwen2Config) -> int:
    """Parameters of the model, tied ones once."""
    with torch.device("meta"):
        return sum(parameter.numel() for parameter in Qwen2ForCausalLM(config).parameters())


def estimate(
    module: GRPOModule, parameters: int, ranks: int, longest_prompt: int, budget: int, group_size: int
) -> dict[str, float]:
    """{part: bytes on one device} at the largest stage: its prompts, response budget and group size."""
    config, width = module.config, 2 if module.backbone.compute_dtype == "bfloat16" else 4
    longest = longest_prompt + budget
    tokens = max(module.micro_batch_tokens, longest)
    layer = tokens * width * (10 * config.hidden_size + 3 * config.intermediate_size)
    inputs = tokens * width * config.hidden_size * config.num_hidden_layers
    embeddings = config.vocab_size * config.hidden_size
    gathered = (parameters - embeddings) / config.num_hidden_layers * 2 + 2 * embeddings if ranks > 1 else 0
    return {
        "parameters, gradients and optimizer": 16 * parameters / ranks,
        "gathered layers": gathered * width,
        "activations": inputs + layer if module.backbone.gradient_checkpointing else layer * config.num_hidden_layers,
        "logits": 3 * 4 * module.logprob_chunk * config.vocab_size,
        **module.engine.memory(config, parameters, longest, group_size),
    }


def checkpoint_bytes(parameters: int, keep: int, stages: int) -> float:
    """Bytes on disk of a run: checkpoints (parameters and two moments in float32) and exports."""
    return 12 * parameters * (keep + stages) + 4 * parameters * stages
