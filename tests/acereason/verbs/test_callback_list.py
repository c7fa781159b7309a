"""Callbacks by default, by name and by list: which stand in a configuration, with which settings, in which order."""

import json

import pytest
import yaml

import callbacks
from acereason.common.errors import UserError
from acereason.verbs.callback_list import RL, SFT, filled
from tests.support.command_line import cli, listed, plain

RL_FILE = """
trainer: {logger: {class_path: TensorBoardLogger, init_args: {save_dir: runs}}}
model: {class_path: GRPOModule, init_args: {engine: {class_path: HFEngine}, optimizer: {class_path: AdamW}}}
data: {class_path: RLData, init_args: {sources: {s: {arithmetic: {}}}, stages: {a: {sources: [s], steps: 1}}}}
"""
SFT_FILE = """
model: {class_path: SFTModule, init_args: {optimizer: {class_path: AdamW}}}
data: {class_path: SFTData, init_args: {sources: {s: {arithmetic: {}}}, batch_size: 1, max_length: 9}}
"""
LIMITS = {
    **{"window": 20, "reward_margin": 0.01, "zero_variance": 0.8, "truncated": 0.66, "errors": 0.01, "gap": 0.05},
    **{"gap_growth": 2.0, "length": 0.5, "spike": 10.0, "throughput": 0.5},
}
OVERLONG = {"policy": "mask", "in_baseline": False, "reward": 0.0, "buffer": 0.2, "factor": 1.0}
ENTROPY = {"target": 0.3, "band": 0.1, "window": 20, "every_n_steps": 10}
RECORDER = {
    **dict.fromkeys(("metrics", "groups", "summary", "curves"), True),
    **{"samples": {"every_n_steps": 10, "groups": 1, "rollouts": 2}, "title": None},
}
DEBUG = [
    ("curriculum.Curriculum", {}),
    (
        "temperature.TemperatureController",
        {"target": 5.5, "deadband": 0.01, "gain": 0.1, "max_change": 0.05, "bounds": [0.6, 1.4]},
    ),
    ("weight_sync.WeightSync", {"probe": 4}),
    ("longest_first.LongestFirst", {}),
    ("overlong.Overlong", OVERLONG | {"reward": -1.0}),
    ("easy_filter.EasyFilter", {}),
    ("entropy.EntropyMonitor", ENTROPY | {"target": 5.5}),
    ("health.Health", {"every_n_steps": 10, "limits": LIMITS}),
    ("recorder.Recorder", RECORDER | {"samples": {"every_n_steps": 1, "groups": 1, "rollouts": 2}}),
    ("tensorboard.TensorBoard", {"every_n_steps": 1}),
    ("evaluation.Evaluation", {"every_n_steps": 2, "benchmarks": None}),
    ("plateau.Plateau", {"min_delta": 0.0}),
    ("progress.Progress", {"every_n_steps": 10, "bar": None}),
    ("export.Export", {}),
    ("checkpoints.Checkpoints", {"every_n_steps": 1, "keep": 99}),
]
SEVEN_B = [
    ("curriculum.Curriculum", {}),
    ("weight_sync.WeightSync", {"probe": 4}),
    ("longest_first.LongestFirst", {}),
    ("overlong.Overlong", OVERLONG),
    ("easy_filter.EasyFilter", {}),
    ("entropy.EntropyMonitor", ENTROPY),
    ("health.Health", {"every_n_steps": 10, "limits": LIMITS}),
    ("recorder.Recorder", RECORDER),
    ("tensorboard.TensorBoard", {"every_n_steps": 10}),
    ("evaluation.Evaluation", {"every_n_steps": 100, "benchmarks": None}),
    ("progress.Progress", {"every_n_steps": 10, "bar": None}),
    ("export.Export", {}),
    ("checkpoints.Checkpoints", {"every_n_steps": 20, "keep": 2}),
]
SFT_7B = ["Health", "Recorder", "Progress", "SFTPlateau", "Export", "Checkpoints"]


@pytest.mark.parametrize(("file", "wanted"), [("conf/debug.yaml", DEBUG), ("conf/rl/qwen2.5-math-7b.yaml", SEVEN_B)])
def test_callbacks_of_a_shipped_file(file, wanted):
    found = [(entry["class_path"], entry.get("init_args", {})) for entry in listed(f"--config={file}")]
    assert found == [(f"callbacks.{path}", settings) for path, settings in wanted]


def names(*args: str) -> list[str]:
    return [entry["class_path"].rpartition(".")[2] for entry in listed(*args)]


def test_callbacks_of_sft():
    assert names("--config=conf/sft/qwen2.5-math-7b.yaml") == SFT_7B
    assert names("--config=conf/sft/gsm8k-0.5b.yaml") == list(SFT)
    (*_, checkpoints) = listed("--config=conf/sft/gsm8k-0.5b.yaml")
    assert checkpoints["init_args"] == {"every_n_steps": 100, "keep": 2}


