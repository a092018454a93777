import asyncio
from dataclasses import replace

import pytest
import torch
from flywheel.errors import NotFoundError
from flywheel.llm import LocalEngine, Request, Sampling, resolve_model, seed_model_path
from flywheel.llm._decode import pick_tokens
from flywheel.seed import generate_distinct
from support_train import make_model
from transformers import AutoModelForCausalLM, AutoTokenizer, GPT2Config, GPT2LMHeadModel

QUESTIONS = [p.question for p in generate_distinct("loop", 77, {1: 0.3, 2: 0.3, 3: 0.4}, 24)]


@pytest.fixture(scope="module")
def seed():
    return resolve_model("seed")


def requests(engine, questions=QUESTIONS, **sampling):
    s = Sampling(**{"max_tokens": 48, **sampling})
    return [Request(({"role": "user", "content": q},), s, engine.identity, input_id=q) for q in questions]


def answer(engine, wanted, answered=()):
    async def work():
        return [reply async for group in engine.stream(wanted, set(answered)) for reply in group]

    return {r.request.request_id: r for r in asyncio.run(work())}


def texts(replies, wanted):
    return [[c.text for c in replies[r.request_id].choices] for r in wanted]


def test_greedy_equals_transformers_own_generate(seed):
    engine = LocalEngine(seed, batch_size=7)
    wanted = requests(engine)
    mine = texts(answer(engine, wanted), wanted)
    tokenizer = AutoTokenizer.from_pretrained(seed.path)
    model = AutoModelForCausalLM.from_pretrained(seed.path)
    for question, (text,) in zip(QUESTIONS, mine, strict=True):
        prompt = tokenizer.apply_chat_template(
            [{"role": "user", "content": question}], add_generation_prompt=True, return_tensors="pt", return_dict=True
        )
        out = model.generate(**prompt, max_new_tokens=48, do_sample=False)
        assert text == tokenizer.decode(out[0, prompt["input_ids"].shape[1] :], skip_special_tokens=True)


def test_draws_depend_on_request_and_seed_not_on_the_batch(seed):
    small, large = LocalEngine(seed, batch_size=4), LocalEngine(seed, batch_size=96)
    wanted = requests(small, n=4, temperature=0.8, seed=5)
    first, second = texts(answer(small, wanted), wanted), texts(answer(large, wanted), wanted)
    same = sum(a == b for x, y in zip(first, second, strict=True) for a, b in zip(x, y, strict=True))
    assert same >= 0.97 * 4 * len(wanted), "only a rare tie in the last bit of a logit may differ"
    other = requests(small, n=4, temperature=0.8, seed=6)
    assert texts(answer(small, other), other) != first
    assert any(len(set(draws)) > 1 for draws in first), "draws of one prompt differ"


def test_an_interrupted_stream_goes_on_with_the_same_completions(seed):
    engine = LocalEngine(seed, batch_size=16)
    wanted = requests(engine, n=2, temperature=1.0)
    whole = answer(engine, wanted)

    async def first_group():
        async for group in engine.stream(wanted, set()):
            return group
        return []

    before = asyncio.run(first_group())
    rest = answer(engine, wanted, {r.request.request_id for r in before})
    assert len(before) + len(rest) == len(wanted)
    merged = {r.request.request_id: r for r in before} | rest
    assert texts(merged, wanted) == texts(whole, wanted)


def test_logprobs_are_those_of_the_model(seed):
    engine = LocalEngine(seed, batch_size=8)
    wanted = requests(engine, QUESTIONS[:8], n=2, temperature=0.7, logprobs=True)
    replies = answer(engine, wanted)
    tokenizer = AutoTokenizer.from_pretrained(seed.path)
    model = AutoModelForCausalLM.from_pretrained(seed.path)
    for request in wanted:
        prompt = tokenizer.apply_chat_template(list(request.messages), add_generation_prompt=True, tokenize=False)
        for choice in replies[request.request_id].choices:
            if choice.finish_reason != "stop":
                continue
            head = tokenizer.encode(prompt, add_special_tokens=False)
            tail = [*tokenizer.encode(choice.text, add_special_tokens=False), tokenizer.eos_token_id]
            if len(tail) != choice.n_tokens:
                continue  # sampled pieces that the tokenizer itself would merge
            with torch.no_grad():
                logits = model(torch.tensor([head + tail])).logits[0].log_softmax(-1)
            expected = sum(logits[len(head) + i - 1, t].item() for i, t in enumerate(tail))
            assert choice.logprob == pytest.approx(expected, abs=1e-2)


