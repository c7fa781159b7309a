import pytest

from acereason.data.curriculum import Plan, Stage, next_plan
from acereason.errors import UserError

STAGES = {"a": Stage(["x"], steps=4), "b": Stage(["x"], steps=2)}


def test_stages_follow_each_other_by_their_steps():
    first = next_plan(STAGES, None, epoch=0, step=0)
    again = next_plan(STAGES, first, epoch=1, step=3)
    second = next_plan(STAGES, again, epoch=2, step=4)
    assert first == Plan("a", epoch=0, stage_epoch=0, stage_start=0, epoch_start=0)
    assert again == Plan("a", epoch=1, stage_epoch=1, stage_start=0, epoch_start=3)
    assert second == Plan("b", epoch=2, stage_epoch=0, stage_start=4, epoch_start=4)
    assert next_plan(STAGES, second, epoch=3, step=6) is None


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"steps": 0}, r"data\.stages\.a\.steps: must be at least 1, not 0"),
        ({"prompts_per_step": 0}, r"prompts_per_step: must be at least 1"),
        ({"max_response_length": 0}, r"max_response_length: must be at least 1"),
        ({"group_size": 1}, r"group_size: must be at least 2, not 1"),
        ({"temperature": 0.0}, r"temperature: must be above 0"),
        ({"sources": []}, r"sources: name at least one"),
    ],
)
def test_mistakes_name_the_key(values, message):
    with pytest.raises(UserError, match=message):
        Stage(**{"sources": ["x"], "steps": 1} | values).check("data.stages.a")
