"""An lm-eval model that answers through one of our engines and keeps every answer on disk as it comes."""

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from lm_eval.api.instance import Instance
from lm_eval.api.model import LM

from ..errors import StageError
from ..llm import Choice, Reply, Request, Sampling
from ..schema import content_id, utc_now
from ._answerers import MOST_STOPS, Answerer, Likelihood, make_answerer, read_prompt

__all__ = ["RecordingLM", "ShareDone", "make_answerer"]

Answers = dict[str, dict[str, Any]]
"""Recorded replies, by request id."""
WINDOW_BATCHES = 32
"""Log-likelihoods are computed, and put on record, this many batches at a time."""


class ShareDone(Exception):
    """A process has answered its part of a split."""


class RecordingLM(LM):
    """Serves lm-eval from an engine; answers recorded by an interrupted evaluation are not computed again.

    Args:
        answerer: who answers.
        answers_path: JSON lines, one a reply.
        scope: keeps this measurement's requests apart from others.
        on_progress: called with (items done, items in all) after each batch.
        recorded: answers that are there already, by item; then nobody is asked.
        share: which of how many processes this is, that answer between them: the first is 0. None = it answers all.

    Attributes:
        on_answered: called with all requests of a kind and their completions.
        also_used: ids of requests that no item names and that belong on record: a judge's.
        cut: ids of requests whose answer ended at the limit of tokens, and not by itself or at a stop text.
    """

    def __init__(
        self, answerer: Answerer, answers_path: Path, scope: str, on_progress: Callable[[int, int], None],
        recorded: Sequence[str] | None = None, share: Sequence[int] | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self._answerer = answerer
        self._path = answers_path
        self._scope = scope
        self._on_progress = on_progress
        self._recorded = recorded
        self._share = share
        self.answers: Answers = _read_answers(answers_path)
        self._rated: dict[str, Any] = {k: a["rated"] for k, a in self.answers.items() if "rated" in a}
        self.was_asked = False
        self.on_answered: Callable[[list[Instance], list[str]], None] = lambda instances, texts: None
        self.also_used: set[str] = set()
        self.cut: set[str] = set()

    @property
    def context(self) -> int | None:
        """Most tokens of a prompt and its answer together; None where the engine looks after it."""
        return self._answerer.context

    @property
    def tokenizer_name(self) -> str:
        """Name under which lm-eval caches prompts."""
        return self._answerer.identity.model

    def apply_chat_template(self, chat_history: list[dict[str, str]], add_generation_prompt: bool = True) -> str:
        """Render a chat with the model's own template; a model without one reads the plain contents."""
        return self._answerer.render(chat_history, is_open=add_generation_prompt)

    # --- completions -------------------------------------------------------------------------------------------

    def generate_until(self, requests: list[Instance], disable_tqdm: bool = False) -> list[str]:
        """Return a completion for each request."""
        self.was_asked = True
        ask = self._ask if self._recorded is None else lambda given: [self._take_recorded(i) for i in given]
        texts = ask(requests)
        self.on_answered(requests, texts)
        return texts

    def _ask(self, requests: list[Instance]) -> list[str]:
        seen: Counter[str] = Counter()
        mine = []
        for instance in requests:
            request = self.to_request(instance.args[0], instance.args[1])
            repeat = seen[request.request_id]  # a task that asks several times wants different draws
            seen[request.request_id] += 1
            if repeat and request.sampling.temperature:
                request = replace(request, sampling=replace(request.sampling, seed=repeat))
            mine.append(request)
        unique = list({r.request_id: r for r in mine}.values())
        self._answerer.run(lambda: self._answer(unique, self._answerer.stream))
        self._end_share()
        return [self._end(r.request_id, i.args[1]) for r, i in zip(mine, requests, strict=True)]

    def _end(self, request_id: str, gen_kwargs: Mapping[str, Any]) -> str:
        """Return a completion up to its first stop text; one that has none and ran into the limit of tokens is noted."""
        answer = self.answers[request_id]
        text = str(answer["choice"]["text"])
        ended = _cut(text, gen_kwargs)
        if ended == text and answer["choice"]["finish_reason"] == "length":
            self.cut.add(request_id)
            answer["details"] = {"finish_reasons": ["length"]}
        return ended

    def to_request(self, context: str, gen_kwargs: Mapping[str, Any], ordinal: int | None = None) -> Request:
        """Turn lm-eval's arguments into a request: greedy unless the task samples.

        Args:
            context: the prompt.
            gen_kwargs: the task's ``generation_kwargs``.
            ordinal: of the item, where each answers for itself, whatever its prompt.
        """
        sampled = bool(gen_kwargs.get("do_sample"))
        sampling = Sampling(
            temperature=float(gen_kwargs.get("temperature") or 0.0) if sampled else 0.0,
            top_p=float(gen_kwargs.get("top_p") or 1.0),
            max_tokens=int(gen_kwargs.get("max_gen_toks") or 256),
            stop=_stops(gen_kwargs) if self._answerer.is_local else _stops(gen_kwargs)[:MOST_STOPS],
        )
        messages, is_chat = read_prompt(context)
        scope = self._scope if ordinal is None else f"{self._scope}/{ordinal}"
        is_raw = self._answerer.is_local and not is_chat
        return Request(messages, sampling, self._answerer.identity, raw_prompt=is_raw, scope=scope)

    def answer_by(self, judge: Any, requests: list[Request], **marks: str) -> None:
        """Answer requests by another engine: a judge. What is on record is not asked again.

        Args:
            judge: who is asked; it is connected, and closed at the end.
            requests: what.
            marks: ``step``, ``engine`` and ``model`` of the rows.
        """

        async def run() -> None:
            if all(r.request_id in self.answers for r in requests):
                return
            await judge.connect()
            try:
                await self._answer(requests, judge.stream, marks)
            finally:
                await judge.close()

        self._answerer.run(run)
        self.also_used |= {r.request_id for r in requests}

    async def _answer(self, requests: list[Request], stream: Any, marks: Mapping[str, str] | None = None) -> None:
        done = sum(r.request_id in self.answers for r in requests)
        self._on_progress(done, len(requests))
        failed: list[str] = []
        async for replies in stream(requests, self.answers):
            failed += [r.error for r in replies if r.error and r.is_transient]
            self._keep([{**_record(r), **(marks or {})} for r in replies if not (r.error and r.is_transient)])
            done += len(replies)
            self._on_progress(done, len(requests))
        if failed:  # an outage is no wrong answer
            raise StageError(
                f"{len(failed)} of {len(requests)} requests", expected="an answer to each item", received=failed[0],
                cure="the same command asks for what is missing, and for nothing else",
            )  # fmt: skip

    def _keep(self, lines: list[dict[str, Any]]) -> None:
        with self._path.open("a", encoding="utf-8") as stream:
            stream.write("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines))
        self.answers.update({line["request_id"]: line for line in lines})

    def _take_recorded(self, instance: Instance) -> str:
        assert self._recorded is not None
        request, text = (
            self.to_request(instance.args[0], instance.args[1], instance.doc_id),
            self._recorded[instance.doc_id or 0],
        )
        now = utc_now()
        reply = Reply(request, (Choice(text, "stop", 0),), 0, 0, 0, 0.0, now, now)
        self.answers[request.request_id] = _record(reply)
        return text

    # --- log-likelihoods ---------------------------------------------------------------------------------------

    def loglikelihood(self, requests: list[Instance], disable_tqdm: bool = False) -> list[Likelihood]:
        """Return (log-likelihood, is it greedy) of each continuation given its context."""
        return [(float(value), bool(greedy)) for value, greedy in self._rate("loglikelihood", requests)]

    def loglikelihood_rolling(self, requests: list[Instance], disable_tqdm: bool = False) -> list[float]:
        """Return the log-likelihood of each whole text."""
        return [float(value) for value in self._rate("loglikelihood_rolling", requests)]

    def _rate(self, kind: str, instances: list[Instance]) -> list[Any]:
        self.was_asked = True
        unique = {self._rating_id(kind, i.args): i for i in instances}
        ids, size = list(unique), WINDOW_BATCHES * self._answerer.likelihood_batch
        for start in range(0, len(ids), size):
            window = ids[start : start + size]
            if self._share is not None and start // size % self._share[1] != self._share[0]:
                continue
            if any(i not in self._rated for i in window):
                found = dict(zip(window, self._answerer.rate(kind, [unique[i] for i in window]), strict=True))
                self._rated |= found
                self._keep([{"request_id": i, "rated": value} for i, value in found.items()])
            self._on_progress(min(start + size, len(ids)), len(ids))
        self._end_share()
        return [self._rated[self._rating_id(kind, i.args)] for i in instances]

    def _end_share(self) -> None:
        """End an evaluation that was to answer a part: the whole is made of all parts, what none has answered is asked there."""
        if self._share is not None:
            raise ShareDone

    def _rating_id(self, kind: str, arguments: Sequence[Any]) -> str:
        return content_id("rate", [kind, self._scope, list(arguments)])

    # --- what lm-eval logged -----------------------------------------------------------------------------------

    def find_request(self, sample: Mapping[str, Any]) -> str:
        """Return the id of the request behind an item that lm-eval logged.

        Several texts that were rated for one item are one request: its completion is the likeliest of them, its details
        have them all.
        """
        arguments = sample["arguments"]
        calls = [tuple(a.values()) for a in arguments.values()] if isinstance(arguments, dict) else arguments
        if len(calls[0]) > 1 and isinstance(calls[0][1], dict):
            ordinal = None if self._recorded is None else sample["doc_id"]
            return self.to_request(calls[0][0], calls[0][1], ordinal).request_id
        return self._as_request(calls, [r[0] for r in sample["resps"]])

    def _as_request(self, calls: Sequence[Any], values: Sequence[Any]) -> str:
        contexts = [str(c[0]) for c in calls]
        texts = [str(c[-1]) for c in calls]
        likelihoods = [v[0] if isinstance(v, tuple | list) else v for v in values]
        best = likelihoods.index(max(likelihoods))
        request_id = content_id("req", [self._scope, self._answerer.identity.revision, contexts, texts])
        rated = [{"text": t, "logprob": v} for t, v in zip(texts, likelihoods, strict=True)]
        now = utc_now()
        self.answers[request_id] = {
            "request_id": request_id, "messages": list(read_prompt(contexts[best])[0]), "sampling": {"rated": len(rated)},
            "choice": {"text": texts[best], "n_tokens": 0}, "prompt_tokens": 0, "latency_s": None, "created_at": now,
            "answered_at": now, "error": None, "details": {"rated": rated},
        }  # fmt: skip
        return request_id


def _stops(gen_kwargs: Mapping[str, Any]) -> tuple[str, ...]:
    until = gen_kwargs.get("until") or []
    return (until,) if isinstance(until, str) else tuple(until)


def _cut(text: str, gen_kwargs: Mapping[str, Any]) -> str:
    """Return a completion up to the first stop text: endpoints take four of them at most."""
    cuts = [at for stop in _stops(gen_kwargs) if stop and (at := text.find(stop)) >= 0]
    return text[: min(cuts)] if cuts else text


def _record(reply: Reply) -> dict[str, Any]:
    choice = reply.choices[0] if reply.choices else Choice("", "error", 0)
    return {
        "request_id": reply.request.request_id, "messages": list(reply.request.messages),
        "sampling": asdict(reply.request.sampling), "choice": asdict(choice), "prompt_tokens": reply.prompt_tokens,
        "latency_s": reply.latency_s, "created_at": reply.created_at, "answered_at": reply.answered_at,
        "error": reply.error,
    }  # fmt: skip


def _read_answers(path: Path) -> Answers:
    """Read the complete lines of ``path``, and cut off a torn last one."""
    if not path.exists():
        return {}
    data = path.read_bytes()
    whole = data[: data.rfind(b"\n") + 1]
    if len(whole) < len(data):
        path.write_bytes(whole)
    lines = [json.loads(line) for line in whole.split(b"\n") if line]
    return {line["request_id"]: line for line in lines}
