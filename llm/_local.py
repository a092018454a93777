"""The ``local`` engine: a Hugging Face causal or vision-language model in this process, on CPU or one GPU.

Determinism: the batches are a function of the requests in their order, nothing else. A batch whose replies are all on
record is left out; one that is not is decoded whole again and gives the same tokens (same machine, same number of
threads), so an interrupted run equals an uninterrupted one.
"""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Callable, Container, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from ..errors import InputError
from ..schema import image_urls, utc_now
from ._models import ResolvedModel
from ._types import Choice, ModelIdentity, Reply, Request, Source

WINDOW_BATCHES = 8
"""Requests are sorted by length within windows of this many batches: bounded memory, little padding."""
MOST_SEEN = 16
"""Prompts that a vision-language model reads together: an image may be thousands of tokens."""


class LocalEngine:
    """Serves ``model`` in process.

    Args:
        model: which weights.
        batch_size: most sequences decoded together.
        on_tokens: called with the number of tokens made, at every decoding step.
        cut_prompts: cut a prompt that leaves no room for an answer from its left, as lm-eval does, instead of
            refusing it.
        folder: the project's, where the images that messages name are.
        share: which of how many processes this is, that decode the batches between them: the first is 0.
    """

    is_batched = True

    def __init__(
        self,
        model: ResolvedModel,
        *,
        batch_size: int = 256,
        on_tokens: Callable[[int], None] = lambda n: None,
        cut_prompts: bool = False,
        folder: Path | None = None,
        share: tuple[int, int] = (0, 1),
    ) -> None:
        self._share = share
        self.identity = ModelIdentity("local", model.name, model.revision, model.checkpoint_id)
        self._path = model.path
        self._batch_size = batch_size
        self._on_tokens = on_tokens
        self._cut_prompts = cut_prompts
        self._folder = folder
        self._reader: Any = None
        self._loaded: tuple[Any, Any, frozenset[int]] | None = None

    def load(self) -> tuple[Any, Any, frozenset[int]]:
        """Return (model, tokenizer, ids that end a turn), loading them at the first call.

        Raises:
            NotFoundError: there is no such model.
        """
        if self._loaded is None:
            from ._models import load_model, sees_images

            self._loaded = load_model(self._path)
            if sees_images(self._loaded[0].config):
                from ._seeing import load_processor

                self._reader = load_processor(self._path, self._loaded[1])
        return self._loaded

    async def stream(
        self, requests: Iterable[Request] | Source, answered: Container[str]
    ) -> AsyncIterator[list[Reply]]:
        """See :class:`~flywheel.llm.Engine`. A group is a decoded batch; the requests are an iterable."""
        source, n_windows = iter(cast("Iterable[Request]", requests)), 0
        while first := next(source, None):
            per_batch = max(1, self._batch_size // first.sampling.n)
            window = [first, *itertools.islice(source, per_batch * WINDOW_BATCHES - 1)]
            n_windows += 1
            if all(r.request_id in answered for r in window):
                continue
            for n, batch in enumerate(self._form_batches(window, per_batch), n_windows):
                if n % self._share[1] == self._share[0] and any(r.request_id not in answered for r in batch):
                    replies = await asyncio.to_thread(self._answer, batch)
                    yield [r for r in replies if r.request.request_id not in answered]

    async def close(self) -> None:
        """Free the model."""
        self.unload()

    def unload(self) -> None:
        """Free the model, where no event loop runs."""
        self._loaded = self._reader = None

    def _form_batches(self, window: list[Request], per_batch: int) -> list[list[Request]]:
        """Group requests of like length and equal sampling."""
        keyed = sorted(
            ((_shape_of(r), len(self._encode(r)), i) for i, r in enumerate(window)),
        )
        batches: list[list[Request]] = []
        for _, group in itertools.groupby(keyed, key=lambda k: k[0]):
            members = [window[i] for _, _, i in group]
            batches += [members[i : i + per_batch] for i in range(0, len(members), per_batch)]
        return batches

    def _encode(self, request: Request) -> list[int]:
        _, tokenizer, _ = self.load()
        if self._reader is not None:
            return self._read([request])["input_ids"][0].tolist()  # type: ignore[no-any-return]
        if image_urls(request.messages):
            raise InputError(
                f"model {self.identity.model}", expected="a vision-language model: a prompt shows an image",
                received="a model that reads only text", cure="name a vision-language model, or leave the images out",
            )  # fmt: skip
        tokens: list[int] = tokenizer.encode(render_prompt(tokenizer, request), add_special_tokens=False)
        return tokens

    def _read(self, batch: list[Request]) -> Any:
        from ._seeing import read_batch

        return read_batch(self._reader, batch, self._folder)

    def _answer(self, batch: list[Request]) -> list[Reply]:
        from ._decode import Job, decode

        model, tokenizer, end_ids = self.load()
        created_at, started = utc_now(), time.monotonic()
        jobs = [Job(r.request_id, self._encode(r), r.sampling, r.top_logprobs) for r in batch]
        room = _room_for_prompt(model, batch[0])
        fitting = [replace(j, tokens=j.tokens[-room:]) for j in jobs if self._cut_prompts or len(j.tokens) <= room]
        if self._reader is None:
            decoded = decode(model, tokenizer, fitting, end_ids=end_ids, on_tokens=self._on_tokens) if fitting else []
        else:
            decoded = self._look([r for r, j in zip(batch, jobs, strict=True) if len(j.tokens) <= room])
            fitting = [j for j in jobs if len(j.tokens) <= room]
        choices = dict(zip((j.key for j in fitting), decoded, strict=True))
        times = (time.monotonic() - started, created_at, utc_now())
        return [_reply(r, len(j.tokens), choices.get(j.key), room, times) for r, j in zip(batch, jobs, strict=True)]

    def _look(self, batch: list[Request]) -> list[list[Choice]]:
        """Return the choices of requests by transformers' own decoding, which knows how each kind of model places images.

        Greedy ones are decoded together; drawn ones alone, so that a draw does not depend on the batch.
        """
        from ._seeing import look

        model, tokenizer, end_ids = self.load()
        size = MOST_SEEN if batch and batch[0].sampling.temperature == 0 else 1
        groups = [batch[i : i + size] for i in range(0, len(batch), size)]
        found = [look(model, tokenizer, self._read(group), group, end_ids) for group in groups]
        self._on_tokens(sum(c.n_tokens for group in found for choices in group for c in choices))
        return [choices for group in found for choices in group]


def _reply(
    request: Request, n_prompt: int, choices: list[Choice] | None, room: int, times: tuple[float, str, str]
) -> Reply:
    error = None if choices is not None else f"prompt of {n_prompt} tokens; the model has room for {room}"
    latency_s, created_at, answered_at = times
    return Reply(
        request=request, choices=tuple(choices or ()), attempts=1, prompt_tokens=n_prompt,
        completion_tokens=sum(c.n_tokens for c in choices or ()), latency_s=latency_s, created_at=created_at,
        answered_at=None if error else answered_at, error=error,
    )  # fmt: skip


def _room_for_prompt(model: Any, request: Request) -> int:
    """Return how many prompt tokens the model's context leaves beside the answer."""
    limit = getattr(model.config.get_text_config(), "max_position_embeddings", None) or 1 << 30
    return max(1, limit - request.sampling.max_tokens)


def _shape_of(request: Request) -> tuple[Any, ...]:
    s = request.sampling
    return (s.n, s.temperature, s.top_p, s.max_tokens, s.stop, s.logprobs, request.top_logprobs)


def render_prompt(tokenizer: Any, request: Request) -> str:
    """Return the text that the model reads: the chat template's, or for a model without one the plain contents."""
    if request.raw_prompt:
        return str(request.messages[0]["content"])
    if tokenizer.chat_template is None:
        return "\n\n".join(str(m["content"]) for m in request.messages) + "\n"
    text: str = tokenizer.apply_chat_template(list(request.messages), tokenize=False, add_generation_prompt=True)
    return text
