"""A config.yaml of a former version is read as what it is now."""

import pytest
import yaml

from acereason.common.errors import UserError
from acereason.verbs.former import renewed
from tests.support.command_line import listed

BEFORE = """
trainer:
  logger: {class_path: TensorBoardLogger, init_args: {save_dir: runs, name: "on"}}
  callbacks:
  - {class_path: callbacks.health.Health}
  - {class_path: callbacks.groups.Groups}
  - {class_path: callbacks.metrics.Metrics, init_args: {}}
  - {class_path: callbacks.tensorboard.TensorBoard, init_args: {every_n_steps: 3}}
  - {class_path: callbacks.samples.Samples, init_args: {every_n_steps: 1, groups: 1, rollouts: 5}}
  - {class_path: callbacks.summary.Summary}
  - {class_path: callbacks.curves.Curves, init_args: {title: "a: b"}}
  - {class_path: callbacks.checkpoints.Checkpoints, init_args: {every_n_steps: 9}}
model: {class_path: GRPOModule, init_args: {engine: {class_path: HFEngine}, optimizer: {class_path: AdamW}}}
data: {class_path: RLData, init_args: {sources: {s: {arithmetic: {}}}, stages: {a: {sources: [s], steps: 1}}}}
"""


def read(tmp_path, text: str) -> list[tuple[str, dict]]:
    (tmp_path / "config.yaml").write_text(text)
    entries = listed(f"--config={tmp_path / 'config.yaml'}")
    return [(entry["class_path"].rpartition(".")[2], entry.get("init_args", {})) for entry in entries]


def test_a_list_of_them_is_one_recorder_at_the_place_of_the_first(tmp_path):
    found = read(tmp_path, BEFORE)
    assert [name for name, _ in found] == ["Health", "Recorder", "TensorBoard", "Checkpoints"]
    assert found[1][1] == {
        **dict.fromkeys(("metrics", "groups", "summary", "curves"), True),
        "samples": {"every_n_steps": 1, "groups": 1, "rollouts": 5},
        "title": "a: b",
    }
    assert yaml.safe_load(renewed(BEFORE))["trainer"]["logger"]["init_args"]["name"] == "on"


def test_what_was_not_in_the_list_is_left_out(tmp_path):
    lines = BEFORE.splitlines()
    some = "\n".join(line for line in lines if not any(name in line for name in ("Groups", "Samples", "Curves")))
    assert read(tmp_path, some)[1] == (
        "Recorder",
        {"metrics": True, "groups": False, "samples": None, "summary": True, "curves": False, "title": None},
    )


def test_a_text_without_them_is_left_as_it_is():
    texts = ["trainer: {callbacks: [{class_path: Health}]}  # Samples", "Samples", "trainer: {callbacks: null}"]
    for text in [*texts, "trainer: {recipe: {WeightSync: ["]:  # the last of which is no YAML
        assert renewed(text) is text


STRICT = """
trainer: {callbacks: [{class_path: callbacks.weight_sync.WeightSync, init_args: {every_n_steps: 1, probe: 3}}]}
model: {class_path: GRPOModule, init_args: {engine: {class_path: HFEngine}, strict_on_policy: true}}
"""


def test_that_training_is_strictly_on_policy_needs_no_saying():
    whole = yaml.safe_load(renewed(STRICT))
    assert whole["trainer"]["callbacks"][0]["init_args"] == {"probe": 3}
    assert whole["model"]["init_args"] == {"engine": {"class_path": "HFEngine"}}
    once = STRICT.replace(", strict_on_policy: true", "").replace("every_n_steps: 1, ", "")
    assert renewed(once) is once


@pytest.mark.parametrize(
    ("before", "now", "told"),
    [
        ("policy: true", "policy: false", "model.strict_on_policy: there is no false any more: several updates"),
        ("steps: 1", "steps: 4", "WeightSync.every_n_steps: weights are sent after every step; several updates"),
    ],
)
def test_what_was_off_policy_without_any_account_is_refused(before, now, told):
    with pytest.raises(UserError, match=f"{told} on a step's rollouts are model.off_policy now"):
        renewed(STRICT.replace(before, now))
