"""Reading and writing of .safetensors files, one tensor at a time, so that no process holds a whole model.

A reader maps a file and copies the rows that it needs; a writer knows all shapes beforehand, and writes each tensor's
bytes as it comes.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import torch
from huggingface_hub import split_torch_state_dict_into_shards
from safetensors import safe_open
from torch import Tensor
from transformers.utils import SAFE_WEIGHTS_INDEX_NAME, SAFE_WEIGHTS_NAME
from transformers.utils.hub import cached_file, get_checkpoint_shard_files

_NAMES = {torch.float32: "F32", torch.bfloat16: "BF16"}
"""Names of dtypes in the format."""
# why: as safetensors' own writer, which begins the first tensor at a multiple of 8 bytes
_ALIGNMENT = 8
_FILE_BYTES = 5 * 10**9
"""Bytes of a file at most, as elsewhere on the Hub."""


def weight_files(pretrained: str) -> list[Path]:
    """Return the .safetensors files of a folder or of a Hub name, downloaded if needed; [] if its weights have another
    format."""
    if file := cached_file(pretrained, SAFE_WEIGHTS_NAME, _raise_exceptions_for_missing_entries=False):
        return [Path(file)]
    index = cached_file(pretrained, SAFE_WEIGHTS_INDEX_NAME, _raise_exceptions_for_missing_entries=False)
    return [Path(file) for file in get_checkpoint_shard_files(pretrained, index)[0]] if index else []


def holders(files: list[Path]) -> dict[str, Path]:
    """Return {tensor's name: file that holds it} of all tensors."""
    found: dict[str, Path] = {}
    for file in files:
        with safe_open(file, framework="pt") as tensors:
            found |= dict.fromkeys(tensors.keys(), file)
    return found


def copy_rows(file: Path, name: str, shape: list[int], rows: slice, target: Tensor) -> None:
    """Copy rows of a tensor of this name and shape from a file to `target`, in the target's dtype.

    Raises:
        ValueError: the file's tensor has another shape.
    """
    # why: opened for each tensor, so that the file's pages that it mapped are given back
    with safe_open(file, framework="pt") as tensors:
        there = tensors.get_slice(name)
        if there.get_shape() != shape:
            raise ValueError(f"{name} is {there.get_shape()}, not {shape}")
        target.copy_(there[rows])


def write_weights(
    folder: Path, weights: Iterator[tuple[str, Tensor]], shapes: dict[str, torch.Size], dtype: torch.dtype
) -> None:
    """Write the weights of a Hugging Face folder as they come.

    Args:
        folder: an existing folder.
        weights: (name, tensor) pairs in the order of `shapes`, in `dtype`.
        shapes: {name: shape} of all weights.
        dtype: dtype of all weights.
    """
    # why: tensors without memory, of which the Hub's function tells how weights are split into files
    empty = {name: torch.empty(shape, dtype=dtype, device="meta") for name, shape in shapes.items()}
    split = split_torch_state_dict_into_shards(empty, max_shard_size=_FILE_BYTES)
    for file, names in split.filename_to_tensors.items():
        _write_file(folder / file, weights, {name: shapes[name] for name in names}, dtype)
    if split.is_sharded:
        index = {"metadata": split.metadata, "weight_map": split.tensor_to_filename}
        (folder / SAFE_WEIGHTS_INDEX_NAME).write_text(json.dumps(index, indent=2, sort_keys=True) + "\n")


def _write_file(
    path: Path, weights: Iterator[tuple[str, Tensor]], shapes: dict[str, torch.Size], dtype: torch.dtype
) -> None:
    with path.open("wb") as file:
        file.write(_header(shapes, dtype))
        for expected in shapes:
            name, tensor = next(weights)
            if name != expected:
                raise RuntimeError(f"{name} came where {expected} has its place in {path}")
            file.write(tensor.detach().cpu().contiguous().view(torch.uint8).numpy().data)


def _header(shapes: dict[str, torch.Size], dtype: torch.dtype) -> bytes:
    """Return the head of a .safetensors file: the length of a JSON text, and the text with each tensor's place."""
    told: dict[str, object] = {"__metadata__": {"format": "pt"}}
    start = 0
    for name, shape in shapes.items():
        end = start + shape.numel() * dtype.itemsize
        told[name] = {"dtype": _NAMES[dtype], "shape": [*shape], "data_offsets": [start, end]}
        start = end
    text = json.dumps(told).encode()
    text += b" " * (-len(text) % _ALIGNMENT)
    return len(text).to_bytes(8, "little") + text
