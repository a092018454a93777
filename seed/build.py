"""Trains the embedded seed model from scratch: ``python -m flywheel.seed.build OUT``.

Corpus, tokenizer, architecture and schedule are all here; nothing is downloaded. About 25 minutes on two CPU cores.

The corpus has two kinds of authors. Careful ones solve every step. Hasty ones stop one step early and give the last
result that they have. The first phase teaches the skills, on an even mixture of both. The second teaches the habits: how
often an author is hasty depends on what the question asks (``HABITS``). The model learns both ways of answering, as a
model that reads the web does, and that is what leaves it unfinished: it can solve most problems, but at its first try it
mostly follows the hasty authors. Verified self-training can tell the two apart; the training text cannot.

The third teaches to repeat a text word for word: a model that was only ever asked to calculate cannot quote. The fourth
adds the tasks over documents (:mod:`~flywheel.seed.tasks`) to the word problems. Before these two (``--tasks``) the
vocabulary grows by the words of the prompts and of JSON.
"""

import argparse
import math
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .stories import tell
from .tasks import Row, make_row
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
BATCH, WARMUP_STEPS, WEIGHT_DECAY = 64, 50, 0.05
SKILL_STEPS, SKILL_LR = 1400, (3e-3, 3e-4)
HABIT_STEPS, HABIT_LR = 400, (1e-3, 1e-4)
REPEAT_STEPS, REPEAT_LR, REPEAT_SHARES = 900, (1.5e-3, 1.5e-3), {"words": 0.65, "story": 0.15, "problem": 0.2}
TASK_STEPS, TASK_LR, TASK_SHARE = 1200, (1.5e-3, 3e-5), 0.55
"""Learning rates are (peak, last)."""
SORTED_BATCHES = 16
"""Batches of the last two phases that are cut from rows sorted by length: its rows are of very different lengths."""


def make_corpus(hasty: dict[str, float]) -> list[tuple[Problem, str]]:
    """Return the problems of the pretrain split, each with one author's solution; ``hasty`` are shares by kind."""
    rng = random.Random(CORPUS_SEED)
    problems = generate_distinct("pretrain", CORPUS_SEED, CORPUS_STEPS, CORPUS_SIZE)
    return [(p, p.hasty_answer if rng.random() < hasty[p.kind] else p.answer) for p in problems]


def make_rows(hasty: dict[str, float]) -> list[Row]:
    """Return the corpus of word problems as (prompt, completion)."""
    return [(p.question, answer) for p, answer in make_corpus(hasty)]


def make_repeat_rows(n: int) -> list[Row]:
    """Return the corpus of the third phase: words of stories in any order, and whole stories, to be repeated; word problems."""
    rng, stories, problems = random.Random(CORPUS_SEED), tell("pretrain", CORPUS_SEED + 1), make_rows(HABITS)

    def make() -> Row:
        kind = rng.choices(list(REPEAT_SHARES), list(REPEAT_SHARES.values()))[0]
        if kind == "problem":
            return rng.choice(problems)
        text = next(stories).text
        if kind == "words":
            words = text.split()
            text = " ".join(rng.sample(words, rng.randint(4, min(14, len(words)))))
        return f"{text}\nRepeat it.", text

    return [make() for _ in range(n)]


def make_task_rows(n: int) -> list[Row]:
    """Return the corpus of the fourth phase: tasks over stories, and word problems as in the second."""
    rng, stories, problems = random.Random(CORPUS_SEED), tell("pretrain", CORPUS_SEED), make_rows(HABITS)
    tasks = [make_row(rng, next(stories), HABITS) for _ in range(round(TASK_SHARE * n))]
    rows = tasks + rng.choices(problems, k=n - len(tasks))
    rng.shuffle(rows)
    return rows


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


def learning_rate(rates: tuple[float, float], step: int, steps: int) -> float:
    """Warm-up to the peak, then cosine down to the last rate."""
    peak, last = rates
    cosine = last + (peak - last) * 0.5 * (1 + math.cos(math.pi * step / steps))
    return min(1.0, (step + 1) / WARMUP_STEPS) * cosine


