"""The real client against a real server on this machine."""

import pytest

from acereason.common.errors import UserError
from acereason.common.seeds import derive_seed
from acereason.common.types import Sampling
from acereason.data.prompts import Template
from acereason.sampling.request import Failed, Finished, Request
from acereason.sampling.teachers.server import Server, ServerTeacher
from tests.support.fakes import problem
from tests.support.openai_server import TeacherServer

REQUESTS = [Request(problem(f"{n}+{n}", str(2 * n), f"s/{n}"), sample) for n in range(8) for sample in range(2)]
TEMPLATE = Template(system="be kind", math="{statement}=", layout="{system}|{user}=", end="<end>")


def outcomes(server: TeacherServer, template: Template = TEMPLATE, **settings) -> dict:
    settings = {"model": "teacher", "retries": 0, "url": server.url} | settings
    teacher = ServerTeacher(Server(**settings), template, Sampling(0.6, 99, 0.95), seed=3)
    try:
        return {outcome.request.place: outcome for outcome in teacher.sample(REQUESTS)}
    finally:
        teacher.close()


def failures(found: dict) -> dict:
    return {key: outcome.reason for key, outcome in found.items() if isinstance(outcome, Failed)}


def test_chat_requests_say_all_that_a_response_depends_on(serve):
    server = serve()
    found = outcomes(server)
    assert len(found) == 16
    seed = derive_seed(3, "s/4#1", 0)
    assert found["s/4", 1] == Finished(REQUESTS[9], rf"4+4=\boxed{{{8 + seed % 2}}}", 13, "stop")
    (body,) = [body for body in server.bodies if body["seed"] == seed]
    assert body == {
        "model": "teacher",
        "messages": [{"role": "system", "content": "be kind"}, {"role": "user", "content": "4+4="}],
        "temperature": 0.6,
        "top_p": 0.95,
        "max_tokens": 99,
        "seed": seed,
    }


def test_an_empty_system_prompt_is_left_out(serve):
    server = serve()
    outcomes(server, Template(system="", math="{statement}="))
    assert {message["role"] for body in server.bodies for message in body["messages"]} == {"user"}


def test_completions_get_the_whole_prompt_and_its_end(serve):
    server = serve()
    layout = Template(system="be kind", math="{statement}", layout="{system}|{user}=", end="<end>")
    found = outcomes(server, layout, endpoint="completions")
    assert not failures(found)
    assert {body["prompt"] for body in server.bodies} == {f"be kind|{n}+{n}=" for n in range(8)}
    assert {tuple(body["stop"]) for body in server.bodies} == {("<end>",)}


def test_requests_under_way_are_bounded_and_many(serve):
    server = serve(delay=0.5)  # longer than it takes to open five connections on a busy machine
    assert len(outcomes(server, concurrency=5)) == 16
    assert server.most == 5


@pytest.mark.parametrize(("status", "times"), [("500", 2), ("429", 2), ("cut", 2), ("half", 2)])
def test_the_client_retries_up_to_the_limit(serve, monkeypatch, status, times):
    monkeypatch.setattr("openai._base_client.INITIAL_RETRY_DELAY", 0.01)
    server = serve(lambda body, asked: status if asked <= times else None)
    assert not failures(outcomes(server, retries=2))
    assert set(server.asked.values()) == {3}
    server = serve(lambda body, asked: status if body["seed"] % 3 == 0 else None)
    found = outcomes(server, retries=1)
    seeds = {request.place: request.seed(3) for request in REQUESTS}
    assert failures(found).keys() == {key for key, seed in seeds.items() if seed % 3 == 0}
    assert sum(server.asked.values()) == 16 + len(failures(found))


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ("empty", "an empty response"),
        ("odd", "ended by 'content_filter', not by stop or length"),
        ("none", "no response in the answer"),
        ("null", "no response in the answer"),
        ("uncounted", "no count of tokens (usage) beside the response"),
        ("html", "no response in the answer"),
        ("400", "Error code: 400 - made up 400"),
    ],
)
def test_what_is_no_response_is_a_failure(serve, wrong, reason):
    server = serve(lambda body, asked: wrong if body["messages"][-1]["content"] == "5+5=" else None)
    failed = failures(outcomes(server, retries=3, give_up_after=3))
    assert failed.keys() == {("s/5", 0), ("s/5", 1)}
    assert all(text.startswith(reason) for text in failed.values())
    assert sum(server.asked.values()) == 16  # none of these is worth a retry


def test_thoughts_handed_over_apart_are_put_back(serve):
    found = outcomes(serve(lambda body, asked: "thoughts"))
    assert found["s/1", 0].text.startswith("<think>\nhm\n</think>\n\n1+1=\\boxed{")


def test_half_a_surrogate_pair_is_replaced(serve):
    assert outcomes(serve(lambda body, asked: "surrogate"))["s/1", 0].text.endswith("}\ufffd")


def test_length_is_told(serve):
    assert outcomes(serve(lambda body, asked: "long"))["s/1", 0].finish_reason == "length"


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("401", r"server\.api_key_env: http://\S+ refuses: .*made up 401"),
        ("404", r"server\.url: http://\S+ refuses: .*made up 404"),
    ],
)
def test_a_refusal_ends_it_at_once(serve, wrong, message):
    server = serve(lambda body, asked: wrong)
    with pytest.raises(UserError, match=message):
        outcomes(server, concurrency=2)
    assert sum(server.asked.values()) <= 2


def test_a_server_that_is_not_there_is_one_line():
    with pytest.raises(UserError, match=r"server\.url: http://127\.0\.0\.1:9/v1 can't be reached: "):
        teacher = ServerTeacher(Server("http://127.0.0.1:9/v1", "m", retries=0), TEMPLATE, Sampling(), 0)
        list(teacher.sample(REQUESTS))


def test_it_gives_up_after_so_many_in_a_row(serve):
    server = serve(lambda body, asked: "500")
    with pytest.raises(
        UserError, match=r"[45] requests to http://\S+ failed in a row, .*made up 500"
    ):  # of two at once
        outcomes(server, concurrency=2, give_up_after=4)
    assert sum(server.asked.values()) <= 6


def test_a_success_between_failures_begins_the_count_anew(serve):
    server = serve(lambda body, asked: "500" if body["messages"][-1]["content"] in ("1+1=", "3+3=", "5+5=") else None)
    assert len(failures(outcomes(server, concurrency=1, give_up_after=3))) == 6


@pytest.mark.parametrize("settings", [{"concurrency": 0}, {"concurrency": 1001}, {"retries": -1}, {"timeout": 0}])
def test_settings_that_cannot_work(settings):
    with pytest.raises(ValueError, match=r"^server"):
        Server("http://x", "m", **settings)


def test_the_key_comes_from_the_environment(serve, monkeypatch):
    monkeypatch.setenv("TEACHER_KEY", "secret")
    server = serve()
    outcomes(server, api_key_env="TEACHER_KEY")
    assert set(server.keys) == {"Bearer secret"}
    monkeypatch.setenv("OPENAI_API_KEY", "for somebody else")
    other = serve()
    outcomes(other)
    assert set(other.keys) == {"Bearer none"}
