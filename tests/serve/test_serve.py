"""The endpoint as OpenAI's own client sees it, over a real socket: replies, streams, promotion in mid-traffic, the end."""

import asyncio
import re
import signal
import threading
import time
import urllib.request

import pytest
from flywheel.llm import LocalEngine, Request, Sampling, resolve_model
from flywheel.seed import generate_distinct
from support import make_mini_project, run_cli, wait_for
from support_serve import SEED_ID, Champions

QUESTIONS = [p.question for p in generate_distinct("loop", 77, {1: 0.5, 2: 0.5}, 12)]


def ask(client, question=QUESTIONS[0], **more):
    messages = [{"role": "user", "content": question}]
    return client.chat.completions.create(**{"model": "champion", "messages": messages, "temperature": 0, **more})


def get(url):
    with urllib.request.urlopen(url, timeout=30) as reply:
        return reply.status, reply.read().decode()


def engine_texts(questions):
    engine = LocalEngine(resolve_model("seed"))
    wanted = [
        Request(({"role": "user", "content": q},), Sampling(max_tokens=64), engine.identity, input_id=q)
        for q in questions
    ]

    async def work():
        return [r async for group in engine.stream(wanted, set()) for r in group]

    return {r.request.input_id: r.choices[0].text for r in asyncio.run(work())}


def test_greedy_answers_are_those_of_the_engine_alone_and_together(serving):
    expected, client = engine_texts(QUESTIONS), serving.client()
    assert {
        q: ask(client, q, max_tokens=64).choices[0].message.content for q in QUESTIONS[:3]
    }.items() <= expected.items()
    found = {}

    def work(q):
        found[q] = ask(client, q, max_tokens=64).choices[0].message.content

    threads = [threading.Thread(target=work, args=(q,)) for q in QUESTIONS[:8]]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert found == {q: expected[q] for q in QUESTIONS[:8]}


def test_a_reply_says_who_answered_and_what_it_cost(serving):
    reply = ask(serving.client(), n=3, temperature=0.9, seed=4, max_tokens=40)
    assert reply.model == SEED_ID
    assert [c.index for c in reply.choices] == [0, 1, 2]
    assert all(c.finish_reason in ("stop", "length") and c.message.role == "assistant" for c in reply.choices)
    assert reply.usage.total_tokens == reply.usage.prompt_tokens + reply.usage.completion_tokens > 20


def test_equal_seeds_draw_equally_and_others_do_not(serving):
    client = serving.client()

    def draw(**more):
        return [c.message.content for c in ask(client, n=4, temperature=1.5, max_tokens=40, **more).choices]

    assert draw(seed=1) == draw(seed=1)
    assert draw(seed=1) != draw(seed=2)
    assert draw() != draw(), "without a seed each call draws anew"


def test_a_stream_tells_the_same_text_piece_by_piece(serving):
    client = serving.client()
    for more in ({}, {"stop": ["."]}, {"n": 2, "temperature": 1.2, "seed": 9}, {"max_tokens": 5}):
        whole = ask(client, **{"max_tokens": 64, **more})
        chunks = list(ask(client, stream=True, stream_options={"include_usage": True}, **{"max_tokens": 64, **more}))
        texts, reasons = {}, {}
        for chunk in chunks:
            assert chunk.model == SEED_ID
            for c in chunk.choices:
                texts[c.index] = texts.get(c.index, "") + (c.delta.content or "")
                reasons[c.index] = c.finish_reason or reasons.get(c.index)
        assert texts == {c.index: c.message.content for c in whole.choices}
        assert reasons == {c.index: c.finish_reason for c in whole.choices}
        assert chunks[-1].usage.completion_tokens == whole.usage.completion_tokens
        assert sum(bool(c.choices and c.choices[0].delta.content) for c in chunks) >= 3, "it comes in pieces"


def test_limits_on_length_and_stops_hold(serving):
    client = serving.client()
    cut = ask(client, max_tokens=3)
    assert (cut.choices[0].finish_reason, cut.usage.completion_tokens) == ("length", 3)
    text = ask(client, max_tokens=64).choices[0].message.content
    stop = text[5:8]
    stopped = ask(client, max_tokens=64, stop=stop).choices[0]
    assert (stopped.message.content, stopped.finish_reason) == (text[: text.index(stop)], "stop")


