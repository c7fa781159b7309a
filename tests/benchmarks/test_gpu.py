"""`python -m benchmarks.gpu`: its parts' processes, what it tells of them, and the figures that could be wrong."""

import json
import math
import multiprocessing
import subprocess
import sys
import time
from pathlib import Path

import pytest

from acereason.models.backbone import Backbone
from acereason.modules.sft import SFTModule
from benchmarks.gpu import __main__ as gpu
from benchmarks.gpu import curve, debug, kernels, training
from benchmarks.gpu.parts import PARTS
from benchmarks.gpu.running import Part, run_part
from benchmarks.gpu.settings import TOY, Settings
from benchmarks.policies import write_policy
from docs.real_model import make_sums
from tests.support.limits import HANG

FORK = multiprocessing.get_context("fork")


def part(name: str, seconds: float = 30, least: float = 1, **changes) -> Part:
    return Part(name, f"tests.support.gpu_parts:{name}", seconds, least, **changes)


def ran(name: str, context=FORK, **changes):
    return run_part(part(name, **changes), Settings("cpu"), 100, context)


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_part_that_ends_well(method):
    outcome = ran("good", multiprocessing.get_context(method))
    assert (outcome.status, outcome.reason, outcome.output) == ("done", "", "")
    assert outcome.figures() == {"speed": 2.5, "fact": "in words"}


@pytest.mark.parametrize(
    ("name", "status", "reason"),
    [
        ("crashing", "failed", "its process was killed by SIGKILL"),
        ("failing", "failed", "RuntimeError: no memory left"),
        ("refusing", "failed", "SystemExit: 2: error: model.engine: nothing of that name"),
        ("absent", "not here", "a CPU can't sleep"),
        ("missing", "failed", "first distance is 0.5, asked is at most 0.03; second distance is nan, asked is at most"),
    ],
)
def test_other_endings_say_why_and_keep_what_was_told(name, status, reason):
    outcome = ran(name)
    assert outcome.status == status
    assert outcome.reason.startswith(reason)
    assert len(outcome.rows) == {"crashing": 1, "failing": 1, "missing": 3}.get(name, 0)
    assert ("last words" in outcome.output) == (name == "failing")


def test_a_part_that_hangs_is_killed_with_all_that_it_started(tmp_path):
    started = time.monotonic()
    outcome = run_part(part("hanging", seconds=0.3), Settings("cpu", str(tmp_path)), 100, FORK)
    assert time.monotonic() - started < HANG
    assert (outcome.status, outcome.reason, len(outcome.rows)) == (
        "failed",
        "took more than 3 s",
        1,
    )  # ten times as long on a CPU
    assert ended(int((tmp_path / "child").read_text()))


def ended(pid: int) -> bool:
    """Whether a process is gone, or waits to be reaped by whoever took it over."""
    for _ in range(100):
        status = Path(f"/proc/{pid}/stat")
        if not status.exists() or status.read_text().rpartition(")")[2].split()[0] == "Z":
            return True
        time.sleep(0.05)
    return False


def test_a_part_gets_no_more_than_the_time_that_is_left(tmp_path):
    outcome = run_part(part("hanging"), Settings("cpu", str(tmp_path)), 2, FORK)
    assert (outcome.status, outcome.reason) == ("failed", "took more than 2 s")
    outcome = run_part(part("good", least=20), Settings("cpu"), 19, FORK)
    assert (outcome.status, outcome.reason) == ("skipped", "19 s were left, it takes 20 s at least")


def command(monkeypatch, folder: Path, parts: list[Part], *more: str) -> tuple[int, dict]:
    monkeypatch.setattr(gpu, "PARTS", parts)
    for name in curve.FILES:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).touch()
    monkeypatch.setattr(gpu, "context_of", lambda _: FORK)
    status = gpu.main(["--device=cpu", f"--output={folder}/found.json", f"--model={folder}", *more])
    return status, json.loads((folder / "found.json").read_text())


