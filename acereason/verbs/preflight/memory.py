"""This module estimates the memory of one device in each phase of a step, from the shapes alone.

Training holds float32 parameters, gradients and AdamW moments, sharded over the ranks by FSDP2, on the device or, with
`backbone.offload`, in the machine's memory; two layers, the embedding and the head are gathered at a time in the
compute dtype. Activations are each layer's input for every token
of a micro batch, and one layer's own while it is recomputed (all layers' own without checkpointing). Fragmentation, the
libraries' buffers and CUDA's own memory are not in the estimate: `SPARE` is kept for them. docs/memory.md has the
formulae.
"""

import torch

from acereason.models.family import QwenConfig, copy_of, head_size, model_class
from acereason.models.head import FEW_ON_GPU
from acereason.models.lora import adapters, add_adapters
from acereason.modules.base import QwenModule
from acereason.modules.evaluation import EvaluationModule
from acereason.modules.grpo import GRPOModule
from acereason.rollouts.engine import EngineMemory

DEVICES = {"a100-40gb": 40e9, "a100-80gb": 80e9, "h100-80gb": 80e9, "h200-141gb": 141e9, "b200-192gb": 192e9}
"""Bytes of memory by the device's name."""

SPARE = 0.1
"""Share of a device that is kept for memory outside the estimate."""

PROCESS = 4e9
"""Bytes of the machine's memory that a process with torch, vLLM and CUDA's libraries takes; assumed, not measured."""

MOMENTS = {"AdamW8bit": 2 * (1 + 4 / 256), "Adam8bit": 2 * (1 + 4 / 256)}
"""Bytes of an optimizer's state for each trained number, by the class: torchao's hold a byte, and a float32 scale for
256 of them, of each moment. AdamW's two in float32 are taken for all others."""

Parts = dict[str, float]
"""{part: bytes}."""


def human(size: float) -> str:
    """Format bytes for people.

    Example:
        >>> human(3 * 2**30)
        '3.0 GiB'
    """
    for unit in ("bytes", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.1f} {unit}" if unit != "bytes" else f"{size:.0f} bytes"
        size /= 1024
    return f"{size:,.1f} GiB"


def count_parameters(config: QwenConfig) -> int:
    """Return the number of the model's parameters; tied ones count once."""
    # why: on the meta device tensors have shapes without memory
    with torch.device("meta"):
        return sum(parameter.numel() for parameter in model_class(config)(config).parameters())


def count_trained(module: QwenModule, parameters: int) -> int:
    """Return how many of all parameters are trained: those of the adapters, if there are any."""
    lora = module.backbone.lora
    if lora is None:
        return parameters
    # why: every layer has the same, and the first is built in no time
    config = copy_of(module.config, torch.float32)
    config.num_hidden_layers, config.layer_types = 1, config.layer_types[:1]
    with torch.device("meta"):
        model = model_class(config)(config)
        add_adapters(model, lora)
    return module.config.num_hidden_layers * sum(parameter.numel() for _, parameter in adapters(model))


def estimate(
    module: GRPOModule, parameters: int, ranks: int, longest: int, group_size: int, teacher: int = 0
) -> dict[str, Parts]:
    """Return {phase: {part: bytes on one device}} for sequences of up to `longest` tokens.

    `generating` and `updating` take turns on the trainer's device, on which a local teacher of `teacher` parameters
    stays in the compute dtype; `apart` is on the device of a separate engine.
    """
    engine = module.engine.memory(module.config, parameters, longest, group_size)
    stays = {"teacher": _width(module) * teacher / ranks} if teacher else {}
    generates, kept = _of_engine(engine), _kept(module, parameters, ranks) | stays
    update = estimate_update(module, parameters, ranks, longest) | stays
    if engine.separate:
        return {"generating": kept, "updating": update, "apart": generates}
    return {"generating": kept | generates, "updating": update if engine.sleeps else update | generates}


def estimate_update(module: QwenModule, parameters: int, ranks: int, longest: int) -> Parts:
    """Return {part: bytes on one device} of an update on sequences of up to `longest` tokens."""
    gradients = {} if module.backbone.offload else {"gradients": 4 * count_trained(module, parameters) / ranks}
    return _kept(module, parameters, ranks) | gradients | _forward_and_backward(module, longest)


def estimate_evaluation(module: EvaluationModule, parameters: int, ranks: int, longest: int) -> dict[str, Parts]:
    """Return {phase: {part: bytes on one device}} of a policy that only generates."""
    held = {} if module.backbone.offload else {"parameters": 4 * parameters / ranks}
    held["gathered layers"] = _gathered(module, parameters, ranks)
    engine = module.engine.memory(module.config, parameters, longest, 1)
    generates = _of_engine(engine)
    return {"generating": held, "apart": generates} if engine.separate else {"generating": held | generates}


