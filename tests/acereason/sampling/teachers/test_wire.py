"""Servers that answer with anything at all, at any pace; and what is told of keys and addresses."""

import gzip
import json
import time
import tracemalloc

import pytest

from acereason.common.errors import UserError
from acereason.common.types import Sampling
from acereason.data.prompts import Template
from acereason.sampling.request import Failed, Finished, Request
from acereason.sampling.teachers.server import Server, ServerTeacher
from tests.support.fakes import problem
from tests.support.limits import HANG
from tests.support.openai_server import TeacherServer, reply

REQUESTS = [Request(problem(f"{n}+{n}", str(2 * n), f"s/{n}"), sample) for n in range(4) for sample in range(2)]
GOOD = json.dumps(
    {"choices": [{"message": {"content": "good"}, "finish_reason": "stop"}], "usage": {"completion_tokens": 1}}
).encode()
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
KEY = "sk-secret-123"


def outcomes(url: str, **settings) -> dict:
    """What becomes of the requests, at most 16 tokens each."""
    given = Server(**{"model": "teacher", "retries": 0, "url": url} | settings)
    teacher = ServerTeacher(given, Template(system="", math="{statement}="), Sampling(0.6, 16, 0.95), seed=3)
    try:
        return {outcome.request.place: outcome for outcome in teacher.sample(REQUESTS)}
    finally:
        teacher.close()


def odd_reasons(server: TeacherServer, **settings) -> list[str]:
    """Why the two odd requests failed; the other six have their responses."""
    found = outcomes(server.url, **settings)
    failed = {key: outcome.reason for key, outcome in found.items() if isinstance(outcome, Failed)}
    assert len(found) == 8
    assert failed.keys() == {("s/1", 0), ("s/1", 1)}
    return [*failed.values()]


def odd(wrong: object):
    """A rule by which one problem's answers are odd."""
    return lambda body, asked: wrong if body["messages"][-1]["content"] == "1+1=" else None


def drips(seconds: float, head: bytes = reply(b"", length=1000)):
    """A reply that sends a space now and then, for so long."""

    def write(file) -> None:
        file.write(head)
        for _ in range(int(seconds * 10)):
            file.write(b" ")
            file.flush()
            time.sleep(0.1)

    return write


def floods(size: int):
    """A reply of so many bytes."""

    def write(file) -> None:
        file.write(reply(b"", length=size))
        for _ in range(size // 2**20):
            file.write(b" " * 2**20)

    return write


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (lambda file: None, "Connection error: Server disconnected"),
        (b"nonsense\r\n\r\n", "Connection error: "),
        (b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", "Connection error: "),
        (b"HTTP/1.1 200 OK\r\nA: " + b"x" * 200_000 + b"\r\n\r\n", "Connection error: "),
        (reply(b"", "200 OK"), "no response in the answer: nothing"),
        (reply(b"null"), "no response in the answer: None"),
        (reply(GOOD[:40]), "no response in the answer: "),
        (reply(GOOD, length=1000), "Connection error: peer closed connection"),
        (reply(GOOD, "200 OK", "Content-Encoding: gzip"), "Connection error: Error -3 while decompressing"),
        (reply(gzip.compress(GOOD)[:30], "200 OK", "Content-Encoding: gzip"), "no response in the answer"),
        (reply(GOOD, "200 OK", "Content-Encoding: zstd"), "no response in the answer: it is packed by zstd"),
        (reply(GOOD, "200 OK", "Content-Encoding: gzip, gzip"), "no response in the answer: it is packed by gzip, "),
        (reply(gzip.compress(b" " * 2**26), "200 OK", "Content-Encoding: gzip"), "no response in the answer: an ans"),
        (floods(2**26), "no response in the answer: an answer of more than 1,056,768 bytes"),
        (CHUNKED + b'5\r\n{"cho', "Connection error: peer closed connection"),
        (CHUNKED + b"zz\r\n", "Connection error: "),
        (reply(b"", "101 Switching Protocols"), "Connection error: "),
        (reply(b"", "204 No Content"), "no response in the answer: nothing"),
        (reply(b"", "301 Moved", "Location: /v2"), "Error code: 301 - it has moved to /v2; give that address"),
        (reply(b"", "302 Found", "Location: http://127.0.0.1:9/"), "Error code: 302 - it has moved to http://127.0.0.1:9/"),
        (reply(b"x" * 2**22, "303 See Other"), "Error code: 303 - it has moved to nowhere"),
        (reply(b"", "304 Not Modified"), "Error code: 304"),
        (reply(b"", "307 Temporary", "Location: http://127.0.0.1:9/v1/chat/completions"), "Connection error: "),
        (reply(b"", "308 Permanent", "Location: /v1/chat/completions"), "Error code: 308 - it has moved"),
        (reply(b"<html>no</html>", "403 Forbidden"), "Error code: 403"),
        (reply(b'{"error": {"message": "flagged\\nby us"}}', "403 Forbidden"), "Error code: 403 - flagged by us"),
        (reply(b"[" * 90_000, "404 Not Found"), "Error code: 404"),
        (reply(b'{"error": [1]}', "400 Bad"), "Error code: 400"),
        (reply(b"", "429 Slow", "Retry-After: soon"), "Error code: 429"),
        (reply(b"", "429 Slow", "Retry-After: -1"), "Error code: 429"),
        (reply(b"", "429 Slow", "Retry-After: nan"), "Error code: 429"),
        (reply(b"", "503 Busy", "Retry-After: Mon, 99 Jan 99999 00:00:00 GMT"), "Error code: 503"),
        (reply(b"x" * 2**25, "500 Oops"), "Error code: 500"),
        (reply(b"", "999 What"), "Error code: 999"),
    ],
)  # fmt: skip
def test_whatever_a_server_answers_is_one_failure(serve, wrong, reason):
    for text in odd_reasons(serve(odd(wrong)), concurrency=1, give_up_after=3):
        assert text.startswith(reason)
        assert len(text) < 600
        assert "\n" not in text