def test_requests_of_other_lengths_share_a_batch_and_keep_their_own(serving):
    client, found = serving.client(), {}

    def work(n):
        found[n] = ask(client, max_tokens=n).usage.completion_tokens

    threads = [threading.Thread(target=work, args=(n,)) for n in (1, 2, 3, 5, 8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert found == {n: n for n in (1, 2, 3, 5, 8)}


def test_logprobs_are_those_of_each_token(serving):
    client = serving.client()
    said = ask(client, max_tokens=12, logprobs=True, top_logprobs=3).choices[0]
    tokens = said.logprobs.content
    assert "".join(t.token for t in tokens).strip() == said.message.content.strip()
    for token in tokens:
        assert token.logprob <= 0 and len(token.top_logprobs) == 3
        assert token.top_logprobs[0].token == token.token, "greedy takes the likeliest"
        assert token.top_logprobs[0].logprob == pytest.approx(token.logprob, abs=1e-4)
    old = client.completions.create(
        model="champion", prompt="<|user|>hi<|end|>", max_tokens=4, temperature=0, logprobs=2
    )
    assert len(old.choices[0].logprobs.token_logprobs) == len(old.choices[0].logprobs.tokens)


def test_completions_take_finished_prompts_several_at_a_time(serving):
    client = serving.client()
    prompts = [f"<|user|>{q}<|end|><|assistant|>" for q in QUESTIONS[:2]]
    whole = client.completions.create(model="champion", prompt=prompts, temperature=0, max_tokens=64)
    assert [c.text for c in whole.choices] == [
        ask(client, q, max_tokens=64).choices[0].message.content for q in QUESTIONS[:2]
    ]
    stream = client.completions.create(model="champion", prompt=prompts, temperature=0, max_tokens=64, stream=True)
    texts = {}
    for chunk in stream:
        for c in chunk.choices:
            texts[c.index] = texts.get(c.index, "") + c.text
    assert texts == {c.index: c.text for c in whole.choices}


def test_parts_of_text_and_developers_are_understood(serving):
    messages = [
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "1 + "}, {"type": "text", "text": "1?"}]},
    ]
    plain = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "1 + 1?"}]
    client = serving.client()
    assert (
        ask(client, messages=messages, max_tokens=8).choices[0].message.content
        == ask(client, messages=plain, max_tokens=8).choices[0].message.content
    )


def test_models_health_and_figures(serving):
    assert [m.id for m in serving.client().models.list().data] == [SEED_ID, "champion"]
    assert serving.client().models.retrieve("champion").owned_by == "flywheel"
    assert get(f"{serving.url}/health") == (200, '{"status": "ok"}')
    ask(serving.client(), max_tokens=4)
    _, figures = get(f"{serving.url}/metrics")
    assert f'flywheel_serve_champion{{checkpoint="{SEED_ID}"}} 1.0' in figures
    assert re.search(r'flywheel_serve_requests_total\{path="/v1/chat/completions",status="200"\} \d', figures)
    assert re.search(r'flywheel_serve_tokens_total\{kind="completion"\} \d', figures)


# --- who answers -----------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_promotions_and_a_rollback_in_mid_traffic_fail_no_request(tmp_path, start):
    folder = make_mini_project(tmp_path / "p")
    champions = Champions(folder)
    server = start(folder)
    answers, faults, over = [], [], threading.Event()

    def work(i):
        client = server.client()
        while not over.is_set():
            began = time.monotonic()
            try:
                if i % 2:
                    chunks = list(ask(client, QUESTIONS[i], max_tokens=60, stream=True))
                    assert chunks[-1].choices[0].finish_reason
                    models = {c.model for c in chunks}
                else:
                    models = {ask(client, QUESTIONS[i], max_tokens=60).model}
                answers.append((began, models))
            except Exception as error:  # noqa: BLE001 - told below
                faults.append(error)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(6)]
    for t in threads:
        t.start()
    seen, since = [SEED_ID], [time.monotonic()]

    def wait_for_answers():
        wait_for(lambda: sum(began > since[-1] for began, _ in list(answers)) >= 8 or faults)

    for change in (champions.promote, champions.promote, champions.roll_back):
        wait_for_answers()
        seen.append(change())
        server.wait_for_line(rf"{seen[-1]} answers in the place of {seen[-2]}")
        since.append(time.monotonic())
    wait_for_answers()
    over.set()
    for t in threads:
        t.join()
    assert faults == []
    assert seen[3] == seen[1], "the rollback puts the first promoted one back"
    assert all(len(models) == 1 for _, models in answers), "one reply is one checkpoint's"
    for model, start_s, end_s in zip(seen[1:], since[1:], [*since[2:], time.monotonic()], strict=True):
        told = [m for began, (m,) in sorted(answers, key=lambda a: a[0]) if start_s < began < end_s]
        assert told and told[0] == model, f"{model} answers what is asked from then on"
    assert {m for began, (m,) in answers if began > since[3]} == {seen[3]}


