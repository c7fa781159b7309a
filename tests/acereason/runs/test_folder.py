"""A run's folder is a run's: what is begun, moved aside, refused; and that nothing of anybody's is lost."""

import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import torch

from acereason.common.errors import UserError
from acereason.common.locks import Lock, locked
from acereason.runs import folder as runs
from acereason.runs.files import MARK
from acereason.runs.folder import RunFolder, is_run, read_mark


def begin(folder: Path, verb: str = "fit", goes_on: bool = False) -> RunFolder:
    """As a verb does; the folder is held."""
    run = RunFolder(folder, "trainer.logger.name", verb, goes_on)
    run.check()
    run.claim()
    run.begin()
    return run


def ended(folder: Path, verb: str = "fit", step: int = 1) -> Path:
    """The folder of a run that has ended."""
    run = begin(folder, verb)
    (folder / "config.yaml").write_text("# lightning.pytorch==2.6.6\n")
    (folder / "checkpoints").mkdir()
    torch.save({}, folder / f"checkpoints/step-{step:06}.ckpt")
    run.release()
    return folder


def refusal(folder: Path, goes_on: bool = False, verb: str = "fit") -> str:
    with pytest.raises(UserError) as error:
        begin(folder, verb, goes_on)
    assert "\n" not in str(error.value)
    return str(error.value)


def tree(folder: Path) -> dict[str, str]:
    """{path: what is there}, links not followed."""
    found = {}
    for path in sorted(folder.rglob("*")):
        told = f"-> {os.readlink(path)}" if path.is_symlink() else "/" if path.is_dir() else path.read_bytes().hex()
        found[str(path.relative_to(folder))] = told
    return found


def test_a_run_marks_its_folder_and_leaves_no_lock(tmp_path):
    run = begin(tmp_path / "deep/run")
    mark = read_mark(tmp_path / "deep/run")
    assert (mark["verb"], mark["pid"]) == ("fit", os.getpid())
    assert sorted(path.name for path in run.path.iterdir()) == [".lock", MARK]
    run.release()
    assert [path.name for path in run.path.iterdir()] == [MARK]


def test_an_empty_folder_is_taken_and_an_earlier_run_is_moved_aside(tmp_path):
    (tmp_path / "run").mkdir()
    for number in (1, 2, 3):
        ended(tmp_path / "run", step=number)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run", "run~1", "run~2"]
    assert (tmp_path / "run~1/checkpoints/step-000001.ckpt").exists()
    assert (tmp_path / "run~2/checkpoints/step-000002.ckpt").exists()


def test_nothing_changes_before_the_beginning(tmp_path):
    before = tree(ended(tmp_path / "run"))
    run = RunFolder(tmp_path / "run", "k", "fit", goes_on=False)
    run.check()
    run.claim()
    run.release()
    assert tree(tmp_path / "run") == before


def test_a_run_that_goes_on_keeps_what_is_there(tmp_path):
    before = tree(ended(tmp_path / "run"))
    begin(tmp_path / "run", goes_on=True).release()
    assert {name: told for name, told in tree(tmp_path / "run").items() if name != MARK} == {
        name: told for name, told in before.items() if name != MARK
    }


@pytest.mark.parametrize("goes_on", [False, True])
def test_a_second_writer_is_refused_and_changes_nothing(tmp_path, goes_on):
    ended(tmp_path / "run")
    first = begin(tmp_path / "run", goes_on=True)
    before = tree(tmp_path)
    told = refusal(tmp_path / "run", goes_on)
    assert told.startswith(f"trainer.logger.name: process {os.getpid()} on ")
    assert told.endswith(f" is writing into {tmp_path / 'run'}; wait for its end, or name another folder")
    assert tree(tmp_path) == before
    first.release()
    begin(tmp_path / "run", goes_on=goes_on).release()


