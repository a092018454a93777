"""One in-process model that answers many callers: their requests are decoded together, and texts are told as they come.

One worker thread has the model and the tokenizer to itself. Requests that wait together and are sampled alike make one batch;
each has its own length and its own stream of random numbers, so that what it gets does not depend on its neighbours.
"""

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from typing import Any

from ..errors import InputError
from ._local import LocalEngine, render_prompt
from ._types import Request, Sampling, TokenChances

log = logging.getLogger(__name__)

OnText = Callable[[int, str], None]
"""Called in the worker's thread with the draw and what it says next."""


@dataclass(frozen=True)
class Told:
    """One completion. ``tokens``: text and log-probability (natural log) of each token; ``likely``: see
    :class:`~flywheel.llm.Choice`. Both where they were asked for.
    """

    text: str
    finish_reason: str
    n_tokens: int
    tokens: tuple[tuple[str, float], ...] = ()
    likely: tuple[TokenChances, ...] = ()


@dataclass(frozen=True)
class Answer:
    """The completions of one request."""

    choices: tuple[Told, ...]
    prompt_tokens: int

    @property
    def completion_tokens(self) -> int:
        """Tokens of all completions together."""
        return sum(c.n_tokens for c in self.choices)


@dataclass
class Ticket:
    """A request on its way. A ticket that is cancelled frees its place in the batch at the next token."""

    request: Request
    on_text: OnText | None
    future: "Future[Answer]" = field(default_factory=Future)
    is_cancelled: bool = False
    tokens: list[int] = field(default_factory=list)
    most_tokens: int = 0

    def cancel(self) -> None:
        """Nobody waits for the answer any more."""
        self.is_cancelled = True


class LocalServer:
    """Answers requests by one model, in one thread.

    Args:
        engine: the model; not used by anybody else meanwhile.
        batch_size: most sequences decoded together.
    """

    def __init__(self, engine: LocalEngine, batch_size: int = 64) -> None:
        self._engine = engine
        self._batch_size = batch_size
        self._waiting: deque[Ticket] = deque()
        self._news = threading.Condition()
        self._is_closed = False
        self._worker = threading.Thread(target=self._work, name="local-server", daemon=True)

    def start(self) -> None:
        """Load the model and begin to answer.

        Raises:
            NotFoundError: there is no such model.
        """
        self._engine.load()
        self._worker.start()

    def submit(self, request: Request, on_text: OnText | None = None) -> Ticket:
        """Queue a request. Of its sampling, ``max_tokens`` 0 means: as many as the model has room for.

        The ticket's future raises :class:`~flywheel.errors.InputError` for a prompt that the model cannot take.
        """
        ticket = Ticket(request, on_text)
        with self._news:
            self._waiting.append(ticket)
            self._news.notify()
        return ticket

    def close(self) -> None:
        """Answer what is queued, end the thread and free the model."""
        with self._news:
            self._is_closed = True
            self._news.notify()
        if self._worker.is_alive():
            self._worker.join()

    # --- the worker's thread -----------------------------------------------------------------------------------

    def _work(self) -> None:
        while batch := self._next_batch():
            try:
                _Batch(self._engine.load(), batch).answer()
            except Exception as error:  # noqa: BLE001 - told to those who wait; the others go on
                log.warning("a batch of %d requests failed: %s", len(batch), error)
                for ticket in batch:
                    if not ticket.future.done():
                        ticket.future.set_exception(error)
        self._engine.unload()

    def _next_batch(self) -> list[Ticket]:
        """Wait for requests and return those that are decoded next; none when the server is closed."""
        while True:
            with self._news:
                while not self._waiting and not self._is_closed:
                    self._news.wait()
                if not self._waiting:
                    return []
                batch = self._take_alike()
            if readable := [t for t in batch if self._read(t)]:
                return readable

    def _take_alike(self) -> list[Ticket]:
        """Take the oldest request, and those behind it that are sampled like it, as far as there is room."""
        shape, room = _shape_of(self._waiting[0].request), self._batch_size
        batch: list[Ticket] = []
        left: list[Ticket] = []
        for ticket in self._waiting:
            n = ticket.request.sampling.n
            if _shape_of(ticket.request) == shape and (n <= room or not batch):
                batch.append(ticket)
                room -= n
            else:
                left.append(ticket)
        self._waiting = deque(left)
        return batch

    def _read(self, ticket: Ticket) -> bool:
        """Encode a request's prompt; False when it is not wanted any more, or cannot be taken."""
        if ticket.is_cancelled or not ticket.future.set_running_or_notify_cancel():
            return False
        try:
            ticket.tokens, ticket.most_tokens = self._encode(ticket.request)
        except Exception as error:  # noqa: BLE001 - whatever a model's own template raises is the prompt's fault
            ticket.future.set_exception(error if isinstance(error, InputError) else _unreadable(error))
            return False
        return True

    def _encode(self, request: Request) -> tuple[list[int], int]:
        """Return the prompt's tokens, and how many may follow them."""
        model, tokenizer, _ = self._engine.load()
        tokens: list[int] = tokenizer.encode(render_prompt(tokenizer, request), add_special_tokens=False)
        window = getattr(model.config, "max_position_embeddings", None) or 1 << 30
        wanted = request.sampling.max_tokens
        if not tokens:
            raise InputError("prompt", expected="some text", received="no tokens", cure="say something")
        if len(tokens) + max(wanted, 1) > window:
            asked = f"{len(tokens)} in the prompt" + (f" and max_tokens = {wanted}" if wanted else "")
            raise InputError(
                "prompt", expected=f"at most {window} tokens together, the model's context window", received=asked,
                cure="shorten the prompt, or ask for fewer max_tokens",
            )  # fmt: skip
        return tokens, wanted or window - len(tokens)


