"""An lm-eval model that answers through the ``local`` engine and keeps every answer on disk as it comes."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lm_eval.api.instance import Instance
from lm_eval.api.model import LM

from ..errors import RecipeError
from ..llm import Choice, LocalEngine, Reply, Request, Sampling, as_messages

Answers = dict[str, dict[str, Any]]
"""Recorded replies, by request id."""


class RecordingLM(LM):
    """Serves lm-eval from an engine; answers recorded by an interrupted evaluation are not computed again.

    Args:
        engine: what answers.
        answers_path: JSON lines, one a reply.
        scope: keeps this measurement's requests apart from others.
        on_progress: called with (items done, items in all) after each batch.
    """

    def __init__(
        self, engine: LocalEngine, answers_path: Path, scope: str, on_progress: Callable[[int, int], None]
    ) -> None:
        super().__init__()
        self._engine = engine
        self._path = answers_path
        self._scope = scope
        self._on_progress = on_progress
        self.answers: Answers = _read_answers(answers_path)
        self.was_asked = False

    @property
    def tokenizer_name(self) -> str:
        """Name under which lm-eval caches prompts."""
        return self._engine.identity.model

    def apply_chat_template(self, chat_history: list[dict[str, str]], add_generation_prompt: bool = True) -> str:
        """Render a chat with the model's own template; a model without one reads the plain contents."""
        _, tokenizer, _ = self._engine.load()
        if tokenizer.chat_template is None:
            return "\n\n".join(m["content"] for m in chat_history)
        text: str = tokenizer.apply_chat_template(
            chat_history, tokenize=False, add_generation_prompt=add_generation_prompt,
            continue_final_message=not add_generation_prompt,
        )  # fmt: skip
        return text

    def generate_until(self, requests: list[Instance], disable_tqdm: bool = False) -> list[str]:
        """Return a completion for each request."""
        self.was_asked = True
        mine = [self.to_request(*instance.args) for instance in requests]
        unique = list({r.request_id: r for r in mine}.values())
        asyncio.run(self._answer(unique))
        return [str(self.answers[r.request_id]["choice"]["text"]) for r in mine]

    def to_request(self, context: str, gen_kwargs: dict[str, Any]) -> Request:
        """Turn lm-eval's arguments into a request: greedy unless the task samples."""
        until = gen_kwargs.get("until") or []
        stop = (until,) if isinstance(until, str) else tuple(until)
        sampled = bool(gen_kwargs.get("do_sample"))
        sampling = Sampling(
            temperature=float(gen_kwargs.get("temperature") or 0.0) if sampled else 0.0,
            top_p=float(gen_kwargs.get("top_p") or 1.0),
            max_tokens=int(gen_kwargs.get("max_gen_toks") or 256),
            stop=stop,
        )
        return Request(as_messages(context), sampling, self._engine.identity, raw_prompt=True, scope=self._scope)

    def loglikelihood(self, requests: list[Instance]) -> list[tuple[float, bool]]:
        """Not served: tasks that rank given continuations."""
        raise _unsupported("loglikelihood")

    def loglikelihood_rolling(self, requests: list[Instance]) -> list[float]:
        """Not served: perplexity tasks."""
        raise _unsupported("loglikelihood_rolling")

    async def _answer(self, requests: list[Request]) -> None:
        done = sum(r.request_id in self.answers for r in requests)
        self._on_progress(done, len(requests))
        with self._path.open("a", encoding="utf-8") as stream:
            async for replies in self._engine.stream(requests, self.answers):
                lines = [_record(r) for r in replies]
                stream.write("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines))
                stream.flush()
                self.answers.update({line["request_id"]: line for line in lines})
                done += len(replies)
                self._on_progress(done, len(requests))


def _unsupported(kind: str) -> RecipeError:
    return RecipeError(
        "suite task",
        expected="a task whose output_type is generate_until",
        received=kind,
        cure="choose the generative variant of the task",
    )


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
