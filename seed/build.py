"""Trains the embedded seed model from scratch: ``python -m flywheel.seed.build OUT``.

Corpus, tokenizer, architecture and schedule are all here; nothing is downloaded. About 25 minutes on two CPU cores.

The corpus has two kinds of authors. Careful ones solve every step. Hasty ones stop one step early and give the last
result that they have. The first phase teaches the skills, on an even mixture of both. The second teaches the habits: how
often an author is hasty depends on what the question asks (``HABITS``). The model learns both ways of answering, as a
model that reads the web does, and that is what leaves it unfinished: it can solve most problems, but at its first try it
mostly follows the hasty authors. Verified self-training can tell the two apart; the training text cannot.
"""

import argparse
import math
import random
import time
from pathlib import Path
from typing import Any

from .world import Problem, generate_distinct

CORPUS_SEED = 1
CORPUS_SIZE = 60_000
CORPUS_STEPS = {1: 0.2, 2: 0.4, 3: 0.4}

SKILLS = dict.fromkeys(("left", "more", "fewer", "both", "price", "bags"), 0.5)
HABITS = {"left": 0.35, "more": 0.5, "fewer": 0.6, "both": 0.7, "price": 0.8, "bags": 0.9}
"""Share of hasty authors, by kind of question, in the first and the second phase."""

VOCABULARY = 1024
PAD, END, SYSTEM, USER, ASSISTANT = "<|pad|>", "<|end|>", "<|system|>", "<|user|>", "<|assistant|>"
PATTERN = r" ?\d| ?[A-Za-z]+| ?[^\sA-Za-z\d]+|\s+"
"""Words and single digits, each with the space before it."""

CHAT_TEMPLATE = (
    "{%- for message in messages -%}{{ '<|' + message['role'] + '|>' + message['content'] + '<|end|>' }}{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{ '<|assistant|>' }}{%- endif -%}"
)

HIDDEN, LAYERS, HEADS, INTERMEDIATE, CONTEXT = 192, 4, 6, 512, 2048
BATCH, WARMUP_STEPS, FINAL_LR_SHARE, WEIGHT_DECAY = 64, 50, 0.1, 0.05
SKILL_STEPS, SKILL_LR = 1400, 3e-3
HABIT_STEPS, HABIT_LR = 400, 1e-3


def make_corpus(hasty: dict[str, float]) -> list[tuple[Problem, str]]:
    """Return the problems of the pretrain split, each with one author's solution; ``hasty`` are shares by kind."""
    rng = random.Random(CORPUS_SEED)
    problems = generate_distinct("pretrain", CORPUS_SEED, CORPUS_STEPS, CORPUS_SIZE)
    return [(p, p.hasty_answer if rng.random() < hasty[p.kind] else p.answer) for p in problems]


def make_tokenizer(texts: list[str]) -> Any:
    """Train a byte-level BPE tokenizer in which every digit is a token of its own."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    split = pre_tokenizers.Split(Regex(PATTERN), behavior="isolated")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [split, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    specials = [PAD, END, SYSTEM, USER, ASSISTANT]
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY, special_tokens=specials, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        eos_token=END,
        clean_up_tokenization_spaces=False,
        model_max_length=CONTEXT,
    )
    fast.chat_template = CHAT_TEMPLATE
    return fast


def make_model(tokenizer: Any) -> Any:
    """Return the untrained model: Llama architecture, tied embeddings."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(CORPUS_SEED)
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=HIDDEN, intermediate_size=INTERMEDIATE, num_hidden_layers=LAYERS,
        num_attention_heads=HEADS, num_key_value_heads=HEADS, max_position_embeddings=CONTEXT, tie_word_embeddings=True,
        bos_token_id=None, eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id,
    )  # fmt: skip
    return LlamaForCausalLM(config)


def encode(tokenizer: Any, question: str, answer: str) -> tuple[list[int], list[int]]:
    """Return the token ids of prompt and completion, as the chat template writes them."""
    prompt = tokenizer.encode(f"{USER}{question}{END}{ASSISTANT}", add_special_tokens=False)
    return prompt, tokenizer.encode(f"{answer}{END}", add_special_tokens=False)


def make_batch(rows: list[tuple[list[int], list[int]]]) -> tuple[Any, Any]:
    """Return (ids, labels), shape (rows, longest), padded right; only completions are learned."""
    import torch

    width = max(len(a) + len(b) for a, b in rows)
    ids, labels = torch.zeros(len(rows), width, dtype=torch.long), torch.full((len(rows), width), -100)
    for i, (a, b) in enumerate(rows):
        ids[i, : len(a) + len(b)] = torch.tensor(a + b)
        labels[i, len(a) : len(a) + len(b)] = torch.tensor(b)
    return ids, labels


def learning_rate(peak: float, step: int, steps: int) -> float:
    """Warm-up, then cosine down to ``FINAL_LR_SHARE`` of the peak."""
    cosine = FINAL_LR_SHARE + (1 - FINAL_LR_SHARE) * 0.5 * (1 + math.cos(math.pi * step / steps))
    return peak * min(1.0, (step + 1) / WARMUP_STEPS) * cosine


def train(model: Any, tokenizer: Any, hasty: dict[str, float], steps: int, peak_lr: float) -> None:
    """Run one phase: ``steps`` updates of AdamW."""
    import torch

    data = [encode(tokenizer, p.question, answer) for p, answer in make_corpus(hasty)]
    optimizer = torch.optim.AdamW(model.parameters(), lr=peak_lr, betas=(0.9, 0.98), weight_decay=WEIGHT_DECAY)
    rng, order, started = random.Random(CORPUS_SEED), list[int](), time.time()
    model.train()
    for step in range(steps):
        if len(order) < BATCH:
            order = rng.sample(range(len(data)), len(data))
        ids, labels = make_batch([data[order.pop()] for _ in range(BATCH)])
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(peak_lr, step, steps)
        loss = model(input_ids=ids, attention_mask=(ids != 0).long(), labels=labels).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        if (step + 1) % 50 == 0:
            print(f"step {step + 1}/{steps} loss {loss.item():.4f} {time.time() - started:.0f} s", flush=True)


def main() -> None:
    """Build the seed model, both phases or the second alone."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("out", type=Path, help="folder for the model; OUT-skills keeps the first phase's")
    parser.add_argument("--skills-from", type=Path, help="take the first phase's model from this folder")
    options = parser.parse_args()
    skills = options.skills_from or options.out.with_name(f"{options.out.name}-skills")
    if options.skills_from is None:
        tokenizer = make_tokenizer([f"{p.question}\n{p.answer}" for p, _ in make_corpus(SKILLS)[:10_000]])
        model = make_model(tokenizer)
        train(model, tokenizer, SKILLS, SKILL_STEPS, SKILL_LR)
        save(model, tokenizer, skills)
    model, tokenizer = load(skills)
    train(model, tokenizer, HABITS, HABIT_STEPS, HABIT_LR)
    save(model, tokenizer, options.out)


def save(model: Any, tokenizer: Any, folder: Path) -> None:
    """Write model and tokenizer in Hugging Face's layout."""
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def load(folder: Path) -> tuple[Any, Any]:
    """Read what :func:`save` wrote."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    return AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)


if __name__ == "__main__":
    main()
