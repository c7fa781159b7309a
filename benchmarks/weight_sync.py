"""What does a weight sync cost?

    python -m benchmarks.weight_sync [--repeats 7]

Pushes a policy with random weights into vLLM, colocated and separate, for the debug run's model and for one of
Qwen2.5-0.5B's shape, and lets vLLM load the same policy from a folder as the baseline. Each case is a process of its
own. Prints medians of seconds, and how much resident memory the pushes needed at most beyond what the trainer's process
held before.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import torch
import yaml
from safetensors.torch import load_file

from acereason.models.bytes import byte_tokenizer
from acereason.models.qwen import Backbone, Qwen, build_model, export, load_config, stream_weights
from acereason.rollouts.vllm import VLLMEngine
from benchmarks.race import peak_after_reset, peak_bytes
from benchmarks.report import Row, print_rows

MODELS = {
    "debug": yaml.safe_load(Path("conf/debug.yaml").read_text())["model"]["init_args"]["backbone"]["config"],
    "0.5B": {
        "vocab_size": 151936,
        "hidden_size": 896,
        "intermediate_size": 4864,
        "num_hidden_layers": 24,
        "num_attention_heads": 14,
        "num_key_value_heads": 2,
        "max_position_embeddings": 4096,
        "tie_word_embeddings": True,
    },
}
METHODS = ("colocated", "separate", "folder")


def measure(repeats: int = 7) -> list[Row]:
    """All rows; the folder is the baseline."""
    rows = []
    for name, dtype in (("debug", "float32"), ("0.5B", "bfloat16")):
        found = {method: case(name, dtype, method, repeats) for method in METHODS}
        for method, costs in found.items():
            label = f"{name}, {dtype}, {method}"
            rows.append(Row(f"{label}: a sync", costs["seconds"], "s"))
            rows.append(Row(f"{label} / folder: a sync", costs["seconds"] / found["folder"]["seconds"], "ratio"))
            rows.append(Row(f"{label}: resident memory beyond what was held", costs["bytes"] / 2**20, "MiB"))
    return rows


def cost(name: str, dtype: str, method: str, repeats: int) -> dict[str, float]:
    """Seconds and bytes of one case, in this process."""
    backbone = Backbone(config=MODELS[name], tokenizer="bytes")
    model = build_model(load_config(None, backbone), None, backbone, seed=0)
    engine = VLLMEngine(placement="separate" if method == "separate" else "colocated", dtype=dtype, cache_gib=0.25)
    engine.start(model.config, byte_tokenizer(), [0], torch.device("cpu"), longest=64)
    with tempfile.TemporaryDirectory() as folder:
        push = reload_folder(engine, model, Path(folder)) if method == "folder" else push_to(engine, model)
        push()
        before = peak_after_reset()
        seconds = [timed(push) for _ in range(repeats)]
        peak = peak_bytes()
    engine.close()
    return {"seconds": median(seconds), "bytes": peak - before}


def push_to(engine: VLLMEngine, model: Qwen) -> Callable[[], None]:
    """The run's weight sync."""
    return lambda: engine.update_weights(stream_weights(model, engine.weights_dtype), version=0)


def reload_folder(engine: VLLMEngine, model: Qwen, folder: Path) -> Callable[[], None]:
    """Write a Hugging Face folder, and let vLLM load it."""

    def push() -> None:
        export(model, byte_tokenizer(), folder / "policy", is_writer=True)
        weights = iter(load_file(folder / "policy/model.safetensors").items())
        engine.core.engine.collective_rpc("reload_weights", kwargs={"weights_iterator": weights})

    return push


def timed(call: Callable[[], None]) -> float:
    """Seconds of a call."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def main() -> None:
    """Each case in its own process."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--case", nargs=3, help="model, dtype and method: only this one, as JSON")
    arguments = parser.parse_args()
    if arguments.case:
        print(json.dumps(cost(*arguments.case, arguments.repeats)))
        return
    print_rows(measure(arguments.repeats))


def case(name: str, dtype: str, method: str, repeats: int) -> dict[str, float]:
    """What a process of its own measures."""
    command = [sys.executable, "-m", "benchmarks.weight_sync", f"--repeats={repeats}", "--case", name, dtype, method]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])


if __name__ == "__main__":
    main()
