"""``flywheel serve`` before managed vLLM servers (a fake one in vLLM's place, over real sockets)."""

import json
import os
import signal

import openai
import pytest
from support import make_mini_project, wait_for
from support_serve import SEED_ID, Champions
from support_vllm import FakeVllm

pytestmark = pytest.mark.slow


def ask(server, **more):
    body = {"model": "champion", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 8}
    return server.client().chat.completions.create(**{**body, **more})


def test_requests_are_passed_on_whole_and_a_promotion_starts_the_next_server(tmp_path, start):
    fake = FakeVllm(tmp_path / "fake")
    folder = make_mini_project(tmp_path / "p", engine=fake.engine(), serve={"log": True})
    champions = Champions(folder)
    server = start(folder)
    assert ask(server, extra_body={"top_k": 5}).choices[0].message.content
    (argv,) = fake.notes("argv")
    assert f"--served-model-name={SEED_ID}" in argv
    new = champions.promote()
    server.wait_for_line(f"{new} answers in the place of {SEED_ID}")
    assert ask(server).choices[0].message.content
    assert f"--served-model-name={new}" in fake.notes("argv")[1]
    rows = [json.loads(line) for p in (folder / "served").glob("*") for line in p.read_text().splitlines()]
    assert [r["served_by"] for r in rows] == [SEED_ID, new] and all(r["served_replies"][0] for r in rows)
    wait_for(lambda: len(fake.living()) == 3)  # of the new one alone
    server.end()
    assert not fake.living()


def test_a_server_that_dies_is_started_again(tmp_path, start):
    fake = FakeVllm(tmp_path / "fake")
    server = start(make_mini_project(tmp_path / "p", engine=fake.engine()))
    os.kill(int(fake.notes("pids")[0]), signal.SIGKILL)
    with pytest.raises(openai.InternalServerError, match="started again"):
        while True:
            ask(server)
    server.wait_for_line("its server ended and is started again")
    wait_for(lambda: len(fake.notes("argv")) == 2)

    def answers():
        try:
            return ask(server)
        except openai.InternalServerError:
            return None

    wait_for(answers)
    assert "Traceback" not in server.log.read_text()