def test_of_two_that_prepare_at_once_the_later_is_refused(tmp_path):
    first, second = (RunFolder(tmp_path / "run", "k", "fit", goes_on=False) for _ in range(2))
    for run in (first, second):
        run.check()
        run.claim()
    first.begin()
    with pytest.raises(UserError, match="is writing into"):
        second.begin()
    first.release()
    with pytest.raises(UserError, match="was taken by another run meanwhile"):
        second.begin()


@pytest.mark.parametrize("name", ["notes.txt", "run.py", ".git", "data", "version_0"])
def test_a_folder_that_holds_anything_else_is_refused(tmp_path, name):
    (tmp_path / "run" / name).mkdir(parents=True)
    before = tree(tmp_path)
    assert refusal(tmp_path / "run") == (
        f"trainer.logger.name: {tmp_path / 'run'} holds what is no run's: {name}; name another folder"
    )
    assert tree(tmp_path) == before


@pytest.mark.parametrize("mark", ["", "{}", "[1]", "{half", '{"name": "a tool of its own"}', "\x00\x01"])
def test_a_file_of_the_marks_name_is_no_mark(tmp_path, mark):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / MARK).write_text(mark)
    assert "holds what is no run's: run.json" in refusal(tmp_path / "run")


def test_runs_of_before_there_were_marks_are_known_by_their_files(tmp_path):
    folder = ended(tmp_path / "run")
    (folder / MARK).unlink()
    (folder / "events.out.tfevents.1.vm.2.0").touch()
    assert is_run(folder, "fit")
    begin(folder).release()
    assert (tmp_path / "run~1/events.out.tfevents.1.vm.2.0").exists()


def test_a_clone_that_served_as_a_run_before_there_were_marks_stays(tmp_path):
    folder = ended(tmp_path / "clone")
    (folder / MARK).unlink()
    (folder / "run.py").write_text("mine")
    assert "holds what is no run's: run.py" in refusal(folder)


def test_a_folder_with_another_run_in_it_is_not_moved(tmp_path):
    ended(tmp_path / "runs")
    inner = ended(tmp_path / "runs/deep/one")
    before = tree(tmp_path)
    assert f"holds another run, {inner}, which would be moved aside with it" in refusal(tmp_path / "runs")
    assert tree(tmp_path) == before


def test_places_that_are_everybodys(tmp_path, monkeypatch):
    (tmp_path / "home/me/project").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(tmp_path / "home/me"))
    monkeypatch.chdir(tmp_path / "home/me/project")
    assert "is the working folder, which is no run's" in refusal(Path())
    assert "is the working folder" in refusal(tmp_path / "home/me/project")
    assert "holds the working folder" in refusal(tmp_path / "home")
    assert "holds the working folder" in refusal(Path("/"))
    monkeypatch.chdir(tmp_path)
    assert "is your home, which is no run's" in refusal(tmp_path / "home/me")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "home/me/project"))
    assert "is the temporary folder, which" in refusal(tmp_path / "home/me/project")
    monkeypatch.undo()
    monkeypatch.setenv("HOME", str(tmp_path / "home/me"))
    (tmp_path / "link").symlink_to(tmp_path / "home/me")
    assert "is your home" in refusal(tmp_path / "link")
    begin(tmp_path / "home/me/project/runs/rl").release()


def test_a_run_that_one_stands_in_is_not_moved(tmp_path, monkeypatch):
    monkeypatch.chdir(ended(tmp_path / "run"))
    assert "is the working folder" in refusal(tmp_path / "run")
    monkeypatch.chdir(tmp_path / "run/checkpoints")
    assert "holds the working folder" in refusal(tmp_path / "run")


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "big").mkdir()
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs/rl").symlink_to(tmp_path / "big/rl")
    for number in (1, 2):
        ended(tmp_path / "runs/rl", step=number)
    assert os.readlink(tmp_path / "runs/rl") == str(tmp_path / "big/rl")
    assert sorted(path.name for path in (tmp_path / "big").iterdir()) == ["rl", "rl~1"]
    assert (tmp_path / "big/rl~1/checkpoints/step-000001.ckpt").exists()
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["rl"]


