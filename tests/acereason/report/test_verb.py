from made_run import make_rl, make_sft

import run


def test_folders_are_words_of_the_command(tmp_path, capsys):
    first, second = make_rl(tmp_path / "rl"), make_sft(tmp_path / "sft")
    run.main(["report", str(first), str(second), "--output", str(tmp_path / "out")])
    assert "What differs between the runs" in (tmp_path / "out/report.html").read_text()
    assert f"the report is {tmp_path}/out/report.html" in capsys.readouterr().out


def test_by_itself_it_is_in_the_runs_folder(tmp_path):
    run.main(["report", str(make_sft(tmp_path / "sft"))])
    assert {path.name for path in (tmp_path / "sft/report").glob("report.*")} == {"report.html", "report.md"}
