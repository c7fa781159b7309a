"""Answers of every shape: a response as it was written, or the reason why there is none."""

import json
import random

import pytest

from acereason.sampling.request import Failed, Finished, Request
from acereason.sampling.teachers.server import outcome_of
from tests.support.fakes import problem

REQUEST = Request(problem("1+1", "2", "s/1"), 0)
USAGE = {"completion_tokens": 7}


def of_bytes(content: bytes, endpoint: str = "chat") -> Finished | Failed:
    return outcome_of(REQUEST, endpoint, content)


def of_message(message: object, finish_reason: object = "stop", usage: object = USAGE) -> Finished | Failed:
    choice = {"index": 0, "message": message, "finish_reason": finish_reason}
    return of_bytes(json.dumps({"choices": [choice], "usage": usage}).encode())


def text_of(message: dict, finish_reason: str = "stop") -> str:
    found = of_message(message, finish_reason)
    assert isinstance(found, Finished), found
    return found.text


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "no response in the answer: nothing"),
        (b'{"id": "x", "choices": [{"mess', 'no response in the answer: {"id": "x", "choices": [{"mess'),
        (b"<html>\n<body>busy</body></html>", "no response in the answer: <html> <body>busy</body></html>"),
        (b"null", "no response in the answer: None"),
        (b"[]", "no response in the answer: []"),
        (b"7", "no response in the answer: 7"),
        (b'"text"', "no response in the answer: text"),
        (b"\xff\xfe\x00", "no response in the answer: "),
        (b"[" * 100_000, "no response in the answer: [[["),
        (b"9" * 5_000, "no response in the answer: 999"),
        (b"{}", "no response in the answer"),
        (b'{"choices": null}', "no response in the answer"),
        (b'{"choices": []}', "no response in the answer"),
        (b'{"choices": {"message": "x"}}', "no response in the answer"),
        (b'{"choices": ["x"]}', "no response in the answer"),
        (b'{"choices": [null]}', "no response in the answer"),
        (b'{"error": {"message": "slow\\ndown", "code": 429}}', "no response in the answer: slow down"),
        (b'{"error": "slow down"}', "no response in the answer: slow down"),
        (b'{"error": ["slow down"]}', "no response in the answer"),
        (b'{"choices": [{"finish_reason": "e", "error": {"message": "u"}}]}', "ended by 'e', not by stop or length: u"),
    ],
)  # fmt: skip
def test_what_is_no_answer(content, reason):
    for endpoint in ("chat", "completions"):
        found = of_bytes(content, endpoint)
        assert isinstance(found, Failed)
        assert found.reason.startswith(reason)
        assert len(found.reason) < 300
        assert "\n" not in found.reason


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (None, "it has no message"),
        ("text", "it has no message"),
        ([], "it has no message"),
        (3, "it has no message"),
        ({}, "an empty response"),
        ({"content": None}, "an empty response"),
        ({"content": " \n"}, "an empty response"),
        ({"content": []}, "an empty response"),
        ({"content": [{"type": "image_url", "image_url": {"url": "x"}}, None, 3]}, "an empty response"),
        ({"content": None, "reasoning": {"effort": 3}, "reasoning_content": False}, "an empty response"),
        ({"content": 3}, "its content is a int"),
        ({"content": {"text": "x"}}, "its content is a dict"),
        ({"content": True}, "its content is a bool"),
    ],
)
def test_what_is_no_message(message, reason):
    found = of_message(message)
    assert isinstance(found, Failed)
    assert reason in found.reason


@pytest.mark.parametrize(
    "finish_reason", [None, "", "content_filter", "tool_calls", 3, ["stop"], {"type": "stop"}, True]
)
def test_only_stop_and_length_end_a_response(finish_reason):
    found = of_message({"content": "x"}, finish_reason)
    assert isinstance(found, Failed)
    assert found.reason.startswith("ended by ")


@pytest.mark.parametrize("count", [None, -1, 7.5, 7.0, "7", True, [7], {}, 2**63, 10**30])
def test_what_is_no_count_of_tokens(count):
    found = of_message({"content": "x"}, usage={"completion_tokens": count})
    assert found == Failed(REQUEST, "no count of tokens (usage) beside the response")


@pytest.mark.parametrize("usage", [None, [], "seven", 7, {}])
def test_what_is_no_usage(usage):
    assert of_message({"content": "x"}, usage=usage) == Failed(
        REQUEST, "no count of tokens (usage) beside the response"
    )


ANSWER = "So \\boxed{2}"
WHOLE = f"<think>\none and one\n</think>\n\n{ANSWER}"


