"""An SFT step and a GRPO update through the real Trainer: tokens a second, share of the device's peak, memory."""

import json
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import lightning.pytorch as pl
import torch

from acereason.common.types import Group
from acereason.data.arithmetic import Arithmetic
from acereason.modules.base import QwenModule
from acereason.modules.hooks import RolloutCallback
from acereason.verbs.preflight.cost import COMPUTES, SPEEDS, Speed, update_seconds
from acereason.verbs.preflight.memory import count_parameters, estimate_update
from benchmarks.gpu.kernels import chosen, packs
from benchmarks.gpu.settings import Settings, Size, Tell
from benchmarks.gpu.verbs import on_device
from benchmarks.meter import peak, settle
from benchmarks.ours import train
from benchmarks.race import peak_after_reset
from benchmarks.report import Row

PEAKS = {
    "H200": SPEEDS["h200-141gb"],
    "H100 PCIe": Speed(756e12, 2.0e12),
    "H100 NVL": Speed(835e12, 3.9e12),
    "H100": SPEEDS["h100-80gb"],
    "A100": SPEEDS["a100-80gb"],
    "B200": SPEEDS["b200-192gb"],
}
"""What data sheets say, by a part of the device's name; the first that fits."""
BARE = ["--trainer.logger=false", "--trainer.enable_checkpointing=false", "--trainer.enable_progress_bar=false"]


@dataclass
class Step:
    """One update."""

    seconds: float
    lengths: list[int] = field(default_factory=list)
    """Tokens of each sequence."""


class Watch(RolloutCallback):
    """Listed last: measures each update until the device has done all of it."""

    def __init__(self, device: str) -> None:
        self.device, self.steps, self.lengths = device, list[Step](), list[int]()

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """From here."""
        settle(self.device)
        self.lengths, self.started = [], time.perf_counter()

    def on_rollouts(self, trainer: pl.Trainer, module: pl.LightningModule, groups: list[Group]) -> None:
        """Sequences of RL."""
        prompts = [len(group.problem.prompt_ids) for group in groups for _ in group.rollouts]
        responses = [len(rollout.response.token_ids) for group in groups for rollout in group.rollouts]
        self.lengths += [sum(pair) for pair in zip(prompts, responses, strict=True)]

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: list[Any], batch_idx: int
    ) -> None:
        """To here; of RL the update alone."""
        settle(self.device)
        seconds = outputs["time/train"] if self.lengths else time.perf_counter() - self.started
        self.steps.append(Step(seconds, self.lengths or [len(row["token_ids"]) for row in batch]))


def sft(settings: Settings, tell: Tell) -> None:
    """SFTModule on rows that fill its micro batches."""
    size = settings.size
    with tempfile.TemporaryDirectory() as folder:
        rows = Path(folder, "rows.jsonl")
        count = _write_rows(rows, size)
        fields = {"statement": "prompt", "answer": None, "solution": "completion"}
        overrides = [f"--data.sources={json.dumps({'made': {'path': str(rows), 'fields': fields}})}"]
        overrides += ["--data.heldout={}", f"--data.max_length={size.tokens}", f"--data.batch_size={count}"]
        overrides += ["--data.template.math={statement}", "--data.template.layout={user}", "--data.template.system="]
        overrides += [f"--trainer.max_steps={size.steps}", "--trainer.max_epochs=-1", "--trainer.callbacks=[]"]
        measure(settings, "conf/sft/gsm8k-0.5b.yaml", overrides, tell)


def grpo(settings: Settings, tell: Tell) -> None:
    """GRPOModule on responses from a file, so that their lengths are long-tailed and the update is all there is."""
    size, problems = settings.size, Arithmetic(levels=[3], size=settings.size.packs)
    with tempfile.TemporaryDirectory() as folder:
        responses = Path(folder, "responses.jsonl")
        group_size = _write_responses(responses, problems, size)
        stage = {"sources": ["sums"], "steps": size.steps, "prompts_per_step": size.packs, "overlong": "penalize"}
        stages = {"update": stage | {"max_response_length": size.tokens}}
        engine = {"class_path": "ReplayEngine", "init_args": {"responses": str(responses)}}
        overrides = [f"--data.stages={json.dumps(stages)}", f"--model.engine={json.dumps(engine)}"]
        overrides += [f"--model.group_size={group_size}", "--model.max_logprob_gap=1e9"]  # nobody sampled these
        overrides += sums_alone(size.packs) + ["--data.template.layout={user}", "--data.template.system="]
        measure(settings, "conf/rl/gsm8k-0.5b.yaml", overrides, tell)