def test_a_long_reply_finishes_on_the_champion_that_began_it(tmp_path, start):
    folder = make_mini_project(tmp_path / "p")
    champions = Champions(folder)
    server = start(folder)
    prompt = "<|user|>" + QUESTIONS[0]
    stream = server.client().completions.create(
        model="champion", prompt=prompt, max_tokens=1200, temperature=2.0, top_p=1.0, n=4, seed=3, stream=True
    )
    models = [next(iter(stream)).model]
    new = champions.promote()
    server.wait_for_line(f"{new} answers")
    assert ask(server.client(), max_tokens=2).model == new
    models += [c.model for c in stream]
    assert set(models) == {SEED_ID}


def test_a_champion_without_weights_leaves_the_former_one_serving(tmp_path, start):
    folder = make_mini_project(tmp_path / "p")
    champions = Champions(folder)
    server = start(folder)
    gone = champions.promote(lambda made: (made / "model.safetensors").write_bytes(b"no weights"))
    server.wait_for_line(rf"(?s){gone} is being loaded.*expected")
    assert ask(server.client(), max_tokens=2).model == SEED_ID
    good = champions.promote()
    server.wait_for_line(f"{good} answers")
    assert ask(server.client(), max_tokens=2).model == good
    assert 'flywheel_serve_failures_total{what="switch"} 1.0' in get(f"{server.url}/metrics")[1]


def test_only_the_run_that_is_named_counts(tmp_path, start):
    folder = make_mini_project(tmp_path / "p")
    before = run_cli(folder, "serve", "--run", "run_1", "--port", "0", check=2, timeout=60)
    assert "http://" not in before.stdout + before.stderr, "there is no run at all yet"
    new = Champions(folder).promote()
    assert ask(start(folder, "--run", "run_1").client(), max_tokens=2).model == new
    done = run_cli(folder, "serve", "--run", "run_2", "--port", "0", check=2)
    assert "http://" not in done.stdout + done.stderr, "no address of what is never served"
    assert "expected: the id of a run" in done.stderr


def test_it_serves_while_another_process_holds_the_store(tmp_path, start):
    folder = make_mini_project(tmp_path / "p")
    champions = Champions(folder)
    server = start(folder)
    with champions.store.write():
        (folder / "flywheel.duckdb").touch()  # it looks, and has to wait
        time.sleep(0.5)
        assert ask(server.client(), max_tokens=2).model == SEED_ID
    new = champions.promote()
    server.wait_for_line(f"{new} answers")


# --- the end ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_finishes_what_is_in_flight_and_takes_nothing_new(tmp_path, start, number, code):
    server = start(make_mini_project(tmp_path / "p"))
    client = server.client()
    stream = client.completions.create(
        model="champion", prompt="<|user|>", max_tokens=400, temperature=2.0, n=2, seed=3, stream=True
    )
    chunks = [next(iter(stream))]
    server.process.send_signal(number)
    server.wait_for_line("in flight are finished first")
    with pytest.raises(Exception, match=r"503|Connection"):
        ask(server.client(), max_tokens=2)
    chunks += list(stream)
    assert {c.choices[0].finish_reason for c in chunks if c.choices} >= {"length"} or any(
        c.choices[0].finish_reason for c in chunks if c.choices
    )
    assert server.end(number) == code
    assert "Traceback" not in server.log.read_text()


def test_a_caller_who_leaves_frees_the_engine(tmp_path, start):
    server = start(make_mini_project(tmp_path / "p"))
    client = server.client()
    stream = client.completions.create(
        model="champion", prompt="<|user|>", max_tokens=1900, temperature=2.0, n=16, seed=3, stream=True
    )
    next(iter(stream))
    stream.close()
    deadline = time.monotonic() + 30
    while "flywheel_serve_in_flight 0.0" not in get(f"{server.url}/metrics")[1]:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert ask(client, max_tokens=2).model == SEED_ID
    assert "Traceback" not in server.log.read_text()


def test_an_address_in_use_and_a_foreign_engine_are_told(tmp_path, serving):
    folder = make_mini_project(tmp_path / "p")
    done = run_cli(folder, "serve", "--port", str(serving.port), check=1)
    assert f":{serving.port}" in done.stderr
    (folder / "recipe.yaml").write_text((folder / "recipe.yaml").read_text().replace("batch_size: 64", "kind: openai"))
    assert "engine: local or vllm" in run_cli(folder, "serve", check=2).stderr