@pytest.mark.parametrize("value", ["soon", "-1", "nan", "1e400", "inf", "", "Mon, 99 Jan 99999 00:00:00 GMT", "\xff"])
def test_retries_survive_odd_pauses(serve, monkeypatch, value):
    monkeypatch.setattr("openai._base_client.INITIAL_RETRY_DELAY", 0.01)
    limited = reply(b"", "429 Slow", f"Retry-After: {value}")
    found = outcomes(serve(lambda body, asked: limited if asked == 1 else None).url, retries=1)
    assert {type(outcome) for outcome in found.values()} <= {Finished, Failed}
    assert len(found) == 8


def test_an_answer_that_never_ends_is_given_up_in_time(serve):
    start = time.monotonic()
    reasons = odd_reasons(serve(odd(drips(2 * HANG))), timeout=0.5)
    assert reasons == ["no whole answer within 0.5 seconds"] * 2
    headers = drips(2 * HANG, b"HTTP/1.1 200 OK\r\nA: ")
    assert odd_reasons(serve(odd(headers)), timeout=0.5) == ["no whole answer within 0.5 seconds"] * 2
    assert time.monotonic() - start < HANG


def test_a_large_answer_takes_no_memory(serve):
    server = serve(odd(floods(2**28)))
    tracemalloc.start()
    odd_reasons(server)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2**25


def test_a_redirect_that_keeps_the_request_is_followed(serve):
    other = serve()
    moved = reply(b"", "307 Temporary Redirect", f"Location: {other.url}/chat/completions")
    found = outcomes(serve(lambda body, asked: moved).url)
    assert {type(outcome) for outcome in found.values()} == {Finished}
    assert sum(other.asked.values()) == 8


def test_a_key_stays_with_the_server_that_it_is_for(serve, monkeypatch):
    monkeypatch.setenv("TEACHER_KEY", KEY)
    other = serve()
    place = other.url.replace("127.0.0.1", "localhost")
    moved = reply(b"", "307 Temporary Redirect", f"Location: {place}/chat/completions")
    outcomes(serve(lambda body, asked: moved).url, api_key_env="TEACHER_KEY")
    assert set(other.keys) == {None}


@pytest.mark.parametrize("status", ["400", "402", "403", "405", "413", "422", "451", "500"])
def test_refusals_of_every_request_end_it_with_the_servers_words(serve, status):
    server = serve(lambda body, asked: status)
    with pytest.raises(
        UserError, match=rf"[34] requests to \S+ failed in a row, the last with: .*made up {status}; what"
    ):
        outcomes(server.url, concurrency=2, give_up_after=3)
    assert sum(server.asked.values()) <= 5


@pytest.mark.parametrize("status", ["401", "403", "404"])
def test_a_refusal_after_a_response_fails_its_own_request(serve, status):
    assert len(set(odd_reasons(serve(odd(status)), concurrency=1))) == 1