def test_links_that_lead_nowhere_and_files_in_the_way(tmp_path):
    (tmp_path / "gone").symlink_to("nowhere/run")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "file").write_text("mine")
    assert "is a link that leads nowhere" in refusal(tmp_path / "gone")
    assert "is a link that leads nowhere" in refusal(tmp_path / "loop")
    assert "is no folder" in refusal(tmp_path / "file")
    assert f"can't be made: {tmp_path / 'file'} is no folder" in refusal(tmp_path / "file/run")
    assert (tmp_path / "file").read_text() == "mine"


def test_a_copy_goes_on_beside_the_live_run(tmp_path):
    live = begin(tmp_path / "run")
    subprocess.run(["cp", "-a", tmp_path / "run", tmp_path / "copy"], check=True)
    copy = begin(tmp_path / "copy", goes_on=True)
    copy.release()
    assert Path(live.path, ".lock").exists()
    live.release()


def test_a_foreign_file_of_the_locks_name_stays(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run/.lock").write_text("my own\n")
    assert "holds what is no run's: .lock" in refusal(tmp_path / "run")
    ended(tmp_path / "marked")
    (tmp_path / "marked/.lock").write_text("my own\n")
    assert "is no lock of ours; move it elsewhere" in refusal(tmp_path / "marked")
    assert (tmp_path / "marked/.lock").read_text() == "my own\n"


def test_a_full_disk_puts_the_earlier_run_back(tmp_path, monkeypatch):
    before = tree(ended(tmp_path / "run"))

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(runs, "write_json", full)
    assert refusal(tmp_path / "run") == (
        f"trainer.logger.name: {tmp_path / 'run'} can't be written: No space left on device"
    )
    assert tree(tmp_path / "run") == before
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_an_evaluation_does_not_go_on_in_a_runs_folder(tmp_path):
    ended(tmp_path / "run")
    assert "run is that of a fit; name another folder" in refusal(tmp_path / "run", goes_on=True, verb="test")


CHILD = """
import sys
from pathlib import Path
from acereason.common.errors import UserError
from acereason.runs.folder import RunFolder
for folder in map(Path, sys.argv[1:]):
    for goes_on in (False, True):
        run = RunFolder(folder, "trainer.logger.name", "fit", goes_on)
        try:
            run.check()
            run.claim()
            run.begin()
            run.release()
            print("begun")
        except UserError as error:
            print(error)
"""


@pytest.mark.slow
@pytest.mark.skipif(os.getuid() != 0, reason="only root becomes another user")
def test_folders_without_permission_are_refused_at_the_start():
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        half_open, opened = ended(folder / "half"), ended(folder / "open")
        for path in (half_open, opened, opened / "checkpoints"):
            path.chmod(0o777)
        names = [ended(folder / "run"), folder / "new", half_open, opened]
        before = tree(folder)
        user = [sys.executable, "tests/scripts/ordinary_user.py", "65534"]
        done = subprocess.run([*user, sys.executable, "-c", CHILD, *names], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        told = done.stdout.splitlines()
        for line, closed in zip(told, ["run"] * 2 + [folder.name] * 2 + ["checkpoints"] * 2, strict=False):
            assert f"/{closed} is closed to this user; name another folder" in line
        assert "holds an earlier run, and can't be moved" in told[6]
        assert told[7:] == ["begun"]
        assert {n: t for n, t in tree(folder).items() if n != "open/run.json"} == {
            n: t for n, t in before.items() if n != "open/run.json"
        }


# a fuzz: folders in random states, runs that start in them, and what everybody's files have become


def nothing(folder: Path) -> None:
    pass


def empty(folder: Path) -> None:
    folder.mkdir()


def dead(folder: Path) -> None:
    """Killed: its lock is there, and names a process that is not."""
    ended(folder)
    lock = Lock(folder, "k")
    lock.take()
    content = (folder / ".lock").read_bytes()
    lock.forget()
    (folder / ".lock").write_bytes(content.replace(b'"born": "', b'"born": "1'))


def copied(folder: Path) -> None:
    """Of a run that was live then."""
    live = begin(folder.with_name(f"{folder.name}-live"))
    subprocess.run(["cp", "-a", live.path, folder], check=True)
    live.release()


def half_written(folder: Path) -> None:
    """Killed before its mark was in place."""
    folder.mkdir()
    (folder / ".run.json.4711").write_text('{"acereason"')
    (folder / ".lock").touch()


def half_marked(folder: Path) -> None:
    (ended(folder) / MARK).write_text('{"acereason": "0.1')


def older(folder: Path) -> None:
    (ended(folder) / MARK).unlink()


def foreign(folder: Path) -> None:
    (folder / "checkpoints").mkdir(parents=True)
    for name in ("thesis.tex", "config.yaml", "checkpoints/best.pt", ".lock"):
        (folder / name).write_text(f"{folder.name} {name}")


def run_with_notes(folder: Path) -> None:
    (ended(folder) / "notes.txt").write_text("what I saw")


def folder_of_runs(folder: Path) -> None:
    ended(folder / "one")
    ended(folder / "two")


def run_with_runs(folder: Path) -> None:
    ended(folder)
    ended(folder / "eval", verb="test")


def linked(folder: Path) -> None:
    folder.symlink_to(ended(folder.with_name(f"{folder.name}-disk")))


def dangling(folder: Path) -> None:
    folder.symlink_to("nowhere/at/all")


def a_file(folder: Path) -> None:
    folder.write_text("a file")


STATES = [
    nothing,
    empty,
    ended,
    dead,
    copied,
    half_written,
    half_marked,
    older,
    foreign,
    run_with_notes,
    folder_of_runs,
]
STATES += [run_with_runs, linked, dangling, a_file]


def kept(before: dict[str, str], after: dict[str, str], moved: list[str]) -> list[str]:
    """Paths whose content is neither where it was nor where the run that held it was moved to."""
    lost = []
    for path, content in before.items():
        homes = [path, *(path.replace(name, f"{name}~1", 1) for name in moved if path.split("/")[0] == name)]
        ours = Path(path).name in (MARK, ".lock") and content != "/" and "6d79" not in content
        if not ours and not any(after.get(home) == content for home in homes):
            lost.append(path)
    return lost


def begins(folder: Path, goes_on: bool) -> bool:
    try:
        begin(folder, goes_on=goes_on).release()
    except UserError:
        return False
    return True


@pytest.mark.parametrize("seed", range(8))
def test_no_file_of_anybodys_is_moved_or_lost(tmp_path, monkeypatch, seed):
    draws = random.Random(seed)
    monkeypatch.setattr(runs, "rank_zero_info", lambda _: None)
    for number in range(16):
        root = tmp_path / str(number)
        root.mkdir()
        state, goes_on, fails = draws.choice(STATES), draws.random() < 0.5, draws.random() < 0.25
        state(root / "it")
        STATES[draws.randrange(len(STATES))](root / "other")
        before = tree(root)
        live = draws.random() < 0.2 and (root / "it" / MARK).exists()
        with locked(root / "it", "k") if live else monkeypatch.context() as context:
            if fails and not live:
                context.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device")))
            begun = begins(root / "it", goes_on)
        after, told = tree(root), f"{seed}/{number}: {state.__name__}, goes on {goes_on}, fails {fails}, live {live}"
        moved = [name for name in ("it", "it-disk") if f"{name}~1" in after]
        assert not kept(before, after, moved), told
        if state in (foreign, folder_of_runs, a_file, dangling, half_marked) or live:
            assert not begun, told
        if not begun:
            assert not moved, told
