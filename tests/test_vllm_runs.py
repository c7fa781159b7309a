"""Whole runs on vLLM: exact, resumable, and loud when something breaks."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from acereason.common.types import Problem
from tests.support.command_line import listed
from tests.support.comparison import metrics, same_weights
from tests.support.independent_vllm import fresh_vllm
from tests.support.killed_runs import ONE_THREAD, arguments, finish, killed_at
from tests.support.limits import HANG
from tests.test_kill import same_run
from tests.test_two_ranks import SGD

pytestmark = [pytest.mark.vllm, pytest.mark.slow]

VLLM = ["--model.engine=VLLMEngine", "--model.engine.cache_gib=0.25"]
SEPARATE = [*VLLM, "--model.engine.placement=separate"]
IMPATIENT = [*SEPARATE, "--model.engine.sync_seconds=5"]


def with_one_more(tmp_path: Path, name: str, before: str, **settings) -> str:
    """An overlay with one more callback, before another."""
    callbacks = listed("--config=conf/debug.yaml")
    place = [entry["class_path"].rpartition(".")[2] for entry in callbacks].index(before)
    callbacks.insert(place, {"class_path": f"tests.support.vllm_callbacks.{name}", "init_args": settings})
    overlay = tmp_path / f"{name}.yaml"
    overlay.write_text(json.dumps({"trainer": {"callbacks": callbacks}}))
    return f"--config={overlay}"


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The debug run on a colocated vLLM."""
    folder = tmp_path_factory.mktemp("vllm") / "whole"
    finish(folder, *VLLM)
    return folder


@pytest.mark.parametrize("every", [4, pytest.param(1, marks=pytest.mark.nightly)])
def test_after_each_update_the_engine_equals_a_fresh_one_of_that_steps_export(tmp_path, every):
    """Twelve updates, with a policy restored from an export between them."""
    folder = tmp_path / "compared"
    finish(folder, with_one_more(tmp_path, "Compare", before="Overlong"), *VLLM)
    compared = sorted((folder / "compared").iterdir())
    assert [path.name for path in compared] == [f"{step:02}" for step in range(1, 13)]
    for path in compared[::every]:
        seen = json.loads((path / "engine.json").read_text())
        problems = [Problem(name, "math", "", "", prompt_ids=ids) for name, ids in seen["prompts"]]
        theirs = fresh_vllm(path, problems, longest=64, tokens=8)
        assert [tokens for tokens, _ in seen["rows"]] == [tokens for tokens, _ in theirs]
        for (_, mine), (_, logprobs) in list(zip(seen["rows"], theirs, strict=True))[3:]:
            assert mine == pytest.approx(logprobs, abs=1e-6)


@pytest.mark.nightly  # the runs below whose engines break are resumed and compared too
@pytest.mark.parametrize("overrides", [VLLM, SEPARATE], ids=["colocated", "separate"])
def test_it_resumes_exactly(tmp_path, whole, overrides):
    """Killed twice; a separate engine gives what a colocated one gives."""
    folder = tmp_path / "killed"
    for path in ("checkpoints/.step-000003.ckpt", "checkpoints/.step-000008-end-of-long.ckpt"):
        assert killed_at(path, folder, *overrides), path
    finish(folder, *overrides)
    same_run(whole, folder)


