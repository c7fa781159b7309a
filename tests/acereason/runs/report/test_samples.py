from acereason.runs.report.reading import read_run
from acereason.runs.report.samples import samples_of, shortened
from tests.support.made_run import HOSTILE, make_rl


def test_a_stage_shows_its_last_responses_of_every_kind(tmp_path):
    run = read_run(make_rl(tmp_path / "rl"), "rl")
    run.samples[0]["status"] = "error"  # long ago, and the only one
    samples = samples_of(run).samples
    assert [(sample.status, sample.title.split(":")[0]) for sample in samples[:4]] == [
        ("error", "math_24, step 0"),
        ("wrong", "math_24, step 4"),
        ("correct", "math_24, step 5"),
        ("wrong", "math_24, step 5"),
    ]
    assert len(samples) == 8
    assert samples[1].title == "math_24, step 4: p1 (12 tokens, truncated, not in the loss)"
    assert (samples[1].prompt, samples[1].response) == ("what is 1?", HOSTILE)
    assert samples[1].verdict == "answer: 1\nreward: 0.0\npath: no box"


def test_a_very_long_response_loses_its_middle():
    text = "a" * 6000 + "b" * 500 + "c" * 6000
    assert shortened(text) == "a" * 6000 + "\n\n[… 500 characters left out …]\n\n" + "c" * 6000
    assert shortened(text[:12000]) == text[:12000]
