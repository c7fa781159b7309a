"""The 7B config, its data replaced by small files: it passes, and each broken copy is caught with the key's name."""

import json
from types import SimpleNamespace

import pytest

import run
from acereason.models.backbone import Backbone, load_config
from acereason.models.exports import export
from acereason.models.qwen import build_model
from acereason.verbs.preflight import resources
from tests.support.fakes import TOKENIZER

SHAPE = {
    "vocab_size": 260,
    "hidden_size": 512,
    "intermediate_size": 1024,
    "num_hidden_layers": 4,
    "num_attention_heads": 8,
    "num_key_value_heads": 2,
    "max_position_embeddings": 40000,
    "tie_word_embeddings": False,
}
BACKBONE = {"config": SHAPE, "tokenizer": "bytes"}
SEVEN_B = {
    "vocab_size": 152064,
    "hidden_size": 3584,
    "intermediate_size": 18944,
    "num_hidden_layers": 28,
    "num_attention_heads": 28,
    "num_key_value_heads": 4,
}
"""The shape that Qwen2.5-Math-7B publishes."""


def rows(count: int, **fields) -> list[dict]:
    return [{"problem": f"What is {i} + {i}?", "answer": str(2 * i), "id": f"row-{i}"} | fields for i in range(count)]


@pytest.fixture
def preflight(tmp_path, capsys, monkeypatch):
    """Runs it on the 7B config with these rows as every source; returns its status, its findings, what it printed."""
    monkeypatch.setenv("COLUMNS", "300")

    def check(
        *overrides: str, problems: list[dict] | None = None, backbone: dict | None = None, hardware: str = "8gpu"
    ):
        file = tmp_path / "rows.jsonl"
        file.write_text("".join(json.dumps(row) + "\n" for row in (rows(200) if problems is None else problems)))
        source = {"path": str(file), "fields": {"id": "id"}, "task": "math"}
        sources = dict.fromkeys(("math", "hard_math", "code", "aime24"), source)
        backbone = BACKBONE if backbone is None else backbone
        overlay = {
            "model": {"init_args": {"pretrained": None, "backbone": backbone}},
            "data": {"init_args": {"sources": sources}},
            "trainer": {"logger": {"init_args": {"save_dir": str(tmp_path)}}},
        }
        (tmp_path / "overlay.yaml").write_text(json.dumps(overlay))
        configs = ["conf/rl/qwen2.5-math-7b.yaml", f"conf/hardware/{hardware}.yaml", str(tmp_path / "overlay.yaml")]
        arguments = [f"--config={config}" for config in configs] + [f"--output={tmp_path / 'found.json'}", *overrides]
        status = 0
        try:
            run.main(["preflight", *arguments])
        except SystemExit as exit_:
            status = exit_.code
        found = json.loads((tmp_path / "found.json").read_text())["checks"] if status in (0, 1) else []
        printed = capsys.readouterr()
        return status, found, printed.out + printed.err

    return check


@pytest.fixture
def preflight_7b(preflight, monkeypatch):
    """Runs it on the real shape, with room on the disk."""
    monkeypatch.setattr(resources.shutil, "disk_usage", lambda path: SimpleNamespace(free=10**13))
    backbone = BACKBONE | {"config": SHAPE | SEVEN_B}
    return lambda *overrides, **settings: preflight(*overrides, backbone=backbone, **settings)


def failures(found: list[dict]) -> dict[str, str]:
    return {check["key"]: check["message"] for check in found if check["status"] == "failure"}


def test_a_sound_config_passes_and_says_what_it_comes_to(preflight):
    status, found, printed = preflight("--device=h100-80gb", "--tokens_per_second=20000")
    assert (status, failures(found)) == (0, {})
    told = {check["key"]: check["message"] for check in found}
    assert told["trainer.strategy"] == "ModelParallelStrategy over 8 ranks"
    assert "128 of 200 prompts x 8 = 1,024 responses (128 a rank)" in told["data.stages.math_8k.prompts_per_step"]
    steps, tokens = 1200 + 500 + 300 + 150 + 150 + 300, 0
    for count, group, budget in [(1200, 8, 8192), (500, 16, 16384), (300, 16, 24576)]:
        tokens += count * 128 * group * budget
    for count, group, budget in [(150, 8, 24576), (150, 16, 32768), (300, 16, 32768)]:
        tokens += count * 128 * group * budget
    assert told["data.stages"].startswith(f"{steps:,} updates at most, {tokens:,} response tokens at most")
    assert f"{tokens / 20000 / 3600:,.1f} hours at most" in told["data.stages"]
    assert "nothing would stop the run" in printed


