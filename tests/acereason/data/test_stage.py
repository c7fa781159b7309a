import pytest

from acereason.common.errors import UserError
from acereason.data.stage import Stage


def test_shares():
    assert Stage(["x", "y"], steps=1).shares == {"x": 1.0, "y": 1.0}
    assert Stage({"x": 0.25}, steps=1).shares == {"x": 0.25}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"steps": 0}, r"data\.stages\.a\.steps: must be at least 1, not 0"),
        ({"steps": None}, r"data\.stages\.a\.steps: give steps or epochs"),
        ({"epochs": 0}, r"epochs: must be at least 1"),
        ({"refill": -1}, r"data\.stages\.a\.refill: must be at least 0, not -1"),
        ({"prompts_per_step": 0}, r"prompts_per_step: must be at least 1"),
        ({"max_response_length": 0}, r"max_response_length: must be at least 1"),
        ({"group_size": 1}, r"group_size: must be at least 2, not 1"),
        ({"temperature": 0.0}, r"temperature: must be above 0"),
        ({"temperature": [0.6, 0.0]}, r"temperature: must be above 0, not \[0\.6, 0\.0\]"),
        ({"temperature": []}, r"temperature: an empty list"),
        ({"group_size": [8, 1]}, r"group_size: must be at least 2, not \[8, 1\]"),
        ({"sources": []}, r"sources: name at least one"),
        ({"sources": {"x": 1.5}}, r"data\.stages\.a\.sources\.x: a share is above 0 and at most 1, not 1\.5"),
        ({"screen": 0.0}, r"screen: must be above 0"),
        ({"patience": 2}, r"patience: needs a benchmark in monitor"),
    ],
)
def test_mistakes_name_the_key(values, message):
    with pytest.raises(UserError, match=message):
        Stage(**{"sources": ["x"], "steps": 1} | values).check("data.stages.a")


def test_a_list_of_temperatures_and_the_controller_exclude_each_other():
    present = {"Curriculum", "TemperatureController"}
    Stage(["x"], steps=1, temperature=0.6).check_callbacks("data.stages.a", present)
    with pytest.raises(UserError, match=r"data\.stages\.a\.temperature: TemperatureController moves it already"):
        Stage(["x"], steps=1, temperature=[0.6, 1.0]).check_callbacks("data.stages.a", present)
