import json

import pytest

from acereason.common.errors import UserError
from acereason.processes import steps as steps_module
from acereason.processes.signals import Interrupted
from acereason.verbs.recipe import Step, recipe


@pytest.fixture
def program(tmp_path, monkeypatch):
    """A stand-in for run.py that records its arguments and fails when told."""
    script = tmp_path / "program.py"
    script.write_text(
        "import os, pathlib, signal, sys\n"
        f"log = pathlib.Path({str(tmp_path / 'calls')!r})\n"
        "log.open('a').write(' '.join(sys.argv[1:]) + '\\n')\n"
        "print('hello from', sys.argv[3])\n"
        "if '--killed' in sys.argv: os.kill(os.getpid(), signal.SIGTERM)\n"
        "if '--unfinished' in sys.argv: sys.exit(0)\n"
        "if '--fail' in sys.argv: sys.exit(3)\n"
        "pathlib.Path(os.environ['ACEREASON_MARK']).touch()\n"
    )
    monkeypatch.setattr(steps_module, "_RUN", script)
    return lambda: (tmp_path / "calls").read_text().splitlines()


STEPS = [Step("sft", "fit", "a.yaml"), Step("rl", "fit", "b.yaml", ["--model.group_size=4"])]


def test_steps_run_in_order_and_finished_ones_are_skipped(tmp_path, program, capfd):
    folder = tmp_path / "out"
    recipe(STEPS[:1], str(folder))
    recipe(STEPS, str(folder))
    assert program() == ["fit --config a.yaml", "fit --config b.yaml --model.group_size=4"]
    assert (folder / "rl.log").read_text() == "hello from b.yaml\n"
    assert json.loads((folder / "rl.done.json").read_text())["config"] == "b.yaml"
    printed = capfd.readouterr().out
    assert "step sft (1 of 2): finished before, skipped" in printed
    assert "hello from b.yaml" in printed


def test_a_failed_step_stops_with_its_name_and_log(tmp_path, program):
    failing = Step("sft", "fit", "a.yaml", ["--fail"])
    with pytest.raises(UserError, match=r"step sft failed with status 3; its log is .*sft\.log"):
        recipe([failing, STEPS[1]], str(tmp_path))
    assert program() == ["fit --config a.yaml --fail"]
    with pytest.raises(UserError, match="step sft failed"):  # it goes on where it stopped
        recipe([failing, STEPS[1]], str(tmp_path))
    assert program()[1:] == ["fit --config a.yaml --fail --ckpt_path auto"]


def test_a_step_is_done_when_it_says_so_itself_and_not_by_its_status(tmp_path, program):
    with pytest.raises(UserError, match=r"step sft ended with status 0 before it had finished; its log is .*sft\.log"):
        recipe([Step("sft", "fit", "a.yaml", ["--unfinished"])], str(tmp_path))
    with pytest.raises(Interrupted) as raised:
        recipe([Step("rl", "fit", "a.yaml", ["--killed"]), STEPS[0]], str(tmp_path))
    assert raised.value.code == 143
    assert "step rl ended with status -15" in raised.value.kept
    assert sorted(path.name for path in tmp_path.glob("*.json")) == ["rl.started.json", "sft.started.json"]


def test_only_an_unfinished_step_that_has_not_changed_resumes(tmp_path, program):
    recipe(STEPS[:1], str(tmp_path))
    (tmp_path / "sft.done.json").unlink()  # to run it again
    recipe(STEPS[:1], str(tmp_path))
    (tmp_path / "sft.done.json").rename(tmp_path / "sft.started.json")
    recipe([Step("sft", "fit", "other.yaml")], str(tmp_path))
    assert program() == ["fit --config a.yaml", "fit --config a.yaml", "fit --config other.yaml"]


def test_a_step_that_changed_since_it_finished_is_not_skipped_in_silence(tmp_path, program):
    recipe(STEPS[:1], str(tmp_path))
    with pytest.raises(UserError, match=r"steps\.sft: changed since it finished; delete .*sft\.done\.json"):
        recipe([Step("sft", "fit", "other.yaml")], str(tmp_path))


def test_mistakes():
    with pytest.raises(UserError, match="at least one step"):
        recipe([])
    with pytest.raises(UserError, match="two steps have the same name"):
        recipe([STEPS[0], STEPS[0]])
