"""What `preflight` finds in configs of SFT, of evaluations, of `curate` and of `predict`; it leaves no trace."""

import json
import os
from functools import partial

import pytest
from rich.console import Console

import run
from acereason.common.errors import UserError
from acereason.models.backbone import Backbone, load_config
from acereason.models.bytes import byte_tokenizer
from acereason.verbs.preflight.checks import Checks
from acereason.verbs.preflight.model import check_weights
from tests.support.fakes import CONFIG, tiny_qwen
from tests.support.openai_server import TeacherServer

ROWS = [
    {"problem": f"{i}+{i}=", "answer": str(2 * i), "solution": rf"\boxed{{{2 * i}}}", "id": f"p{i}"} for i in range(9)
]
BACKBONE = {"config": CONFIG, "tokenizer": "bytes"}
TEMPLATE = {"math": "{statement}", "layout": "{user}\n"}
FIELDS = {"statement": "problem", "answer": "answer", "solution": "solution", "id": "id"}


def write_rows(path, rows: list[dict] = ROWS) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with rows.jsonl, which the config names."""
    monkeypatch.setattr("acereason.verbs.preflight.checks.Console", partial(Console, width=400))
    write_rows(tmp_path / "rows.jsonl")
    return tmp_path


def sft(place) -> dict:
    trainer = {"accelerator": "cpu", "devices": 1, "max_epochs": 2, "reload_dataloaders_every_n_epochs": 1}
    logger = {
        "class_path": "TensorBoardLogger",
        "init_args": {"save_dir": str(place / "runs"), "name": "s", "version": ""},
    }
    callbacks = [{"class_path": "Export"}, {"class_path": "Checkpoints", "init_args": {"every_n_steps": 9}}]
    source = {"path": str(place / "rows.jsonl"), "fields": FIELDS}
    data = {"sources": {"own": source}, "batch_size": 4, "max_length": 64, "template": TEMPLATE}
    return {
        "trainer": trainer | {"logger": logger, "callbacks": callbacks},
        "model": {"class_path": "SFTModule", "init_args": {"backbone": BACKBONE, "micro_batch_tokens": 64}},
        "data": {"class_path": "SFTData", "init_args": data},
    }


def evaluation(place) -> dict:
    source = {"path": str(place / "rows.jsonl"), "fields": FIELDS}
    data = {"benchmarks": {"sums": {"source": source, "n": 2, "max_response_length": 16}}, "template": TEMPLATE}
    model = {"backbone": BACKBONE, "engine": {"class_path": "HFEngine"}, "rewards": {"workers": 1}}
    trainer = {"accelerator": "cpu", "devices": 1, "logger": False, "enable_checkpointing": False}
    return {
        "trainer": trainer | {"default_root_dir": str(place / "runs/e")},
        "model": {"class_path": "EvaluationModule", "init_args": model},
        "data": {"class_path": "EvaluationData", "init_args": data},
    }


def curation(place) -> dict:
    source = {"path": str(place / "rows.jsonl"), "fields": FIELDS}
    return {
        "output": str(place / "runs/c"),
        "sources": {"own": source},
        "decontaminate": {"benchmarks": {"b": source}},
        "workers": 1,
        "rewards": {"workers": 1},
    }


def prediction(place) -> dict:
    return {
        "output": str(place / "runs/p"),
        "sources": {"own": {"path": str(place / "rows.jsonl"), "fields": FIELDS}},
        "server": {"url": os.environ["TEACHER_URL"], "model": "m"},
        "rewards": {"workers": 1},
    }


CONFIGS = {"sft": sft, "evaluation": evaluation, "curate": curation, "predict": prediction}


@pytest.fixture
def server(monkeypatch):
    teacher = TeacherServer()
    monkeypatch.setenv("TEACHER_URL", teacher.url)
    yield teacher
    teacher.close()


@pytest.fixture
def preflight(place, server, capsys):
    """Runs it on a config with overrides: its status, and what it printed, each finding in one line."""

    def check(kind: str, *overrides: str) -> tuple[int, str]:
        (place / "c.yaml").write_text(json.dumps(CONFIGS[kind](place)))
        capsys.readouterr()
        try:
            run.main(["preflight", f"--config={place / 'c.yaml'}", *(each.format(place=place) for each in overrides)])
            status = 0
        except SystemExit as exit_:
            status = exit_.code
        printed = capsys.readouterr()
        words = " ".join((printed.out + printed.err).split())
        return status, words.replace(
            " │ │ │ │ ", " "
        )  # where a finding is wrapped hangs on how long the folder's name is

    return check


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        (
            "sft",
            ["data.sources.own │ 9 rows with a response", "6 updates, 3 an epoch of 9 rows", "model │ context of 128"],
        ),
        ("evaluation", ["a near miss is judged wrong", "18 responses to draw, 0 are in", "generating takes"]),
        ("curate", ["sources.own │ 9 rows; of the first 9 9 are prompts", "decontaminate.benchmarks.b │ 9 rows"]),
        ("predict", ["sources.own │ 9 prompts", "/v1 answers", "9 prompts x 1 = 9 responses in all"]),
    ],
)
def test_a_sound_config(preflight, place, server, kind, told):
    status, printed = preflight(kind)
    assert (status, [text for text in told if text not in printed]) == (0, []), printed
    assert "nothing would stop the run, 0 warnings" in printed
    assert {path.name for path in place.iterdir()} <= {"rows.jsonl", "c.yaml", "cache"}
    assert not server.bodies  # nothing is asked of a teacher


def test_hours_of_sft(preflight):
    _, printed = preflight("sft", "--device=h100-80gb")
    assert "hours │ about 0.0 an epoch on 1 x h100-80gb; an estimate, never measured" in printed


BROKEN = {
    "sft, its data and machine": (
        "sft",
        [
            *("--data.sources.own.path=nosuch.jsonl", "--data.heldout={{h: {{path: nosuch.parquet}}}}"),
            *("--trainer.reload_dataloaders_every_n_epochs=0", "--model.optimizer=AdamW", "--model.optimizer.lr=-1"),
            *("--model.backbone.compute_dtype=bfloat16", "--trainer.devices=2", "--data.max_length=500"),
            "--trainer.logger.save_dir={place}/rows.jsonl",
        ],
        [
            "trainer.strategy │ 2 ranks need ModelParallelStrategy",
            "model.optimizer │ Invalid learning rate",
            "trainer.reload_dataloaders_every_n_epochs │ must be 1, every epoch has an order of its own",
            "data.max_length │ 500 tokens, the model's context is 128",
            "data.sources.own.path │ no file nosuch.jsonl",
            "data.heldout.h.path │ no file nosuch.parquet",
            "{place}/rows.jsonl/s can't be made: {place}/rows.jsonl is no folder",
        ],
    ),
    "sft, its rows and folder": (
        "sft",
        [
            *("--data.max_length=6", "--data.batch_size=0", "--trainer.logger.name=" + "x" * 300),
            "--model.backbone.compute_dtype=bfloat16",
        ],
        [
            "data.batch_size │ must be at least 1, not 0",
            "data.sources.own │ 9 of 9 rows can't be used",
            "model.backbone.compute_dtype │ bfloat16 needs FSDP2",
            "can't be written (File name too long)",
        ],
    ),
    "an evaluation": (
        "evaluation",
        [
            *("--model.engine=ReplayEngine", "--model.engine.responses={place}/rows.jsonl"),
            "--trainer.default_root_dir={place}/rows.jsonl/x",
        ],
        [
            "model.engine.responses │ {place}/rows.jsonl has no column 'sample'",
            "trainer.default_root_dir │ {place}/rows.jsonl/x can't be made: {place}/rows.jsonl is no folder",
        ],
    ),
    "an evaluation's context": (
        "evaluation",
        ["--data.benchmarks.sums.max_response_length=500"],
        ["data.benchmarks.sums.max_response_length │ the model's context of 128 tokens leaves no room"],
    ),
    "a curation": (
        "curate",
        [
            *("--sources.x.path=nosuch.jsonl", "--sources.y.dataset=nosuch", "--output={place}/rows.jsonl/x"),
            *("--decontaminate.benchmarks.b.fields.answer=q", "--responses.path={place}", "--workers=0"),
        ],
        [
            "workers │ must be at least 1, not 0",
            "sources.x.path │ no file nosuch.jsonl",
            "sources.y.dataset │ 'nosuch' is not known",
            "decontaminate.benchmarks.b.fields │ {place}/rows.jsonl has no column 'q'",
            "responses.path │ no .parquet file in {place}",
            "output │ {place}/rows.jsonl is a file",
        ],
    ),
    "a curation's tokenizer": (
        "curate",
        ["--responses.from_sources=true", "--responses.tokenizer={place}/nosuch"],
        ["responses.tokenizer │ '{place}/nosuch' is neither a folder nor"],
    ),
    "a prediction": (
        "predict",
        [
            *("--server.url=http://127.0.0.1:9/v1", "--sources.own.fields.id=q", "--output={place}/rows.jsonl"),
            "--sources.x.path=nosuch.jsonl",
        ],
        [
            "sources.own.fields │ {place}/rows.jsonl has no column 'q'",
            "sources.x.path │ no file nosuch.jsonl",
            "output │ {place}/rows.jsonl is a file",
            "server.url │ http://127.0.0.1:9/v1 can't be reached",
        ],
    ),
    "a prediction's key": ("predict", ["--server.api_key_env=NO_SUCH_KEY"], ["server.api_key_env │ ", "NO_SUCH_KEY"]),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", BROKEN)
def test_what_would_stop_the_run(preflight, place, monkeypatch, name):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    kind, overrides, told = BROKEN[name]
    status, printed = preflight(kind, *overrides)
    assert status == 1, printed
    assert [text for text in told if text.format(place=place) not in printed] == [], printed
    assert f"{printed.count('│ failure │')} findings would stop the run" in printed
    assert "unexpected" not in printed


def test_ids_that_are_not_unique(preflight, place):
    write_rows(place / "rows.jsonl", [*ROWS, ROWS[0]])
    for kind in ("evaluation", "predict"):
        status, printed = preflight(kind)
        assert status == 1
        assert "own/p0" in printed or "sums/p0" in printed


def test_a_folder_that_was_begun_otherwise(preflight, place):
    (place / "runs/p").mkdir(parents=True)
    (place / "runs/p/config.json").write_text(json.dumps({"seed": 7}))
    status, printed = preflight("predict")
    assert status == 1
    assert "runs/p was started with other settings" in printed


def test_what_is_odd_but_runs_is_a_warning(preflight):
    long = ["--model.micro_batch_tokens=8", "--model.schedule.warmup_steps=6", "--model.schedule.decay_steps=9"]
    status, printed = preflight("sft", *long)
    assert status == 0
    assert "model.micro_batch_tokens │ 8, but a row has" in printed
    assert "model.schedule.warmup_steps │ 6, the run has 6 updates: the rate never is the optimizer's" in printed
    assert "model.schedule.decay_steps │ 9, the run has 6 updates: it does not come to its end" in printed
    assert "nothing would stop the run, 3 warnings" in printed


def test_a_run_without_end_is_a_warning(preflight):
    assert "trainer.max_epochs │ neither it nor max_steps" in preflight("sft", "--trainer.max_epochs=-1")[1]
    status, printed = preflight("sft", "--trainer.max_epochs=-1", "--model.schedule.final=0.1")
    assert (status, "decay_steps │ give it, or trainer.max_epochs: this run has no end" in printed) == (1, True)


def exported(folder, **changes):
    """A model's folder."""
    tiny_qwen().save_pretrained(folder)
    byte_tokenizer().save_pretrained(folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | changes))
    return folder


