"""Low-rank adapters (LoRA: Hu et al. 2021, arXiv 2106.09685) on the products of a policy's layers, by peft.

The weights W of a product stay as they are, and W + alpha / rank x B A is what the model computes with. Training
changes A and B alone. An engine, and an export, get the merged weights, under the names that a model without adapters
has.
"""

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import PreTrainedModel

from acereason.common.errors import UserError
from acereason.common.seeds import derive_seed
from acereason.models.sharding import rows
from acereason.processes.tensors import local, whole

TARGETS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
"""Products of a layer."""
FILE = "adapter_model.safetensors"
_BASE, _IN_PEFT, _IN_FILE = ".base_layer", ".default.weight", ".weight"
_PREFIX = "base_model.model."
"""What peft's files have in front of a parameter's name."""


@dataclass
class Lora:
    """Low-rank adapters: what is trained instead of all weights."""

    rank: int = 16
    """Rows of A and columns of B."""
    alpha: int = 32
    """B A is scaled by alpha / rank."""
    targets: list[str] = field(default_factory=lambda: [*TARGETS])
    """Which products of each layer have adapters."""
    dropout: float = 0.0
    """Share of an adapter's inputs that SFT drops; 0 in RL, whose engine drops nothing."""

    def __post_init__(self) -> None:
        key = "model.backbone.lora"
        if self.rank < 1:
            raise ValueError(f"{key}.rank: must be at least 1, not {self.rank}")
        if self.alpha <= 0:
            raise ValueError(f"{key}.alpha: must be above 0, not {self.alpha}")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"{key}.dropout: must be at least 0 and below 1, not {self.dropout}")
        if unknown := sorted({*self.targets} - {*TARGETS}) or ["none"] * (not self.targets):
            raise ValueError(f"{key}.targets: no {unknown[0]!r}; name some of {', '.join(TARGETS)}")

    def peft(self, pretrained: str | None = None) -> Any:
        """Return the adapters' settings as peft's LoraConfig; `pretrained` is what they belong to."""
        # why here: it takes seconds to load, and few runs have adapters
        from peft import LoraConfig

        return LoraConfig(
            r=self.rank,
            lora_alpha=self.alpha,
            target_modules=list(self.targets),
            lora_dropout=self.dropout,
            base_model_name_or_path=pretrained or None,
            task_type="CAUSAL_LM",
        )


def add_adapters(model: PreTrainedModel, lora: Lora) -> None:
    """Give the products of each layer their adapters, and leave nothing else to train."""
    from peft import inject_adapter_in_model

    inject_adapter_in_model(lora.peft(), model)
    for module in _dropouts(model):
        module.p = 0.0


@torch.no_grad()
def initialize_adapters(model: nn.Module, seed: int) -> None:
    """Set each A to uniform numbers, as peft does, that depend on the seed and its name alone, and each B to 0."""
    for name, parameter in adapters(model):
        full = torch.zeros(parameter.shape)
        if ".lora_A." in name:
            generator = torch.Generator().manual_seed(derive_seed(seed, name))
            bound = 1 / math.sqrt(parameter.shape[1])
            full.uniform_(-bound, bound, generator=generator)
        _fill(parameter, full)


def adapters(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Yield (name, parameter) of all As and Bs."""
    yield from ((name, parameter) for name, parameter in model.named_parameters() if is_adapter(name))


def gathered_adapters(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Yield (name, full tensor) of all As and Bs. Under FSDP every rank must take every one, in step."""
    for name, parameter in adapters(model):
        yield name, whole(parameter.detach())


def weights_of(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Yield (name, parameter) of all others, under the names that a model without adapters has."""
    for name, parameter in model.named_parameters():
        if not is_adapter(name):
            yield name.replace(_BASE, ""), parameter


def merged_weights(state: Mapping[str, Tensor], lora: Lora) -> Iterator[tuple[str, Tensor]]:
    """Yield (name, full weights that the model computes with, in float32) of a model's state, one at a time, under the
    names that a model without adapters has. Under FSDP every rank must take every one, in step."""
    for name, tensor in state.items():
        module, base, last = name.rpartition(_BASE)
        if is_adapter(name):
            continue
        full = whole(tensor)
        if base and last == ".weight":
            down, up = (whole(state[f"{module}.{part}{_IN_PEFT}"]) for part in ("lora_A", "lora_B"))
            full = full + lora.alpha / lora.rank * (up @ down)
        yield name.replace(_BASE, ""), full


def write_adapters(folder: Path, lora: Lora, parts: dict[str, Tensor], pretrained: str | None) -> None:
    """Write adapters as peft does: their settings, and {name: full A or B}."""
    folder.mkdir()
    lora.peft(pretrained).save_pretrained(folder)
    named = {_PREFIX + name.replace(_IN_PEFT, _IN_FILE): part.cpu().contiguous() for name, part in parts.items()}
    save_file(named, folder / FILE, {"format": "pt"})


@torch.no_grad()
def read_adapters(model: nn.Module, folder: Path) -> None:
    """Replace a model's adapters by those of an export's folder; a UserError where it has none, or others."""
    if not (folder / FILE).is_file():
        raise UserError(f"{folder}: no adapters there; it was exported without model.backbone.lora")
    with safe_open(folder / FILE, framework="pt") as tensors:
        there = {name.removeprefix(_PREFIX).replace(_IN_FILE, _IN_PEFT): name for name in tensors.keys()}  # noqa: SIM118
        if other := sorted(there.keys() ^ {name for name, _ in adapters(model)}):
            raise UserError(f"{folder}: adapters of another model or other targets: {other[0]} is in one of them alone")
        for name, parameter in adapters(model):
            _fill(parameter, tensors.get_tensor(there[name]))


@contextmanager
def dropping(model: nn.Module, lora: Lora | None, seed: int, device: torch.device) -> Iterator[None]:
    """Drop inputs of adapters within the context, by random numbers of this seed on the device that computes."""
    if lora is None or not lora.dropout:
        yield
        return
    with torch.random.fork_rng(devices=[] if device.type == "cpu" else [device]):
        torch.manual_seed(seed)
        for module in _dropouts(model):
            module.p = lora.dropout
        try:
            yield
        finally:
            for module in _dropouts(model):
                module.p = 0.0


def _dropouts(model: nn.Module) -> list[nn.Dropout]:
    return [module for module in model.modules() if isinstance(module, nn.Dropout)]


def is_adapter(name: str) -> bool:
    """Return whether a parameter of this name is an A or a B."""
    return ".lora_A." in name or ".lora_B." in name


def _fill(parameter: Tensor, full: Tensor) -> None:
    local(parameter).copy_(full[rows(parameter)])
