"""Files of weights, a tensor at a time: no reader and no writer holds a model.

A reader maps a .safetensors file and copies the rows that it wants; a writer knows every shape beforehand, and writes
each tensor's bytes as it comes.
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
"""What the format calls a dtype."""
_ALIGNMENT = 8
_FILE_BYTES = 5 * 10**9
"""Of a file at most, as elsewhere on the Hub."""


def weight_files(pretrained: str) -> list[Path]:
    """The .safetensors files of a folder or of a Hub name, fetched where they are not at hand; none where it has
    weights of another format."""
    if file := cached_file(pretrained, SAFE_WEIGHTS_NAME, _raise_exceptions_for_missing_entries=False):
        return [Path(file)]
    index = cached_file(pretrained, SAFE_WEIGHTS_INDEX_NAME, _raise_exceptions_for_missing_entries=False)
    return [Path(file) for file in get_checkpoint_shard_files(pretrained, index)[0]] if index else []


def holders(files: list[Path]) -> dict[str, Path]:
    """{name: file that holds it} of every tensor."""
    found: dict[str, Path] = {}
    for file in files:
        with safe_open(file, framework="pt") as tensors:
            found |= dict.fromkeys(tensors.keys(), file)
    return found


def copy_rows(file: Path, name: str, shape: list[int], rows: slice, target: Tensor) -> None:
    """Copy some rows of a tensor of that name and shape out of a file, into the target's dtype.

    Raises:
        ValueError: the file's has another shape.
    """
    with safe_open(file, framework="pt") as tensors:  # for each tensor: what was mapped of the file is given back
        there = tensors.get_slice(name)
        if there.get_shape() != shape:
            raise ValueError(f"{name} is {there.get_shape()}, not {shape}")
        target.copy_(there[rows])


def write_weights(
    folder: Path, weights: Iterator[tuple[str, Tensor]], shapes: dict[str, torch.Size], dtype: torch.dtype
) -> None:
    """Write a Hugging Face folder's weights as they come.

    Args:
        folder: is there.
        weights: in the order of `shapes`, in `dtype`.
        shapes: {name: shape} of all of them.
        dtype: of all of them.
    """
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
    """What a .safetensors file begins with: a JSON text that says where each tensor is, and its length before it."""
    told: dict[str, object] = {"__metadata__": {"format": "pt"}}
    start = 0
    for name, shape in shapes.items():
        end = start + shape.numel() * dtype.itemsize
        told[name] = {"dtype": _NAMES[dtype], "shape": [*shape], "data_offsets": [start, end]}
        start = end
    text = json.dumps(told).encode()
    text += b" " * (-len(text) % _ALIGNMENT)
    return len(text).to_bytes(8, "little") + text
