"""A judge behind a server in whole runs: training that takes steps again, and a `score` that is killed."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import run
from tests.support.judge_server import JudgeServer


@pytest.fixture
def server():
    """A judge that never says the same twice."""
    started = JudgeServer(lambda prompt, number: f"Number {number}.\nSCORE: 0.{number:05}")
    yield started
    started.close()


def rows(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def told(folder: Path) -> list[tuple]:
    """Of each response of training that is kept: step, problem, text, reward."""
    return [
        tuple(row[name] for name in ("step", "problem", "response", "reward")) for row in rows(folder / "samples.jsonl")
    ]


@pytest.mark.slow
def test_steps_that_are_taken_again_have_the_same_rewards(debug_run, server):
    args = ["--config=conf/rewards/judge.yaml", f"--model.rewards.judge.url={server.url}", "--trainer.max_steps=3"]
    folder = debug_run(*args)
    metrics, samples, asked = rows(folder / "metrics.jsonl"), told(folder), len(server.bodies)
    rewards = {row["step"]: row["reward/mean"] for row in metrics if "reward/mean" in row}
    assert len(rewards) == 3
    assert len(set(rewards.values())) == 3
    assert len(list((folder / "judge").glob("judge-*.jsonl"))) == 1
    # the checkpoint after the first step: the other two are taken again
    (first,) = (folder / "checkpoints").glob("step-000001*")
    debug_run(*args, f"--ckpt_path={first}")
    again = rows(folder / "metrics.jsonl")
    assert {row["step"]: row["reward/mean"] for row in again if "reward/mean" in row} == rewards
    assert told(folder) == samples
    assert len(server.bodies) == asked


def write_rows(path: Path, count: int) -> None:
    made = [{"id": str(n), "task": "math", "answer": "5", "response": f"text {n}"} for n in range(count)]
    path.write_text("".join(json.dumps(row) + "\n" for row in made))


def arguments(folder: Path, server: JudgeServer) -> list[str]:
    judge = {"url": server.url, "model": "m", "concurrency": 2}
    places = [f"--input={folder}/rows.jsonl", f"--output={folder}/verdicts.jsonl"]
    return ["score", *places, "--rewards.functions=judge", f"--rewards.judge={json.dumps(judge)}"]


def test_score_asks_once(tmp_path, server):
    write_rows(tmp_path / "rows.jsonl", 5)
    run.main(arguments(tmp_path, server))
    first = (tmp_path / "verdicts.jsonl").read_text()
    assert {row["status"] for row in rows(tmp_path / "verdicts.jsonl")} == {"wrong"}
    assert len(rows(tmp_path / "verdicts.judge-0.jsonl")) == 5
    run.main(arguments(tmp_path, server))
    assert len(server.bodies) == 5
    without = [{**row, "seconds": 0, "detail": {}} for row in map(json.loads, first.splitlines())]
    assert [{**row, "seconds": 0, "detail": {}} for row in rows(tmp_path / "verdicts.jsonl")] == without


@pytest.mark.slow
def test_a_killed_score_goes_on(tmp_path):
    server = JudgeServer(lambda prompt, number: f"Number {number}.\nSCORE: 0.{number:05}", delay=0.2)
    try:
        write_rows(tmp_path / "rows.jsonl", 40)
        process = subprocess.Popen([sys.executable, "run.py", *arguments(tmp_path, server)])
        while len(server.bodies) < 15:
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
        kept = rows(tmp_path / "verdicts.judge-0.jsonl")
        assert len(kept) >= 13  # all but those under way
        run.main(arguments(tmp_path, server))
        assert len(server.bodies) <= 42
        scores = {row["reward"] for row in rows(tmp_path / "verdicts.jsonl")}
        assert len(scores) == 40
        assert {row["score"] for row in kept} <= scores
    finally:
        server.close()