def test_results_are_written_after_each_part_and_given_to_the_next(monkeypatch, tmp_path, capsys):
    parts = [part("good"), part("absent"), part("good", missing=lambda _: "no such thing"), part("reading")]
    status, found = command(monkeypatch, tmp_path, [*parts[:2], parts[3]])
    assert status == 0
    assert [each["status"] for each in found["parts"]] == ["done", "not here", "done"]
    assert {row["name"]: row["value"] for row in found["parts"][2]["rows"]} == {"written": 1, "speed before": 2.5}
    printed = capsys.readouterr().out
    assert "| speed | 2.5 | a second | at least 2 | met |" in printed
    assert "absent: not here: a CPU can't sleep\n2 of 3 parts done" in printed
    assert command(monkeypatch, tmp_path, parts[2:3])[1]["parts"][0]["reason"] == "no such thing"


@pytest.mark.parametrize("name", ["crashing", "missing"])
def test_one_that_fails_makes_the_exit_status_and_does_not_stop_the_others(monkeypatch, tmp_path, name):
    status, found = command(monkeypatch, tmp_path, [part(name), part("good")])
    assert (status, [each["status"] for each in found["parts"]]) == (1, ["failed", "done"])


def test_one_that_is_left_out_for_want_of_time_makes_it_too(monkeypatch, tmp_path):
    status, found = command(monkeypatch, tmp_path, [part("good", least=70)], "--minutes=1")
    assert (status, found["parts"][0]["status"]) == (1, "skipped")


def test_without_a_gpu_it_says_so_in_a_line(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert gpu.main([f"--output={tmp_path}/found.json"]) == 2
    assert capsys.readouterr().err.startswith("error: --device: torch sees no GPU")
    assert not (tmp_path / "found.json").exists()


def test_a_folder_without_the_real_model_is_a_mistake(tmp_path, capsys):
    assert gpu.main(["--device=cpu", f"--output={tmp_path}/found.json", f"--model={tmp_path}"]) == 2
    assert capsys.readouterr().err.startswith(f"error: --model: {tmp_path} has no model/config.json; python -m")
    assert not (tmp_path / "found.json").exists()


def test_numbers_that_json_lacks_are_words(monkeypatch, tmp_path):
    command(monkeypatch, tmp_path, [part("missing")])
    text = (tmp_path / "found.json").read_text()
    assert json.loads(text, parse_constant=lambda name: pytest.fail(name))["parts"][0]["rows"][1]["value"] == "nan"


def write_metrics(folder: Path, rows: list[dict]) -> Path:
    folder.mkdir()
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows) + '{"step": 9, "po')
    return folder


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, 0.0),
        ({"time/step": 9.0, "sync/seconds": 9.0}, 0.0),
        ({"policy/loss": 0.75}, 0.25),
        ({"gap": 1.0}, math.nan),
        ({"more": 1.0}, math.inf),
    ],
)
def test_runs_that_differ(tmp_path, changes, expected):
    row = {"step": 1, "policy/loss": 0.5, "gap": math.nan, "time/step": 1.0, "sync/seconds": 1.0}
    one = write_metrics(tmp_path / "one", [row | {"step": 0}, row])
    other = write_metrics(tmp_path / "other", [row | {"step": 0}, row | changes])
    assert debug.difference(one, other) == pytest.approx(expected, nan_ok=True)
    assert debug.updates(one) == 2
    assert debug.difference(one, write_metrics(tmp_path / "short", [row])) == math.inf


def test_attention_that_leaks_would_be_seen():
    settings = Settings("cpu")
    layer = kernels.Attention(settings, "float32", [40, 24])
    (right, _), (wanted, _) = layer.run(), layer.masked(layer.mask())
    assert kernels.distance(right, wanted) < kernels.EQUAL["float32"]
    leaking = layer.run(document_lengths=[64])[0]
    assert kernels.distance(leaking, wanted) > 3 * kernels.EQUAL["bfloat16"]


