"""The Qwen backbone: build it, shard it, stream its weights, export it.

Parameter names are Hugging Face's own throughout, so that a checkpoint, an export and a rollout engine agree on them.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Literal, TypeAlias

import torch
from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy, fully_shard, register_fsdp_forward_method
from torch.distributed.tensor import DTensor
from transformers import (
    AutoConfig,
    AutoTokenizer,
    PreTrainedTokenizerBase,
    Qwen2ForCausalLM,
    Qwen2Model,
    Qwen3ForCausalLM,
    Qwen3Model,
)

from acereason.algorithm.batching import MicroBatch
from acereason.common.errors import UserError
from acereason.common.files import atomic_folder
from acereason.models.attention import MISSING, attend_for, flash_attn
from acereason.models.bytes import BYTES, byte_tokenizer
from acereason.models.family import CONFIGS, QwenConfig, check_family, copy_of, head_size, model_class
from acereason.models.files import holders, weight_files, write_weights
from acereason.models.head import PolicyLoss, chunked_logprobs
from acereason.models.layer import keep_little
from acereason.models.lora import (
    Lora,
    add_adapters,
    gathered_adapters,
    initialize_adapters,
    merged_weights,
    read_adapters,
    weights_of,
    write_adapters,
)
from acereason.models.served import Served
from acereason.models.sharding import fill, materialize, read

ADAPTER = "adapter"
"""Folder of the adapters within an export."""
_DAMAGED = (OSError, ValueError, KeyError, RuntimeError, SafetensorError, StrictDataclassError)
"""What transformers raises for a folder in which something is missing, cut, or of another model."""


@dataclass
class Backbone:
    """Settings of the Qwen model beyond the name of its weights: its shape, and how it computes."""

    config: dict[str, Any] | None = None
    """Values of transformers' Qwen2Config for a model with random weights; only without `pretrained`. With `model_type:
    qwen3` they are Qwen3Config's."""
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


class Policy(nn.Module):
    """What is added to transformers' model: log-probs and loss of a packed micro batch instead of logits."""

    model: Qwen2Model | Qwen3Model
    lm_head: nn.Linear
    config: Any
    attention = "auto"
    lora: Lora | None = None
    """Both as in Backbone."""

    def token_logprobs(self, batch: MicroBatch, temperature: float, logits_mib: int) -> tuple[Tensor, Tensor]:
        """Return log pi(target) and entropy of each of the batch's M loss tokens, both [M] float32, at temperature T,
        without a gradient."""
        return chunked_logprobs(self._predicting(batch), self.lm_head.weight, batch.targets, temperature, logits_mib)

    def policy_loss(
        self, batch: MicroBatch, temperature: float, logits_mib: int, importance_cap: float | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return the loss of Eq. 1 over the batch's tokens, weighted, and what `token_logprobs` returns. The loss alone
        has a gradient."""
        return PolicyLoss.apply(
            self._predicting(batch),
            self.lm_head.weight,
            batch.targets,
            batch.weights,
            batch.sampler_logprobs,
            importance_cap,
            temperature,
            logits_mib,
        )

    def _predicting(self, batch: MicroBatch) -> Tensor:
        """[M, H] final hidden states of the positions that predict."""
        weight = self.lm_head.weight
        hidden = self.model(
            input_ids=batch.input_ids,
            position_ids=batch.position_ids,
            use_cache=False,
            cu_seqlens=batch.cu_seqlens,  # why not the list: a layer would be compiled for each number of documents
            longest=max(batch.document_lengths),
            attend=attend_for(self.attention, weight.device, weight.dtype, head_size(self.config)),
        ).last_hidden_state[0]
        return hidden[batch.predictors]


class Qwen2(Policy, Qwen2ForCausalLM):
    """A policy of Qwen2's or Qwen2.5's family."""


class Qwen3(Policy, Qwen3ForCausalLM):
    """A policy of Qwen3's family."""


Qwen: TypeAlias = Qwen2 | Qwen3
_POLICIES: dict[str, type[Qwen]] = {"qwen2": Qwen2, "qwen3": Qwen3}


def load_config(pretrained: str | None, backbone: Backbone, key: str = "model") -> QwenConfig:
    """The model's configuration with the backbone's overrides applied. `key` is what holds `pretrained`, for errors."""
    if (pretrained is None) == (backbone.config is None):
        raise UserError("model: give either pretrained (a Hub name or folder) or backbone.config (random weights)")
    named = pretrained is not None
    config = _from_hub(AutoConfig, pretrained, f"{key}.pretrained") if named else _own_config(backbone.config or {})
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
        return CONFIGS[family](**{key: value for key, value in values.items() if key != "model_type"})
    except (StrictDataclassError, TypeError, ValueError) as error:
        raise UserError(f"model.backbone.config: {' '.join(str(error).split())}") from error


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
    tokenizer = byte_tokenizer() if name == BYTES else _from_hub(AutoTokenizer, name, key)
    if len(tokenizer) <= len(tokenizer.all_special_tokens):  # what transformers makes where there are no files
        raise UserError(f"{key}: {name} has no tokenizer's files; name another folder that has them, or a Hub name")
    size = max(tokenizer.get_vocab().values()) + 1  # len() counts tokens, and ids may have gaps
    if config is not None and size > config.vocab_size:
        raise UserError(
            f"{key}: {name} has {size:,} tokens, the model embeddings for {config.vocab_size:,} (vocab_size); name the "
            "tokenizer of this model"
        )
    return tokenizer


def build_model(
    config: QwenConfig, pretrained: str | None, backbone: Backbone, seed: int, mesh: DeviceMesh | None = None
) -> Qwen:
    """Return the model in float32, with the named weights, or random ones that depend on the seed alone.

    Without a mesh it is whole, on the CPU. On a mesh each rank has its shards alone, on the mesh's device, and no rank
    ever holds more than them and a tensor, but for the first one where it has to make the weights. Every rank of the
    mesh must call it.
    """
    if mesh is None:
        model = _equipped(_whole(config, pretrained, seed), backbone)
    else:
        with torch.device("meta"):
            model = _equipped(_POLICIES[config.model_type](config), backbone)
        materialize(shard(model, mesh, backbone.compute_dtype), torch.device(mesh.device_type))
        _fill(model, pretrained, lambda: _whole(config, pretrained, seed))
    initialize_adapters(model, seed)
    return model


def _fill(model: Qwen, pretrained: str | None, make: Callable[[], Qwen]) -> None:
    """Give a sharded model its weights: from files if it can read them, else from the first rank, which makes them."""
    with _telling(pretrained, "model.pretrained"):
        if files := _readable(model, pretrained):
            read(weights_of(model), files)
            return
    fill(weights_of(model), make)


def _readable(model: Qwen, pretrained: str | None) -> dict[str, Path]:
    """{name: file that holds it}; empty where there is none, or where transformers has to make the weights of what
    there is: another format, other names."""
    files = holders(weight_files(pretrained)) if pretrained is not None else {}
    return files if all(name in files for name, _ in weights_of(model)) else {}


def _whole(config: QwenConfig, pretrained: str | None, seed: int) -> Qwen:
    kind = _POLICIES[config.model_type]
    if pretrained is None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return kind(config)
    attention = config._attn_implementation
    key = "model.pretrained"
    return _from_hub(kind, pretrained, key, config=config, dtype=torch.float32, attn_implementation=attention)


def _equipped(model: Qwen, backbone: Backbone) -> Qwen:
    model.attention, model.lora = backbone.attention, backbone.lora
    for layer in model.model.layers:
        keep_little(layer)
    if backbone.lora is not None:
        add_adapters(model, backbone.lora)
    if backbone.gradient_checkpointing:
        model.gradient_checkpointing_enable({"use_reentrant": False})
    if backbone.compile:
        for layer in model.model.layers:
            layer.compile(dynamic=True)
    return model.train()  # from_pretrained gives eval mode, in which checkpointing is silently off


def shapes_by(config: QwenConfig) -> dict[str, list[int]]:
    """{name: shape} of the weights of a model with this configuration, without building it."""
    with torch.device("meta"):
        return {name: list(tensor.shape) for name, tensor in model_class(config)(config).state_dict().items()}


def shard(model: Qwen, mesh: DeviceMesh, compute_dtype: str) -> Qwen:
    """Shard the model by FSDP2: each layer on its own, then the rest; gradients are reduced in float32."""
    # why no casting of inputs: it would round a micro batch's weights and log-probs, which are float32; what a
    # layer is given has the compute dtype from the embedding on
    policy = MixedPrecisionPolicy(getattr(torch, compute_dtype), torch.float32, cast_forward_inputs=False)
    for layer in model.model.layers:
        fully_shard(layer, mesh=mesh, mp_policy=policy)
    fully_shard(model, mesh=mesh, mp_policy=policy)
    for method in ("token_logprobs", "policy_loss"):
        register_fsdp_forward_method(model, method)
    return model


def stream_weights(
    model: Qwen, dtype: torch.dtype = torch.float32, copies: bool = True
) -> Iterator[tuple[str, Tensor]]:
    """(name, full tensor) in `dtype`, one at a time, tied ones once. Under FSDP every rank must take every tensor, in
    step: each is a gather. Without `copies` the tensors of a model that is not sharded come as they are, in its own
    dtype, to an engine that converts them where it copies them; those of a model with adapters never do."""
    tied, state = model.config.tie_word_embeddings, model.state_dict()
    if tied:
        del state["lm_head.weight"]
    if model.lora is not None:
        yield from ((name, tensor.to(dtype)) for name, tensor in merged_weights(state, model.lora))
        return
    for name, tensor in state.items():
        if copies or isinstance(tensor, DTensor):
            tensor = tensor.to(dtype)
        yield name, tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def load_weights(model: Qwen, folder: Path) -> None:
    """Replace what is trained of a model, sharded or not, by that of an exported folder: its weights, or its adapters.
    Every rank must call it."""
    if isinstance(model, FSDPModule):
        model.reshard()  # a forward pass without a backward leaves the outermost parameters gathered
    if model.lora is not None:
        read_adapters(model, folder / ADAPTER)
        return
    with _telling(str(folder), "export"):
        files = holders(sorted(folder.glob("*.safetensors")))
    if not files:
        raise UserError(f"{folder}: no exported policy there")
    names = dict(model.named_parameters())
    if other := sorted(files.keys() ^ names.keys()):
        raise UserError(f"{folder}: exported from another model: {other[0]} is in one of them alone")
    with _telling(str(folder), "export"):
        read(names.items(), files)


def export(
    model: Qwen,
    tokenizer: PreTrainedTokenizerBase,
    folder: Path,
    is_writer: bool,
    served: Served | None = None,
    dtype: torch.dtype = torch.float32,
) -> None:
    """Write a Hugging Face folder, with what `served` says of its use, and below it, as `adapter`, peft's folder of the
    adapters, if there are any. Every rank gathers, a tensor at a time, which `is_writer` alone writes; the folder
    appears whole or not at all."""
    weights = chain(stream_weights(model, dtype), gathered_adapters(model))
    try:
        if is_writer:
            _write(model, tokenizer, folder, weights, served, dtype)
    finally:
        for _ in weights:  # the ranks gather in step, also where nobody writes, or can't go on with it
            pass


def _write(
    model: Qwen,
    tokenizer: PreTrainedTokenizerBase,
    folder: Path,
    weights: Iterator[tuple[str, Tensor]],
    served: Served | None,
    dtype: torch.dtype,
) -> None:
    with atomic_folder(folder) as target:
        config = copy_of(model.config, dtype)
        if served is not None:
            tokenizer = served.tokenizer(tokenizer)
            config.eos_token_id = served.stop_ids[0]
            served.generation_config(tokenizer).save_pretrained(target)
        config.save_pretrained(target)
        tokenizer.save_pretrained(target)
        write_weights(target, weights, {name: p.shape for name, p in weights_of(model)}, dtype)
        if model.lora is not None:
            write_adapters(target / ADAPTER, model.lora, dict(weights), model.config.name_or_path)


def _from_hub(loader: Any, name: str | None, key: str, **kwargs: Any) -> Any:
    with _telling(name, key):
        return loader.from_pretrained(name, **kwargs)


@contextmanager
def _telling(name: str | None, key: str) -> Iterator[None]:
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