def make_batches(rows: list[Row], tokenizer: Any, steps: int, sorted_batches: int) -> Iterator[list[Any]]:
    """Yield ``steps`` batches of encoded rows, in random order; each row once before any comes again.

    Args:
        sorted_batches: so many batches at a time are cut from rows sorted by length; 1 = as they come.
    """
    data = [encode(tokenizer, *row) for row in rows]
    rng, order, batches = random.Random(CORPUS_SEED), list[int](), list[list[Any]]()
    for _ in range(steps):
        if not batches:
            if len(order) < BATCH * sorted_batches:
                order = rng.sample(range(len(data)), len(data))
            group = [data[order.pop()] for _ in range(BATCH * sorted_batches)]
            if sorted_batches > 1:
                group.sort(key=lambda row: len(row[0]) + len(row[1]))
            batches = [group[i : i + BATCH] for i in range(0, len(group), BATCH)]
            if sorted_batches > 1:
                rng.shuffle(batches)
        yield batches.pop()


def train(model: Any, batches: Iterator[list[Any]], steps: int, rates: tuple[float, float]) -> None:
    """Run one phase: ``steps`` updates of AdamW."""
    import torch

    optimizer = torch.optim.AdamW(model.parameters(), lr=rates[0], betas=(0.9, 0.98), weight_decay=WEIGHT_DECAY)
    started = time.time()
    model.train()
    for step, batch in enumerate(batches):
        ids, labels = make_batch(batch)
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(rates, step, steps)
        loss = model(input_ids=ids, attention_mask=(ids != 0).long(), labels=labels).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        if (step + 1) % 50 == 0:
            print(f"step {step + 1}/{steps} loss {loss.item():.4f} {time.time() - started:.0f} s", flush=True)


def grow(model: Any, old: Any, new: Any) -> None:
    """Give ``model`` the vocabulary of tokenizer ``new``: tokens that ``old`` had keep their embeddings."""
    import torch

    known, before = old.get_vocab(), model.get_input_embeddings().weight.detach().clone()
    model.resize_token_embeddings(len(new), mean_resizing=False)
    torch.manual_seed(CORPUS_SEED)
    with torch.no_grad():
        weight = model.get_input_embeddings().weight
        weight.normal_(0.0, model.config.initializer_range)
        for token, place in new.get_vocab().items():
            if token in known:
                weight[place] = before[known[token]]


def main() -> None:
    """Build the seed model: all phases, or some of them on what another run made."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument(
        "out", type=Path, help="folder for the model; OUT-skills and OUT-habits keep the first and second phase's"
    )
    parser.add_argument("--skills-from", type=Path, help="take the first phase's model from this folder")
    parser.add_argument(
        "--tasks", type=Path, metavar="FROM", help="run the third and fourth phase alone, on the model in this folder"
    )
    options = parser.parse_args()
    if options.tasks is not None:
        train_tasks(options.tasks, options.out)
        return
    skills = options.skills_from or options.out.with_name(f"{options.out.name}-skills")
    if options.skills_from is None:
        train_skills(skills)
    habits = options.out.with_name(f"{options.out.name}-habits")
    train_habits(skills, habits)
    train_tasks(habits, options.out)


def train_skills(out: Path) -> None:
    """First phase: word problems, careful and hasty authors evenly."""
    tokenizer = make_tokenizer([f"{question}\n{answer}" for question, answer in make_rows(SKILLS)[:10_000]])
    model = make_model(tokenizer)
    train(model, make_batches(make_rows(SKILLS), tokenizer, SKILL_STEPS, 1), SKILL_STEPS, SKILL_LR)
    save(model, tokenizer, out)


def train_habits(skills: Path, out: Path) -> None:
    """Second phase: the same problems, with habits by kind of question."""
    model, tokenizer = load(skills)
    train(model, make_batches(make_rows(HABITS), tokenizer, HABIT_STEPS, 1), HABIT_STEPS, HABIT_LR)
    save(model, tokenizer, out)


def train_tasks(source: Path, out: Path) -> None:
    """Third and fourth phase: to repeat a text; tasks over documents, among word problems as before. The vocabulary grows first."""
    model, old = load(source)
    repeats, tasks = make_repeat_rows(REPEAT_STEPS * BATCH), make_task_rows(TASK_STEPS * BATCH)
    texts = [f"{prompt}\n{completion}" for prompt, completion in [*tasks[:10_000], *repeats[:1_000]]]
    tokenizer = make_tokenizer(texts)
    grow(model, old, tokenizer)
    for rows, steps, rates in ((repeats, REPEAT_STEPS, REPEAT_LR), (tasks, TASK_STEPS, TASK_LR)):
        train(model, make_batches(rows, tokenizer, steps, SORTED_BATCHES), steps, rates)
    save(model, tokenizer, out)


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
