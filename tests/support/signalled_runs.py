"""python -m tests.support.signalled_runs --seed 0 --number 100: signals at random moments.

Runs are interrupted, go on by the command that they have told, and are interrupted again until they are finished; then
each must be what the run left alone is. Prints how many signals came in which phase.
"""

import argparse
import json
import os
import random
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import pyarrow.parquet as pq
import yaml

from acereason.models.exports import export
from tests.support.comparison import metrics, same_weights
from tests.support.curations import fingerprint, write_config, write_rows
from tests.support.evaluations import config as evaluation_config
from tests.support.fakes import TOKENIZER, tiny_qwen
from tests.support.killed_runs import ONE_THREAD
from tests.support.limits import HANG
from tests.test_kill import same_run

FIT = ["setup", "screening", "rollout", "rollout", "update", "sync", "evaluation", "evaluation", "export", "checkpoint"]
SIGNALS = ["SIGTERM", "SIGINT", "SIGUSR1"]
SHARES = {"fit": 40, "two": 16, "recipe": 14, "test": 8, "predict": 8, "curate": 8, "calibrate": 6}
"""Of a hundred signals."""


class Server:
    """`tests/scripts/signalled.py --serve`: processes that needn't import everything anew."""

    def __init__(self) -> None:
        command = [sys.executable, "tests/scripts/signalled.py", "--serve"]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self._process = subprocess.Popen(command, text=True, env=ONE_THREAD, **pipes)

    def run(self, arguments: list[str], log: Path, plan: dict | None = None) -> int:
        """The exit status; nothing of the run is left behind."""
        order = {"arguments": arguments, "log": str(log), "plan": plan or {}}
        print(json.dumps(order), file=self._process.stdin, flush=True)
        done = json.loads(self._process.stdout.readline())
        deadline = time.monotonic() + HANG
        while (left := of_session(done["session"])) and time.monotonic() < deadline:
            time.sleep(0.1)  # the forkserver's children end a moment after their parent
        assert not left, (left, log.read_text())
        return done["status"]

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait()


def of_session(session: int) -> list[str]:
    """Processes that have not ended."""
    columns = ["ps", "-o", "stat=,pid=,args=", "-s", str(session)]
    lines = subprocess.run(columns, capture_output=True, text=True).stdout.splitlines()
    return [line for line in lines if not line.startswith("Z") and "forkserver" not in line and "tracker" not in line]


@dataclass
class Case:
    """A run that is interrupted until it is finished."""

    arguments: Callable[[Path], list[str]]
    """Its command line, into a folder."""
    phases: list[str]
    same: Callable[[Path, Path], None]
    """Raises where a run isn't that which was left alone."""
    most: int = 3
    """Times that a phase is entered at most before the signal."""
    delay: float = 0.1
    """Seconds at most from then on."""
    ranks: int = 1
    targets: list[str] = field(default_factory=lambda: ["self", "self", "group"])


class Signalling:
    """Interrupts runs of all kinds.

    Args:
        folder: where they are.
        seed: of moments and signals.
    """

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder, self.random = folder, random.Random(seed)
        self.server, self.cases = Server(), cases(folder)
        self.hit: Counter[tuple[str, str]] = Counter()
        """Signals by (run, phase)."""
        self.runs: Counter[str] = Counter()

    def interrupt(self, name: str, number: int) -> None:
        """Send so many signals to runs of a kind, and compare each that is finished."""
        case, whole = self.cases[name], self.folder / name / "whole"
        log = self.folder / f"{name}.log"
        whole.parent.mkdir(exist_ok=True)
        assert self.server.run(case.arguments(whole), log) == 0, log.read_text()
        while number > 0:
            number -= self._interrupted_run(case, name, number)

    def _interrupted_run(self, case: Case, name: str, most: int) -> int:
        """One run from its beginning to its end; how many signals it has had."""
        self.runs[name] += 1
        folder, log = self.folder / name / f"run-{self.runs[name]}", self.folder / f"{name}-{self.runs[name]}.log"
        arguments, sent, tries = case.arguments(folder), 0, 0
        while sent < most and tries < most + 20:
            plan, tries = self._plan(case), tries + 1
            Path(plan["trace"]).unlink(missing_ok=True)
            status, said = self.server.run(arguments, log, plan), log.read_text()
            if status == 0:
                break  # before the phase came, or when the signal did, it was done
            self._check(plan, status, said)
            sent += 1
            self.hit[name, Path(plan["trace"]).read_text()] += 1
            print(f"{name} {self.runs[name]}: {plan}: {told(said)}", flush=True)
            arguments = shlex.split(told(said).partition("; to go on: ")[2])[2:]
        else:
            assert self.server.run(arguments, log) == 0, log.read_text()
        case.same(self.folder / name / "whole", folder)
        return sent

    def _plan(self, case: Case) -> dict:
        draw = self.random
        return {
            "phase": draw.choice(case.phases),
            "count": draw.randint(1, case.most),
            "delay": draw.uniform(0, case.delay),
            "signal": draw.choice(SIGNALS),
            "rank": draw.randrange(case.ranks),
            "target": draw.choice(case.targets),
            "trace": str(self.folder / "trace"),
        }

    def _check(self, plan: dict, status: int, said: str) -> None:
        assert status == 128 + signal.Signals[plan["signal"]], (plan, status, said)
        assert "Traceback" not in said, (plan, said)
        assert said.count("to go on: ") == 1 + said.count("ended with status"), (plan, said)
        assert f"interrupted by {plan['signal']}" in told(said), (plan, said)

    def close(self) -> None:
        self.server.close()


