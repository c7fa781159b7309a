import pytest
import torch
from safetensors.torch import save_file

from acereason.common.errors import UserError
from acereason.runs.report.reading import num_parameters, read_run, read_runs
from tests.support.made_run import make_rl, make_sft, write_rows


def test_stages_have_their_steps(tmp_path):
    run = read_run(make_rl(tmp_path / "rl"), "rl")
    assert [(span.name, span.first, span.last, span.steps) for span in run.spans()] == [
        ("math_24", 0, 5, 6),
        ("code_32", 6, 11, 6),
    ]
    assert run.values("response/length_mean", run.spans()[1]) == [16.0, 17.0, 18.0, 19.0, 20.0, 21.0]
    assert (run.steps, run.finished, run.benchmarks) == (12, True, ["heldout"])
    assert run.callback("Overlong") == {"policy": "mask", "in_baseline": False, "reward": 0.0}
    assert run.callback("Plateau") is None


def test_a_run_that_goes_on(tmp_path):
    run = read_run(make_rl(tmp_path / "rl", steps=4), "rl")
    assert ([span.name for span in run.spans()], run.steps, run.finished) == (["math_24"], 4, False)


def test_a_run_that_has_just_begun(tmp_path):
    folder = make_rl(tmp_path / "rl", steps=1)
    write_rows(folder / "metrics.jsonl", [])
    run = read_run(folder, "rl")
    assert (run.spans(), run.steps, run.benchmarks) == ([], 0, [])


def test_sft_is_one_stage_and_ends_with_its_last_export(tmp_path):
    folder = make_sft(tmp_path / "sft")
    run = read_run(folder, "sft")
    assert ([span.name for span in run.spans()], run.steps, run.finished) == (["sft"], 4, False)
    (folder / "exports/epoch-1").mkdir(parents=True)
    assert run.finished


def test_names_tell_runs_apart(tmp_path):
    paths = [str(make_sft(tmp_path / name)) for name in ("a/rl", "a/sft", "b/rl")]
    assert [run.name for run in read_runs(paths[:1])] == ["a/rl"]
    assert [run.name for run in read_runs(paths[:2])] == ["rl", "sft"]
    assert [run.name for run in read_runs([paths[0], paths[2]])] == ["a/rl", "b/rl"]


def test_another_folder_is_refused_by_name(tmp_path):
    with pytest.raises(UserError, match=f"runs: {tmp_path} has no config.yaml"):
        read_runs([str(tmp_path)])


def test_parameters_are_counted_without_loading_them(tmp_path):
    (tmp_path / "export").mkdir()
    assert num_parameters(tmp_path / "none") is None
    save_file({"a": torch.zeros(3, 4), "b": torch.zeros(5)}, tmp_path / "export/model.safetensors", {"format": "pt"})
    assert num_parameters(tmp_path / "export") == 17
