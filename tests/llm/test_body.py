import pytest
from flywheel.llm._body import BadBodyError, decode_reply

REPLY = b'{"choices": [{"message": {"content": %s}, "finish_reason": "stop"}], "usage": {"completion_tokens": 3}}'


def test_half_a_surrogate_pair_becomes_a_question_mark():
    assert decode_reply(REPLY % rb'"ab \ud83d c"').choices[0].text == "ab ? c"
    assert decode_reply(REPLY % rb'"ab \ud83d\ude00 c"').choices[0].text == "ab \U0001f600 c"


@pytest.mark.parametrize("content", [b"null", b"7", b'["x"]'])
def test_content_that_is_no_text_is_a_fault(content):
    with pytest.raises(BadBodyError, match="not text"):
        decode_reply(REPLY % content)


def test_a_tool_call_has_no_text():
    raw = b'{"choices": [{"message": {"content": null, "tool_calls": [{"id": "1"}]}, "finish_reason": "tool_calls"}]}'
    (choice,) = decode_reply(raw).choices
    assert (choice.text, choice.tool_calls) == ("", ({"id": "1"},))
