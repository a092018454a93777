"""Batched decoding of any Hugging Face causal language model, in process.

Faster than ``generate`` on small models because the key/value cache grows in blocks instead of being copied at each
token, rows that have ended leave the batch, and a prompt with several draws is read once. Draws do not depend on
the batch: each row has its own stream of random numbers, keyed by request and draw. What may still depend on the
batch is the last bit of a logit (matrix kernels differ by shape), hence the engine's fixed batches.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

from ..schema import seed_from
from ._types import Choice, Sampling, TokenChances

Watch = Callable[[int, list[int], float | None], bool]
"""Called after each token with the row (job × n + draw), its tokens so far and the latest one's log-probability, where these are
wanted; returns whether the row is to go on."""

GROWTH_TOKENS = 64
SHRINK_BELOW = 0.75
STOP_CHECK_EVERY = 4
STOP_WINDOW_TOKENS = 32


class _GrowingLayer(DynamicLayer):
    """A cache layer that writes new tokens into spare room instead of copying everything at each token."""

    _room: tuple[torch.Tensor, torch.Tensor] | None = None

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        start = self.get_seq_length()
        end = start + key_states.shape[-2]
        room = self._room
        if room is None or room[0].shape[0] != key_states.shape[0] or room[0].shape[-2] < end:
            room = self._grow(key_states, end)
        for buffer, states in zip(room, (key_states, value_states), strict=True):
            buffer[:, :, start:end] = states
        self.keys, self.values = room[0][:, :, :end], room[1][:, :, :end]
        return self.keys, self.values

    def _grow(self, like: torch.Tensor, end: int) -> tuple[torch.Tensor, torch.Tensor]:
        shape = (like.shape[0], like.shape[1], end + GROWTH_TOKENS, like.shape[3])
        grown = (like.new_zeros(shape), like.new_zeros(shape))
        start = self.get_seq_length()
        if start:
            grown[0][:, :, :start] = self.keys
            grown[1][:, :, :start] = self.values
        self._room = grown
        return grown

    def batch_select_indices(self, indices: torch.Tensor) -> None:
        self._room = None
        super().batch_select_indices(indices)

    def batch_repeat_interleave(self, repeats: int) -> None:
        self._room = None
        super().batch_repeat_interleave(repeats)


def _make_cache(model: Any) -> Any:
    cache = DynamicCache(config=model.config)
    if cache.layers and all(type(layer) is DynamicLayer for layer in cache.layers):
        cache.layers = [_GrowingLayer() for _ in cache.layers]
    return cache


@dataclass
class Job:
    """A prompt to decode: token ids, how to sample, the key of its random numbers, and how many of the likeliest tokens
    are wanted at each place.
    """

    key: str
    tokens: list[int]
    sampling: Sampling
    top_logprobs: int = 0


class _Rows:
    """The rows still being decoded: which output each feeds, and its random numbers."""

    def __init__(self, jobs: Sequence[Job], device: Any) -> None:
        n = jobs[0].sampling.n
        self.owner = [j for j in range(len(jobs)) for _ in range(n)]
        self.alive = list(range(len(self.owner)))
        self.tokens: list[list[int]] = [[] for _ in self.owner]
        self.logprob = [0.0 for _ in self.owner]
        self.reason = ["length" for _ in self.owner]
        self.done = [False for _ in self.owner]
        self.top = jobs[0].top_logprobs
        self.chances: list[list[tuple[int, list[int], list[float]]]] = [[] for _ in self.owner]
        self.draws = torch.from_numpy(_uniforms(jobs)).to(device)


def _uniforms(jobs: Sequence[Job]) -> np.ndarray:
    """Return one uniform number per row and token, shape (rows, max_tokens): a row's depend on its key alone."""
    rows = []
    for job in jobs:
        s = job.sampling
        for draw in range(s.n):
            rng = np.random.Generator(np.random.Philox(seed_from(job.key, s.seed, draw)))
            rows.append(rng.random(s.max_tokens if s.temperature > 0 else 1, dtype=np.float32))
    return np.stack(rows)


def pick_tokens(logits: torch.Tensor, uniforms: torch.Tensor, sampling: Sampling) -> torch.Tensor:
    """Choose a token per row.

    Args:
        logits: shape (rows, vocabulary).
        uniforms: shape (rows,), in [0, 1); unused when greedy.

    Returns:
        Token ids, shape (rows,).
    """
    if sampling.temperature == 0:
        return logits.argmax(-1)
    probabilities = torch.softmax(logits.float() / sampling.temperature, -1)
    if sampling.top_p < 1:
        ranked, order = probabilities.sort(-1, descending=True)
        ranked = ranked * ((ranked.cumsum(-1) - ranked) < sampling.top_p)
        chosen = _inverse_cdf(ranked, uniforms)
        return order.gather(-1, chosen[:, None])[:, 0]
    return _inverse_cdf(probabilities, uniforms)


def _inverse_cdf(weights: torch.Tensor, uniforms: torch.Tensor) -> torch.Tensor:
    cumulative = weights.double().cumsum(-1)
    target = (uniforms.double() * cumulative[:, -1])[:, None]
    found = torch.searchsorted(cumulative, target, right=True)[:, 0]
    return found.clamp(max=weights.shape[-1] - 1)


