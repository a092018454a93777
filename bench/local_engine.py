"""Tokens per second of the ``local`` engine beside transformers' own ``generate``, in turn, on the seed model.

``python bench/local_engine.py [rounds]`` prints a line a round and the median ratio. Same prompts, draws, temperature and
batch size; each round measures both, so that a noisy machine hits both alike.
"""

import asyncio
import statistics
import sys
import time

from flywheel.llm import LocalEngine, Request, Sampling, resolve_model
from flywheel.seed import generate_distinct
from transformers import AutoModelForCausalLM, AutoTokenizer

N, DRAWS, MAX_TOKENS, BATCH = 256, 4, 96, 256
QUESTIONS = [p.question for p in generate_distinct("loop", 1, {2: 0.5, 3: 0.5}, N)]


def measure_ours(engine):
    """Return tokens per second of the engine."""
    sampling = Sampling(n=DRAWS, temperature=0.8, max_tokens=MAX_TOKENS)
    wanted = [Request(({"role": "user", "content": q},), sampling, engine.identity) for q in QUESTIONS]

    async def work():
        return [reply.completion_tokens async for group in engine.stream(wanted, set()) for reply in group]

    started = time.perf_counter()
    return sum(asyncio.run(work())) / (time.perf_counter() - started)


def measure_generate(model, tokenizer):
    """Return tokens per second of ``generate`` on the same prompts, sorted by length, in batches of the same size."""
    prompts = [
        tokenizer.apply_chat_template([{"role": "user", "content": q}], tokenize=False, add_generation_prompt=True)
        for q in QUESTIONS
    ]
    prompts.sort(key=len)
    per_batch, made, started = BATCH // DRAWS, 0, time.perf_counter()
    for i in range(0, N, per_batch):
        batch = tokenizer(
            prompts[i : i + per_batch],
            return_tensors="pt",
            padding=True,
            add_special_tokens=False,
            return_token_type_ids=False,
        )
        out = model.generate(
            **batch, do_sample=True, temperature=0.8, num_return_sequences=DRAWS, max_new_tokens=MAX_TOKENS
        )
        new = out[:, batch["input_ids"].shape[1] :]
        made += int((new != tokenizer.pad_token_id).sum())
    return made / (time.perf_counter() - started)


def main():
    """Print the figures."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    seed = resolve_model("seed")
    engine = LocalEngine(seed, batch_size=BATCH)
    tokenizer = AutoTokenizer.from_pretrained(seed.path, padding_side="left")
    model = AutoModelForCausalLM.from_pretrained(seed.path)
    measure_ours(engine)
    ratios = []
    for i in range(rounds):
        theirs, ours = measure_generate(model, tokenizer), measure_ours(engine)
        ratios.append(ours / theirs)
        print(
            f"round {i + 1}: generate {theirs:,.0f} tokens/s, local engine {ours:,.0f} tokens/s, ratio {ratios[-1]:.2f}"
        )
    print(f"median ratio {statistics.median(ratios):.2f} (n = {rounds}, {N} prompts × {DRAWS} draws, batch {BATCH})")


if __name__ == "__main__":
    main()
