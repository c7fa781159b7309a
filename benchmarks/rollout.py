"""Does the engine generate as fast inside a training run as vLLM alone does?

    python -m benchmarks.rollout [--steps 12] [--prompts 32] [--group_size 8]

Trains the quickstart's SFT model on vLLM; makes it first where it is missing. After each update four generate for the
same prompts, one after the other, with the policy of that step: the run's engine, vLLM's own `LLM.generate` (same
weights, same requests, same process), the embedded `HFEngine`, and transformers' `generate`. Prints tokens a second and
medians of ratios.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import lightning.pytorch as pl
import torch

import run
from acereason.common.seeds import derive_seed
from acereason.common.types import Group, Problem, Sampling
from acereason.models.exports import export, stream_weights
from acereason.rollouts.hf import HFEngine
from benchmarks.policies import quickstart_policy
from benchmarks.race import median_ratio
from benchmarks.report import Row, print_rows

SEED = 7


class Race(pl.Callback):
    """After each update, listed after WeightSync, lets the four generate in turn."""

    def __init__(self, report: str, steps: int = 12, group_size: int = 8) -> None:
        self.report, self.steps, self.group_size = Path(report), steps, group_size
        self.rates: dict[str, list[float]] = {"engine": [], "LLM.generate": [], "HFEngine": []}
        self.rates["transformers"] = []

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Build the rivals."""
        stop_ids = trainer.datamodule.template.stop_ids(pl_module.tokenizer)
        longest = trainer.datamodule.longest(pl_module.sampling)
        self.embedded = HFEngine()
        self.embedded.start(pl_module.config, pl_module.tokenizer, stop_ids, pl_module.device, longest)
        self.vllm = Own(pl_module, stop_ids, longest)

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: list[Problem], batch_idx: int
    ) -> None:
        """One round; the first one warms up."""
        self.embedded.update_weights(stream_weights(pl_module.model), trainer.global_step)
        self.vllm.load(pl_module)
        sampling, n = pl_module.sampling, self.group_size
        for name, generate in {
            "engine": lambda: tokens_of(pl_module.engine.generate(batch, sampling, n, SEED)),
            "LLM.generate": lambda: self.vllm.generate(batch, sampling, n),
            "HFEngine": lambda: tokens_of(self.embedded.generate(batch, sampling, n, SEED)),
            "transformers": lambda: transformers_tokens(self.embedded, batch, sampling, n),
        }.items():
            rate = tokens_a_second(generate)
            if trainer.global_step > 1:
                self.rates[name].append(rate)
        if trainer.global_step == self.steps:
            self.report.write_text(json.dumps(self.rates))
            trainer.should_stop = True


class Own:
    """vLLM as its own documentation uses it, on an export of the policy."""

    def __init__(self, module: pl.LightningModule, stop_ids: list[int], longest: int) -> None:
        from vllm import LLM

        self.folder, self.stop_ids = Path(tempfile.mkdtemp()), stop_ids
        export(module.model, module.tokenizer, self.folder / "policy", is_writer=True)
        self.llm = LLM(
            str(self.folder / "policy"),
            dtype="float32",
            enforce_eager=True,
            max_model_len=longest,
            kv_cache_memory_bytes=1 << 30,
            logprobs_mode="processed_logprobs",
            enable_chunked_prefill=False,
        )

    def load(self, module: pl.LightningModule) -> None:
        """The policy of this step."""
        weights = [(name, tensor.clone()) for name, tensor in stream_weights(module.model)]
        self.llm.llm_engine.collective_rpc("reload_weights", kwargs={"weights_iterator": iter(weights)})
        self.llm.reset_prefix_cache()

    def generate(self, problems: list[Problem], sampling: Sampling, n: int) -> int:
        """Tokens generated."""
        from vllm import SamplingParams

        keys = [(problem, index) for problem in problems for index in range(n)]
        params = [
            SamplingParams(
                temperature=sampling.temperature,
                max_tokens=sampling.max_response_length,
                seed=derive_seed(SEED, problem.id, index),
                stop_token_ids=self.stop_ids,
                logprobs=0,
                detokenize=False,
            )
            for problem, index in keys
        ]
        prompts = [{"prompt_token_ids": problem.prompt_ids} for problem, _ in keys]
        outputs = self.llm.generate(prompts, params, use_tqdm=False)
        return sum(len(output.outputs[0].token_ids) for output in outputs)


