"""vLLM: its own `generate` as the baseline, our engine in the trainer's process and in one of its own."""

import json
import random
import time
from statistics import median
from typing import Any

import lightning.pytorch as pl
import torch

from acereason.algorithm.batching import collate, pack
from acereason.common.types import Group, Problem, Sampling
from acereason.models.backbone import Backbone, load_config
from acereason.models.bytes import byte_tokenizer
from acereason.models.exports import stream_weights
from acereason.models.qwen import Qwen, build_model
from acereason.modules.grpo import GRPOModule
from acereason.modules.measures import Measures
from acereason.modules.sequences import as_sequence
from acereason.rollouts.engine import RolloutEngine
from acereason.rollouts.vllm import VLLMEngine
from acereason.rollouts.vllm.child import ChildCore
from acereason.rollouts.vllm.requests import Core, CoreSettings
from acereason.verbs.preflight.memory import count_parameters
from benchmarks.gpu.kernels import in_dtype
from benchmarks.gpu.settings import NotHereError, Settings, Size, Tell
from benchmarks.gpu.training import fitted, sums_alone
from benchmarks.gpu.vllm_alone import own_generate
from benchmarks.meter import cost
from benchmarks.report import Row

TEMPERATURES = (0.6, 0.85, 1.0)
GAP = 0.1
"""Nats between the engine's log-probs and the trainer's, on average, above which a run stops (`max_logprob_gap`)."""
TOKENS = "tokens, {} responses of {}"
"""The figure that both sides have."""
PROMPT = 64
"""Tokens of a prompt."""
REPEATS = 3


def alone(settings: Settings, tell: Tell) -> None:
    """vLLM as its own documentation uses it, on random weights of the same shape."""
    size = settings.size
    requests = [problem.prompt_ids for problem in problems(size) for _ in range(size.group_size)]
    started = time.perf_counter()
    rates = own_generate(settings, requests, REPEATS)
    tell(Row("start, import and all", next(rates) - started, "s"))
    tell(_rate(size, list(rates)[1:]))  # the first warms up


def colocated(settings: Settings, tell: Tell) -> None:
    """A GRPO run with the engine in the trainer's process: steps, then what the engine alone can do, and sleep."""
    size, on_cpu = settings.size, settings.device == "cpu"
    stage = {"sources": ["sums"], "steps": size.rollout_steps, "prompts_per_step": size.prompts, "overlong": "penalize"}
    overrides = [f"--data.stages={json.dumps({'steps': stage | {'max_response_length': size.budget}})}"]
    overrides += [f"--model.group_size={size.group_size}", f"--model.engine.cache_gib={size.cache_gib}"]
    overrides += ["--model.max_logprob_gap=1e9"]  # the rows below ask for it, and say how far off it is
    overrides += ["--model.engine.sleep=false", "--model.engine.enforce_eager=true"] if on_cpu else []
    overrides += sums_alone(2 * size.prompts)
    fitted(settings, "conf/rl/gsm8k-0.5b.yaml", overrides, Look(settings, tell))


class Look(pl.Callback):
    """Listed after WeightSync: times each step, and after the last one looks at the engine."""

    def __init__(self, settings: Settings, tell: Tell) -> None:
        self.settings, self.tell = settings, tell
        self.steps: list[dict[str, float]] = []
        self.syncs: list[float] = []

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """The first sync."""
        self.tell(Row("the first sync", pl_module.seconds["sync"], "s"))

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: list[Problem], batch_idx: int
    ) -> None:
        """One step; all the rest after the last."""
        self.steps.append(outputs)
        self.syncs.append(pl_module.seconds["sync"])
        if trainer.global_step == self.settings.size.rollout_steps:
            self._tell_steps()
            self._look(trainer.lightning_module)

    def _tell_steps(self) -> None:
        later = self.steps[1:] or self.steps
        for name in ("rollout", "reward", "train", "step"):
            self.tell(Row(f"a step: {name}", median(step[f"time/{name}"] for step in later), "s"))
        self.tell(Row("a step: sync, wake-up included", median(self.syncs[1:] or self.syncs), "s"))
        rates = [step["throughput/tokens_per_second"] for step in later]
        self.tell(Row("a step: response tokens", median(rates), "a second"))

    def _look(self, module: GRPOModule) -> None:
        size = self.settings.size
        rate = _rate(size, [_tokens_a_second(module.engine, size) for _ in range(REPEATS)][1:])
        self.tell(rate)
        _beside_own(self.settings, rate, self.tell)
        for temperature in TEMPERATURES:
            groups = list(module.engine.generate(problems(size), Sampling(temperature, size.budget), 1, seed=1))
            found = module.measure([as_sequence(group, group.rollouts[0], 0.0) for group in groups], temperature)
            _tell_gap(found, temperature, self.tell)
        self._sleep(module)

    def _sleep(self, module: GRPOModule) -> None:
        """What sleep frees, and what waking costs."""
        if self.settings.device == "cpu":
            self.tell(Row("sleep and wake", "not here: vLLM sleeps on GPUs only"))
            return
        before = _free()
        self.tell(Row("falling asleep", cost(module.engine.sleep, "cuda").seconds, "s"))
        self.tell(Row("memory that sleep frees", _free() - before, "GiB"))
        engine = module.engine.memory(module.config, count_parameters(module.config), 1, 1)
        self.tell(Row("weights and cache by preflight", (engine.weights + engine.cache) / 2**30, "GiB"))
        self.tell(Row("waking and a sync", cost(module.push_weights, "cuda").seconds, "s"))


