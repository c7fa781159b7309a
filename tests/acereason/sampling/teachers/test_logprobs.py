import json

import pytest

from acereason.common.errors import UserError
from acereason.common.types import Sequence
from acereason.sampling.teachers.logprobs import LogprobServer, ServedTeacher
from tests.support.fakes import TOKENIZER
from tests.support.openai_server import TeacherServer, reply


class Echo(TeacherServer):
    """Tells of each prompt's token -id / 1000, as vLLM does, where nothing goes wrong; with `plain`, in texts."""

    plain = False

    def _answer(self, body: dict, prompt, wrong: str) -> dict:
        ids = TOKENIZER.encode(prompt, add_special_tokens=False) if isinstance(prompt, str) else prompt
        names = [TOKENIZER.decode([id_]) if self.plain else f"token_id:{id_}" for id_ in ids]
        logprobs = {"tokens": names, "token_logprobs": [None, *(-id_ / 1000 for id_ in ids[1:])]}
        return {"id": "x", "object": "text_completion", "created": 0, "model": "m", "choices": [{"logprobs": logprobs}]}

    def respond(self, body: dict):
        hashed = body | {"prompt": str(body["prompt"])}
        self.bodies.append(body)
        wrong = self.rule(body, self.asked[hashed["prompt"], 0]) or ""
        if not isinstance(wrong, str):
            return wrong, 0, {}
        return "", 200, self._answer(body, body["prompt"], wrong)


@pytest.fixture
def served():
    made = []

    def serve(rule=lambda body, asked: None, **settings):
        server = Echo(rule)
        teacher = ServedTeacher(LogprobServer(**{"url": server.url, "model": "m", "retries": 0} | settings), 64)
        made.append((server, teacher))
        return server, teacher

    yield serve
    for server, teacher in made:
        teacher.close()
        server.close()


ROWS = [Sequence([10, 20, 30, 40], 2, 0.0), Sequence([50, 60], 1, 0.0), Sequence([70, 80, 90], 1, 0.0)]


@pytest.mark.parametrize("concurrency", [1, 64])
def test_each_response_gets_the_log_probs_of_its_own_tokens(served, concurrency):
    server, teacher = served(concurrency=concurrency)
    assert teacher.logprobs(ROWS, 1.0) == [[-0.03, -0.04], [-0.06], [-0.08, -0.09]]
    asked = sorted(server.bodies, key=lambda body: body["prompt"])
    assert [body["prompt"] for body in asked] == [row.token_ids for row in ROWS]
    assert all((body["echo"], body["max_tokens"], body["logprobs"]) == (True, 0, 1) for body in asked)
    assert teacher.logprobs(ROWS[:1], 1.0) == [[-0.03, -0.04]]  # a second time, by new connections


def answer(logprobs: list) -> bytes:
    choices = [{"logprobs": {"tokens": ["a"] * len(logprobs), "token_logprobs": logprobs}}]
    return reply(json.dumps({"choices": choices}).encode(), "200 OK", "Content-Type: application/json")


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (reply(b'{"error": {"message": "too long"}}', "400 Bad", "Content-Type: application/json"), "too long"),
        (
            reply(b'{"choices": [{"logprobs": null}]}', "200 OK", "Content-Type: application/json"),
            "no log-probs of",
        ),
        (answer([None]), "log-probs of 1 tokens where 2 were sent"),
        (answer([None, None]), "is no number up to 0"),
        (answer([None, 0.5]), "is no number up to 0"),
        (answer([None, "x"]), "is no number up to 0"),
    ],
    ids=["refused", "none", "too few", "null", "above 0", "text"],
)
def test_what_goes_wrong_with_one_response_is_told_of_it_alone(served, wrong, told):
    _, teacher = served(lambda body, asked: wrong if body["prompt"] == [50, 60] else None)
    first, second, third = teacher.logprobs(ROWS, 1.0)
    assert (first, third) == ([-0.03, -0.04], [-0.08, -0.09])
    assert isinstance(second, str)
    assert told in second


def test_the_server_must_cut_texts_as_the_policy_does(served):
    class Other:
        """A tokenizer of words."""

        def encode(self, text: str, add_special_tokens: bool) -> list[int]:
            return [hash(word) for word in text.split()]

    server, teacher = served()
    for server.plain in (False, True):
        teacher.check(TOKENIZER)
        with pytest.raises(UserError, match=r"^server.model: m has another vocabulary than the policy: .* into"):
            teacher.check(Other())


def test_a_server_without_log_probs_of_prompts_is_refused(served):
    nothing = reply(b'{"choices": [{"logprobs": null}]}', "200 OK", "Content-Type: application/json")
    _, teacher = served(lambda body, asked: nothing)
    with pytest.raises(UserError, match=r"^server.url: http://127.0.0.1:\d+/v1 gives no log-probs: no log-probs"):
        teacher.check(TOKENIZER)


@pytest.mark.parametrize("settings", [{"concurrency": 0}, {"retries": -1}, {"timeout": 0}], ids=str)
def test_settings_that_ask_nothing_are_refused(settings):
    with pytest.raises(ValueError, match="^server: concurrency must be 1 or more"):
        LogprobServer("http://x", "m", **settings)
