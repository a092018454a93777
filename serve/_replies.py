"""OpenAI's reply objects of what the in-process engine says."""

import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ..llm import Answer, TokenChances, Told
from ._calls import Call


@dataclass
class Writer:
    """Writes the objects of one reply: all have its id, time and model.

    Args:
        call: what was asked.
        model: id of the checkpoint that answers.
    """

    call: Call
    model: str
    reply_id: str = field(default_factory=lambda: secrets.token_hex(12))
    created: int = field(default_factory=lambda: int(time.time()))

    def whole(self, answers: Sequence[Answer]) -> dict[str, Any]:
        """Return the reply to a call that wants it at once."""
        kind = "chat.completion" if self.call.is_chat else "text_completion"
        told = [c for a in answers for c in a.choices]
        return {
            **self._head(kind),
            "choices": [self._choice(i, c) for i, c in enumerate(told)],
            "usage": usage_of(answers),
        }

    def opening(self, index: int) -> dict[str, Any] | None:
        """Return the chunk that says who speaks; completions have none."""
        return self._chunk(index, {"role": "assistant", "content": ""}, None) if self.call.is_chat else None

    def piece(self, index: int, text: str) -> dict[str, Any]:
        """Return the chunk of a piece of text."""
        return self._chunk(index, {"content": text}, None)

    def ending(self, index: int, told: Told) -> dict[str, Any]:
        """Return the chunk that says why the text ends, with the log-probabilities of all its tokens."""
        chunk = self._chunk(index, {"content": ""} if not self.call.is_chat else {}, told.finish_reason)
        chunk["choices"][0]["logprobs"] = self._logprobs(told)
        return chunk

    def usage(self, answers: Sequence[Answer]) -> dict[str, Any]:
        """Return the chunk that counts tokens."""
        return {**self._head(self._chunk_kind), "choices": [], "usage": usage_of(answers)}

    # --- inside ------------------------------------------------------------------------------------------------

    @property
    def _chunk_kind(self) -> str:
        return "chat.completion.chunk" if self.call.is_chat else "text_completion"

    def _head(self, kind: str) -> dict[str, Any]:
        prefix = "chatcmpl" if self.call.is_chat else "cmpl"
        return {"id": f"{prefix}-{self.reply_id}", "object": kind, "created": self.created, "model": self.model}

    def _chunk(self, index: int, delta: dict[str, Any], reason: str | None) -> dict[str, Any]:
        said = {"delta": delta} if self.call.is_chat else {"text": delta["content"]}
        choice = {"index": index, **said, "logprobs": None, "finish_reason": reason}
        return {**self._head(self._chunk_kind), "choices": [choice]}

    def _choice(self, index: int, told: Told) -> dict[str, Any]:
        message = {"role": "assistant", "content": told.text, "refusal": None}
        said = {"message": message} if self.call.is_chat else {"text": told.text}
        return {"index": index, **said, "logprobs": self._logprobs(told), "finish_reason": told.finish_reason}

    def _logprobs(self, told: Told) -> dict[str, Any] | None:
        if not self.call.sampling.logprobs:
            return None
        likely = told.likely or tuple((text, ()) for text, _ in told.tokens)
        return _of_chat(told, likely) if self.call.is_chat else _of_text(told, likely)


def usage_of(answers: Sequence[Answer]) -> dict[str, int]:
    """Return the counts of tokens."""
    asked, said = sum(a.prompt_tokens for a in answers), sum(a.completion_tokens for a in answers)
    return {"prompt_tokens": asked, "completion_tokens": said, "total_tokens": asked + said}


def _of_chat(told: Told, likely: Sequence[TokenChances]) -> dict[str, Any]:
    content = [
        {**_token(text, logprob), "top_logprobs": [_token(*t) for t in top]}
        for (text, logprob), (_, top) in zip(told.tokens, likely, strict=True)
    ]
    return {"content": content, "refusal": None}


def _of_text(told: Told, likely: Sequence[TokenChances]) -> dict[str, Any]:
    offsets, at = [], 0
    for text, _ in told.tokens:
        offsets.append(at)
        at += len(text)
    return {
        "tokens": [t for t, _ in told.tokens], "token_logprobs": [p for _, p in told.tokens],
        "top_logprobs": [dict(top) for _, top in likely], "text_offset": offsets,
    }  # fmt: skip


def _token(text: str, logprob: float) -> dict[str, Any]:
    return {"token": text, "logprob": logprob, "bytes": list(text.encode())}
