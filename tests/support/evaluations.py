"""`test` on small made benchmarks: a random model, or responses from a file."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import run
from acereason.evaluation.measured import result_of
from acereason.evaluation.results import Result
from acereason.sampling.samples import Sample
from tests.support.fakes import CONFIG
from tests.support.limits import HANG

ONE_THREAD = {"OMP_NUM_THREADS": "1"}
ROWS = [{"problem": f"What is {i}+{i}?", "answer": str(2 * i), "id": f"p{i}"} for i in range(5)]
CODE = [
    {"problem": f"Print {i}.", "tests": {"type": "stdin", "inputs": [""], "outputs": [str(i)]}, "id": f"c{i}"}
    for i in range(2)
]


def config(folder: Path, **changes) -> Path:
    """A config of two benchmarks; the weights depend on its seed."""
    for name, rows in {"sums.jsonl": ROWS, "code.jsonl": CODE}.items():
        (folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    columns = {"statement": "problem", "id": "id"}
    math = {"path": str(folder / "sums.jsonl"), "fields": columns}
    code = {
        "path": str(folder / "code.jsonl"),
        "task": "code",
        "fields": columns | {"answer": None, "tests": ["tests"]},
    }
    benchmarks = {
        "sums": {"source": math, "n": 4, "max_response_length": 12},
        "code": {"source": code, "n": 2, "max_response_length": 8},
    }
    template = {"math": "{statement}", "code": "{statement}", "layout": "{user}\n"}
    model = {"backbone": {"config": CONFIG, "tokenizer": "bytes"}, "engine": {"class_path": "HFEngine"}}
    model |= {"rewards": {"workers": 1}} | changes
    trainer = {"accelerator": "cpu", "devices": 1, "logger": False, "enable_progress_bar": False}
    trainer |= {"enable_model_summary": False, "enable_checkpointing": False}
    values = {
        "trainer": trainer,
        "model": {"class_path": "EvaluationModule", "init_args": model},
        "data": {"class_path": "EvaluationData", "init_args": {"benchmarks": benchmarks, "template": template}},
    }
    path = folder / "config.yaml"
    path.write_text(json.dumps(values))
    return path


def arguments(path: Path, output: Path, *more: str) -> list[str]:
    return ["test", f"--config={path}", f"--trainer.default_root_dir={output}", *more]


def evaluate(path: Path, output: Path, *more: str) -> dict:
    """In this process; the benchmarks of results.json."""
    run.main(arguments(path, output, *more))
    return json.loads((output / "results.json").read_text())["benchmarks"]


def replay(folder: Path, responses: dict[tuple[str, int], str]) -> Path:
    """A config whose engine reads {(problem id, sample): response}."""
    path = folder / "responses.jsonl"
    rows = [{"id": name, "sample": number, "response": text} for (name, number), text in responses.items()]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return config(folder, engine={"class_path": "ReplayEngine", "init_args": {"responses": str(path)}})


def finish(path: Path, output: Path, *more: str) -> str:
    """In a process of its own, to the end; what it said."""
    command = [sys.executable, "run.py", *arguments(path, output, *more)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=HANG, env=os.environ | ONE_THREAD)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def killed_at(samples: int, path: Path, output: Path, *more: str) -> bool:
    """In a process of its own, until it has kept so many samples; whether it was still running then."""
    command = [sys.executable, "run.py", *arguments(path, output, *more)]
    with subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=os.environ | ONE_THREAD,
        start_new_session=True,
    ) as process:
        while process.poll() is None:
            if kept_lines(output) >= samples:
                os.killpg(process.pid, signal.SIGKILL)
                return process.wait() == -signal.SIGKILL
            time.sleep(0.0005)
    return False


def kept_lines(output: Path) -> int:
    """Lines of all journals."""
    return sum(path.read_bytes().count(b"\n") for path in output.glob("samples/*.jsonl"))


def sample(name: str, number: int, status: str, vote: str | None = None, **changes) -> Sample:
    """One judged response, made by hand."""
    detail = {"error": "killed"} if status == "error" else {"normal": vote} if vote else {}
    values = {"response": "", "seed": 0, "tokens": 10, "finish_reason": "stop", "problem": "d"}
    return Sample(name, number, status=status, detail=detail, **values | changes)


def result_by_counts(n: int = 4, **correct: int) -> Result:
    """The result of problems by their number of correct responses among n."""
    samples = [sample(name, k, "correct" if k < c else "wrong") for name, c in correct.items() for k in range(n)]
    return result_of(samples, n, seed=0)


PREFER = {"rewards": {"after_think": "prefer"}}
"""A fingerprint with what `write_results` reads of it."""
MATH = [
    sample("m/0", 0, "correct", "2"),
    sample("m/0", 1, "correct", "2"),
    sample("m/1", 0, "wrong", "4", tokens=40, finish_reason="length"),
    sample("m/1", 1, "error"),
    sample("m/2", 0, "wrong"),
    sample("m/2", 1, "correct", "7"),
]