class Beside(VLLMEngine):
    """A separate engine on the trainer's own device; that of a run is on another."""

    def _separate(self, settings: CoreSettings, device: torch.device, ranks: int) -> Core:
        return ChildCore(settings, {}, device, ranks, self.bucket_mib * 2**20, self.sync_seconds)


def separate(settings: Settings, tell: Tell) -> None:
    """The engine in a process of its own; on one GPU it shares the trainer's. Without CUDA graphs, so that it starts
    sooner: it is about the sync."""
    size = settings.size
    model, engine = _model(size).to(settings.device), _engine(settings)
    needed = size.cache_gib + 1.5 * _bytes(model) / 2**30  # the engine's weights are half as wide, and it has buffers
    if settings.device == "cuda" and needed > _free():
        raise NotHereError(f"about {needed:.0f} GiB are needed on the GPU, {_free():.0f} are free")
    device, started = torch.device("cuda", 0) if settings.device == "cuda" else torch.device("cpu"), time.perf_counter()
    engine.start(model.config, byte_tokenizer(), [0], device, PROMPT + size.budget)
    try:
        tell(Row("start, import and all", time.perf_counter() - started, "s"))
        syncs = [cost(lambda: _push(model, engine), settings.device).seconds for _ in range(REPEATS)]
        tell(Row("the first sync", syncs[0], "s"))
        tell(Row("a sync", median(syncs[1:]), "s"))
        rate = _rate(size, [_tokens_a_second(engine, size) for _ in range(REPEATS)][1:])
        tell(rate)
        for temperature in TEMPERATURES:
            groups = list(engine.generate(problems(size), Sampling(temperature, size.budget), 1, seed=1))
            _tell_gap(_measure(model, groups, temperature, settings), temperature, tell)
    finally:
        engine.close()


def problems(size: Size) -> list[Problem]:
    """Prompts of random letters."""
    rng = random.Random(0)
    prompts = [[rng.randrange(97, 123) for _ in range(PROMPT)] for _ in range(size.prompts)]
    return [Problem(f"p{n}", "math", "", "0", prompt_ids=prompt) for n, prompt in enumerate(prompts)]


def _rate(size: Size, rates: list[float]) -> Row:
    return Row(TOKENS.format(size.prompts * size.group_size, size.budget), median(rates), "a second")


def _tokens_a_second(engine: RolloutEngine, size: Size) -> float:
    started = time.perf_counter()
    groups = engine.generate(problems(size), Sampling(1.0, size.budget), size.group_size, seed=0)
    tokens = sum(len(rollout.response.token_ids) for group in groups for rollout in group.rollouts)
    return tokens / (time.perf_counter() - started)


def _beside_own(settings: Settings, rate: Row, tell: Tell) -> None:
    own = settings.earlier.get("alone", {}).get(rate.name)
    if own is None:
        tell(Row("beside vLLM's own generate", "not here: the part `alone` gave no figure"))
    else:
        tell(Row("the same / vLLM's own generate", float(rate.value) / float(own), "ratio"))


def _tell_gap(found: dict[str, float], temperature: float, tell: Tell) -> None:
    tell(Row(f"log-prob gap at T {temperature}, mean", found["sync/logprob_gap"], "nats", at_most=GAP))
    tell(Row(f"log-prob gap at T {temperature}, largest", found["sync/logprob_gap_max"], "nats"))


def _model(size: Size) -> Qwen:
    backbone = Backbone(config=size.config, tokenizer="bytes")
    return build_model(load_config(None, backbone), None, backbone, seed=0)


def _engine(settings: Settings) -> VLLMEngine:
    return Beside(
        placement="separate",
        dtype="bfloat16",
        cache_gib=settings.size.cache_gib,
        enforce_eager=True,
    )


def _measure(model: Qwen, groups: list[Group], temperature: float, settings: Settings) -> dict[str, float]:
    """The trainer's log-probs on the engine's responses, computed in bfloat16 as under FSDP."""
    measures = Measures(torch.device(settings.device))
    sequences = [as_sequence(group, group.rollouts[0], 0.0) for group in groups]
    with torch.no_grad():
        rounded = in_dtype(model, "bfloat16")
        for rows in pack([len(sequence.token_ids) for sequence in sequences], settings.size.tokens):
            batch = collate([sequences[row] for row in rows], settings.device)
            measures.add(batch, *rounded.token_logprobs(batch, temperature, 256))
    return measures.metrics()


def _push(model: Qwen, engine: RolloutEngine) -> None:
    engine.update_weights(stream_weights(model, engine.weights_dtype, copies=False), version=0)


def _free() -> float:
    """GiB of the GPU that nobody holds."""
    return torch.cuda.mem_get_info()[0] / 2**30


def _bytes(model: Qwen) -> int:
    return sum(parameter.nbytes for parameter in model.parameters())