@pytest.mark.parametrize(
    ("how", "overrides", "message"),
    [
        ("kill in generation", SEPARATE, "was killed by SIGKILL while generating; the run goes on from its last"),
        ("stop in sync", IMPATIENT, "did not answer within 5 s while taking in weights"),
        ("forget", [*VLLM, "--model.max_logprob_gap=1e-4"], "it does not hold the policy of step 3"),
        *(
            pytest.param(*case, marks=pytest.mark.nightly)
            for case in [
                (
                    "kill in sync",
                    SEPARATE,
                    "was killed by SIGKILL while taking in weights, model.embed_tokens.weight",
                ),
                # nightly as well: test_engine breaks streams in the same ways
                ("missing", VLLM, "weight sync: 1 parameters never came, first model.layers.0.self_attn.k_proj.bias"),
                ("shape", SEPARATE, "weight sync: model.layers.0.self_attn.k_proj.bias is [31], the engine's is [32]"),
                ("nan", VLLM, "weight sync: model.norm.weight has 1 of 64 values that are not finite"),
                ("exception", SEPARATE, "OSError: made up"),
            ]
        ),
    ],
)
def test_what_breaks_is_told_and_the_run_goes_on_from_its_checkpoint(tmp_path, whole, how, overrides, message):
    folder = tmp_path / "broken"
    broken = [with_one_more(tmp_path, "Break", before="WeightSync", how=how), *overrides]
    command = [sys.executable, "run.py", *arguments(folder, *broken)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=ONE_THREAD) as run:
        engines = engines_at(run, folder / "checkpoints", step=2)
        said = run.communicate(timeout=HANG)[0]
    assert run.returncode != 0
    assert message in said
    assert len(engines) == ("--model.engine.placement=separate" in overrides)
    assert_gone(engines)
    finish(folder, *(SEPARATE if overrides == IMPATIENT else overrides))
    same_run(whole, folder)


@pytest.mark.parametrize(
    "sign",
    [pytest.param(signal.SIGINT, marks=pytest.mark.nightly), signal.SIGTERM, signal.SIGKILL],
    ids=lambda sign: sign.name,
)
def test_no_engine_outlives_its_trainer(tmp_path, sign):
    folder = tmp_path / "run"
    command = [sys.executable, "run.py", *arguments(folder, *SEPARATE)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=ONE_THREAD) as run:
        engines = engines_at(run, folder / "checkpoints", step=1)
        run.send_signal(sign)
        run.communicate(timeout=HANG)
    assert len(engines) == 1
    assert_gone(engines)


@pytest.mark.nightly
def test_the_quickstarts_rl_learns_on_vllm(tmp_path):
    """The whole curriculum from the quickstart's SFT model, as `recipe` runs it but for the engine."""
    logger = [f"--trainer.logger.save_dir={tmp_path}"]
    for config, more in (("sft", []), ("rl", [f"--model.pretrained={tmp_path}/sft/export", *VLLM])):
        command = [sys.executable, "run.py", "fit", f"--config=conf/quickstart/{config}.yaml", *logger, *more]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=3 * HANG)
    evaluations = json.loads((tmp_path / "rl/summary.json").read_text())["evaluations"]
    first, last = evaluations[:2], evaluations[-2:]
    assert [row["step"] for row in (*first, *last)] == [0, 0, 240, 240]
    for before, after in zip(first, last, strict=True):
        assert after["avg"] > before["avg"] + 0.2
    assert max(value for _, value in metrics(tmp_path / "rl")["sync/logprob_gap"]) < 1e-4


def engines_at(run: subprocess.Popen, checkpoints: Path, step: int) -> list[int]:
    """The engine's process once a step's checkpoint is there; none where the engine is colocated."""
    while run.poll() is None and not any(checkpoints.glob(f"step-{step:06}*")):
        time.sleep(0.01)
    children = Path(f"/proc/{run.pid}/task/{run.pid}/children").read_text().split()
    return [int(pid) for pid in children if "spawn_main" in command_of(int(pid))]


def assert_gone(processes: list[int], seconds: float = HANG) -> None:
    deadline = time.monotonic() + seconds
    while any(map(command_of, processes)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not any(map(command_of, processes))


def command_of(pid: int) -> str:
    """Its command line; empty when it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except OSError:
        return ""


@pytest.mark.nightly
def test_training_while_the_tail_is_generated_changes_nothing(tmp_path):
    """Three waves against one, with SGD, which does not amplify rounding."""
    runs = []
    for waves in (1, 3):
        folder = tmp_path / str(waves)
        finish(folder, *SEPARATE, *SGD, f"--model.num_waves={waves}")
        runs.append(folder)
    one, three = (metrics(folder) for folder in runs)
    assert one.keys() == three.keys()
    for tag, curve in one.items():
        tolerance = {"abs": 1e-5} if tag.startswith("sync/") else {"rel": 1e-6, "abs": 1e-7}
        assert dict(three[tag]) == pytest.approx(dict(curve), nan_ok=True, **tolerance), tag
    same_weights(*(folder / "export" for folder in runs), tolerance=1e-6)
