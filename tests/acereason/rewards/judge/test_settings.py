"""Settings of a judge, and what verdicts depend on."""

import pytest

from acereason.rewards.judge.settings import JudgeSettings
from acereason.rewards.settings import RewardSettings

BOTH = {"verifier": 1.0, "judge": 0.3}


def judge(**values: object) -> JudgeSettings:
    return JudgeSettings(**{"url": "http://localhost:8000/v1", "model": "m"} | values)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"max_tokens": 0}, "max_tokens must be at least 1, not 0"),
        ({"concurrency": 0}, "concurrency must be at least 1, not 0"),
        ({"timeout": 0}, "retries must be 0 or more, timeout above 0"),
        ({"retries": -1}, "retries must be 0 or more, timeout above 0"),
        ({"body": {"messages": [], "n": 2}}, r"body: messages, n can't be set there"),
        ({"url": "http://me:secret@host/v1"}, "url: has a user or password; name the key's variable in api_key_env"),
        ({"prompt": "Is it right?"}, r"prompt: has no \{response\}, and is no file that can be read"),
    ],
)
def test_values_that_cannot_work(values, told):
    with pytest.raises(ValueError, match=rf"^rewards\.judge\.?:? ?{told}") as error:
        judge(**values)
    assert "secret" not in str(error.value)


def test_a_prompt_is_a_text_or_a_file(tmp_path):
    (path := tmp_path / "p.txt").write_text("Grade {response}\n")
    assert judge(prompt=str(path)).template == "Grade {response}\n"
    assert judge(prompt="Grade {response}").template == "Grade {response}"
    path.write_text("Grade it")
    with pytest.raises(ValueError, match=r"p\.txt has no \{response\}"):
        judge(prompt=str(path))


@pytest.mark.parametrize("values", [{"functions": BOTH}, {"functions": "judge"}, {"judge": judge()}])
def test_judge_and_its_name_go_together(values):
    with pytest.raises(ValueError, match=r"rewards\.judge: goes with the name judge among rewards\.functions"):
        RewardSettings(**values)


def test_one_name_has_weight_one():
    assert RewardSettings(functions="mine.brief").weights == {"mine.brief": 1.0}
    assert RewardSettings().weights == {}
    assert RewardSettings(functions="mine.brief").own_identity() == {"functions": {"mine.brief": 1.0}}
    assert RewardSettings().own_identity() == {}


def test_what_verdicts_depend_on(tmp_path):
    def identity(**values: object) -> dict:
        return RewardSettings(functions=BOTH, judge=judge(**values)).identity()

    (path := tmp_path / "p.txt").write_text("{response}")
    same = {"url": "http://other/v1", "concurrency": 3, "timeout": 1.0, "retries": 0, "api_key_env": "KEY"}
    assert identity(**same) == identity()
    assert identity(prompt=str(path)) == identity(prompt="{response}")
    for other in ({"model": "n"}, {"max_tokens": 9}, {"shown": 9}, {"body": {"seed": 1}}, {"prompt": "{response}"}):
        assert identity(**other) != identity()
    assert identity()["functions"] == BOTH
