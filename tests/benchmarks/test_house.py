from pathlib import Path

import pytest

from benchmarks import house


def test_imports_are_found_wherever_they_stand(tmp_path):
    file = tmp_path / "room.py"
    file.write_text(
        "import os, acereason.common.errors\n"
        "from acereason.processes import signals\n"
        "from acereason.common.files import write_json\n"
        "if TYPE_CHECKING:\n    from callbacks.curriculum import Curriculum\n"
    )
    names = {"acereason.common.errors", "acereason.processes.signals", "acereason.common.files", "callbacks.curriculum"}
    assert set(house.imports(file)) == names


def test_what_is_counted(tmp_path, monkeypatch):
    file = tmp_path / "room.py"
    file.write_text(
        "# why: a comment\n"
        "x = 1  # beside code\n"
        "# noqa: E501\n"
        "trainer.datamodule.plan, getattr(self.trainer, 'x')\n"
        "told = f'trainer.callbacks: {trainer}', trainer.step\n"
        "if problem.task == 'math':\n"
        "    taken.task_name == 'math'\n"
    )
    monkeypatch.setattr(house, "files", lambda: [file])
    figures = [row.value for row in house.lines()]
    assert figures[:4] == [7, pytest.approx(100 / 7), 2, 1]
    assert figures[4] == len(Path(house.CONFIG).read_text().splitlines())


@pytest.mark.slow
def test_four_functions_lead_from_lightning_to_the_loss():
    """GRPOModule.training_step, QwenModule.accumulate, Qwen.policy_loss, PolicyLoss.forward."""
    assert house.hops() == 4