def sums_alone(count: int) -> list[str]:
    """Flags for made-up sums in the place of a file's problems, and the callbacks that a step needs."""
    listed = [{"class_path": name} for name in ("Curriculum", "WeightSync", "Overlong")]
    sources = {"sums": {"arithmetic": {"levels": [3], "size": count}}}
    return [
        f"--data.sources={json.dumps(sources)}",
        "--data.benchmarks={}",
        f"--trainer.callbacks={json.dumps(listed)}",
    ]


def made_up(size: Size) -> list[str]:
    """Flags for the size's model with random weights."""
    flags = [f"--model.backbone.config={json.dumps(size.config)}", "--model.backbone.tokenizer=bytes"]
    flags += ["--model.pretrained=null", f"--model.micro_batch_tokens={size.tokens}"]
    return flags


def fitted(settings: Settings, config: str, overrides: list[str], watch: pl.Callback) -> QwenModule:
    """`fit` with a config of the project's on one device, and a callback that looks on."""
    return train([*on_device(settings, config), *BARE, *made_up(settings.size), *overrides], watch)


def measure(settings: Settings, config: str, overrides: list[str], tell: Tell) -> None:
    """Train, and tell what it took."""
    watch, before = Watch(settings.device), peak_after_reset() if settings.device == "cpu" else 0
    module = fitted(settings, config, overrides, watch)
    steps = watch.steps[1:]
    rates = [sum(step.lengths) / step.seconds for step in steps]
    parameters = count_parameters(module.config)
    tell(Row("parameters", parameters / 1e6, "M"))
    tell(Row("attention", chosen(settings, module.backbone.compute_dtype)))
    tell(Row("tokens of an update", median(sum(step.lengths) for step in steps), "tokens"))
    tell(Row("the first update", watch.steps[0].seconds, "s"))
    tell(Row("an update", median(step.seconds for step in steps), "s"))
    tell(Row("tokens", median(rates), "a second"))
    name = torch.cuda.get_device_name() if settings.device == "cuda" else "a CPU"
    for row in utilization(module, parameters, steps, name):
        tell(row)
    for row in _memory(module, parameters, settings, before):
        tell(row)


def utilization(module: QwenModule, parameters: int, steps: list[Step], name: str) -> list[Row]:
    """Share of the named device's peak, with and without the recomputation of activations."""
    speed = next((speed for part, speed in PEAKS.items() if part in name), None)
    if speed is None:
        return [Row("MFU", f"not here: no peak is known for {name}")]
    shares = []
    for step in steps:
        estimate = update_seconds(module, parameters, speed, 1, [(length, 1) for length in step.lengths])
        shares.append(estimate * COMPUTES / step.seconds)
    again = 3 / 4 if module.backbone.gradient_checkpointing else 1  # a pass of four is recomputation
    of = f"of {speed.flops / 1e12:.0f} TFLOP/s, dense bfloat16 of {name}"
    return [
        Row(f"MFU {of}", 100 * again * median(shares), "%"),
        Row("the same with recomputation as work", 100 * median(shares), "%"),
        Row("preflight's assumption of the latter", 100 * COMPUTES, "%"),
    ]


def _memory(module: QwenModule, parameters: int, settings: Settings, before: int) -> list[Row]:
    """The peak beside preflight's estimate."""
    wanted = sum(estimate_update(module, parameters, 1, settings.size.tokens).values())
    what = "torch's" if settings.device == "cuda" else "the process's, beyond what it held"
    found = peak(settings.device) - before
    rows = [Row(f"peak memory, {what}", found / 2**30, "GiB"), Row("preflight's estimate", wanted / 2**30, "GiB")]
    rows.append(Row("peak / estimate", found / wanted, "ratio"))
    if settings.device == "cuda":
        rows.append(Row("peak that torch has reserved", torch.cuda.max_memory_reserved() / 2**30, "GiB"))
    return rows


def _write_rows(path: Path, size: Size) -> int:
    """Rows of letters, a token each, for all updates; how many an update has. Their lengths fill micro batches."""
    lengths = (next(iter(packs(size.tokens).values()))) * size.packs
    rows = []
    for length in lengths * size.steps:
        text = _letters(length - 1, len(rows))  # and the token that ends it
        rows.append({"prompt": text[: length // 8], "completion": text[length // 8 :]})
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return len(lengths)


def _write_responses(path: Path, problems: Arithmetic, size: Size) -> int:
    """A response of each length for every problem; how many those are. With its prompt one fills its part of a pack."""
    lengths = next(iter(packs(size.tokens).values()))
    rows = []
    for problem in problems.rows():
        taken = len(problem["statement"])
        texts = [_letters(max(1, length - taken), number) for number, length in enumerate(lengths)]
        rows += [{"id": f"sums/{problem['id']}", "sample": n, "response": text} for n, text in enumerate(texts)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return len(lengths)


def _letters(count: int, seed: int) -> str:
    generator = torch.Generator().manual_seed(seed)
    return "".join(chr(97 + letter) for letter in torch.randint(26, (count,), generator=generator).tolist())
