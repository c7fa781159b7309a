"""A judge behind a server, in the pool: bounded, its failures errors, its verdicts kept."""

import json
import threading

import pytest

from acereason.common.errors import UserError
from acereason.common.journal import RankJournals
from acereason.common.types import Problem, Verdict
from acereason.rewards.judge.asking import greeted
from acereason.rewards.judge.settings import JudgeSettings
from acereason.rewards.pool import RewardPool, RewardSettings
from tests.support.judge_server import JudgeServer
from tests.support.openai_server import serving

KEY = "sk-secret-123"
PROBLEM = Problem("p", "math", "2 + 3", "5", prompt_ids=[1, 2])
RIGHT, WRONG = r"so \boxed{5}", r"so \boxed{6}"
HANG = 300.0


@pytest.fixture
def serve():
    yield from serving(JudgeServer)


@pytest.fixture
def open_pool():
    pools = []

    def start(server: JudgeServer, functions: object = "judge", waiting: int = 99, **values: object) -> RewardPool:
        settings = JudgeSettings(**{"url": server.url, "model": "m", "retries": 0} | values)
        pools.append(RewardPool(RewardSettings(workers=1, functions=functions, judge=settings, max_waiting=waiting)))
        return pools[-1]

    yield start
    for pool in pools:
        pool.close()


def judged(pool: RewardPool, *texts: str) -> list[Verdict]:
    return [future.result(HANG) for future in [pool.submit(PROBLEM, text) for text in texts]]


def test_a_judge_alone(serve, open_pool):
    right, wrong = judged(open_pool(server := serve()), RIGHT, WRONG)
    assert (right.status, right.reward, wrong.status, wrong.reward) == ("correct", 1.0, "wrong", 0.0)
    assert right.detail["path"] == "judge's verdict"
    body = server.bodies[0]
    assert (body["model"], body["temperature"], body["max_tokens"]) == ("m", 0.0, 1024)
    assert server.bodies[0]["seed"] != server.bodies[1]["seed"]


def test_beside_the_verifier_by_weight(serve, open_pool):
    pool = open_pool(serve(lambda prompt, number: "SCORE: 0.5"), {"verifier": 1.0, "judge": 0.3})
    right, wrong = judged(pool, RIGHT, WRONG)
    # 1.0 * 1 + 0.3 * 0.5, 1.0 * 0 + 0.3 * 0.5
    assert (right.status, right.reward) == ("correct", pytest.approx(1.15))
    assert (wrong.status, wrong.reward) == ("wrong", pytest.approx(0.15))
    assert right.detail["functions"]["judge"]["reward"] == 0.5
    assert pool.submit(PROBLEM, RIGHT, asking=False).result(HANG).reward == 1.0


def test_the_first_named_decides_what_is_correct(serve, open_pool):
    server = serve(lambda prompt, number: "VERDICT: wrong")
    (first,) = judged(open_pool(server, {"judge": 1.0, "verifier": 1.0}), RIGHT)
    (second,) = judged(open_pool(server, {"verifier": 1.0, "judge": 1.0}), RIGHT)
    assert (first.status, first.reward, second.status, second.reward) == ("wrong", 1.0, "correct", 1.0)


@pytest.mark.parametrize(
    ("values", "error"),
    [
        ({"rule": lambda body, asked: "500"}, "judge: Error code: 500 - made up 500"),
        ({"rule": lambda body, asked: "401"}, "judge: Error code: 401 - made up 401"),
        ({"rule": lambda body, asked: "cut"}, "judge: Connection error: "),
        ({"rule": lambda body, asked: "html"}, "judge: no response in the answer: <html>busy</html>"),
        ({"say": lambda prompt, number: "It is fine."}, "the judge's answer doesn't end with a verdict or a score"),
        ({"finish_reason": "length"}, "the judge's answer was cut by rewards.judge.max_tokens"),
    ],
)
def test_a_failure_is_an_error_never_a_zero(serve, open_pool, values, error):
    (verdict,) = judged(open_pool(serve(**values), {"verifier": 1.0, "judge": 0.3}), RIGHT)
    assert (verdict.status, verdict.reward) == ("error", None)
    assert verdict.detail["error"].startswith(f"judge: {error}")


@pytest.mark.parametrize(("status", "asked"), [("429", 2), ("500", 2), ("cut", 2), ("400", 1), ("401", 1)])
def test_what_is_asked_again(serve, open_pool, status, asked):
    server = serve(rule=lambda body, count: status if count == 1 else None)
    (verdict,) = judged(open_pool(server, retries=1), RIGHT)
    assert len(server.bodies) == asked
    assert verdict.status == ("correct" if asked == 2 else "error")


def test_no_more_requests_at_a_time_than_told(serve, open_pool):
    """Twelve at once with room for three: the server holds the first three until it has seen no fourth."""
    server = serve(delay=0.05)
    verdicts = judged(open_pool(server, concurrency=3), *(rf"\boxed{{{n}}}" for n in range(12)))
    assert [verdict.status for verdict in verdicts] == ["correct" if n == 5 else "wrong" for n in range(12)]
    assert server.most <= 3


def test_submitting_blocks_where_too_many_wait(serve, open_pool):
    go, submitted = threading.Event(), []
    server = serve(rule=lambda body, asked: None if go.wait(HANG) else None)
    pool = open_pool(server, waiting=2, concurrency=1)

    def submit() -> None:
        for number in range(5):
            submitted.append(pool.submit(PROBLEM, str(number)))

    thread = threading.Thread(target=submit)
    thread.start()
    while len(submitted) < 3:
        thread.join(0.01)
    thread.join(0.3)
    assert len(submitted) == 3  # one under way and two that wait
    go.set()
    thread.join(HANG)
    assert [future.result(HANG).status for future in submitted] == ["wrong"] * 5