@pytest.mark.parametrize(
    "message",
    [
        {"content": WHOLE},
        {"content": ANSWER, "reasoning_content": "one and one"},
        {"content": f"\n\n{ANSWER}", "reasoning_content": "\none and one\n"},
        {"content": ANSWER, "reasoning": "one and one"},
        {"content": ANSWER, "reasoning_content": None, "reasoning": "one and one"},
        {"content": ANSWER, "reasoning_content": "one and one", "reasoning": "one and one"},
        {"content": ANSWER, "thinking": "one and one"},
        {"content": ANSWER, "reasoning": {"summary": "one and one"}},
        {"content": ANSWER, "reasoning": {"content": [{"type": "text", "text": "one and one"}]}},
        {"content": ANSWER, "reasoning_content": "<think>\none and one\n</think>"},
        {"content": ANSWER, "reasoning_content": "<think>one and one"},
        {"content": ANSWER, "reasoning": "one and one", "reasoning_details": [{"type": "reasoning.text", "text": "o"}]},
        {"content": ANSWER, "reasoning_details": [{"type": "reasoning.text", "text": "one "}, {"text": "and one"}]},
        {"content": ANSWER, "thinking_blocks": [{"type": "thinking", "thinking": "one and one"}]},
        {"content": WHOLE, "reasoning_content": "one and one"},
        {"content": [{"type": "thinking", "thinking": "one and one"}, {"type": "text", "text": ANSWER}]},
        {"content": [{"type": "reasoning", "text": "one and one"}, {"type": "output_text", "text": ANSWER}]},
        {"content": [{"type": "reasoning", "summary": [{"type": "summary_text", "text": "one and one"}]}, ANSWER]},
        {
            "content": [
                {"type": "thinking", "thinking": [{"type": "text", "text": "one and "}, {"text": "one"}]},
                {"type": "redacted_thinking", "data": "x"},
                {"type": "text", "text": "So "},
                {"type": "text", "text": "\\boxed{2}"},
            ]
        },
        {"content": [{"type": "text", "text": WHOLE}]},
        {"content": "one and one\n</think>\n\n" + ANSWER},
    ],
)  # fmt: skip
def test_thoughts_are_there_once(message):
    assert text_of(message) == WHOLE


def test_thoughts_that_were_cut_stay_open_and_others_are_closed():
    assert text_of({"content": None, "reasoning_content": "one and"}, "length") == "<think>\none and"
    assert text_of({"content": "", "reasoning": "\\boxed{2}"}) == "<think>\n\\boxed{2}\n</think>\n\n"
    assert text_of({"content": "<think>\none and"}, "length") == "<think>\none and"


def test_a_completion_is_its_text():
    content = {"choices": [{"text": "one\n</think>\n2", "finish_reason": "length"}], "usage": USAGE}
    found = of_bytes(json.dumps(content).encode(), "completions")
    assert found == Finished(REQUEST, "one\n</think>\n2", 7, "length")
    for text in (3, ["x"], {"text": "x"}):
        content["choices"][0]["text"] = text
        assert isinstance(of_bytes(json.dumps(content).encode(), "completions"), Failed)


def test_bytes_that_are_no_utf8_and_half_pairs_cost_their_own_character():
    answer = b'{"choices": [{"message": {"content": "caf\xe9 \\ud83d \\ud83d\\ude00"}, "finish_reason": "stop"}], '
    found = of_bytes(b"\xef\xbb\xbf" + answer + b'"usage": {"completion_tokens": 0}}')
    assert found == Finished(REQUEST, "caf\ufffd \ufffd \U0001f600", 0, "stop")


def changed(value: object, draw: random.Random) -> object:
    """The value with one of its parts, at any depth, replaced by something else."""
    others = [
        None,
        True,
        3,
        -1.5,
        "",
        "x",
        "\ud800",
        [],
        {},
        [None],
        [["x"]],
        {"text": 3},
        {"message": {"content": []}},
    ]
    if isinstance(value, dict | list) and value and draw.random() < 0.8:
        names = list(value) if isinstance(value, dict) else range(len(value))
        name = draw.choice(list(names))
        copy = value.copy()
        copy[name] = changed(value[name], draw)
        return copy
    return draw.choice(others)


def test_no_shape_is_more_than_a_failure():
    draw, kinds = random.Random(0), set()
    part = {"type": "thinking", "thinking": [{"type": "text", "text": "a"}]}
    message = {"role": "assistant", "content": [part, {"type": "text", "text": "b"}], "reasoning": {"summary": ["c"]}}
    answer = {"choices": [{"message": message, "text": "d", "finish_reason": "stop"}], "usage": USAGE, "error": {}}
    for _ in range(3000):
        value = answer
        for _ in range(draw.randint(1, 3)):
            value = changed(value, draw)
        found = of_bytes(json.dumps(value).encode(), draw.choice(["chat", "completions"]))
        (found.text if isinstance(found, Finished) else found.reason).encode()
        kinds.add(type(found))
    assert kinds == {Finished, Failed}