def test_every_callback_has_a_place_and_the_defaults_stand_in_that_order():
    places = {name: getattr(callbacks, name).place for name in callbacks.__all__}
    for defaults in (RL, SFT):
        order = [places[name] for name in defaults]
        assert order == sorted(order)


@pytest.fixture
def rl(tmp_path):
    """A function of further files' texts and flags after a short file: the words of the command line."""

    def words(*given: str) -> list[str]:
        made = []
        for number, text in enumerate([RL_FILE, *given]):
            (tmp_path / f"{number}.yaml").write_text(text)
            made.append(text if text.startswith("--") else f"--config={tmp_path / f'{number}.yaml'}")
        return made

    return words


def settings(name: str, args: list[str]) -> dict:
    (entry,) = [entry for entry in listed(*args) if entry["class_path"].endswith(f".{name}")]
    return entry["init_args"]


def test_a_name_is_changed_struck_added_and_replaced_wherever_it_stands(rl):
    assert names(*rl()) == list(RL)
    assert names(*rl("--trainer.recipe.Export=null"), "--trainer.recipe.Health", "null") == [
        name for name in RL if name not in ("Export", "Health")
    ]
    added = names(*rl("trainer: {recipe: {Plateau: {}, LongestFirst: {}, TemperatureController: {}}}"))
    assert added[:5] == ["Curriculum", "TemperatureController", "WeightSync", "LongestFirst", "Overlong"]
    assert added[-5:] == ["Evaluation", "Plateau", "Progress", "Export", "Checkpoints"]
    other = {"class_path": "tests.support.masking.MaskAllButOne"}
    replaced = names(*rl(f"trainer: {{recipe: {{Overlong: {other}}}}}"))
    assert replaced == ["MaskAllButOne" if name == "Overlong" else name for name in RL]


def test_later_files_and_flags_change_what_they_name_at_any_depth(rl):
    first = "trainer: {recipe: {Overlong: {in_baseline: true, reward: 0.5}, Health: {limits: {window: 7}}}}"
    second = "trainer: {recipe: {Overlong: {reward: -0.5}}}"
    args = [*rl(first, second, "--trainer.recipe.Health.limits.gap=0.5"), "--trainer.recipe.Overlong.factor", "-1"]
    assert settings("Overlong", args) == OVERLONG | {"in_baseline": True, "reward": -0.5, "factor": -1.0}
    assert settings("Health", args)["limits"] == LIMITS | {"window": 7, "gap": 0.5}
    assert settings("Overlong", rl("--trainer.recipe.Overlong.reward=-1", second))["reward"] == -0.5
    assert settings("Recorder", rl("trainer: {recipe: {Recorder: {title: 'a: b'}}}"))["title"] == "a: b"
    args = rl("trainer: {recipe: {Recorder: {groups: false, samples: {rollouts: 5}}}}")
    some = {"every_n_steps": 10, "groups": 1, "rollouts": 5}
    assert settings("Recorder", args) == RECORDER | {"groups": False, "samples": some}
    assert settings("Recorder", [*args, "--trainer.recipe.Recorder.samples=null"])["samples"] is None


def test_what_is_added_to_the_list_stands_at_its_place_and_for_the_default_of_its_class(rl):
    added = names(*rl("--trainer.callbacks+=TemperatureController", "--trainer.callbacks.target=0.5"))
    assert added == ["Curriculum", "TemperatureController", *list(RL)[1:]]
    args = rl("trainer: {callbacks+: [{class_path: Checkpoints, init_args: {every_n_steps: 7}}]}")
    assert (names(*args), settings("Checkpoints", args)["every_n_steps"]) == (list(RL), 7)
    own = rl("--trainer.callbacks+=tests.support.masking.MaskAllButOne")
    assert names(*own) == [*RL, "MaskAllButOne"]
    assert names(*own, "--trainer.recipe.MaskAllButOne=null") == list(RL)


def test_a_whole_list_is_taken_as_it_is_written(rl):
    whole = "trainer: {callbacks: [{class_path: TensorBoard}, {class_path: Curriculum}]}"
    before = "trainer: {recipe: {Plateau: {}, TensorBoard: {every_n_steps: 9}}}"
    flag = '--trainer.callbacks=[{"class_path": "TensorBoard"}, {"class_path": "Curriculum"}]'
    for last in (whole, flag):
        assert names(*rl(before, last)) == ["TensorBoard", "Curriculum"]
        assert settings("TensorBoard", rl(before, last))["every_n_steps"] == 10
        changed = rl(last, "--trainer.recipe.TensorBoard.every_n_steps=3", "--trainer.recipe.WeightSync={}")
        assert names(*changed) == ["WeightSync", "TensorBoard", "Curriculum"]
        assert settings("TensorBoard", changed)["every_n_steps"] == 3
    both = "trainer: {callbacks: [{class_path: TensorBoard}], recipe: {TensorBoard: {every_n_steps: 4}}}"
    assert settings("TensorBoard", rl(before, both))["every_n_steps"] == 4
    assert filled(cli().parser.parse_args(rl("trainer: {callbacks: null}"))).trainer.callbacks is None
    assert names(*rl(before, "--trainer.callbacks=[]")) == []