@torch.inference_mode()
def transformers_tokens(engine: HFEngine, problems: list[Problem], sampling: Sampling, n: int) -> int:
    """Response tokens by transformers' `generate`, all rows at a time, on the embedded engine's model."""
    rows = [problem.prompt_ids for problem in problems for _ in range(n)]
    width = max(map(len, rows))
    output = engine.model.generate(
        input_ids=torch.tensor([[0] * (width - len(row)) + row for row in rows]),
        attention_mask=torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in rows]),
        do_sample=True,
        temperature=sampling.temperature,
        top_k=0,
        max_new_tokens=sampling.max_response_length,
        eos_token_id=engine.stop_ids,
        pad_token_id=engine.stop_ids[0],
    )[:, width:]
    ended = torch.isin(output, torch.tensor(engine.stop_ids)).cumsum(1)
    return int((ended.cumsum(1) <= 1).sum())  # up to the first stop token, that one included


def tokens_of(groups: Any) -> int:
    """Response tokens of groups, all generated."""
    generated: list[Group] = list(groups)
    return sum(len(rollout.response.token_ids) for group in generated for rollout in group.rollouts)


def tokens_a_second(generate: Callable[[], int]) -> float:
    """Of one call that tells how many tokens it generated."""
    start = time.perf_counter()
    tokens = generate()
    return tokens / (time.perf_counter() - start)


def measure(steps: int = 12, prompts: int = 32, group_size: int = 8) -> list[Row]:
    """All rows."""
    quickstart_policy()
    with tempfile.TemporaryDirectory() as folder:
        train(folder, steps, prompts, group_size)
        rates = json.loads(Path(folder, "race.json").read_text())
    rows = []
    for name, values in rates.items():
        rows.append(Row(f"{prompts * group_size} responses, {name}: tokens", median(values), "a second"))
        ratio, asked = median_ratio(rates["engine"], values), 0.95 if name == "LLM.generate" else None
        label = f"{prompts * group_size} responses, engine / {name}: tokens a second"
        rows.append(Row(label, ratio, "ratio", at_least=asked))
    return rows


def train(folder: str, steps: int, prompts: int, group_size: int) -> None:
    """The run that the three race in."""
    stage = {"sources": ["mixed"], "steps": steps, "prompts_per_step": prompts}
    stage |= {"max_response_length": 48, "overlong": "penalize"}
    race = {"report": f"{folder}/race.json", "steps": steps, "group_size": group_size}
    callbacks: list[dict] = [{"class_path": name} for name in ("Curriculum", "WeightSync", "Overlong")]
    callbacks.append({"class_path": "benchmarks.rollout.Race", "init_args": race})
    overrides = [f"--data.stages={json.dumps({'race': stage})}", f"--trainer.callbacks={json.dumps(callbacks)}"]
    overrides += [f"--trainer.logger.save_dir={folder}", f"--model.group_size={group_size}"]
    run.main(["fit", "--config=conf/quickstart/rl.yaml", "--model.engine=VLLMEngine", *overrides])


def main() -> None:
    """Race and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=12, help="updates, the first one a warm-up")
    parser.add_argument("--prompts", type=int, default=32, help="of a step")
    parser.add_argument("--group_size", type=int, default=8, help="responses of a prompt")
    arguments = parser.parse_args()
    print_rows(measure(arguments.steps, arguments.prompts, arguments.group_size))


if __name__ == "__main__":
    main()