def test_likely_tokens_are_those_of_the_model(seed):
    engine = LocalEngine(seed, batch_size=8)
    wanted = [replace(r, top_logprobs=5) for r in requests(engine, QUESTIONS[:4], max_tokens=12)]
    replies = answer(engine, wanted)
    tokenizer = AutoTokenizer.from_pretrained(seed.path)
    model = AutoModelForCausalLM.from_pretrained(seed.path)
    assert texts(replies, wanted) == texts(
        answer(engine, plain := requests(engine, QUESTIONS[:4], max_tokens=12)), plain
    )
    for request in wanted:
        (choice,) = replies[request.request_id].choices
        assert "".join(token for token, _ in choice.tokens) == choice.text
        prompt = tokenizer.apply_chat_template(list(request.messages), add_generation_prompt=True, tokenize=False)
        with torch.no_grad():
            ids = torch.tensor([tokenizer.encode(prompt, add_special_tokens=False)])
            best = model(ids).logits[0, -1].log_softmax(-1).topk(5)
        assert [lp for _, lp in choice.tokens[0][1]] == pytest.approx(best.values.tolist(), abs=1e-2)
        assert [t for t, _ in choice.tokens[0][1]] == [
            tokenizer.decode([i], skip_special_tokens=True) for i in best.indices
        ]


def test_stop_texts_end_a_completion_and_are_not_in_it(seed):
    engine = LocalEngine(seed, batch_size=8)
    plain = requests(engine, QUESTIONS[:8])
    stopped = requests(engine, QUESTIONS[:8], stop=("\n",))
    full, cut = texts(answer(engine, plain), plain), texts(answer(engine, stopped), stopped)
    assert [t.split("\n")[0] for (t,) in full] == [t for (t,) in cut]


def test_max_tokens_is_kept_and_said(seed):
    engine = LocalEngine(seed, batch_size=8)
    wanted = requests(engine, QUESTIONS[:4], max_tokens=3)
    for reply in answer(engine, wanted).values():
        assert reply.choices[0].finish_reason == "length"
        assert reply.choices[0].n_tokens == 3


def test_a_prompt_without_room_is_a_reply_with_its_error_not_a_crash(seed):
    engine = LocalEngine(seed, batch_size=8)
    wanted = requests(engine, ["word " * 5000, QUESTIONS[0]])
    replies = answer(engine, wanted)
    assert "the model has room for" in replies[wanted[0].request_id].error
    assert replies[wanted[0].request_id].answered_at is None
    assert replies[wanted[1].request_id].choices


def test_any_causal_model_on_disk_works_without_a_chat_template_too(seed, tmp_path):
    tokenizer = AutoTokenizer.from_pretrained(seed.path)
    tokenizer.chat_template = None
    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=len(tokenizer), n_embd=32, n_layer=2, n_head=2, n_positions=256, eos_token_id=1, bos_token_id=1
    )
    GPT2LMHeadModel(config).save_pretrained(tmp_path / "gpt2")
    tokenizer.save_pretrained(tmp_path / "gpt2")
    (tmp_path / "gpt2" / "chat_template.jinja").unlink(missing_ok=True)
    engine = LocalEngine(resolve_model(str(tmp_path / "gpt2")))
    wanted = requests(engine, QUESTIONS[:5], n=2, temperature=1.0, max_tokens=8)
    assert [len(t) for t in texts(answer(engine, wanted), wanted)] == [2] * 5


def test_an_unknown_model_says_what_was_looked_for(tmp_path):
    with pytest.raises(NotFoundError, match="no folder"):
        resolve_model("no/such-model", tmp_path)
    with pytest.raises(NotFoundError, match="no folder"):
        resolve_model("./nowhere", tmp_path)


def test_the_seed_models_revision_is_its_content(tmp_path):
    import shutil

    shutil.copytree(seed_model_path(), tmp_path / "copy")
    assert resolve_model(str(tmp_path / "copy")).revision == resolve_model("seed").revision


def test_sampling_follows_the_distribution():
    logits = torch.log(torch.tensor([[0.5, 0.3, 0.15, 0.05]])).repeat(4000, 1)
    uniforms = (torch.arange(4000) + 0.5) / 4000
    counts = torch.bincount(pick_tokens(logits, uniforms, Sampling(temperature=1.0)), minlength=4) / 4000
    assert torch.allclose(counts, torch.tensor([0.5, 0.3, 0.15, 0.05]), atol=0.002)


def test_top_p_cuts_the_tail_and_keeps_the_token_that_crosses_it():
    logits = torch.log(torch.tensor([[0.05, 0.5, 0.3, 0.15]])).repeat(4000, 1)
    uniforms = (torch.arange(4000) + 0.5) / 4000
    chosen = pick_tokens(logits, uniforms, Sampling(temperature=1.0, top_p=0.6))
    counts = torch.bincount(chosen, minlength=4) / 4000
    assert torch.allclose(counts, torch.tensor([0.0, 0.625, 0.375, 0.0]), atol=0.002)


def test_the_last_draw_never_leaves_the_vocabulary():
    logits = torch.zeros(2, 7)
    assert pick_tokens(logits, torch.tensor([0.0, 0.99999994]), Sampling(temperature=1.0)).tolist() == [0, 6]


@pytest.mark.parametrize(("kind", "said"), [("bert", "BertFor"), ("t5", "T5Config")])
def test_a_model_that_does_not_write_from_left_to_right_is_refused(tmp_path, kind, said):
    make_model(kind, tmp_path / kind)
    with pytest.raises(NotFoundError, match="a causal language model") as refusal:
        LocalEngine(resolve_model(kind, tmp_path)).load()
    assert said in refusal.value.received
