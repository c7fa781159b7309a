import io
import re

from rich.console import Console

from acereason.teacher.progress import Told


def test_without_a_terminal_a_line_every_so_often(capsys):
    told = Told(2000, seconds=0)
    with told.shown():
        for tokens in (10, None, 20):
            told.count(tokens)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3
    assert re.fullmatch(r"3 of 2,000 requests, 1 failed, [\d,]+ tokens/s, \d+:\d\d:\d\d left", lines[2])
    quiet = Told(2000, seconds=1000)
    quiet.count(10)
    assert capsys.readouterr().err == ""


def test_the_time_left_is_as_the_time_so_far(monkeypatch, capsys):
    now = iter([100.0, 110.0, 120.0])
    monkeypatch.setattr("acereason.teacher.progress.time.monotonic", lambda: next(now))
    told = Told(10, seconds=0)
    told.count(50)
    told.count(50)
    assert capsys.readouterr().err.splitlines() == [
        "1 of 10 requests, 0 failed, 5 tokens/s, 0:01:30 left",
        "2 of 10 requests, 0 failed, 5 tokens/s, 0:01:20 left",
    ]


def test_on_a_terminal_a_bar(capsys):
    screen = io.StringIO()
    told = Told(3, seconds=0, console=Console(file=screen, force_terminal=True, width=100))
    with told.shown():
        told.count(10)
        told.count(None)
    assert "2/3" in screen.getvalue()
    assert "1 failed" in screen.getvalue()
    assert capsys.readouterr().err == ""
