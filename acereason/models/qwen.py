"""The Qwen backbone: a policy of each family, built whole or in shards, with random or named weights."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import (
    CPUOffloadPolicy,
    MixedPrecisionPolicy,
    OffloadPolicy,
    fully_shard,
    register_fsdp_forward_method,
)
from transformers import Qwen2ForCausalLM, Qwen2Model, Qwen3ForCausalLM, Qwen3Model

from acereason.algorithm.batching import MicroBatch
from acereason.algorithm.clipping import OffPolicy, Ratios, log_ratios
from acereason.models.attention import attend_for
from acereason.models.backbone import Backbone, from_hub, telling
from acereason.models.family import QwenConfig, head_size, model_class
from acereason.models.files import holders, weight_files
from acereason.models.head import PolicyLoss, chunked_logprobs
from acereason.models.layer import keep_little
from acereason.models.lora import Lora, add_adapters, initialize_adapters, weights_of
from acereason.models.sharding import fill, materialize, pin_exactly, read


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
        self,
        batch: MicroBatch,
        temperature: float,
        logits_mib: int,
        importance_cap: float | None = None,
        off_policy: OffPolicy | None = None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return the loss of Eq. 1 over the batch's tokens, weighted, or that of clipped ratios, and what
        `token_logprobs` returns. The loss alone has a gradient."""
        hidden = self._predicting(batch)
        return PolicyLoss.apply(
            hidden,
            self.lm_head.weight,
            batch.targets,
            batch.weights,
            batch.sampler_logprobs,
            importance_cap,
            temperature,
            logits_mib,
            None if off_policy is None else self._ratios(hidden, batch, temperature, logits_mib, off_policy),
        )

    def _ratios(
        self, hidden: Tensor, batch: MicroBatch, temperature: float, logits_mib: int, off_policy: OffPolicy
    ) -> Ratios:
        """What the loss needs to know of the policy before the step."""
        shared = None
        if off_policy.ratio == "sequence":
            # why: the gradient of a response's first token depends on its last token's ratio, so that a product with
            # the head is for the ratios alone: a fortieth of a pass at 7B
            logprobs, _ = chunked_logprobs(hidden, self.lm_head.weight, batch.targets, temperature, logits_mib)
            shared = log_ratios(logprobs, batch.old_logprobs, off_policy.ratio, batch.response_lengths)
        return Ratios(batch.old_logprobs, off_policy.bounds, shared)

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


def build_model(
    config: QwenConfig,
    pretrained: str | None,
    backbone: Backbone,
    seed: int,
    mesh: DeviceMesh | None = None,
    dtype: torch.dtype = torch.float32,
    key: str = "model.pretrained",
) -> Qwen:
    """Return the model in `dtype`, with the named weights, or random ones that depend on the seed alone. `key` is what
    names the weights, for errors.

    Without a mesh it is whole, on the CPU. On a mesh each rank has its shards alone, on the mesh's device, or with
    `offload` on the CPU, and no rank ever holds more than them and a tensor, but for the first one where it has to make
    the weights. Every rank of the mesh must call it.
    """
    if mesh is None:
        model = _equipped(_whole(config, pretrained, seed, key), backbone, dtype)
    else:
        with torch.device("meta"):
            model = _equipped(_POLICIES[config.model_type](config), backbone, dtype)
        device = torch.device(mesh.device_type)
        kept_on = torch.device("cpu") if backbone.offload else device
        materialize(shard(model, mesh, backbone.compute_dtype, backbone.offload), kept_on, device)
        _fill(model, pretrained, lambda: _whole(config, pretrained, seed, key), key)
    initialize_adapters(model, seed)
    return model


def _fill(model: Qwen, pretrained: str | None, make: Callable[[], Qwen], key: str) -> None:
    """Give a sharded model its weights: from files if it can read them, else from the first rank, which makes them."""
    with telling(pretrained, key):
        if files := _readable(model, pretrained):
            read(weights_of(model), files)
            return
    fill(weights_of(model), make)


def _readable(model: Qwen, pretrained: str | None) -> dict[str, Path]:
    """{name: file that holds it}; empty where there is none, or where transformers has to make the weights of what
    there is: another format, other names."""
    files = holders(weight_files(pretrained)) if pretrained is not None else {}
    return files if all(name in files for name, _ in weights_of(model)) else {}


def _whole(config: QwenConfig, pretrained: str | None, seed: int, key: str) -> Qwen:
    kind = _POLICIES[config.model_type]
    if pretrained is None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return kind(config)
    attention = config._attn_implementation
    return from_hub(kind, pretrained, key, config=config, dtype=torch.float32, attn_implementation=attention)


def _equipped(model: Qwen, backbone: Backbone, dtype: torch.dtype) -> Qwen:
    nn.Module.to(model, dtype)  # in place; transformers' own has no types
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


def shard(model: Qwen, mesh: DeviceMesh, compute_dtype: str, offload: bool = False) -> Qwen:
    """Shard the model by FSDP2: each layer on its own, then the rest; gradients are reduced in float32. With `offload`
    shards and their gradients stay on the CPU, from where a layer comes each time that it computes."""
    # why no casting of inputs: it would round a micro batch's weights and log-probs, which are float32; what a
    # layer is given has the compute dtype from the embedding on
    policy = MixedPrecisionPolicy(getattr(torch, compute_dtype), torch.float32, cast_forward_inputs=False)
    offloading = CPUOffloadPolicy(pin_memory=mesh.device_type != "cpu") if offload else OffloadPolicy()
    if offload and mesh.device_type != "cpu":
        pin_exactly()
    for layer in model.model.layers:
        fully_shard(layer, mesh=mesh, mp_policy=policy, offload_policy=offloading)
    fully_shard(model, mesh=mesh, mp_policy=policy, offload_policy=offloading)
    for method in ("token_logprobs", "policy_loss"):
        register_fsdp_forward_method(model, method)
    return model
