import json

import pytest

from acereason.data.messages import flaw, response_of, statement_of, with_thoughts

CHAT = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "How much?"},
    {"role": "assistant", "content": "4"},
]
SHARED = [{"from": "human", "value": "How much?"}, {"from": "gpt", "value": "4"}]
PARTS = [
    {"role": "user", "content": [{"type": "text", "text": "How much?"}]},
    {"role": "assistant", "content": ["4"]},
]
COLUMNS = {"role": ["user", "assistant"], "content": ["How much?", "4"]}
NULLS = [{"role": "user", "content": "How much?", "tool_calls": None}, {"role": "MODEL", "content": "4"}]


@pytest.mark.parametrize("value", [CHAT, SHARED, PARTS, COLUMNS, NULLS, json.dumps(CHAT), json.dumps(SHARED, indent=1)])
def test_every_form_of_a_conversation(value):
    assert (statement_of(value, True), response_of(value)) == ("How much?", "4")


@pytest.mark.parametrize("value", [" How much?\n", "[{'role': 'user'}] is Python", '[{"a": 1}]', "[{"])
def test_a_text_is_none(value):
    assert (statement_of(value, True), response_of(value)) == (value.strip(), value)


TWO = [*CHAT, {"role": "user", "content": "And twice that?"}]


def test_an_answer_elsewhere_is_that_to_the_last_turn():
    with pytest.raises(ValueError, match="the user speaks 2 times"):
        statement_of(TWO, True)
    assert (statement_of(TWO, False), response_of(TWO)) == ("How much?", "4")


@pytest.mark.parametrize(
    "value", ["", "  ", "-", None, float("nan"), [], CHAT[:1], [{"role": "user", "content": None}]]
)
def test_no_statement(value):
    with pytest.raises(ValueError, match="^no statement$"):
        statement_of(value, True)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (["How much?", "4"], r"a list, but not of messages: no\. 1"),
        ([{"content": "x"}], "message 1 has neither role and content, nor from and value"),
        ([{"role": "tool", "content": "x"}], "message 1 is of 'tool'"),
        ([{"role": "user", "content": "x", "tool_calls": [{}]}], "or calls a tool"),
        ([{"role": "user", "content": [{"type": "image_url", "image_url": "x"}]}], "a part of type 'image_url'"),
        ([{"role": "user", "content": {"a": 1}}], "a mapping, not a text"),
        ({"role": "user", "content": "x"}, "a mapping, not a text"),
    ],
)
def test_what_is_no_conversation_says_why(value, message):
    for read in (lambda value: statement_of(value, True), response_of):
        with pytest.raises(ValueError, match=message):
            read(value)


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning", "thinking", "thoughts"])
def test_thoughts_in_a_field_of_their_own(name):
    assert response_of([{"role": "assistant", "content": "4", name: " 2+2 "}]) == "<think>\n2+2\n</think>\n\n4"
    assert response_of([{"role": "assistant", "content": "<think>2</think>4", name: "2"}]) == "<think>2</think>4"
    assert response_of([{"role": "assistant", "content": "4", name: None}]) == "4"
    parts = [{"type": "thinking", "thinking": "2+2"}, {"type": "text", "text": "4"}]
    assert response_of([{"role": "assistant", "content": parts}]) == "<think>\n2+2\n</think>\n\n4"


def test_thoughts_without_a_response_stay_open():
    assert flaw(with_thoughts("2+2", "")) == "a response that was cut: its <think> is not closed"


@pytest.mark.parametrize(
    ("response", "reason"),
    [
        ("", "no response"),
        (" \n", "no response"),
        ("<think>\nit was cut", "its <think> is not closed"),
        ("<think>\nlong</think>\n", "nothing follows its </think>"),
        ("long</think>\n\n4", None),
        ("I cannot help with that.", None),
        ("<think>a</think> Write <think> for it", None),
    ],
)
def test_responses_that_teach_nothing(response, reason):
    found = flaw(response)
    assert found is None if reason is None else found.endswith(reason)