def told(said: str) -> str:
    """The line that tells how to go on."""
    lines = [line for line in said.splitlines() if "to go on: " in line]
    assert lines, said
    return lines[-1]


def cases(folder: Path) -> dict[str, Case]:
    """Every kind of run."""
    return {
        "fit": Case(fit, FIT, same_run),
        "two": Case(two_ranks, FIT, same_two, ranks=2),
        "recipe": Case(recipe, FIT, same_recipe, targets=["self", "parent", "parent"]),
        "test": Case(test(folder), ["test"], same_file("results.json"), most=2, delay=0.5),
        "predict": Case(predict(folder), ["sampling"], same_shards, most=1, delay=1.0),
        "curate": Case(curate(folder), ["curation"], same_dataset, most=9),
        "calibrate": Case(calibrate, ["calibration"], same_file("calibration.json"), most=3),
    }


def fit(folder: Path, *more: str) -> list[str]:
    logger = [f"--trainer.logger.save_dir={folder.parent}", f"--trainer.logger.name={folder.name}"]
    return ["fit", "--config=conf/debug.yaml", "--trainer.recipe.Checkpoints.every_n_steps=3", *logger, *more]


def two_ranks(folder: Path) -> list[str]:
    fsdp = ["--trainer.strategy=ModelParallelStrategy", "--trainer.strategy.tensor_parallel_size=1"]
    return fit(folder, *fsdp, "--trainer.strategy.data_parallel_size=2", "--trainer.devices=2")


def recipe(folder: Path) -> list[str]:
    verb, config, *overrides = fit(folder / "rl")
    steps = [
        {"name": "rl", "verb": verb, "config": config.removeprefix("--config="), "overrides": overrides},
        {"name": "report", "verb": "report", "overrides": [str(folder / "rl")]},
    ]
    path = folder.with_suffix(".yaml")
    path.write_text(yaml.safe_dump({"folder": str(folder), "steps": steps}))
    return ["recipe", f"--config={path}"]


def test(folder: Path) -> Callable[[Path], list[str]]:
    data = folder / "test-data"
    data.mkdir()
    path = evaluation_config(data, engine={"class_path": "HFEngine", "init_args": {"max_rows": 2}})
    return lambda output: ["test", f"--config={path}", f"--trainer.default_root_dir={output}"]


def predict(folder: Path) -> Callable[[Path], list[str]]:
    export(tiny_qwen(), TOKENIZER, folder / "teacher", is_writer=True)
    source = write_rows(folder / "prompts.jsonl", [{"problem": f"{i}+1", "answer": str(i + 1)} for i in range(40)])
    engine = {"class_path": "HFEngine", "init_args": {"max_rows": 4}}
    config = {
        "sources": {"sums": source},
        "engine": {"pretrained": str(folder / "teacher"), "engine": engine},
        "sampling": {"temperature": 1.0, "max_response_length": 32},
        "template": {"math": "{statement}", "layout": "{user}\n"},
        "rewards": {"workers": 1},
    }
    path = folder / "predict.yaml"
    path.write_text(yaml.safe_dump(config))
    return lambda output: ["predict", f"--config={path}", f"--output={output}"]


def curate(folder: Path) -> Callable[[Path], list[str]]:
    rows = [{"problem": f"What is {i} and {i + 1} and {i * i}?", "answer": str(i)} for i in range(60)]
    path = write_config(folder / "curation", sources={"a": write_rows(folder / "curation/a.jsonl", rows)}, workers=2)
    return lambda output: ["curate", f"--config={path}", f"--output={output}"]


def calibrate(folder: Path) -> list[str]:
    sweep = ["--temperatures=[0.5,0.7,0.9,1.1]", "--problems=8", f"--output={folder}"]
    return ["calibrate", "--config=conf/debug.yaml", *sweep]


def same_two(whole: Path, folder: Path) -> None:
    assert metrics(folder) == metrics(whole)
    same_weights(whole / "export", folder / "export")


def same_recipe(whole: Path, folder: Path) -> None:
    same_run(whole / "rl", folder / "rl")
    assert sorted(path.name for path in folder.glob("*.json")) == ["report.done.json", "rl.done.json"]


def same_file(name: str) -> Callable[[Path, Path], None]:
    def same(whole: Path, folder: Path) -> None:
        assert (folder / name).read_bytes() == (whole / name).read_bytes()

    return same


def same_shards(whole: Path, folder: Path) -> None:
    shards = [sorted(output.glob("00000-of-00001/*.parquet")) for output in (whole, folder)]
    assert len(shards[0]) == len(shards[1]) > 0
    for mine, theirs in zip(*shards, strict=True):
        assert pq.read_table(mine) == pq.read_table(theirs)


def same_dataset(whole: Path, folder: Path) -> None:
    assert fingerprint(folder) == fingerprint(whole)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--number", type=int, default=100)
    parser.add_argument("--only", nargs="*", default=list(SHARES))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix=f"signalling-{os.getpid()}-") as folder:
        signalling = Signalling(Path(folder), options.seed)
        for name in options.only:
            signalling.interrupt(name, max(1, round(options.number * SHARES[name] / sum(SHARES.values()))))
        signalling.close()
        for (name, phase), count in sorted(signalling.hit.items()):
            print(f"{name:10} {phase:12} {count}")
        print(f"{sum(signalling.hit.values())} signals; every run is the one that was left alone")


if __name__ == "__main__":
    main()
