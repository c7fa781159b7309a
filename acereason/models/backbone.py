"""What names a model: its settings, its configuration, its tokenizer, and what is wrong with any of them."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError
from transformers import AutoConfig, AutoTokenizer, PreTrainedTokenizerBase

from acereason.common.errors import UserError
from acereason.models.attention import MISSING, flash_attn
from acereason.models.bytes import BYTES, byte_tokenizer
from acereason.models.family import CONFIGS, QwenConfig, check_family
from acereason.models.lora import Lora

_DAMAGED = (OSError, ValueError, KeyError, RuntimeError, SafetensorError, StrictDataclassError)
"""What transformers raises for a folder in which something is missing, cut, or of another model."""


@dataclass
class Backbone:
    """Settings of the Qwen model beyond the name of its weights: its shape, and how it computes."""

    config: dict[str, Any] | None = None
    """Values of transformers' Qwen2Config for a model with random weights; only without `pretrained`. With `model_type:
    qwen3` they are Qwen3Config's, and heads share out the hidden size where `head_dim` isn't given."""
    tokenizer: str | None = None
    """Hub name or folder; null takes the one beside the weights. `bytes`: one token a byte, for toys."""
    rope_theta: float | None = None
    """Base of the rotary embedding; null keeps the model's. The paper: 10,000 -> 1,000,000 (section 3.1.2)."""
    max_position_embeddings: int | None = None
    """Context in tokens; null keeps the model's."""
    attention: Literal["auto", "flash_attention_2", "varlen", "documents"] = "auto"
    """Over packed documents. auto: on a GPU in bfloat16 all at once, by the package flash-attn where it can be loaded,
    else by torch's own FlashAttention (varlen); on a CPU, or in float32, one by one (documents)."""
    gradient_checkpointing: bool = False
    """Recompute each layer in backward: less memory, about a third more time."""
    lora: Lora | None = None
    """Low-rank adapters, which alone are trained; null trains all weights."""
    compile: bool = False
    """Compile each layer by torch.compile at the first step, for any length; needs a C++ compiler on a CPU."""
    compute_dtype: Literal["float32", "bfloat16"] = "float32"
    """Dtype of matrix products under FSDP; parameters, gradients and the optimizer stay float32."""
    offload: bool = False
    """Keep parameters, gradients and optimizer in the machine's memory, 16 bytes a parameter, and update them there: a
    device holds two layers at a time. The result is the same, updates are slower. Needs FSDP2."""


def load_config(pretrained: str | None, backbone: Backbone, key: str = "model") -> QwenConfig:
    """The model's configuration with the backbone's overrides applied. `key` is what holds `pretrained`, for errors."""
    if (pretrained is None) == (backbone.config is None):
        raise UserError("model: give either pretrained (a Hub name or folder) or backbone.config (random weights)")
    named = pretrained is not None
    config = from_hub(AutoConfig, pretrained, f"{key}.pretrained") if named else _own_config(backbone.config or {})
    check_family(config, f"{key}.pretrained: {pretrained}" if named else f"{key}.backbone.config: it")
    if backbone.rope_theta is not None:
        config.rope_parameters = {**(config.rope_parameters or {}), "rope_theta": backbone.rope_theta}
    if backbone.max_position_embeddings is not None:
        config.max_position_embeddings = backbone.max_position_embeddings
    if backbone.attention == "flash_attention_2" and flash_attn()[0] is None:
        raise UserError(MISSING.format(flash_attn()[1]))
    config._attn_implementation = "documents"
    return config


def _own_config(values: dict[str, Any]) -> QwenConfig:
    family = values.get("model_type", "qwen2")
    if family not in CONFIGS:
        raise UserError(f"model.backbone.config.model_type: no {family!r}; there are {', '.join(CONFIGS)}")
    try:
        config = CONFIGS[family](**{key: value for key, value in values.items() if key != "model_type"})
    except (StrictDataclassError, TypeError, ValueError) as error:
        raise UserError(f"model.backbone.config: {' '.join(str(error).split())}") from error
    if family == "qwen3" and "head_dim" not in values:
        # why: transformers takes 128, of a model whose other sizes nobody gave
        config.head_dim = config.hidden_size // config.num_attention_heads
    return config


def load_tokenizer(
    pretrained: str | None, backbone: Backbone, config: QwenConfig | None = None, key: str = "model.backbone.tokenizer"
) -> PreTrainedTokenizerBase:
    """Return the tokenizer named by the backbone, else the one beside the weights, checked against the model's
    configuration where it is given. `key` is what names it, for errors."""
    name = backbone.tokenizer or pretrained
    if name is None:
        raise UserError(
            "model.backbone.tokenizer: name one (a Hub name, a folder, or `bytes`); random weights bring none"
        )
    tokenizer = byte_tokenizer() if name == BYTES else from_hub(AutoTokenizer, name, key)
    if len(tokenizer) <= len(tokenizer.all_special_tokens):  # what transformers makes where there are no files
        raise UserError(f"{key}: {name} has no tokenizer's files; name another folder that has them, or a Hub name")
    size = max(tokenizer.get_vocab().values()) + 1  # len() counts tokens, and ids may have gaps
    if config is not None and size > config.vocab_size:
        raise UserError(
            f"{key}: {name} has {size:,} tokens, the model embeddings for {config.vocab_size:,} (vocab_size); name the "
            "tokenizer of this model"
        )
    return tokenizer


def from_hub(loader: Any, name: str | None, key: str, **kwargs: Any) -> Any:
    """Return what a transformers class loads from a folder or from the Hub; a UserError where it can't."""
    with telling(name, key):
        return loader.from_pretrained(name, **kwargs)


@contextmanager
def telling(name: str | None, key: str) -> Iterator[None]:
    """Make what is wrong with the files of a model, or with its name, a mistake of the key that names it."""
    try:
        yield
    except _DAMAGED as error:
        reason = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
        if Path(str(name)).is_dir():
            raise UserError(f"{key}: the model in {name} can't be loaded: {reason}; copy or export it anew") from error
        raise UserError(
            f"{key}: {name!r} is neither a folder with a model nor a name that the Hub answers to ({reason})"
        ) from error
