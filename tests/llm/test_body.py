import json
from dataclasses import replace

import pytest
from flywheel.llm import ModelIdentity, Request, Sampling
from flywheel.llm._body import BadBodyError, decode_reply, encode_request

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


IDENTITY = ModelIdentity("openai", "m", "")
PLAIN = Request(({"role": "user", "content": "x"},), Sampling(), IDENTITY)


def encode(request):
    return json.loads(encode_request(request, "m", 1, 0, send_seed=False, use_schema=True, extra={}))


def test_likely_tokens_are_asked_for_and_read():
    asked = encode(replace(PLAIN, top_logprobs=5))
    assert (asked["logprobs"], asked["top_logprobs"]) == (True, 5)
    assert not {"logprobs", "top_logprobs"} & encode(PLAIN).keys()
    reply = {
        "choices": [{"message": {"content": "4."}, "logprobs": {"content": [
            {"token": "4", "logprob": -0.1, "top_logprobs": [{"token": "4", "logprob": -0.1}, {"token": "5", "logprob": -3}]},
            {"token": ".", "logprob": -0.2, "top_logprobs": []},
        ]}}],
    }  # fmt: skip
    (choice,) = decode_reply(json.dumps(reply).encode()).choices
    assert choice.tokens == (("4", (("4", -0.1), ("5", -3.0))), (".", ()))
    assert choice.logprob == pytest.approx(-0.3)


def test_asking_for_likely_tokens_is_another_request_and_leaves_the_others_their_ids():
    assert PLAIN.request_id == "req_vma4xpjtozyvt3rv246mlnrg"
    assert replace(PLAIN, top_logprobs=5).request_id != PLAIN.request_id
