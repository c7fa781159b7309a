import json

import run
from acereason.common.files import append_rows
from tests.support.made_run import group_of, make_rl, make_sft, sample_of


def test_folders_are_words_of_the_command(tmp_path, capsys):
    first, second = make_rl(tmp_path / "rl"), make_sft(tmp_path / "sft")
    run.main(["report", str(first), str(second), "--output", str(tmp_path / "out")])
    assert "What differs between the runs" in (tmp_path / "out/report.html").read_text()
    assert f"the report is {tmp_path}/out/report.html" in capsys.readouterr().out


def test_by_itself_it_is_in_the_runs_folder(tmp_path):
    run.main(["report", str(make_sft(tmp_path / "sft"))])
    assert {path.name for path in (tmp_path / "sft/report").glob("report.*")} == {"report.html", "report.md"}


def test_halves_of_surrogate_pairs_and_bad_bytes_cost_nothing(tmp_path):
    folder = make_rl(tmp_path / "rl")
    texts = {"response": "half \ud83d", "problem": "id \udc00", "statement": "what \udfff?", "answer": "\ud800"}
    odd = sample_of(11, "error") | texts | {"detail": {"error": "UnicodeError: \udce9"}}
    append_rows(folder / "samples.jsonl", [odd])
    append_rows(folder / "groups.jsonl", [group_of(11) | {"problem": "id \udc00", "why": {"error: \udce9": 8}}])
    append_rows(folder / "filtered.jsonl", [{"stage": "code_32", "epoch": 0, "problem": "\ud83d", "why": "\ud83d"}])
    append_rows(folder / "health.jsonl", [{"stage": "code_32", "step": 9, "rule": "errors", "message": "\udce9"}])
    damaged = json.dumps(sample_of(10, "error") | {"response": "caf~", "finish_reason": "stop"}).encode()
    with (folder / "samples.jsonl").open("ab") as file:
        file.write(damaged.replace(b"~", b"\xe9") + b"\n")
    run.main(["report", str(folder)])
    for name in ("report.html", "report.md"):
        page = (folder / "report" / name).read_bytes().decode()  # it is UTF-8
        assert all(told in page for told in ("half \ufffd", "UnicodeError: \ufffd", "caf\ufffd")), name