@pytest.mark.parametrize(
    ("name", "teraflops"),
    [("NVIDIA H200", 989), ("NVIDIA H100 80GB HBM3", 989), ("NVIDIA H100 PCIe", 756), ("NVIDIA A10", None)],
)
def test_utilization_counts_products_and_attention(name, teraflops):
    module = SFTModule(backbone=Backbone(config=TOY, tokenizer="bytes", gradient_checkpointing=True))
    rows = training.utilization(module, 10**6, [training.Step(0.5, [300, 200])], name)
    if teraflops is None:
        assert rows[0].value == "not here: no peak is known for NVIDIA A10"
        return
    work = 6 * 10**6 * 500 + 6 * 2 * 64 * (300**2 + 200**2)  # forward, and backward of twice as much: two layers of 64
    assert rows[0].value == pytest.approx(100 * work / 0.5 / (teraflops * 1e12))
    assert rows[1].value == pytest.approx(rows[0].value * 4 / 3)


def run_through(folder: Path, names: list[str], *more: str) -> dict[str, dict]:
    """The command at toy size; {part: {figure: value}}. As a process of its own: it forks its parts before it has
    computed anything, and pytest's process has threads that a fork would wait for."""
    options = ["--device=cpu", f"--output={folder}/found.json", *more, "--parts", *names]
    status = subprocess.run([sys.executable, "-m", "benchmarks.gpu", *options]).returncode
    found = json.loads((folder / "found.json").read_text())["parts"]
    assert {each["name"]: each["status"] for each in found} == dict.fromkeys(names, "done"), found
    assert status == 0
    return {each["name"]: {row["name"]: row["value"] for row in each["rows"]} for each in found}


@pytest.mark.slow
def test_everything_runs_on_a_cpu(tmp_path):
    names = [part.name for part in PARTS if part.name not in OF_VLLM]
    make_sums(tmp_path)
    rows = [json.loads(line) for line in (tmp_path / "sft.jsonl").read_text().splitlines()]
    short = [row | {"response": f"\\boxed{{{row['answer']}}}"} for row in rows]  # a token a byte is many
    (tmp_path / "sft.jsonl").write_text("".join(json.dumps(row) + "\n" for row in short))
    write_policy(tmp_path / "model", "0.8M")  # for the real one, which takes minutes
    found = run_through(tmp_path, names, f"--model={tmp_path}")
    assert found["curve"]["RL: reward/mean at step 0"] == 0
    assert {"RL: eval/heldout/avg at step 0", "SFT: loss of update 0"} <= found["curve"].keys()
    assert found["debug"]["fit: updates"] == found["debug"]["resumed: updates"] > 5
    assert found["debug"]["resumed: largest difference of a metric"] == 0
    for name in ("sft", "grpo"):
        assert found[name]["tokens of an update"] == pytest.approx(2 * 512, rel=0.3)
        assert found[name]["preflight's estimate"] > 0
    assert sum(name.startswith("bfloat16") for name in found["attention"]) == 4


OF_VLLM = ("alone", "colocated", "separate")


@pytest.mark.vllm
@pytest.mark.nightly
def test_everything_of_vllm_runs_on_a_cpu(tmp_path):
    found = run_through(tmp_path, list(OF_VLLM))
    assert 0 < found["colocated"]["the same / vLLM's own generate"] < 10
    for name in ("colocated", "separate"):
        gaps = [value for figure, value in found[name].items() if figure.endswith("mean")]
        assert len(gaps) == 3
        assert all(0 < gap < 0.1 for gap in gaps)
    assert found["colocated"]["sleep and wake"] == "not here: vLLM sleeps on GPUs only"


def test_no_part_takes_more_than_all_of_them_may():
    assert all(part.least < part.seconds < 8 * 60 for part in PARTS)
