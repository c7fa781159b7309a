import io
import re

from rich.console import Console

from acereason.sampling.progress import SamplingProgress
from acereason.sampling.request import Failed, Finished, Request
from tests.support.fakes import problem

REQUEST = Request(problem(), 0)
FAILED = Failed(REQUEST, "refused")


def of(tokens: int) -> Finished:
    return Finished(REQUEST, "2", tokens, "stop")


def test_without_a_terminal_a_line_every_so_often(capsys):
    progress = SamplingProgress(2000, seconds=0)
    with progress.shown():
        for outcome in (of(10), FAILED, of(20)):
            progress.count(outcome)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3
    assert re.fullmatch(r"3 of 2,000 requests, 1 failed, [\d,]+ tokens/s, \d+:\d\d:\d\d left", lines[2])
    quiet = SamplingProgress(2000, seconds=1000)
    quiet.count(of(10))
    assert capsys.readouterr().err == ""


def test_the_time_left_is_as_the_time_so_far(monkeypatch, capsys):
    now = iter([100.0, 110.0, 120.0])
    monkeypatch.setattr("acereason.sampling.progress.time.monotonic", lambda: next(now))
    progress = SamplingProgress(10, seconds=0)
    progress.count(of(50))
    progress.count(of(50))
    assert capsys.readouterr().err.splitlines() == [
        "1 of 10 requests, 0 failed, 5 tokens/s, 0:01:30 left",
        "2 of 10 requests, 0 failed, 5 tokens/s, 0:01:20 left",
    ]


def test_on_a_terminal_a_bar(capsys):
    screen = io.StringIO()
    progress = SamplingProgress(3, seconds=0, console=Console(file=screen, force_terminal=True, width=100))
    with progress.shown():
        progress.count(of(10))
        progress.count(FAILED)
    assert "2/3" in screen.getvalue()
    assert "1 failed" in screen.getvalue()
    assert capsys.readouterr().err == ""


def test_what_earlier_calls_have_kept_is_done(monkeypatch, capsys):
    now = iter([100.0, 110.0])
    monkeypatch.setattr("acereason.sampling.progress.time.monotonic", lambda: next(now))
    SamplingProgress(20, done=10, what="aime24", seconds=0).count(of(50))
    # nine more, as the one of these ten seconds
    assert capsys.readouterr().err == "11 of 20 aime24, 0 failed, 5 tokens/s, 0:01:30 left\n"


def test_other_ranks_are_quiet(capsys):
    quiet = SamplingProgress(2, seconds=0, quiet=True)
    with quiet.shown():
        quiet.count(of(10))
    assert capsys.readouterr().err == ""