def _unreadable(error: Exception) -> InputError:
    return InputError(
        "messages", expected="what the model's chat template takes", received=f"{type(error).__name__}: {error}",
        cure="check roles, their order, and that each content is text",
    )  # fmt: skip


def _shape_of(request: Request) -> tuple[Any, ...]:
    s = request.sampling
    return (s.n, s.temperature, s.top_p, s.stop, s.logprobs, request.top_logprobs)


class _Batch:
    """Requests that are decoded together."""

    def __init__(self, loaded: tuple[Any, Any, frozenset[int]], tickets: Sequence[Ticket]) -> None:
        self._model, self._tokenizer, self._end_ids = loaded
        self._tickets = tickets
        self._n = tickets[0].request.sampling.n
        self._speakers = [_Speaker(self._tokenizer, t.request.sampling) for t in tickets for _ in range(self._n)]

    def answer(self) -> None:
        from ._decode import Job, decode

        most = max(t.most_tokens for t in self._tickets)
        jobs = [
            Job(t.request.request_id, t.tokens, replace(t.request.sampling, max_tokens=most), t.request.top_logprobs)
            for t in self._tickets
        ]
        decoded = decode(self._model, self._tokenizer, jobs, end_ids=self._end_ids, watch=self._see)
        for i, (ticket, choices) in enumerate(zip(self._tickets, decoded, strict=True)):
            told = []
            for draw, choice in enumerate(choices):
                speaker = self._speakers[i * self._n + draw]
                if ticket.on_text and (rest := speaker.rest(choice.text)):
                    ticket.on_text(draw, rest)
                told.append(Told(choice.text, choice.finish_reason, choice.n_tokens, speaker.spell(), choice.tokens))
            ticket.future.set_result(Answer(tuple(told), len(ticket.tokens)))

    def _see(self, row: int, tokens: list[int], logprob: float | None) -> bool:
        ticket, speaker = self._tickets[row // self._n], self._speakers[row]
        speaker.hear(tokens, logprob)
        if ticket.on_text and (text := speaker.say()):
            ticket.on_text(row % self._n, text)
        return len(tokens) < ticket.most_tokens and not ticket.is_cancelled


class _Speaker:
    """Turns one row's tokens into text piece by piece: never half a character, never a part of a text that stops it."""

    def __init__(self, tokenizer: Any, sampling: Sampling) -> None:
        self._tokenizer = tokenizer
        self._stop = sampling.stop
        self._ids: list[int] = []
        self._logprobs: list[float] = []
        self._from = self._read = 0
        self._text = ""
        self._said = 0

    def hear(self, ids: list[int], logprob: float | None) -> None:
        """Take the tokens so far."""
        self._ids = ids
        if logprob is not None:
            self._logprobs.append(logprob)

    def say(self) -> str:
        """Return what can be said since the last call."""
        known, now = self._decode(self._from, self._read), self._decode(self._from, len(self._ids))
        if now.endswith("�") or len(now) <= len(known):
            return ""
        self._text += now[len(known) :]
        self._from, self._read = self._read, len(self._ids)
        end = self._find_end()
        said, self._said = self._text[self._said : end], max(self._said, end)
        return said

    def rest(self, text: str) -> str:
        """Return what is left to say of the whole text."""
        said = self._text[: self._said]
        if not text.startswith(said):
            log.debug("a text was told otherwise than it ends up: %r, %r", said, text)
            return ""
        return text[len(said) :]

    def spell(self) -> tuple[tuple[str, float], ...]:
        """Return text and log-probability of each token."""
        if not self._logprobs:
            return ()
        texts = self._tokenizer.batch_decode([[i] for i in self._ids], skip_special_tokens=True)
        return tuple(zip(texts, self._logprobs[: len(texts)], strict=True))

    def _decode(self, start: int, end: int) -> str:
        text: str = self._tokenizer.decode(self._ids[start:end], skip_special_tokens=True)
        return text

    def _find_end(self) -> int:
        """Return up to where the text holds no stop and no beginning of one."""
        found = [at for s in self._stop if (at := self._text.find(s)) >= 0]
        if found:
            return min(found)
        longest = max((len(s) for s in self._stop), default=1) - 1
        for n in range(min(longest, len(self._text)), 0, -1):
            if any(s.startswith(self._text[-n:]) for s in self._stop):
                return len(self._text) - n
        return len(self._text)