def test_equal_responses_are_asked_about_once(serve, open_pool):
    go = threading.Event()
    server = serve(rule=lambda body, asked: None if go.wait(HANG) else None)
    pool = open_pool(server)
    futures = [pool.submit(PROBLEM, RIGHT) for _ in range(5)]
    go.set()
    found = [future.result(HANG) for future in futures]
    assert [verdict.status for verdict in found] == ["correct"] * 5
    assert len(server.bodies) == 1
    found[0].detail["mine"] = 1  # each has its own
    assert "mine" not in found[1].detail


def test_closing_makes_errors_of_what_is_under_way(serve, open_pool):
    go = threading.Event()
    server = serve(rule=lambda body, asked: None if go.wait(HANG) else None)
    pool = open_pool(server, concurrency=1)
    futures = [pool.submit(PROBLEM, str(number)) for number in range(3)]
    pool.close()
    assert [future.result(HANG).reason for future in futures] == ["judge: the reward pool was closed"] * 3
    go.set()
    assert judged(pool, RIGHT)[0].status == "correct"  # a later response starts it again


def changing(prompt: str, number: int) -> str:
    """A judge that never says the same twice."""
    return f"Number {number}.\nSCORE: 0.{number:03}"


def test_verdicts_are_kept_for_the_next_process(serve, open_pool, tmp_path):
    server = serve(changing)
    texts = ["a", "b", "c", "a"]

    def rewards(rank: int, *asked: str) -> list[float]:
        pool = open_pool(server)
        pool.keep_verdicts(RankJournals(tmp_path / "judge", "judge"), rank)
        found = [pool.submit(PROBLEM, text).result(HANG) for text in asked]
        pool.close()
        return [verdict.reward for verdict in found]

    first = rewards(0, *texts)
    assert first == [0.001, 0.002, 0.003, 0.001]
    # again by the same rank, by another one, and beside something new
    assert rewards(0, *texts) == rewards(1, *texts) == first
    assert rewards(1, "d", "a") == [0.004, 0.001]
    assert rewards(0, "d") == [0.004]
    assert len(server.bodies) == 4
    rows = [json.loads(line) for line in (tmp_path / "judge/judge-0.jsonl").read_text().splitlines()]
    assert [row["score"] for row in rows] == [0.001, 0.002, 0.003]
    # another model, prompt, bound, problem: other questions
    pool = open_pool(server, max_tokens=99)
    pool.keep_verdicts(RankJournals(tmp_path / "judge", "judge"), 0)
    assert pool.submit(PROBLEM, "a").result(HANG).reward == 0.005
    assert pool.submit(Problem("p", "math", "2 + 4", "6"), "a").result(HANG).reward == 0.006


def test_errors_are_asked_about_again(serve, open_pool, tmp_path):
    server = serve(rule=lambda body, asked: "400" if asked == 1 else None)
    for status in ("error", "correct", "correct"):
        pool = open_pool(server)
        pool.keep_verdicts(RankJournals(tmp_path, "judge"), 0)
        assert judged(pool, RIGHT)[0].status == status
        pool.close()
    assert len(server.bodies) == 2


def test_a_torn_line_is_asked_about_again(serve, open_pool, tmp_path):
    server = serve()
    for expected in (2, 3):
        pool = open_pool(server)
        pool.keep_verdicts(RankJournals(tmp_path, "judge"), 0)
        assert [verdict.status for verdict in judged(pool, RIGHT, WRONG)] == ["correct", "wrong"]
        pool.close()
        assert len(server.bodies) == expected
        path = tmp_path / "judge-0.jsonl"
        path.write_bytes(path.read_bytes()[:-5])


def test_the_key_is_sent_and_told_nowhere(serve, open_pool, tmp_path, monkeypatch):
    monkeypatch.setenv("JUDGE_KEY", KEY)
    server = serve(lambda prompt, number: f"Your key is {KEY}.\nVERDICT: correct")
    pool = open_pool(server, api_key_env="JUDGE_KEY")
    pool.keep_verdicts(RankJournals(tmp_path, "judge"), 0)
    (verdict,) = judged(pool, RIGHT)
    pool.close()
    assert server.keys == [f"Bearer {KEY}"]
    assert KEY not in json.dumps(verdict.detail) + (tmp_path / "judge-0.jsonl").read_text()
    assert KEY not in json.dumps(pool.settings.identity())
    monkeypatch.delenv("JUDGE_KEY")
    with pytest.raises(UserError, match=r"^rewards\.judge\.api_key_env: the environment variable JUDGE_KEY is not set"):
        open_pool(server, api_key_env="JUDGE_KEY")


def test_keys_of_the_body(serve, open_pool):
    server = serve()
    judged(open_pool(server, body={"max_tokens": None, "max_completion_tokens": 7, "temperature": 0.5}), RIGHT)
    (body,) = server.bodies
    assert "max_tokens" not in body
    assert (body["max_completion_tokens"], body["temperature"]) == (7, 0.5)


def test_a_judge_is_greeted(serve):
    server = serve()
    settings = JudgeSettings(url=server.url, model="m")
    assert greeted(settings).startswith("m answers; a right response to a made-up problem gets 1 in ")
    assert len(server.bodies) == 1
    server.say = lambda prompt, number: "Fine!"
    with pytest.raises(UserError, match=r"^rewards\.judge: m gives no verdict .*: the judge's answer .*, but with 'Fi"):
        greeted(settings)
    server.close()
    with pytest.raises(UserError, match=r"^rewards\.judge: m gives no verdict on a made-up problem: judge: Connection"):
        greeted(settings)
