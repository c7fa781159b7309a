"""A rank that builds, exports and reloads a sharded model, and tells how far its resident memory rose meanwhile.

Arguments: rank, ranks, the folder to work in, where it writes RANK.json.
"""

import ctypes
import gc
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

import torch
import torch.distributed as dist
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh

from acereason.models.backbone import Backbone, load_config
from acereason.models.bytes import byte_tokenizer
from acereason.models.exports import export, load_weights
from acereason.models.qwen import build_model

CONFIG = {
    "vocab_size": 16385,  # no multiple of the ranks
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_hidden_layers": 8,
    "num_attention_heads": 12,
    "num_key_value_heads": 2,
    "tie_word_embeddings": False,
}
"""93 million parameters: 371 MB in float32."""


def resident(line: str) -> int:
    """Bytes by /proc/self/status: VmRSS now, VmHWM at most so far."""
    return int(re.search(rf"{line}:\s+(\d+)", Path("/proc/self/status").read_text())[1]) * 1024


def rise(work: Callable[[], object]) -> tuple[int, object]:
    """By how much resident memory rose at most while `work` ran, and what that returned."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)  # what is free already is given back, else it hides what is taken anew
    Path("/proc/self/clear_refs").write_text("5")  # the high-water mark begins anew
    before = resident("VmRSS")
    result = work()
    return resident("VmHWM") - before, result


def of_a_seed(mesh: DeviceMesh, out: Path) -> dict[str, int]:
    backbone = Backbone(config=CONFIG, tokenizer="bytes")
    made, model = rise(lambda: build_model(load_config(None, backbone), None, backbone, 0, mesh))
    writes = mesh.get_rank() == 0
    exported, _ = rise(lambda: export(model, byte_tokenizer(), out, writes, dtype=torch.bfloat16))
    dist.barrier()
    restarted, _ = rise(lambda: load_weights(model, out))
    shards = sum(parameter.to_local().nbytes for parameter in model.parameters())
    return {"made": made, "export": exported, "restart": restarted, "shards": shards}


def of_files(mesh: DeviceMesh, folder: str) -> dict[str, int]:
    backbone = Backbone(tokenizer="bytes")
    return {"read": rise(lambda: build_model(load_config(folder, backbone), folder, backbone, 0, mesh))[0]}


def main(rank: int, ranks: int, folder: Path) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=ranks)
    mesh = init_device_mesh("cpu", (ranks,), mesh_dim_names=("data_parallel",))
    told = of_a_seed(mesh, folder / "export") | of_files(mesh, str(folder / "export"))
    (folder / f"{rank}.json").write_text(json.dumps(told))
    dist.barrier()
    dist.destroy_process_group()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
