import io

from rich.console import Console

from acereason.common.progress import progress_bar


def test_a_bar_is_on_a_terminal_alone():
    for terminal, text in {True: "judging", False: ""}.items():
        screen = io.StringIO()
        with progress_bar(console=Console(file=screen, force_terminal=terminal, width=100)) as bar:
            bar.update(bar.add_task("judging", total=3), advance=2, refresh=True)
        assert text in screen.getvalue()
        assert ("2/3" in screen.getvalue()) is terminal
        assert terminal or not screen.getvalue()