BROKEN = {
    "data and stages": {
        "--data.sources.math.fields.statement=x": ("data.sources.math.fields", "no column"),
        "--data.stages.code_24k.max_response_length=40000": (
            "data.stages.code_24k.max_response_length",
            "leaves no room for a prompt",
        ),
        "--data.template.end=<|im_ends|>": ("data.template.end", "is no token of the tokenizer"),
        "--trainer.devices=4": ("trainer.strategy", "8 ranks, trainer.devices x num_nodes"),
        "--trainer.reload_dataloaders_every_n_epochs=0": ("trainer.reload_dataloaders_every_n_epochs", "must be 1"),
        "--trainer.logger=false": ("trainer.default_root_dir", "is the working folder"),
    },
    "ranks": {
        "--data.stages.math_8k.prompts_per_step=4": ("data.stages.math_8k.prompts_per_step", "4 prompts, 8 ranks"),
        "--trainer.strategy=auto": ("trainer.strategy", "8 ranks need ModelParallelStrategy"),
    },
    "the tokenizer of a larger model": {
        "--model.backbone.config.vocab_size=200": (
            "model.backbone.tokenizer",
            "bytes has 260 tokens, the model embeddings for 200",
        ),
    },
    "a file and a callback that are not there": {
        '--trainer.callbacks=[{"class_path": "WeightSync"}]': (
            "data.stages.math_8k.max_response_length",
            "needs Curriculum",
        ),
        "--data.sources.math.path=nosuch.jsonl": ("data.sources.math.path", "no file"),
    },
}
"""Overrides that spoil a config, all of a group at once, each with the key and the words of its finding."""


@pytest.mark.parametrize("name", BROKEN)
def test_broken_configs_are_caught_with_the_keys_names(preflight, name):
    status, found, printed = preflight(*BROKEN[name])
    assert status == 1, printed
    for key, message in BROKEN[name].values():
        assert message in failures(found)[key]


@pytest.mark.parametrize(
    ("problems", "key", "message"),
    [
        ([*rows(20), *rows(1)], "data.sources.math.fields.id", "1 ids occur more than once, math/row-0"),
        (rows(20, answer=r"\frac{1}{"), "data.sources.math", "20 of 20 rows can't be used"),
        (rows(20, problem="x" * 30000), "data.sources.math", "a prompt of 30"),
    ],
    ids=["duplicate ids", "ground truth that can't be parsed", "prompts beyond the context"],
)
def test_broken_data_is_caught_with_its_source(preflight, problems, key, message):
    status, found, _ = preflight(problems=problems)
    assert status == 1
    assert message in failures(found)[key]


def test_some_bad_rows_fail_unless_the_config_excludes_them(preflight):
    mixed = [*rows(50), {"problem": "?", "answer": None, "id": "bad"}]
    status, found, _ = preflight("--data.bad_rows=error", problems=mixed)
    assert status == 1
    assert "1 of 51 rows can't be used" in failures(found)["data.sources.math"]
    status, found, _ = preflight(problems=mixed)
    assert status == 0
    assert any("1 of 51 rows will be left out: math/bad (no answer)" in check["message"] for check in found)


def test_a_teacher_is_checked_and_its_memory_counted(preflight, tmp_path):
    backbone = Backbone(**BACKBONE)
    export(build_model(load_config(None, backbone), None, backbone, 0), TOKENIZER, tmp_path / "teacher", is_writer=True)
    _, found, _ = preflight(f"--model.teacher.pretrained={tmp_path / 'teacher'}", "--device=h100-80gb")
    told = {check["key"]: check["message"] for check in found}
    assert told["model.teacher.pretrained"].endswith(" parameters, of the policy's vocabulary")
    assert " teacher" in told["memory"]
    (tmp_path / "teacher" / "model.safetensors").write_bytes(b"cut")
    _, found, _ = preflight(f"--model.teacher.pretrained={tmp_path / 'teacher'}")
    assert "model.safetensors is damaged" in failures(found)["model.teacher.pretrained"]


@pytest.mark.slow
def test_a_model_beyond_the_devices_memory(preflight):
    large = {"hidden_size": 8192, "intermediate_size": 49152, "num_hidden_layers": 80, "num_attention_heads": 64}
    status, found, _ = preflight("--device=a100-40gb", backbone=BACKBONE | {"config": SHAPE | large})
    assert status == 1
    assert "on a100-40gb: generating takes" in failures(found)["memory"]
    assert "it has 37.3 GiB; most goes to the engine's weights while generating" in failures(found)["memory"]


