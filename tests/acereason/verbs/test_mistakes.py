import errno
import os
import resource
import signal
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.fabric.utilities.seed import seed_everything

from acereason.common.errors import UserError
from acereason.common.files import append_rows, atomic_folder, write_json
from acereason.verbs.mistakes import as_user_errors, mistake, plain_key
from tests.support.command_line import cli

REFERENCES = {
    "a variable that is not set": (
        "data: {init_args: {sources: {sums: {arithmetic: null, path: '${oc.env:NO_SUCH_DIR}/x.jsonl'}}}}",
        r"data.sources.sums.path: the environment variable NO_SUCH_DIR is not set; set it, or write \$\{oc.env:NO_SUCH",
    ),
    "a key that is not there": (
        "data: {init_args: {seed: '${no.such.key}'}}",
        r"data.seed: there is no key no.such.key, to which",
    ),
    "a text with a reference by accident": (
        "data: {init_args: {template: {math: 'Answer as ${answer}: {statement}'}}}",
        r"data.template.math: there is no key answer, to which its \$\{...\} refers; a text that is to hold \$\{ "
        r"itself has \\\$\{ in its place",
    ),
    "a circle": (
        "{model: {init_args: {seed: '${data.init_args.seed}'}}, data: {init_args: {seed: '${model.init_args.seed}'}}}",
        r"(model|data).seed: its \$\{...\} refers to itself",
    ),
    "one that does not end": (
        "data: {init_args: {template: {math: 'Answer as ${answer: {statement}'}}}",
        r"data.template.math: what follows its \$\{ can't be read",
    ),
    "an unknown kind": ("data: {init_args: {seed: '${oc.nope:1}'}}", r"data.seed: .*oc.nope; there is oc.env"),
}


@pytest.mark.parametrize("name", REFERENCES)
def test_references(tmp_path, name):
    text, told = REFERENCES[name]
    (tmp_path / "c.yaml").write_text(text)
    with pytest.raises(UserError, match=f"^{told}"), as_user_errors():
        cli().parser.parse_args(["--config=conf/debug.yaml", f"--config={tmp_path / 'c.yaml'}"])


def test_keys_as_they_are_written():
    assert plain_key("fit.data.init_args.sources.sums.path") == "data.sources.sums.path"
    assert plain_key("sources.model.path") == "sources.model.path"
    assert plain_key("fit.seed_everything") == "seed_everything"
    assert plain_key("trainer.max_epochs") == "trainer.max_epochs"


def test_a_file_where_a_folder_should_be(tmp_path):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(UserError, match=rf"^{tmp_path}/file/runs: Not a directory; .*name another place"),
        as_user_errors(),
    ):
        write_json(tmp_path / "file/runs/x.json", 1)


def test_a_name_that_is_too_long(tmp_path):
    with pytest.raises(UserError, match="File name too long; give it a shorter name"), as_user_errors():
        write_json(tmp_path / ("x" * 300) / "x.json", 1)


@contextmanager
def no_room():
    """Files end at four kilobytes, as on a full disk: the error has no name in it then either."""
    # why not a fixture: pytest writes its own output before a fixture ends, and that may be a longer file
    before, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def fill(path: Path) -> None:
    with atomic_folder(path) as folder:
        (folder / "big").write_text("y" * 10_000)


@no_room()
def test_a_write_that_finds_no_room_names_the_file_and_leaves_the_old_one(tmp_path):
    write_json(tmp_path / "x.json", 1)
    with pytest.raises(UserError, match=rf"^{tmp_path}/x\.json: File too large"), as_user_errors():
        write_json(tmp_path / "x.json", "y" * 10_000)
    assert (tmp_path / "x.json").read_text() == "1\n"
    with pytest.raises(UserError, match=rf"^{tmp_path}/rows\.jsonl: File too large"), as_user_errors():
        append_rows(tmp_path / "rows.jsonl", [{"x": "y" * 10_000}])
    with pytest.raises(UserError, match=rf"^{tmp_path}/folder: File too large"), as_user_errors():
        fill(tmp_path / "folder")
    assert not (tmp_path / "folder").exists()


@no_room()
def test_a_checkpoint_that_finds_no_room(tmp_path):
    with (
        pytest.raises(UserError, match="a checkpoint can't be written: .*; free some, or write elsewhere"),
        as_user_errors(),
    ):
        torch.save(torch.zeros(100_000), tmp_path / "x.ckpt")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES])
def test_what_the_machine_refuses(number):
    assert mistake(OSError(number, os.strerror(number), "runs/x")).startswith(f"runs/x: {os.strerror(number)}; ")


def test_a_seed_that_numpy_does_not_take():
    with pytest.raises(UserError, match="^seed_everything: -1 is not in bounds"), as_user_errors():
        seed_everything(-1)


def test_what_lightning_refuses_is_one_line():
    told = mistake(MisconfigurationException("You asked for\n   two things.\n\nTake one."))
    assert told == "trainer: You asked for two things. Take one."


@pytest.mark.parametrize(
    "bug", [RuntimeError("shapes differ"), FileNotFoundError(errno.ENOENT, "x"), KeyError("x"), ZeroDivisionError()]
)
def test_a_bug_keeps_its_traceback(bug):
    with pytest.raises(type(bug)) as caught, as_user_errors():
        raise bug
    assert caught.value is bug
