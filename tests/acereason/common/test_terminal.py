import io

from rich.console import Console
from rich.progress import TextColumn

from acereason.common.terminal import progress


def test_a_bar_tells_what_is_done_and_what_a_caller_adds():
    screen = io.StringIO()
    with progress(
        TextColumn("{task.fields[rate]}"), console=Console(file=screen, force_terminal=True, width=100)
    ) as bar:
        bar.update(bar.add_task("judging", total=3, rate="7/s"), advance=2, refresh=True)
    assert all(text in screen.getvalue() for text in ("judging", "2/3", "7/s"))


def test_a_bar_that_is_disabled_shows_nothing(capsys):
    with progress(disable=True) as bar:
        bar.update(bar.add_task("judging", total=3), advance=2)
    assert capsys.readouterr().err == ""
