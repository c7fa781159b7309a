"""Memory of one device in each phase of a step, estimated from the shapes alone; docs/memory.md explains it.

Training: FSDP2 with float32 parameters, gradients and AdamW moments sharded over the ranks; two layers, the embedding
and the head gathered at a time in the compute dtype. Activations: each layer's input for every token of a micro batch,
and one layer's own while it is recomputed (all layers' own without checkpointing). Fragmentation, the libraries'
buffers and CUDA's own memory are not in: `SPARE` is kept for them.
"""

import torch
from transformers import Qwen2Config, Qwen2ForCausalLM

from acereason.models.head import FEW_ON_GPU
from acereason.modules.base import QwenModule
from acereason.modules.evaluation import EvaluationModule
from acereason.modules.grpo import GRPOModule
from acereason.rollouts.engine import EngineMemory

DEVICES = {
    "a100-40gb": 40e9,
    "a100-80gb": 80e9,
    "h100-80gb": 80e9,
    "h200-141gb": 141e9,
    "b200-192gb": 192e9,
}
"""Bytes of memory by name."""

SPARE = 0.1
"""Share of a device for what is not estimated."""

PROCESS = 4e9
"""Bytes of the machine's memory for a process with torch, vLLM and CUDA's libraries; assumed."""

Parts = dict[str, float]
"""{part: bytes}."""


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


def estimate(module: GRPOModule, parameters: int, ranks: int, longest: int, group_size: int) -> dict[str, Parts]:
    """{phase: {part: bytes on one device}} for sequences of up to `longest` tokens.

    `generating` and `updating` take turns on the trainer's device; `apart` is a separate engine's own.
    """
    engine = module.engine.memory(module.config, parameters, longest, group_size)
    generates, kept = _of_engine(engine), _kept(module, parameters, ranks)
    update = estimate_update(module, parameters, ranks, longest)
    if engine.separate:
        return {"generating": kept, "updating": update, "apart": generates}
    return {"generating": kept | generates, "updating": update if engine.sleeps else update | generates}


def estimate_update(module: QwenModule, parameters: int, ranks: int, longest: int) -> Parts:
    """{part: bytes on one device} of an update on sequences of up to `longest` tokens."""
    gradients = {"gradients": 4 * parameters / ranks}
    return _kept(module, parameters, ranks) | gradients | _forward_and_backward(module, longest)


def estimate_evaluation(module: EvaluationModule, parameters: int, ranks: int, longest: int) -> dict[str, Parts]:
    """{phase: {part: bytes on one device}} of a policy that only generates."""
    held = {"parameters": 4 * parameters / ranks, "gathered layers": _gathered(module, parameters, ranks)}
    engine = module.engine.memory(module.config, parameters, longest, 1)
    generates = _of_engine(engine)
    return {"generating": held, "apart": generates} if engine.separate else {"generating": held | generates}


def estimate_machine(module: QwenModule, parameters: int, ranks: int, made: bool) -> Parts:
    """{part: bytes of a machine's own memory} of a run on GPUs, at most.

    Args:
        module: whose model it is.
        parameters: of the model.
        ranks: of this machine.
        made: whether the first rank has to make the weights whole, before it gives them away; none does where files
            that can be mapped hold them.
    """
    engine = getattr(module, "engine", None)
    apart = engine is not None and engine.memory(module.config, parameters, 1, 1).separate
    embedding = module.config.vocab_size * module.config.hidden_size
    parts = {"processes": PROCESS * ranks * (2 if apart else 1), "a tensor on its way": 4.0 * embedding}
    return parts | ({"the model, whole": 4.0 * parameters} if made else {})


def _kept(module: QwenModule, parameters: int, ranks: int) -> Parts:
    return {
        "parameters and optimizer": 12 * parameters / ranks,
        "gathered layers": _gathered(module, parameters, ranks),
    }


def _of_engine(engine: EngineMemory) -> Parts:
    return {"engine's weights": engine.weights, "engine's cache": engine.cache}


def _forward_and_backward(module: QwenModule, longest: int) -> Parts:
    """Of one micro batch: at least the longest sequence."""
    config, width = module.config, _width(module)
    tokens, layers, hidden = max(module.micro_batch_tokens, longest), config.num_hidden_layers, config.hidden_size
    inputs = tokens * width * hidden * layers
    layer = tokens * width * (12 * hidden + 6 * config.intermediate_size)
    logits = 2**20 * module.logits_mib + 8 * FEW_ON_GPU * config.vocab_size
    return {
        "activations": inputs + layer if module.backbone.gradient_checkpointing else layer * layers,
        "logits and the head's gradient": logits + (4 + width) * config.vocab_size * hidden,
    }


def _gathered(module: QwenModule, parameters: int, ranks: int) -> float:
    """Bytes of what FSDP2 gathers, or on one rank casts, at a time."""
    config, width = module.config, _width(module)
    if ranks == 1 and width == 4:
        return 0.0
    embeddings = config.vocab_size * config.hidden_size
    return width * ((parameters - embeddings) / config.num_hidden_layers * 2 + 2 * embeddings)


def _width(module: QwenModule) -> int:
    return 2 if module.backbone.compute_dtype == "bfloat16" else 4


def checkpoint_bytes(module: QwenModule, parameters: int, keep: int, ends: int, exports: int) -> float:
    """Bytes on disk of a run: checkpoints (parameters and two moments in float32), the newest and those of stages'
    ends, and exports in the dtype that the run computes in."""
    return 12 * parameters * (keep + ends) + _width(module) * parameters * exports
