"""The folder that loggers name for a run."""

from pathlib import Path

import pytest
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger

from acereason.common.errors import UserError
from acereason.runs.places import place_of, settle


@pytest.mark.parametrize("kind", [TensorBoardLogger, CSVLogger])
@pytest.mark.parametrize(
    ("version", "folder"), [("", "runs/rl"), ("v1", "runs/rl/v1"), (3, "runs/rl/version_3"), (0, "runs/rl/version_0")]
)
def test_a_fixed_version(kind, version, folder):
    place = place_of([kind("runs", name="rl", version=version)], "x")
    assert (place.folder, place.versions) == (Path(folder), None)


@pytest.mark.parametrize("kind", [TensorBoardLogger, CSVLogger])
def test_numbered_versions_are_found_and_chosen(tmp_path, kind):
    logger = kind(tmp_path, name="rl")
    assert place_of([logger], "x").folder == tmp_path / "rl/version_0"
    for name in ("version_2", "version_10", "version_x", "version_3~1", "other"):
        (tmp_path / "rl" / name).mkdir(parents=True)
    (tmp_path / "rl/version_77").write_text("a file")
    place = place_of([logger], "x")
    assert place.folder == tmp_path / "rl/version_11"
    assert list(place.versions.items()) == [(10, tmp_path / "rl/version_10"), (2, tmp_path / "rl/version_2")]
    settle([logger], place, tmp_path / "rl/version_2")
    assert logger.log_dir == str(tmp_path / "rl/version_2")
    fresh = kind(tmp_path, name="rl")
    settle([fresh], place, place.folder)
    assert fresh.log_dir == str(tmp_path / "rl/version_11")


def test_a_sub_folder_and_a_home_in_the_path(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "runs/rl/version_4").mkdir(parents=True)
    place = place_of([TensorBoardLogger("~/runs", name="rl", sub_dir="tb/x")], "x")
    assert place.folder == tmp_path / "runs/rl/version_5/tb/x"
    assert list(place.versions.values()) == [tmp_path / "runs/rl/version_4/tb/x"]


def test_several_loggers_share_the_folder_or_are_refused():
    board, rows = TensorBoardLogger("runs", name="rl", version=""), CSVLogger("runs", name="rl", version="")
    assert place_of([board, rows], "x").folder == Path("runs/rl")
    for inside in (CSVLogger("runs/rl", name="csv", version=""), CSVLogger("runs", name="rl")):
        assert place_of([board, inside], "x").folder == Path("runs/rl")
    for apart in (CSVLogger("csv", name="rl", version=""), CSVLogger("runs", name="")):
        with pytest.raises(UserError, match=r"trainer.logger: CSVLogger writes into .*, apart from the run's folder"):
            place_of([board, apart], "x")


def test_without_a_logger_that_has_a_folder_it_is_the_root():
    assert (place_of([], "runs/x").folder, place_of([], "runs/x").key) == (Path("runs/x"), "trainer.default_root_dir")


@pytest.mark.parametrize("root", ["s3://bucket/runs", "gs://b/x"])
def test_a_folder_on_no_machine_is_refused(root):
    with pytest.raises(UserError, match=r"trainer.default_root_dir: .* is not on this machine"):
        place_of([], root)


def test_wandb_has_a_folder_by_its_name(tmp_path):
    pytest.importorskip("wandb")
    from lightning.pytorch.loggers import WandbLogger

    named = {"save_dir": "runs", "project": "p", "offline": True}
    assert place_of([WandbLogger(name="rl", **named)], "x").folder == Path("runs/rl")
    assert place_of([WandbLogger(name="rl", version="v1", **named)], "x").folder == Path("runs/rl/v1")
    assert place_of([WandbLogger(**named), CSVLogger("runs", name="c", version="")], "x").folder == Path("runs/c")
    assert place_of([WandbLogger(**named)], "root") == place_of([WandbLogger(**named)], "root")
    assert place_of([WandbLogger(**named)], "root").key == "trainer.logger.name"
