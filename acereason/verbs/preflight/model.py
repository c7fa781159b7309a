"""This module checks the model: its configuration, its tokenizer, and the weights in its files."""

from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open

from acereason.common.errors import UserError, first_line
from acereason.models.attention import choose
from acereason.models.backbone import Backbone, load_config
from acereason.models.family import QwenConfig, head_size
from acereason.models.qwen import shapes_by
from acereason.modules.base import QwenModule
from acereason.modules.grpo import GRPOModule
from acereason.verbs.preflight.memory import count_parameters
from acereason.verbs.preflight.planned import Job


def check_model(job: Job[QwenModule]) -> bool:
    """Check for the mistakes that `configure_model` and `configure_optimizers` would refuse.

    Returns:
        whether there are a configuration and a tokenizer, which further checks need.
    """
    checks, module = job.checks, job.module
    with checks.catching("model"):
        # why: as one rank, since `check_ranks` already tells of more ranks without a mesh
        module.check_sharding(job.planned.mesh is not None, ranks=1)
    with checks.catching("model.optimizer"):
        module.optimizer_of([torch.nn.Parameter(torch.zeros(1))])
    with checks.catching("model"):
        context, tokens = module.config.max_position_embeddings, len(module.tokenizer)
        checks.add("model", "ok", f"context of {context:,} tokens, vocabulary of {tokens:,}")
        with checks.catching("data.template"):
            job.module.data.template.check(module.tokenizer)
        with checks.catching("model.backbone.attention"):
            check_attention(module, job.planned.accelerator)
        if module.pretrained is not None and Path(module.pretrained).is_dir():
            check_weights(Path(module.pretrained), module.config, "model.pretrained")
            checks.add("model.pretrained", "ok", f"{module.pretrained} holds the weights of its configuration")
        return True
    return False


def check_teacher(job: Job[GRPOModule]) -> int:
    """Check the teacher of the run, if there is one, as the run does at its start.

    Returns:
        number of parameters that it has on the policy's devices; 0 behind a server.
    """
    distillation = job.module.distillation
    if distillation is None:
        return 0
    with job.checks.catching("model.teacher"):
        distillation.check(job.module.data, job.module.sampling)
        distillation.close()
        pretrained = distillation.settings.pretrained
        if pretrained is None:
            job.checks.add("model.teacher.server", "ok", "it answers, with log-probs of the policy's tokens")
            return 0
        key, config = "model.teacher.pretrained", load_config(pretrained, Backbone(), "model.teacher")
        if Path(pretrained).is_dir():
            check_weights(Path(pretrained), config, key)
        parameters = count_parameters(config)
        job.checks.add(key, "ok", f"{parameters:,} parameters, of the policy's vocabulary")
        return parameters
    return 0


def check_attention(module: QwenModule, accelerator: str) -> None:
    """Raise a UserError where `backbone.attention` can't be had on such a device."""
    # why: this machine may have no GPU, so that a GPU of the last years is assumed
    device = {"gpu": "cuda", "cuda": "cuda", "cpu": "cpu"}.get(accelerator)
    if device is not None:
        choose(
            module.backbone.attention, device, getattr(torch, module.backbone.compute_dtype), head_size(module.config)
        )


def check_weights(folder: Path, config: QwenConfig, key: str) -> None:
    """Raise a UserError where a folder's files are cut, or hold other weights than the configuration's.

    Only the files' headers are read.
    """
    there, wanted = _shapes(folder, key), shapes_by(config)
    # why: files of tied models may hold the embedding alone, which is the head too
    if config.tie_word_embeddings:
        wanted.pop("lm_head.weight")
    for name, shape in wanted.items():
        if name not in there:
            raise UserError(f"{key}: {folder} has no weights {name}; copy or export it anew")
        if there[name] != shape:
            raise UserError(f"{key}: {name} is {there[name]} in {folder}, and {shape} by its configuration")


def _shapes(folder: Path, key: str) -> dict[str, list[int]]:
    """Return {name: shape} of every tensor in the folder's files."""
    shapes: dict[str, list[int]] = {}
    for file in sorted(folder.glob("*.safetensors")):
        try:
            with safe_open(file, framework="pt") as tensors:
                shapes |= {name: list(tensors.get_slice(name).get_shape()) for name in tensors.keys()}  # noqa: SIM118
        except SafetensorError as error:
            raise UserError(f"{key}: {file} is damaged ({first_line(error)}); copy or export it anew") from error
    if not shapes:
        raise UserError(f"{key}: {folder} has no .safetensors file")
    return shapes