@torch.inference_mode()
def decode(
    model: Any,
    tokenizer: Any,
    jobs: Sequence[Job],
    *,
    end_ids: frozenset[int],
    on_tokens: Callable[[int], None] = lambda n: None,
    watch: Watch | None = None,
) -> list[list[Choice]]:
    """Decode a batch of prompts that share one :class:`Sampling` but for its seed.

    Args:
        watch: sees every token as it comes, and may end a row, whose reason is then ``length``.

    Returns:
        For each job its ``n`` choices.
    """
    sampling, device = jobs[0].sampling, model.device
    ids, mask = _left_pad([j.tokens for j in jobs], device)
    positions = (mask.cumsum(-1) - 1).clamp(min=0)
    cache = _make_cache(model)
    logits = _forward(model, ids, mask, positions, cache)
    if sampling.n > 1:
        cache.batch_repeat_interleave(sampling.n)
        logits, mask, positions = (t.repeat_interleave(sampling.n, 0) for t in (logits, mask, positions))
    rows, position = _Rows(jobs, device), positions[:, -1:]
    for step in range(sampling.max_tokens):
        column = rows.draws[rows.alive, min(step, rows.draws.shape[1] - 1)]
        chosen = pick_tokens(logits, column, sampling)
        on_tokens(_take(rows, chosen, logits, sampling, end_ids, tokenizer, step, watch))
        keep = [i for i, row in enumerate(rows.alive) if not rows.done[row]]
        if not keep or step + 1 == sampling.max_tokens:
            break
        if len(keep) < SHRINK_BELOW * len(rows.alive):
            index = torch.tensor(keep, device=device)
            cache.batch_select_indices(index)
            mask, position, chosen = mask[index], position[index], chosen[index]
            rows.alive = [rows.alive[i] for i in keep]
        mask = torch.cat([mask, mask.new_ones(mask.shape[0], 1)], 1)
        position = position + 1
        logits = _forward(model, chosen[:, None], mask, position, cache)
    return _collect(rows, jobs, sampling, tokenizer)


def _forward(model: Any, ids: torch.Tensor, mask: torch.Tensor, positions: torch.Tensor, cache: Any) -> torch.Tensor:
    extra: dict[str, Any] = {"logits_to_keep": 1} if ids.shape[1] > 1 else {}
    out = model(
        input_ids=ids, attention_mask=mask, position_ids=positions, past_key_values=cache, use_cache=True, **extra
    )
    result: torch.Tensor = out.logits[:, -1]
    return result


def _left_pad(prompts: list[list[int]], device: Any) -> tuple[torch.Tensor, torch.Tensor]:
    width = max(map(len, prompts))
    ids = torch.zeros(len(prompts), width, dtype=torch.long)
    mask = torch.zeros(len(prompts), width, dtype=torch.long)
    for i, tokens in enumerate(prompts):
        ids[i, width - len(tokens) :] = torch.tensor(tokens)
        mask[i, width - len(tokens) :] = 1
    return ids.to(device), mask.to(device)


def _take(
    rows: _Rows, chosen: torch.Tensor, logits: torch.Tensor, sampling: Sampling, end_ids: frozenset[int],
    tokenizer: Any, step: int, watch: Watch | None,
) -> int:  # fmt: skip
    """Note the chosen tokens of the rows that still run; return how many ran."""
    scores = torch.log_softmax(logits.float(), -1) if sampling.logprobs or rows.top else None
    logprobs = scores.gather(-1, chosen[:, None])[:, 0].tolist() if scores is not None and sampling.logprobs else None
    top = [t.tolist() for t in scores.topk(rows.top)] if scores is not None and rows.top else None
    n = 0
    for i, (row, token) in enumerate(zip(rows.alive, chosen.tolist(), strict=True)):
        if rows.done[row]:
            continue
        n += 1
        if logprobs:
            rows.logprob[row] += logprobs[i]
        if token in end_ids:
            rows.done[row], rows.reason[row] = True, "stop"
            continue
        rows.tokens[row].append(token)
        if top:
            rows.chances[row].append((token, top[1][i], top[0][i]))
        if sampling.stop and step % STOP_CHECK_EVERY == 0 and _has_stop(rows.tokens[row], sampling, tokenizer):
            rows.done[row], rows.reason[row] = True, "stop"
        if watch and not watch(row, rows.tokens[row], logprobs[i] if logprobs else None):
            rows.done[row] = True
    return n


def _has_stop(tokens: list[int], sampling: Sampling, tokenizer: Any) -> bool:
    tail = tokenizer.decode(tokens[-STOP_WINDOW_TOKENS:], skip_special_tokens=True)
    return any(s in tail for s in sampling.stop)


def _collect(rows: _Rows, jobs: Sequence[Job], sampling: Sampling, tokenizer: Any) -> list[list[Choice]]:
    out: list[list[Choice]] = [[] for _ in jobs]
    texts = tokenizer.batch_decode(rows.tokens, skip_special_tokens=True)
    for row, text in enumerate(texts):
        cuts = [text.find(s) for s in sampling.stop if s in text]
        reason = "stop" if cuts else rows.reason[row]
        text = text[: min(cuts)] if cuts else text
        n_tokens = len(rows.tokens[row]) + (rows.reason[row] == "stop" and not cuts)
        logprob = rows.logprob[row] if sampling.logprobs else None
        tokens = _spell(rows.chances[row], tokenizer) if rows.top else ()
        out[rows.owner[row]].append(Choice(text, reason, n_tokens, logprob, (), tokens))
    return out


def _spell(chances: Sequence[tuple[int, list[int], list[float]]], tokenizer: Any) -> tuple[TokenChances, ...]:
    """Return tokens as texts; the end of a turn, which has none, as the empty text."""
    spelled: list[TokenChances] = []
    for chosen, ids, logprobs in chances:
        texts = tokenizer.batch_decode([[i] for i in (chosen, *ids)], skip_special_tokens=True)
        spelled.append((texts[0], tuple(zip(texts[1:], logprobs, strict=True))))
    return tuple(spelled)
