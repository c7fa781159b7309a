from acereason.runs.health.entropy import EntropyBand
from acereason.runs.report.content import Heading, Notices, Table, Text, Timeline
from acereason.runs.report.reading import read_run, read_runs
from acereason.runs.report.sections import entropy_band, report_of, stage_table, timeline
from tests.support.made_run import make_rl, make_sft


def sections(report):
    return {section.id: section.blocks for section in report.sections}


def test_a_run_of_rl_has_every_section_in_the_order_of_questions(tmp_path):
    report = report_of([read_run(make_rl(tmp_path / "rl"), "rl")])
    assert [section.id for section in report.sections] == [
        *("health", "stages", "curves", "evaluations", "time", "problems", "filtered", "verdicts", "samples", "recipe")
    ]


def test_sft_has_fewer(tmp_path):
    report = report_of([read_run(make_sft(tmp_path / "sft"), "sft")])
    assert [*sections(report)] == ["health", "stages", "curves", "evaluations", "time", "recipe"]
    (table,) = sections(report)["stages"]
    assert table.head == ["stage", "steps", "time", "response tokens", "loss", "entropy"]
    assert table.rows == [["sft", "4", "4 s", "4", "4.000 → 1.000", "1.000 → 1.000"]]


def test_several_runs_are_compared(tmp_path):
    paths = [str(make_rl(tmp_path / "a")), str(make_sft(tmp_path / "b"))]
    report = report_of(read_runs(paths))
    found = sections(report)
    assert (report.title, len(report.sentences)) == ("a and b", 2)
    assert [block.text for block in found["stages"] if isinstance(block, Heading)] == ["a", "b"]
    assert found["differences"][0].head == ["key", "a", "b"]
    assert [block.text for block in found["problems"] if isinstance(block, Heading)][0] == "a"


def test_a_rule_is_told_once_with_every_stage(tmp_path):
    (notices,) = sections(report_of([read_run(make_rl(tmp_path / "rl"), "rl")]))["health"]
    assert notices.rows == [
        ("truncated", "math_24 at step 3 and code_32 at step 9", "50% reach their budget. Try `mask`")
    ]


def test_a_run_that_nobody_watched_is_watched_now(tmp_path):
    folder = make_rl(tmp_path / "rl")
    (folder / "health.jsonl").unlink()
    run = read_run(folder, "rl")
    run.callback("Health")["limits"] |= {"window": 4, "truncated": 0.4}
    told, notices = sections(report_of([run]))["health"]
    assert isinstance(told, Text)
    assert isinstance(notices, Notices)
    assert [row[:2] for row in notices.rows] == [("truncated", "code_32 at step 9")]


def test_the_entropys_band_is_the_runs_own_or_the_papers(tmp_path):
    run = read_run(make_rl(tmp_path / "rl"), "rl")
    run.callback("EntropyMonitor").update(target=0.1, every_n_steps=5)
    assert entropy_band(run) == EntropyBand(target=0.1, band=0.1)
    del run.config["trainer"]["callbacks"]
    assert entropy_band(run) == EntropyBand(0.3, 0.1, 20)
    assert entropy_band(read_run(make_sft(tmp_path / "sft"), "sft")) is None


def test_a_stage_in_numbers(tmp_path):
    run = read_run(make_rl(tmp_path / "rl"), "rl")
    table = stage_table(run)
    assert isinstance(table, Table)
    assert table.rows[0] == [
        *("math_24", "6", "1 min", "6,000", "10.0 % → 35.0 %", "0.300 → 0.300", "10 → 15", "50.0 % → 50.0 %"),
        *("25.0 % → 25.0 %", "20 → 20"),
    ]
    assert isinstance(timeline(run), Timeline)
    assert timeline(run).bars == [("math_24", "24 tokens, mask", 6, "math"), ("code_32", "mask", 6, "code")]


def test_a_run_that_goes_on_shows_what_is_to_come(tmp_path):
    run = read_run(make_rl(tmp_path / "rl", steps=4), "rl")
    assert timeline(run).bars[1][2:] == (0, "to come")
    assert (
        "has so far had 4 steps of reinforcement learning on math and code (GRPO, 1 of 2 stages)"
        in (report_of([run]).sentences[0])
    )


def test_a_run_of_rl_in_one_sentence(tmp_path):
    assert report_of([read_run(make_rl(tmp_path / "rl"), "rl")]).sentences == [
        "A Qwen, trained from runs/sft/export, had 12 steps of reinforcement learning on math and code (GRPO, 2 "
        "stages) in 2 min, which took its accuracy on heldout from 25.0 % to 75.0 %."
    ]


def test_a_run_of_sft_in_one_sentence(tmp_path):
    assert report_of([read_run(make_sft(tmp_path / "sft"), "sft")]).sentences == [
        "A Qwen, trained from random weights, has so far had 4 steps of supervised fine-tuning in 4 s, which took its "
        "loss on heldout from 3 to 1.5."
    ]