def estimate_machine(module: QwenModule, parameters: int, ranks: int, made: bool, machines: int = 1) -> Parts:
    """Return {part: bytes of a machine's own memory} that a run on GPUs takes at most.

    Args:
        module: the module that trains or evaluates.
        parameters: number of the model's parameters.
        ranks: number of ranks on this machine.
        machines: number of machines.
        made: whether the first rank has to make the weights whole before it gives them away; no rank does where files
            that can be mapped hold them.
    """
    engine = getattr(module, "engine", None)
    apart = engine is not None and engine.memory(module.config, parameters, 1, 1).separate
    embedding = module.config.vocab_size * module.config.hidden_size
    parts = {"processes": PROCESS * ranks * (2 if apart else 1), "a tensor on its way": 4.0 * embedding}
    parts |= {name: size / machines for name, size in offloaded(module, parameters).items()}
    return parts | ({"the model, whole": 4.0 * parameters} if made else {})


def offloaded(module: QwenModule, parameters: int) -> Parts:
    """Return {part: bytes} of what `backbone.offload` keeps in the memory of all machines instead of the devices'."""
    if not module.backbone.offload:
        return {}
    if isinstance(module, EvaluationModule):
        return {"parameters": 4.0 * parameters}
    held = state_bytes(module, parameters)
    return {"parameters and optimizer": held, "gradients": 4.0 * count_trained(module, parameters)}


def state_bytes(module: QwenModule, parameters: int) -> float:
    """Return the bytes of all float32 weights and of the optimizer's state of those that are trained."""
    return 4 * parameters + moments(module) * count_trained(module, parameters)


def moments(module: QwenModule) -> float:
    """Return the bytes of the optimizer's state for each number that is trained."""
    optimizer = module.optimizer_of([torch.nn.Parameter(torch.zeros(1))])
    return MOMENTS.get(type(optimizer).__name__, 8.0)


def _kept(module: QwenModule, parameters: int, ranks: int) -> Parts:
    gathered = {"gathered layers": _gathered(module, parameters, ranks)}
    if module.backbone.offload:
        return gathered
    return {"parameters and optimizer": state_bytes(module, parameters) / ranks} | gathered


def _of_engine(engine: EngineMemory) -> Parts:
    return {"engine's weights": engine.weights, "engine's cache": engine.cache}


def _forward_and_backward(module: QwenModule, longest: int) -> Parts:
    """Return {part: bytes} of one micro batch's forward and backward pass."""
    config, width = module.config, _width(module)
    # why: a sequence is never cut, so that one beyond `micro_batch_tokens` is a larger micro batch of its own
    tokens, layers, hidden = max(module.micro_batch_tokens, longest), config.num_hidden_layers, config.hidden_size
    inputs = tokens * width * hidden * layers
    layer = tokens * width * kept_values(config)
    # why: profiles of one layer in eight shapes peak where the gradients of gate and up are there as well
    gate = tokens * width * 2 * config.intermediate_size
    logits = 2**20 * module.logits_mib + 8 * FEW_ON_GPU * config.vocab_size
    # why: beside adapters the head is not trained
    gradient = 0 if module.backbone.lora else (4 + width) * config.vocab_size * hidden
    return {
        "activations": gate + (inputs + layer if module.backbone.gradient_checkpointing else layer * layers),
        "logits and the head's gradient": logits + gradient,
    }


def kept_values(config: QwenConfig) -> int:
    """Return how many numbers a layer keeps of each token for its backward pass, at most."""
    queries = head_size(config) * config.num_attention_heads
    keys = head_size(config) * (config.num_key_value_heads or config.num_attention_heads)
    # why: Qwen3 keeps queries and keys before their norms too, in float32, and between norm and rotation
    attention = (5 if config.model_type == "qwen3" else 2) * (queries + keys)
    return 5 * config.hidden_size + attention + 3 * config.intermediate_size


def _gathered(module: QwenModule, parameters: int, ranks: int) -> float:
    """Return the bytes of weights that FSDP2 gathers, or on one rank casts, at a time."""
    config, width = module.config, _width(module)
    if ranks == 1 and width == 4 and not module.backbone.offload:
        return 0.0
    embeddings = config.vocab_size * config.hidden_size
    # why: FSDP2 holds a layer while it prefetches the next; embedding and head stay gathered
    return width * ((parameters - embeddings) / config.num_hidden_layers * 2 + 2 * embeddings)


def _width(module: QwenModule) -> int:
    return 2 if module.backbone.compute_dtype == "bfloat16" else 4


def checkpoint_bytes(module: QwenModule, parameters: int, keep: int, ends: int, exports: int) -> float:
    """Return the bytes that a run takes on disk.

    A checkpoint holds parameters in float32, and the optimizer's state of those that are trained; an export is in the
    dtype that the run computes in.

    Args:
        module: the module that trains.
        parameters: number of the model's parameters.
        keep: number of newest checkpoints that stay.
        ends: number of checkpoints of stage ends.
        exports: number of exports.
    """
    return state_bytes(module, parameters) * (keep + ends) + _width(module) * parameters * exports
