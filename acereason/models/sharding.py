"""A model of which each rank holds some rows: filled on every rank at once, a tensor at a time."""

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor
from torch.distributed import broadcast
from torch.distributed.tensor import DTensor
from transformers import Qwen2ForCausalLM
from transformers.models.qwen2.modeling_qwen2 import Qwen2RotaryEmbedding

from acereason.distributed import gather, local, rank
from acereason.errors import UserError
from acereason.models.files import copy_rows


def materialize(model: Qwen2ForCausalLM, device: torch.device) -> None:
    """Give a model on the meta device memory for what this rank holds of it."""
    model.to_empty(device=device)
    if model.config.tie_word_embeddings:  # which that has parted
        model.lm_head.weight = model.model.embed_tokens.weight
    model.model.rotary_emb = Qwen2RotaryEmbedding(model.config).to(device)  # no weights, so no file has it


@torch.no_grad()
def read(model: Qwen2ForCausalLM, files: dict[str, Path]) -> None:
    """Each rank takes its rows of {name: file that holds it}."""
    for name, parameter in model.named_parameters():
        copy_rows(files[name], name, list(parameter.shape), rows(parameter), local(parameter))


@torch.no_grad()
def fill(model: Qwen2ForCausalLM, make: Callable[[], Qwen2ForCausalLM]) -> None:
    """The first rank makes the model whole, and gives it away tensor by tensor. Every rank must call it.

    Raises:
        UserError: on every rank, where making it raised one.
    """
    whole = _made(make)
    weights = dict(whole.named_parameters()) if whole else {}
    for name, parameter in model.named_parameters():
        mine = local(parameter)
        source = weights.pop(name).detach().to(mine.device) if whole else mine.new_empty(parameter.shape)
        broadcast(source, 0)
        mine.copy_(source[rows(parameter)])
        if whole:
            whole.get_parameter(name).data = torch.empty(0)  # as the shards grow, the whole shrinks


def _made(make: Callable[[], Qwen2ForCausalLM]) -> Qwen2ForCausalLM | None:
    made, refused = None, ""
    if rank() == 0:
        try:
            made = make()
        except UserError as error:
            refused = str(error)
    if reason := "".join(gather([refused])):
        raise UserError(reason)
    return made


def rows(parameter: Tensor) -> slice:
    """Which rows this rank holds: all, or by FSDP2 as many as every other, but for the last ranks.

    Example:
        >>> rows(torch.zeros(3, 2))
        slice(0, 3, None)
    """
    if not isinstance(parameter, DTensor):
        return slice(0, len(parameter))
    mesh = parameter.device_mesh
    start = min(mesh.get_local_rank() * -(-len(parameter) // mesh.size()), len(parameter))
    return slice(start, start + len(parameter.to_local()))
