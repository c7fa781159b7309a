import pytest

from acereason.cli import start_of
from acereason.errors import UserError


def run_with(folder, *checkpoints: str):
    (folder / "checkpoints").mkdir(parents=True)
    for name in checkpoints:
        (folder / "checkpoints" / name).write_text("")
    return folder


def test_last_and_auto_take_the_newest_checkpoint(tmp_path):
    folder = run_with(tmp_path / "run", "step-000009.ckpt", "step-000010.ckpt", ".step-000011.ckpt")
    for word in ("last", "auto"):
        assert start_of(folder, word) == str(folder / "checkpoints/step-000010.ckpt")


def test_a_run_killed_before_its_first_checkpoint_starts_anew_and_nothing_is_lost(tmp_path):
    folder = run_with(tmp_path / "run")
    (folder / "config.yaml").write_text("kept")
    assert start_of(folder, "last") is None
    assert not folder.exists()
    assert (tmp_path / "run~1/config.yaml").read_text() == "kept"


def test_a_new_run_moves_an_old_one_out_of_its_folder(tmp_path):
    for number in (1, 2):
        folder = run_with(tmp_path / "run", "step-000001.ckpt")
        assert start_of(folder, None) is None
        assert (tmp_path / f"run~{number}/checkpoints/step-000001.ckpt").exists()


def test_auto_in_a_fresh_folder_starts(tmp_path):
    assert start_of(tmp_path / "run", "auto") is None


def test_nothing_to_resume_is_an_error(tmp_path):
    with pytest.raises(UserError, match=r"ckpt_path: there is no run in .*nowhere to resume"):
        start_of(tmp_path / "nowhere", "last")
    with pytest.raises(UserError, match=r"ckpt_path: no checkpoint x\.ckpt"):
        start_of(tmp_path, "x.ckpt")
