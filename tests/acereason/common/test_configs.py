import pytest

import run
from acereason.common.configs import check_config, check_flags, composed, refuse_twins
from acereason.common.errors import UserError
from tests.support.command_line import cli

BROKEN = {
    "nothing": (b"", r"holds nothing"),
    "comments alone": (b"# later\n", r"holds nothing"),
    "a list": (b"- 1\n", r"holds a list"),
    "a text": (b"fit\n", r"holds a text"),
    "Latin-1": (b"a: 1\nb: caf\xe9\n", r"line 2: byte 0xe9 is no UTF-8; save the file as UTF-8"),
    "UTF-16, as a shell of Windows redirects": ("a: 1\n".encode("utf-16"), r"line 1: byte 0xff is no UTF-8"),
    "a tab": (b"data:\n\tn: 1\n", r"line 2, column 1: no YAML: .*; indent with spaces, not tabs"),
    "a mapping that does not end": (b"data: {a: 1\n", r"line 2, column 1: no YAML"),
    "two documents": (b"a: 1\n---\nb: 2\n", r"line 2, column 1: no YAML: .*another document"),
    "an alias of nothing": (b"a: *x\n", r"line 1, column 4: no YAML: found undefined alias"),
    "a control character": (b"a: \x00\n", r"no YAML"),
    "a key twice": (b"a: 1\nb: 2\na: 3\n", r"line 3: a is there already, in line 1"),
    "a deep key twice": (
        b"data:\n  stages:\n    s: {steps: 1}\n    s: {steps: 2}\n",
        r"line 4: data.stages.s is there",
    ),
    "a key of a list's entry twice": (b"c:\n- {a: 1, a: 2}\n", r"line 2: c.0.a is there already, in line 2"),
    "a quoted key and a bare one": (b"{a: 1, 'a': 2}\n", r"a is there already"),
    "two merges": (
        b"x: &x {a: 1}\ny: &y {b: 1}\nz:\n  <<: *x\n  <<: *y\n",
        r"line 5: z.<< is there already, in line 4",
    ),
    "a key of a merged mapping twice": (b"x: &x {a: 1, a: 2}\nz: {<<: *x}\n", r"line 1: x.a is there already"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_file_that_is_no_config(tmp_path, name):
    text, told = BROKEN[name]
    (tmp_path / "c.yaml").write_bytes(text)
    with pytest.raises(UserError, match=rf"^(config: )?{tmp_path}/c\.yaml.*{told}") as caught:
        check_config(tmp_path / "c.yaml")
    assert "\n" not in str(caught.value)


def test_a_folder(tmp_path):
    with pytest.raises(UserError, match="is a folder; name the .yaml file in it"):
        check_config(tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        b"\xef\xbb\xbfa: 1\r\nb: 2\r\n",
        b"x: &x {a: 1, b: {c: 1}}\ny: {<<: *x, a: 2}\nz: [*x, *x]\n",
        b"a: {n: 1}\nb: {n: 1}\nc: [{n: 1}, {n: 1}]\n",
        b"a: &a [*a]\n",
    ],
    ids=["a mark and Windows' line ends", "a merge that is overridden, and aliases", "one name in several", "a circle"],
)
def test_a_sound_file(tmp_path, text):
    (tmp_path / "c.yaml").write_bytes(text)
    check_config(tmp_path / "c.yaml")


def test_flags():
    check_flags(
        ["fit", "--data.template.math={statement}={", "--x={a: 1}", "--trainer.callbacks+=[{a: 1}, {a: 2}]", "{"]
    )
    with pytest.raises(UserError, match="^--data.stages, line 1: b.steps is there already"):
        check_flags(["--data.stages={a: {steps: 1}, b: {steps: 1, steps: 2}}"])
    with pytest.raises(UserError, match="a is there already"):
        check_flags(["--data.stages", "{a: {steps: 1}, a: {steps: 2}}"])


def test_every_verb_reads_its_files_so(tmp_path, capsys):
    (tmp_path / "c.yaml").write_text("seed: 1\nseed: 2\n")
    for verb in ("curate", "fit"):
        with pytest.raises(SystemExit) as exit_:
            run.main([verb, f"--config={tmp_path / 'c.yaml'}"])
        assert exit_.value.code == 2
        assert f"error: {tmp_path}/c.yaml, line 2: seed is there already, in line 1" in capsys.readouterr().err


@pytest.mark.parametrize(
    "text", ["seed_everything: !mine 1\n", "{a: 1}: 2\n"], ids=["an unknown tag", "a mapping as key"]
)
def test_the_parsers_own_complaint_names_the_file(tmp_path, text):
    (tmp_path / "c.yaml").write_text(text)
    with pytest.raises(UserError, match=rf"^config: {tmp_path}/c\.yaml: "):
        cli().parser.parse_args([f"--config={tmp_path / 'c.yaml'}"])


def test_what_is_composed_knows_its_lines():
    node = composed("a: 1\nb: 2\n", "text")
    assert [key.start_mark.line for key, _ in node.value] == [0, 1]
    refuse_twins(node, "text")