def test_refusals_that_come_at_once_are_no_row_while_others_are_under_way(serve):
    server = serve(
        lambda body, asked: "400" if body["messages"][-1]["content"] in ("0+0=", "2+2=") else None, delay=0.3
    )
    found = outcomes(server.url, give_up_after=3)
    assert sum(isinstance(outcome, Failed) for outcome in found.values()) == 4


@pytest.mark.parametrize("key", [f"{KEY}\n", f" {KEY}\r\n", f"\t{KEY} "])
def test_a_key_is_sent_without_the_white_space_around_it(serve, monkeypatch, key):
    monkeypatch.setenv("TEACHER_KEY", key)
    server = serve()
    outcomes(server.url, api_key_env="TEACHER_KEY")
    assert set(server.keys) == {f"Bearer {KEY}"}


@pytest.mark.parametrize(
    "key", [f"{KEY}\n{KEY}", f"{KEY} {KEY}", f"{KEY}é", f"{KEY}\u200b", f"{KEY}\x07", "\udcff" + KEY]
)
def test_a_key_that_is_none_is_told_without_it(monkeypatch, key):
    monkeypatch.setenv("TEACHER_KEY", key)
    with pytest.raises(
        UserError, match=r"^server.api_key_env: the environment variable TEACHER_KEY holds no key"
    ) as told:
        outcomes("http://127.0.0.1:9/v1", api_key_env="TEACHER_KEY")
    assert KEY not in str(told.value)


@pytest.mark.parametrize("key", ["", " \n"])
def test_an_empty_key_is_none(monkeypatch, key):
    monkeypatch.setenv("TEACHER_KEY", key)
    with pytest.raises(UserError, match="TEACHER_KEY is not set, or empty"):
        outcomes("http://127.0.0.1:9/v1", api_key_env="TEACHER_KEY")


def test_a_key_that_the_server_tells_is_not_told_on(serve, monkeypatch):
    monkeypatch.setenv("TEACHER_KEY", KEY)
    words = json.dumps({"error": {"message": f"Incorrect API key provided: {KEY}, header b'Bearer {KEY}'"}}).encode()
    with pytest.raises(UserError, match=r"Incorrect API key provided: \*\*\*, header") as told:
        outcomes(serve(lambda body, asked: reply(words, "401 No")).url, api_key_env="TEACHER_KEY")
    assert KEY not in str(told.value)
    for answer in (reply(words), reply(words, "400 Bad"), reply(b"", "302 Found", f"Location: /?key={KEY}")):
        assert all(
            KEY not in text for text in odd_reasons(serve(odd(answer)), api_key_env="TEACHER_KEY", concurrency=1)
        )


@pytest.mark.parametrize(
    "place", ["me:s%3Fcret-1@HOST", "s%3Fcret-1@HOST", "HOST?key=s%3Fcret-1", "HOST?v=1&key=s?cret-1#x"]
)
def test_a_key_in_the_address_is_not_told(serve, place):
    server = serve(lambda body, asked: "400")
    for url in (server.url, "http://127.0.0.1:9/v1"):
        host, _, path = url.removeprefix("http://").partition("/")
        name, mark, query = place.replace("HOST", host).partition("?")
        with pytest.raises(UserError) as told:
            outcomes(f"http://{name}/{path}{mark}{query}", give_up_after=2)
        assert url in str(told.value)
        assert "cret-1" not in str(told.value)


def test_an_address_with_a_query_is_asked_with_it(serve):
    server = serve()
    assert {type(outcome) for outcome in outcomes(f"{server.url}?key=abc").values()} == {Finished}


@pytest.mark.parametrize(
    "url", ["http://[::1/v1", "http://x:port/v1", "x", "", "ftp://x/v1", "http://\x00/v1", "http://ä ö/v1"]
)
def test_what_is_no_address(url):
    with pytest.raises(UserError, match=r"^server\.url: ") as told:
        outcomes(url)
    assert "\n" not in str(told.value)


def test_other_keys_of_a_request_stand_beside_or_in_place_of_ours(serve):
    server = serve()
    body = {"max_tokens": None, "max_completion_tokens": 16, "temperature": None, "top_p": None, "seed": None}
    outcomes(server.url, body=body | {"reasoning_effort": "high"})
    message = {"role": "user", "content": "1+1="}
    asked = {"model": "teacher", "messages": [message], "max_completion_tokens": 16, "reasoning_effort": "high"}
    assert server.bodies.count(asked) == 2
    for name in ("messages", "prompt", "model", "stream", "n"):
        with pytest.raises(ValueError, match=rf"^server\.body: {name} can't be set there"):
            Server("http://x", "m", body={name: 1})
