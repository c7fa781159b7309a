"""The families of models that a policy may be of, by transformers' own classes: Qwen2 with Qwen2.5, and Qwen3.

They differ in two places. Qwen2 adds biases to queries, keys and values; Qwen3 has none, normalizes each head's queries
and keys, and gives heads a size of their own (`head_dim`).
"""

from typing import TypeAlias

import torch
from transformers import Qwen2Config, Qwen2ForCausalLM, Qwen3Config, Qwen3ForCausalLM

from acereason.common.errors import UserError

QwenConfig: TypeAlias = Qwen2Config | Qwen3Config
QwenForCausalLM: TypeAlias = Qwen2ForCausalLM | Qwen3ForCausalLM

CONFIGS: dict[str, type[QwenConfig]] = {"qwen2": Qwen2Config, "qwen3": Qwen3Config}
"""transformers' configuration of a family, by `model_type`."""
_MODELS: dict[str, type[QwenForCausalLM]] = {"qwen2": Qwen2ForCausalLM, "qwen3": Qwen3ForCausalLM}


def model_class(config: QwenConfig) -> type[QwenForCausalLM]:
    """Return transformers' class of a model with this configuration."""
    return _MODELS[config.model_type]


def copy_of(config: QwenConfig, dtype: torch.dtype | str | None = None) -> QwenConfig:
    """Return a copy of a configuration, for transformers' class of its family, in `dtype`."""
    copy = type(config).from_dict(config.to_dict())
    copy.architectures, copy.dtype = [model_class(config).__name__], dtype
    return copy


def head_size(config: QwenConfig) -> int:
    """Return the size of one head of attention."""
    return getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads


def check_family(config: QwenConfig, what: str) -> None:
    """Raise a UserError for a model that this project would not compute as its authors do.

    Args:
        config: as it was loaded.
        what: the setting that names the model, and the name, for the message.
    """
    if config.model_type not in CONFIGS:
        raise UserError(f"{what} is a {config.model_type} model; Qwen2, Qwen2.5 and Qwen3 (dense) are supported")
    if "sliding_attention" in (config.layer_types or []):
        raise UserError(
            f"{what} attends within a sliding window (use_sliding_window), which is not supported; set "
            "use_sliding_window to false in its config.json to let it see the whole context"
        )
    if config.hidden_act != "silu":
        raise UserError(f"{what} has the activation {config.hidden_act} (hidden_act); silu is supported")
