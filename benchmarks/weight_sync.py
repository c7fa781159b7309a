"""What does a weight sync cost?

    python -m benchmarks.weight_sync [--repeats 7]

Pushes a policy with random weights into vLLM, colocated and separate, for the debug run's model and for one of
Qwen2.5-0.5B's shape. The baseline takes turns with it: a plain copy of the same tensors into the engine's dtype, in
memory that has been written before. Each is measured alone, and while another process keeps a core busy. Each case is
a process of its own. Prints medians, and how much resident memory the pushes needed at most beyond what the trainer's
process held before.
"""

import argparse
import json
import multiprocessing
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import torch
import yaml

from acereason.models.backbone import Backbone, load_config
from acereason.models.bytes import byte_tokenizer
from acereason.models.exports import stream_weights
from acereason.models.qwen import Qwen, build_model
from acereason.rollouts.vllm import VLLMEngine
from benchmarks.race import median_ratio, peak_after_reset, peak_bytes
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
PLACEMENTS = ("colocated", "separate")
_TICK = 1 / os.sysconf("SC_CLK_TCK")
"""Seconds."""
AT_MOST = 2.0
"""Times the seconds of the copy."""


def measure(repeats: int = 7) -> list[Row]:
    """All rows; the copy is the baseline."""
    rows = []
    for name, dtype in (("debug", "float32"), ("0.5B", "bfloat16")):
        for placement in PLACEMENTS:
            found = case(name, dtype, placement, repeats)
            for beside in ("alone", "beside a busy core"):
                label = f"{name}, {dtype}, {placement}, {beside}"
                rows.append(Row(f"{label}: a copy", found[f"{beside}: copy"], "s"))
                rows.append(Row(f"{label}: a sync", found[f"{beside}: sync"], "s"))
                rows.append(Row(f"{label}: sync / copy", found[f"{beside}: ratio"], "ratio", at_most=AT_MOST))
                rows.append(Row(f"{label}: sync / copy, processor time", found[f"{beside}: work"], "ratio"))
            label = f"{name}, {dtype}, {placement}: resident memory beyond what was held"
            rows.append(Row(label, found["bytes"] / 2**20, "MiB"))
    return rows


def cost(name: str, dtype: str, placement: str, repeats: int) -> dict[str, float]:
    """Figures of one case, in this process."""
    backbone = Backbone(config=MODELS[name], tokenizer="bytes")
    model = build_model(load_config(None, backbone), None, backbone, seed=0)
    engine = VLLMEngine(placement=placement, dtype=dtype, cache_gib=0.25)
    engine.start(model.config, byte_tokenizer(), [0], torch.device("cpu"), longest=64)
    push, copy = push_to(engine, model), copy_of(model, engine.weights_dtype)
    for _ in range(2):  # the first push goes vLLM's own way
        push()
        copy()
    processes = [os.getpid(), *(child.pid for child in multiprocessing.active_children())]
    before = peak_after_reset()
    found = turns("alone", push, copy, processes, repeats)
    with busy_core():
        found |= turns("beside a busy core", push, copy, processes, repeats)
    found["bytes"] = peak_bytes() - before
    engine.close()
    return found


def turns(
    beside: str, push: Callable[[], None], copy: Callable[[], None], processes: list[int], repeats: int
) -> dict[str, float]:
    """Medians of the two, which take turns, and of their ratios."""
    copies, syncs = zip(*((timed(copy, processes), timed(push, processes)) for _ in range(repeats)), strict=True)
    seconds, work = ([[turn[i] for turn in side] for side in (copies, syncs)] for i in range(2))
    found = {"copy": median(seconds[0]), "sync": median(seconds[1]), "ratio": median_ratio(seconds[1], seconds[0])}
    # why: of all turns together: the clock of a process ticks a hundred times a second
    found["work"] = sum(work[1]) / max(sum(work[0]), _TICK)
    return {f"{beside}: {name}": value for name, value in found.items()}


def push_to(engine: VLLMEngine, model: Qwen) -> Callable[[], None]:
    """The run's weight sync."""
    return lambda: engine.update_weights(stream_weights(model, engine.weights_dtype, copies=False), version=0)


def copy_of(model: Qwen, dtype: torch.dtype) -> Callable[[], None]:
    """Copy each parameter once."""
    pairs = [(torch.zeros_like(p, dtype=dtype), p.detach()) for p in model.parameters()]

    def copy() -> None:
        for target, source in pairs:
            target.copy_(source)

    return copy


@contextmanager
def busy_core() -> Iterator[None]:
    """Another process that does nothing but compute."""
    other = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        yield
    finally:
        other.kill()
        other.wait()


def processor_seconds(processes: list[int]) -> float:
    """What they have taken so far."""
    fields = [Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split() for process in processes]
    return sum(int(user) + int(system) for *_, user, system in (field[:13] for field in fields)) * _TICK


def timed(call: Callable[[], None], processes: list[int]) -> tuple[float, float]:
    """Seconds of a call, and what the processes computed meanwhile."""
    before, start = processor_seconds(processes), time.perf_counter()
    call()
    return time.perf_counter() - start, processor_seconds(processes) - before


def main() -> None:
    """Each case in its own process."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--case", nargs=3, help="model, dtype and placement: only this one, as JSON")
    arguments = parser.parse_args()
    if arguments.case:
        print(json.dumps(cost(*arguments.case, arguments.repeats)))
        return
    print_rows(measure(arguments.repeats))


def case(name: str, dtype: str, placement: str, repeats: int) -> dict[str, float]:
    """What a process of its own measures."""
    command = [sys.executable, "-m", "benchmarks.weight_sync", f"--repeats={repeats}", "--case", name, dtype, placement]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])


if __name__ == "__main__":
    main()
