"""What docs/configuration.md says becomes of files and flags."""

import pytest

from acereason.common.errors import UserError
from acereason.verbs.callback_list import filled
from tests.support.command_line import cli, plain

BASE = """
seed_everything: 0
trainer: {callbacks: [{class_path: Curriculum}, {class_path: Overlong}]}
model:
  class_path: GRPOModule
  init_args:
    engine: {class_path: HFEngine}
    backbone: {config: {vocab_size: 260, hidden_size: 64}}
    optimizer: {class_path: AdamW, init_args: {lr: 0.01}}
    micro_batch_tokens: 64
    seed: ${seed_everything}
data:
  class_path: RLData
  init_args:
    sources: {sums: {arithmetic: {levels: [1]}}}
    stages:
      short: {sources: [sums], steps: 4, overlong: soft}
      long: {sources: [sums], steps: 6, overlong: penalize, temperature: 0.9}
    seed: ${seed_everything}
"""


@pytest.fixture
def configured(tmp_path):
    """A function of files' texts and flags after BASE: (model's keys, data's keys, classes of the callbacks)."""

    def parse(*given: str) -> tuple[dict, dict, list[str]]:
        words = []
        for number, text in enumerate([BASE, *given]):
            (tmp_path / f"{number}.yaml").write_text(text)
            words.append(text if text.startswith("--") else f"--config={tmp_path / f'{number}.yaml'}")
        config = plain(filled(cli().parser.parse_args(words)))
        listed = [entry["class_path"].rpartition(".")[2] for entry in config["trainer"]["callbacks"]]
        return config["model"]["init_args"], config["data"]["init_args"], listed

    return parse


def test_a_later_file_changes_a_key_and_leaves_those_beside_it(configured):
    model, *_ = configured("model: {init_args: {group_size: 3, rewards: {code: {seconds: 2}}}}")
    assert (model["group_size"], model["micro_batch_tokens"]) == (3, 64)
    assert (model["rewards"]["code"]["seconds"], model["rewards"]["code"]["processes"]) == (2, 8)


def test_the_last_of_files_and_flags_wins(configured):
    file, flag = "model: {init_args: {group_size: 3}}", "--model.group_size=5"
    assert configured(file, flag)[0]["group_size"] == 5
    assert configured(flag, file)[0]["group_size"] == 3


@pytest.mark.parametrize("as_flag", [True, False])
def test_names_are_replaced_and_a_known_name_keeps_the_rest(configured, as_flag):
    stages = "{long: {}, short: {steps: 1}}"
    given = f"--data.stages={stages}" if as_flag else f"data: {{init_args: {{stages: {stages}}}}}"
    found = configured(given)[1]["stages"]
    assert [(name, stage["steps"], stage["overlong"]) for name, stage in found.items()] == [
        ("long", 6, "penalize"),
        ("short", 1, "soft"),
    ]


def test_a_flag_changes_one_name_or_adds_it(configured):
    _, data, _ = configured("--data.stages.short.steps=1", "--data.stages.new={sources: [sums], steps: 9}")
    assert {name: stage["steps"] for name, stage in data["stages"].items()} == {"short": 1, "long": 6, "new": 9}


def test_a_backbones_config_is_replaced_by_a_file_and_changed_by_a_flag(configured):
    model, *_ = configured("model: {init_args: {backbone: {config: {vocab_size: 9}}}}")
    assert model["backbone"]["config"] == {"vocab_size": 9}
    model, *_ = configured("--model.backbone.config.hidden_size=128")
    assert model["backbone"]["config"] == {"vocab_size": 260, "hidden_size": 128}


def test_another_class_keeps_what_both_have(configured):
    optimizer = configured("--model.optimizer=SGD")[0]["optimizer"]
    assert optimizer["class_path"] == "torch.optim.SGD"
    assert (optimizer["init_args"]["lr"], optimizer["init_args"]["weight_decay"]) == (0.01, 0.01)


def test_null_unsets_a_deep_key_in_a_file_alone(configured):
    _, data, _ = configured("data: {init_args: {stages: {long: {temperature: null}}}}")
    assert data["stages"]["long"]["temperature"] is None
    assert configured("--model.max_grad_norm=null")[0]["max_grad_norm"] is None
    with pytest.raises(UserError, match="temperature: Expected a <class 'float'>"):
        configured("--data.stages.long.temperature=null")


def test_the_list_of_callbacks_is_replaced_or_added_to(configured):
    assert configured("trainer: {callbacks: [{class_path: Export}]}")[2] == ["Export"]
    assert configured("trainer: {callbacks+: [{class_path: Export}]}")[2] == ["Curriculum", "Overlong", "Export"]
    flags = ["--trainer.callbacks+=WeightSync", "--trainer.callbacks.probe=1"]
    assert configured(*flags)[2] == ["Curriculum", "Overlong", "WeightSync"]


def test_references_see_flags_and_the_environment(configured, monkeypatch):
    monkeypatch.setenv("ANSWER", "42")
    model, data, _ = configured("model: {init_args: {group_size: '${oc.env:ANSWER}'}}", "--seed_everything=7")
    assert (model["group_size"], model["seed"], data["seed"]) == (42, 7, 7)


def test_the_beginning_of_a_trainers_key_counts_as_the_key_and_no_other(configured):
    assert cli().parser.parse_args(["--config=conf/debug.yaml", "--trainer.max_epoch=3"]).trainer.max_epochs == 3
    with pytest.raises(UserError, match="'groupsize' is not accepted"):
        configured("--model.groupsize=3")


def test_a_saved_configuration_is_parsed_to_the_same(tmp_path, monkeypatch):
    """As config.yaml in a run's folder is written: defaults, nulls, references and lists."""
    monkeypatch.setenv("ANSWER", "42")
    (tmp_path / "more.yaml").write_text(
        "trainer: {callbacks+: [{class_path: WeightSync, init_args: {probe: 1}}], logger: {init_args: "
        "{name: 'rl-${seed_everything}-${oc.env:ANSWER}'}}}\n"
        "model: {init_args: {max_grad_norm: null, micro_batch_tokens: '${oc.env:ANSWER}'}}\n"
        "data: {init_args: {stages: {rest: {temperature: null}}, template: {math: '$5 {statement} = \\boxed{}'}}}\n"
    )
    parser = cli().parser
    files = ["--config=conf/debug.yaml", f"--config={tmp_path / 'more.yaml'}", "--data.stages.rest.epochs=1"]
    config = parser.parse_args(files)
    parser.save(config, tmp_path / "saved.yaml", skip_none=False)
    again = plain(parser.parse_args([f"--config={tmp_path / 'saved.yaml'}"]))
    assert {**again, "config": None} == {**plain(config), "config": None}
    assert config.trainer.logger.init_args.name == "rl-0-42"