def test_what_is_saved_is_the_same_again(rl, tmp_path):
    parser = cli().parser
    config = filled(parser.parse_args(rl("trainer: {recipe: {Overlong: {reward: -1}, Plateau: {}}}")))
    parser.save(config, tmp_path / "saved.yaml", skip_none=False)
    assert "recipe" not in yaml.safe_load((tmp_path / "saved.yaml").read_text())["trainer"]
    again = filled(parser.parse_args([f"--config={tmp_path / 'saved.yaml'}"]))
    assert {**plain(again), "config": None} == {**plain(config), "config": None}
    changed = [f"--config={tmp_path / 'saved.yaml'}", "--trainer.recipe.Overlong.factor=2"]
    assert settings("Overlong", changed) == OVERLONG | {"reward": -1.0, "factor": 2.0}


def test_what_is_printed_shows_all_and_without_defaults_what_a_user_would_write(rl, tmp_path):
    parser, args = cli().parser, rl("trainer: {recipe: {Overlong: {reward: -1}}}")
    config = parser.parse_args(args)
    shown = yaml.safe_load(parser.dump(config))["trainer"]["callbacks"]
    assert [entry["class_path"].rpartition(".")[2] for entry in shown] == list(RL)
    short = yaml.safe_load(parser.dump(config, skip_default=True))["trainer"]
    assert (short["recipe"], "callbacks" in short) == ({"Overlong": {"reward": -1}}, False)


def test_what_is_the_same_in_every_file_is_a_default(rl, tmp_path):
    config = filled(cli().parser.parse_args([*rl(), "--seed_everything=7"]))
    assert (config.trainer.max_epochs, config.trainer.reload_dataloaders_every_n_epochs) == (-1, 1)
    assert (config.trainer.logger.init_args.version, config.trainer.logger.init_args.default_hp_metric) == ("", False)
    assert (config.model.init_args.seed, config.data.init_args.seed) == (7, 7)
    assert cli().parser.parse_args(rl()).seed_everything == 0
    numbered = "trainer: {logger: {init_args: {version: null}}}"
    assert filled(cli().parser.parse_args(rl(numbered))).trainer.logger.init_args.version is None
    (tmp_path / "sft.yaml").write_text(SFT_FILE)
    sft = filled(cli().parser.parse_args([f"--config={tmp_path / 'sft.yaml'}", "--data.seed=3"]))
    assert (sft.trainer.max_epochs, sft.model.init_args.seed, sft.data.init_args.seed) == (None, 0, 3)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("--trainer.recipe.Overlng.reward=1", r"trainer\.recipe\.Overlng: no such callback; did you mean Overlong\?"),
        ("--trainer.recipe.Xyzzy=null", r"trainer\.recipe\.Xyzzy: no such callback; one of your own is added with"),
        ("--trainer.recipe.Overlong.rward=1", r"trainer\.recipe\.Overlong\.rward: no such setting; did you mean rew"),
        ("--trainer.recipe.Overlong.reward=x", r"trainer\.recipe\.Overlong: reward: Expected a <class 'float'>"),
        ("--trainer.recipe.Health.limits.windw=1", r"trainer\.recipe\.Health: Group 'limits' does not accept"),
        ("--trainer.recipe.Recorder.samples=5", r"trainer\.recipe\.Recorder: samples: can't be 5"),
        ("--trainer.recipe.Overlong=3", r"trainer\.recipe: settings by name"),
        ("--trainer.recipe=[1]", r"trainer\.recipe: settings by name"),
        ("trainer: {recipe: {Overlong: {class_path: mine.X}}}", r"trainer\.recipe\.Overlong: no class mine\.X"),
        (
            "--trainer.recipe.Samples.groups=1",
            r"trainer\.recipe\.Samples: no such callback; it is trainer\.recipe\.Recorder\.samples now",
        ),
        ("trainer: {callbacks: [{class_path: Health}, {class_path: Health}]}", r"callbacks: Health is there twice"),
    ],
)
def test_a_mistake_is_one_line(rl, given, message):
    with pytest.raises(UserError, match=message) as told:
        listed(*rl(given))
    assert "\n" not in str(told.value)


def test_a_name_that_the_list_holds_twice_is_refused(rl):
    one, two = ({"class_path": "Evaluation", "init_args": {"every_n_steps": steps}} for steps in (1, 2))
    twice = json.dumps([one, two])
    assert names(*rl(f"trainer: {{callbacks: {twice}}}")) == ["Evaluation", "Evaluation"]
    with pytest.raises(UserError, match=r"trainer\.recipe\.Evaluation: is in trainer\.callbacks 2 times"):
        listed(*rl(f"trainer: {{callbacks: {twice}}}", "--trainer.recipe.Evaluation.every_n_steps=3"))