def test_a_models_folder_is_looked_through(preflight, place):
    folder = exported(place / "model")
    status, printed = preflight("sft", named(folder))
    assert (status, "holds the weights of its configuration" in printed) == (0, True), printed
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])
    status, printed = preflight("sft", named(folder))
    assert (status, f"model.pretrained │ {file} is damaged" in printed) == (1, True), printed


def named(folder) -> str:
    """A flag for a file that names the model's folder."""
    settings = {"pretrained": str(folder), "backbone": {"config": None, "tokenizer": None}}
    (folder.parent / "model.yaml").write_text(json.dumps({"model": {"init_args": settings}}))
    return f"--config={folder.parent / 'model.yaml'}"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda folder: (folder / "model.safetensors").unlink(), "has no .safetensors file"),
        (lambda folder: (folder / "model.safetensors").write_bytes(b""), "model.safetensors is damaged"),
        (lambda folder: (folder / "config.json").write_text("{"), "can't be loaded"),
        (lambda folder: (folder / "config.json").write_text("{}"), "can't be loaded"),
        (lambda folder: exported(folder, model_type="nosuch"), "can't be loaded"),
        (lambda folder: exported(folder, intermediate_size=48), "[32, 64] in "),
        (lambda folder: exported(folder, num_hidden_layers=1, layer_types=["full_attention"]), None),
        (lambda folder: exported(folder, num_hidden_layers=3), "can't be loaded"),
    ],
    ids=[
        "no weights",
        "empty",
        "cut config",
        "bare config",
        "other kind",
        "wider",
        "a layer too many",
        "a layer too few",
    ],
)
def test_a_folder_that_is_no_model(tmp_path, change, told):
    folder = exported(tmp_path / "model")
    change(folder)
    if told is None:
        check_weights(folder, load_config(str(folder), Backbone()), "key")
        return
    with pytest.raises(UserError) as caught:
        check_weights(folder, load_config(str(folder), Backbone()), "key")
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_module_and_data_that_do_not_go_together(preflight):
    status, printed = preflight("evaluation", "--data=RLData", "--data.sources={{}}")
    assert (status, "error: model, data: EvaluationModule with RLData; there are GRPOModule" in printed) == (2, True)


def test_a_recipe_is_no_config_of_a_run(capsys):
    with pytest.raises(SystemExit) as exit_:
        run.main(["preflight", "--config=conf/quickstart.yaml"])
    assert exit_.value.code == 2
    assert "error: preflight: a recipe's steps are checked one by one" in capsys.readouterr().err


def test_what_nobody_foresaw_is_a_finding_with_its_place():
    checks = Checks()
    with checks.catching("data.sources.x"):
        json.loads(None)
    (found,) = checks.found
    assert (found.key, found.status) == ("data.sources.x", "failure")
    assert found.message.startswith("an unexpected TypeError in test_verbs.py, line ")
    assert found.message.endswith("; the run would end with it")
