"""The SFT config of the 7B model on two ranks, with rows of the released form and a tiny backbone in its place."""

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
from datasets import Dataset

from tests.support.comparison import metrics, same_weights
from tests.support.fakes import CONFIG
from tests.support.killed_runs import ONE_THREAD
from tests.support.limits import HANG

pytestmark = pytest.mark.slow
HELD, ROWS, CUT = 2_000, 4_100, 100
"""Rows that the config holds out; all; those of the rest that were cut. The rest is more than one worker takes."""


def released(number: int, cut: bool) -> dict:
    """A row as AceReason-1.1-SFT has it."""
    answer = f"The sum is $\\boxed{{{number + 3}}}$." if number % 3 else f"```python\nprint({number} + 3)\n```"
    statement = f"What is {number}+3?" if number % 3 else f"Print {number}+3."
    output = f"<think>\n{number}+3 it is.\n" + ("" if cut else f"</think>\n\n{answer}")
    return {"category": "math" if number % 3 else "code", "source": "made up", "input": statement, "output": output}


@pytest.fixture
def fit(tmp_path):
    """Runs the config on two ranks; gives the run's folder and what was printed."""
    cut = set(random.Random(0).sample(range(HELD, ROWS), CUT))
    Dataset.from_list([released(n, n in cut) for n in range(ROWS)]).to_parquet(tmp_path / "rows.parquet")
    source = {"path": str(tmp_path / "rows.parquet"), "fields": "acereason-sft"}
    callbacks = [{"class_path": "Recorder"}, {"class_path": "Checkpoints", "init_args": {"every_n_steps": 6}}]
    strategy = {"data_parallel_size": 2, "tensor_parallel_size": 1}
    overlay = {
        "trainer": {
            "accelerator": "cpu",
            "devices": 2,
            "strategy": {"class_path": "ModelParallelStrategy", "init_args": strategy},
            "max_epochs": 2,
            "callbacks": [*callbacks, {"class_path": "Export"}],
            "logger": {"init_args": {"save_dir": str(tmp_path)}},
        },
        "model": {
            "init_args": {
                "pretrained": None,
                "backbone": {
                    "config": CONFIG | {"num_hidden_layers": 1},
                    "tokenizer": "bytes",
                    "compute_dtype": "float32",
                },
                "schedule": {"warmup_steps": 2},
            }
        },
        "data": {
            "init_args": {"sources": {"acereason": source}, "heldout": {"heldout": source | {"limit": 9}}, "workers": 2}
            | {"template": {"layout": "{user}\n"}}  # without the system prompt, which is most of such short rows
        },
    }
    (tmp_path / "overlay.json").write_text(json.dumps(overlay))

    def start(name: str, *flags: str) -> tuple[Path, str]:
        command = [sys.executable, "run.py", "fit", "--config=conf/sft/qwen2.5-math-7b.yaml"]
        command += [f"--config={tmp_path / 'overlay.json'}", f"--trainer.logger.name={name}", *flags]
        env = os.environ | ONE_THREAD | {"HF_DATASETS_CACHE": str(tmp_path / "cache")}
        done = subprocess.run(command, capture_output=True, text=True, env=env, timeout=HANG)
        assert done.returncode == 0, done.stderr
        return tmp_path / name, done.stdout

    return start


def test_it_tokenizes_once_trains_resumes_and_ends_with_its_schedule(fit, tmp_path):
    whole, printed = fit("whole")
    assert printed.count("data.sources.acereason: 2,100 rows tokenized, ") == 1
    assert printed.count("data.heldout.heldout: 9 rows tokenized, ") == 1
    assert printed.count("data.sources.acereason: 100 of 2,100 rows excluded: row ") == 1
    made = {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").rglob("tokens-*/*.arrow")}
    assert len(made) == 3  # two parts of the rows, by two workers, and what is held out

    curves = metrics(whole)
    rates = [rate for _, rate in curves["policy/lr"]]
    assert len(rates) == 16  # 2,000 rows in updates of 256, twice
    assert rates[:3] == pytest.approx([2.5e-5, 5e-5, 5e-5])
    assert rates[-1] == pytest.approx(0.1 * 5e-5)
    assert rates[-2] > 1.02 * rates[-1]
    assert curves["policy/loss"][-1][1] < curves["policy/loss"][0][1]
    assert [step for step, _ in curves["eval/heldout/loss"]] == [7, 15]

    resumed, printed = fit("resumed", f"--ckpt_path={whole}/checkpoints/step-000012.ckpt")
    assert "tokenized" not in printed
    assert {path: path.stat().st_mtime_ns for path in made} == made
    assert metrics(resumed, since=12) == metrics(whole, since=12)
    same_weights(whole / "export", resumed / "export")
