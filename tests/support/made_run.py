"""A run's folder, made by hand: two stages of RL on twelve steps, or an SFT run."""

import json
from pathlib import Path

import yaml

STAGE = {
    "sources": ["sums"],
    "steps": 6,
    "epochs": None,
    "max_response_length": 24,
    "group_size": None,
    "prompts_per_step": 128,
    "temperature": None,
    "overlong": "mask",
    "easy_filter": False,
    "screen": None,
    "learning_rate": None,
}
RL = {
    "trainer": {
        "max_epochs": -1,
        "callbacks": [
            {"class_path": "callbacks.Overlong", "init_args": {"policy": "mask", "in_baseline": False, "reward": 0.0}},
            {"class_path": "callbacks.EntropyMonitor", "init_args": {"target": 0.3, "band": 0.1}},
            {"class_path": "callbacks.Health", "init_args": {"limits": {"window": 20}}},
        ],
    },
    "model": {
        "init_args": {
            "pretrained": "runs/sft/export",
            "group_size": 8,
            "sampling": {"temperature": 0.85, "max_response_length": 8192},
            "optimizer": {"init_args": {"lr": 1e-6}},
            "off_policy": None,
            "ddof": 1,
            "normalize": "group",
            "importance_cap": None,
        }
    },
    "data": {
        "init_args": {
            "sources": {"sums": {"task": "math"}, "programs": {"task": "code"}},
            "stages": {"math_24": STAGE, "code_32": STAGE | {"sources": ["programs"], "max_response_length": None}},
            "benchmarks": {
                "heldout": {"n": 2, "temperature": 0.6, "top_p": 0.95, "max_response_length": 24},
            },
        }
    },
}
SFT = {
    "trainer": {"max_epochs": 2, "callbacks": [{"class_path": "callbacks.Recorder"}]},
    "model": {
        "init_args": {
            "pretrained": None,
            "backbone": {
                "rope_theta": 1000000,
                "max_position_embeddings": None,
                "config": {"max_position_embeddings": 99},
            },
        }
    },
    "data": {"init_args": {"sources": {"worked": {"task": "math"}}}},
}
HOSTILE = "</script><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">| `x`"
"""What a model may well write."""


def write_rows(path: Path, rows: list[dict]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def step_of(number: int) -> dict:
    return {
        "step": number,
        "stage/index": float(number >= 6),
        "stage/remaining": 20.0,
        "reward/mean": 0.1 + 0.05 * number,
        "reward/zero_variance": 0.25,
        "policy/entropy": 0.3,
        "policy/temperature": 0.85,
        "policy/loss": -0.1,
        "policy/lr": 1e-6 * (1 + (number >= 6)),
        "policy/grad_norm": 0.5,
        "response/length_mean": 10.0 + number,
        "response/length_max": 24.0,
        "response/truncated": 0.5,
        "response/tokens": 1000.0,
        "sync/logprob_gap": 0.01,
        "sync/seconds": 1.0,
        "time/rollout": 5.0,
        "time/reward": 1.0,
        "time/train": 3.0,
        "throughput/tokens_per_second": 111.0,
    }


def group_of(number: int) -> dict:
    """Problem p0 is always solved, p1 never, p2 better from step to step; one verdict is an error."""
    correct = [8, 0, min(8, number)][number % 3]
    error = int(number == 4)
    return {
        "stage": "math_24" if number < 6 else "code_32",
        "step": number,
        "problem": f"p{number % 3}",
        "statement": f"what is {number % 3}?" if number % 3 else HOSTILE,
        "correct": correct,
        "wrong": 8 - correct - error,
        "error": error,
        "why": {"correct: equal": correct, "wrong: no box": 8 - correct - error, "error: timeout": error},
        "truncated": 1,
        "lengths": [10 + number] * 8,
    }


def sample_of(number: int, status: str) -> dict:
    return {
        "stage": "math_24" if number < 6 else "code_32",
        "step": number,
        "problem": "p1",
        "statement": "what is 1?",
        "answer": "1",
        "response": HOSTILE,
        "length": 12,
        "finish_reason": "length" if status == "wrong" else "stop",
        "status": status,
        "detail": {"path": "no box"},
        "reward": float(status == "correct"),
        "in_loss": status == "correct",
    }


def make_rl(folder: Path, steps: int = 12) -> Path:
    """A run that has had so many of its twelve steps."""
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(yaml.safe_dump(RL, sort_keys=False))
    evaluations = [
        {"step": n, **{f"eval/heldout/{k}": v for k, v in value.items()}}
        for n, value in ((0, accuracy(0.25)), (6, accuracy(0.5)), (12, accuracy(0.75)))
    ]
    rows = [*map(step_of, range(steps)), *(row for row in evaluations if row["step"] <= steps)]
    write_rows(folder / "metrics.jsonl", rows)
    write_rows(folder / "groups.jsonl", [group_of(number) for number in range(steps)])
    write_rows(folder / "samples.jsonl", [sample_of(n, s) for n in range(steps) for s in ("correct", "wrong")])
    filtered = {"stage": "code_32", "epoch": 0, "problem": "p0", "why": "all 8 rollouts of step 7 correct"}
    write_rows(folder / "filtered.jsonl", [filtered] if steps > 7 else [])
    finding = {"stage": "math_24", "step": 3, "rule": "truncated", "message": "50% reach their budget. Try `mask`"}
    write_rows(folder / "health.jsonl", [finding, finding | {"stage": "code_32", "step": 9}])
    if steps == 12:
        (folder / "checkpoints").mkdir()
        (folder / "checkpoints/step-000012-end-of-code_32.ckpt").touch()
    return folder


def accuracy(avg: float) -> dict:
    return {"avg": avg, "stderr": 0.1, "error_rate": 0.0, "length_mean": 20.0, "truncated": 0.125}


def make_sft(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(yaml.safe_dump(SFT, sort_keys=False))
    names = ("policy/entropy", "policy/lr", "policy/grad_norm", "response/tokens", "time/train")
    rows = [{"step": n, "policy/loss": 4.0 - n, **dict.fromkeys(names, 1.0)} for n in range(4)]
    write_rows(
        folder / "metrics.jsonl", [*rows, {"step": 1, "eval/heldout/loss": 3.0}, {"step": 3, "eval/heldout/loss": 1.5}]
    )
    return folder