@pytest.mark.parametrize(
    ("hardware", "generating"),
    [
        ("8gpu", 59.8),
        pytest.param("nodes", 51.8, marks=pytest.mark.slow),
        pytest.param("separate", 24.2, marks=pytest.mark.slow),
    ],
)
def test_the_7b_model_fits_80_gb_with_responses_of_32k(preflight_7b, hardware, generating):
    status, found, printed = preflight_7b("--device=h100-80gb", hardware=hardware)
    assert (status, failures(found)) == (0, {}), printed
    told = {check["key"]: (check["status"], check["message"]) for check in found}
    assert told["memory"][0] == "ok"
    hours = {"8gpu": "627 on 8", "nodes": "211 on 32", "separate": "1,135 on 4"}[hardware]
    assert told["hours"][1].startswith(f"about {hours} x h100-80gb, ")
    assert "an estimate, never measured: 35% of 989 TFLOP/s in updates, 60% of 3.35 TB/s" in told["hours"][1]
    assert told["memory"][1].startswith("7,615,616,512 parameters on h100-80gb: ")
    assert f"generating takes {generating} GiB" in told["memory"][1]
    if hardware == "separate":
        assert told["model.engine"] == (
            "ok",
            "on h100-80gb of its own: generating takes 62.2 GiB (engine's weights 14.2 GiB, engine's cache 48.0 GiB)",
        )
    assert not [check for check in found if check["key"] == "model.engine.cache_gib"]  # a group of 16 has room


@pytest.mark.slow
def test_the_7b_model_does_not_fit_beside_an_engine_that_stays_awake(preflight_7b):
    status, found, _ = preflight_7b("--device=h100-80gb", "--model.engine.sleep=false")
    assert status == 1
    assert "on h100-80gb: updating takes 80." in failures(found)["memory"]
    assert "most goes to the engine's cache while updating" in failures(found)["memory"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("cache", "status", "message"),
    [
        (32.0, "ok", "32.0 GiB of cache hold 18 responses of 32,938 tokens"),
        (20.0, "warning", "20.0 GiB, but a group of code_32k takes up to 28.1 GiB: responses will wait"),
        (1.5, "failure", "1.5 GiB of cache hold 0 responses of 32,938 tokens: set it to at least 1.8"),
    ],
)
def test_a_cache_holds_a_group_or_at_least_a_response(preflight_7b, cache, status, message):
    """2 x 28 layers x 4 heads x 128 x 2 bytes: 57,344 of each token; 32,938 tokens of it are 1.75 GiB."""
    code, found, _ = preflight_7b(f"--model.engine.cache_gib={cache}")
    assert code == (1 if status == "failure" else 0)
    key = "model.engine" if status == "ok" else "model.engine.cache_gib"
    assert (key, status, message) in [(check["key"], check["status"], check["message"]) for check in found]


@pytest.mark.slow
def test_a_device_that_is_nearly_full_is_a_warning(preflight_7b):
    status, found, _ = preflight_7b("--device=h100-80gb", "--model.engine.cache_gib=42")
    assert status == 0
    told = {check["key"]: (check["status"], check["message"]) for check in found}
    assert told["memory"][0] == "warning"
    assert told["memory"][1].endswith("it has 74.5 GiB: less than 10% is left for the rest")


@pytest.mark.slow
def test_checkpoints_beyond_the_disk(preflight, monkeypatch):
    monkeypatch.setattr(resources.shutil, "disk_usage", lambda path: SimpleNamespace(free=1000))
    status, found, _ = preflight()
    assert status == 1
    assert "1000 bytes free" in failures(found)["trainer.logger.save_dir"]


def test_a_key_that_does_not_exist_is_one_line_and_status_2(preflight):
    status, _, printed = preflight("--data.stages.math_8k.step=3")
    assert status == 2
    assert "Option 'step' is not accepted" in printed


def test_a_model_that_is_not_there(preflight, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)  # or it asks again for half a minute
    status, found, _ = preflight("--model.pretrained=nosuch/folder", backbone={})
    assert status == 1
    assert "neither a folder" in failures(found)["model.pretrained"]


def test_an_unknown_device(preflight):
    status, _, printed = preflight("--device=toaster")
    assert status == 2
    assert "device: no 'toaster'; there are a100-40gb" in printed
