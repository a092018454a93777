import pytest
from flywheel.llm._faults import Fault, fault_of_status, read_message


def test_retry_after_is_heeded_as_long_as_patience_lasts():
    fault = fault_of_status(429, "120", b"")
    assert 120 <= fault.pause_s(1, longest_s=600) <= 132
    assert 60 <= fault.pause_s(1, longest_s=60) <= 66


def test_a_retry_after_of_nothing_grows_with_each_refusal():
    fault = fault_of_status(429, "0", b"")
    pauses = [fault.pause_s(n) for n in (1, 2, 4, 7)]
    assert pauses == sorted(pauses)
    assert 0.05 <= pauses[0] <= 0.056
    assert 3.2 <= fault.pause_s(100) <= 3.6


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b'{"error": {"message": "too large", "code": 3}}', "too large"),
        (b'{"error": "no such model"}', "no such model"),
        (b'{"object": "error", "message": "bad\\n  sampling"}', "bad sampling"),
        (b'{"detail": [{"loc": ["body"], "msg": "Field required"}]}', "Field required"),
        (b"<html><head><style>p{}</style></head><body><h1>502</h1> Bad <b>Gateway</b></body>", "502 Bad Gateway"),
        (b"plain words", "plain words"),
        (b"\xff\xfe", "\ufffd\ufffd"),
        (b'{"error": null}', ""),
        (b"7", ""),
        (b"", ""),
    ],
)
def test_the_sentence_of_a_server_is_found(body, sentence):
    assert read_message(body) == sentence


def test_what_a_fault_means_for_others():
    assert fault_of_status(402, None, b"").is_endpoint
    assert fault_of_status(429, None, b'{"error": {"code": "insufficient_quota"}}').is_endpoint
    assert fault_of_status(429, None, b"").is_refusal
    assert not fault_of_status(400, None, b"").is_endpoint
    assert Fault("HTTP 400", 400, "response_format is unknown").names_schema
