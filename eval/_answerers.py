"""Who answers an evaluation: the model in this process, a vLLM server of its own, any endpoint, or a file of answers.

Engines are those of :mod:`flywheel.llm`. What only a model in this process can do (the log-likelihood of a given text) is
lm-eval's own code on that model, so that figures are the same as lm-eval's.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Container, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import RecipeError
from ..llm import (
    Engine,
    LocalEngine,
    ModelIdentity,
    OpenAIEngine,
    Reply,
    Request,
    ResolvedModel,
    ServerSettings,
    VllmEngine,
    as_messages,
)

CHAT = "\x00chat"
"""Begins a prompt that is a chat in JSON: an endpoint applies its model's template itself."""
MOST_STOPS = 4
"""Stop texts that OpenAI's endpoints take; the others are cut off here."""
LIKELIHOOD_BATCH = 16
"""Most texts whose log-likelihood is computed together: their logits over the whole vocabulary are in memory at once."""

Likelihood = tuple[float, bool]
"""Log-likelihood of a text (natural log), and whether greedy decoding would give it."""


class Answerer:
    """Answers requests by an engine.

    Args:
        engine: who answers.
        local: the model in this process; None where there is none.
        batch_size: most texts decoded together.
    """

    def __init__(self, engine: Engine, local: LocalEngine | None, batch_size: int) -> None:
        self._engine = engine
        self._local = local
        self._batch_size = batch_size
        self._likelihoods: Any = None
        self._loop = asyncio.new_event_loop()

    @property
    def identity(self) -> ModelIdentity:
        """Who answers, as requests name it."""
        return self._engine.identity

    @property
    def is_local(self) -> bool:
        """Whether prompts are finished texts."""
        return self._engine is self._local

    @property
    def context(self) -> int | None:
        """Most tokens that the model in this process reads and writes; None of any other, and where its config does not say."""
        if not self.is_local:
            return None
        assert self._local is not None
        model, _, _ = self._local.load()
        found: int | None = getattr(model.config.get_text_config(), "max_position_embeddings", None)
        return found

    @property
    def likelihood_batch(self) -> int:
        """How many log-likelihoods are computed together."""
        return max(1, min(self._batch_size, LIKELIHOOD_BATCH))

    def render(self, chat: list[dict[str, str]], *, is_open: bool) -> str:
        """Return a chat as a prompt: by the model's own template, or for an endpoint as it is.

        Args:
            chat: the messages.
            is_open: the model begins a new message; else it continues the last one.
        """
        if not self.is_local:
            return as_chat(chat)
        assert self._local is not None
        _, tokenizer, _ = self._local.load()
        if tokenizer.chat_template is None:
            return "\n\n".join(m["content"] for m in chat)
        text: str = tokenizer.apply_chat_template(
            chat, tokenize=False, add_generation_prompt=is_open, continue_final_message=not is_open
        )
        return text

    def run(self, work: Callable[[], Any]) -> Any:
        """Run a coroutine function to its end, all in one event loop: connections live in it."""
        return self._loop.run_until_complete(work())

    async def stream(self, requests: Sequence[Request], answered: Container[str]) -> AsyncIterator[list[Reply]]:
        """See :class:`~flywheel.llm.Engine`."""
        if isinstance(self._engine, OpenAIEngine) and not self._engine.identity.model:
            raise RecipeError(
                "engine.model",
                expected="the name of the model that is scored",
                received="none",
                cure="set engine.model",
            )
        async for replies in self._engine.stream(requests, answered):
            yield replies

    def rate(self, kind: str, instances: Sequence[Any]) -> list[Any]:
        """Return what lm-eval's own Hugging Face model makes of ``instances``.

        Args:
            kind: ``loglikelihood`` or ``loglikelihood_rolling``.
            instances: lm-eval's.

        Raises:
            RecipeError: the model is not in this process.
        """
        if self._local is None:
            raise RecipeError(
                "suite task", expected="a task whose output_type is generate_until: an endpoint gives no log-likelihoods",
                received=kind, cure="score it on a checkpoint, or choose the generative variant of the task",
            )  # fmt: skip
        if self._likelihoods is None:
            from lm_eval.models.huggingface import HFLM

            model, tokenizer, _ = self._local.load()
            self._likelihoods = HFLM(pretrained=model, tokenizer=tokenizer, batch_size=self.likelihood_batch)
        return list(getattr(self._likelihoods, kind)(list(instances), disable_tqdm=True))

    def close(self) -> None:
        """Free the model, or stop the server, and wait until it is gone."""
        self._loop.run_until_complete(self._engine.close())
        self._loop.close()


class Recorded:
    """An engine that asks nobody: the answers are there."""

    is_batched = False

    def __init__(self, name: str, revision: str) -> None:
        self.identity = ModelIdentity("recorded", name, revision)

    async def stream(self, requests: Any, answered: Container[str]) -> AsyncIterator[list[Reply]]:
        """Yield nothing."""
        return
        yield

    async def close(self) -> None:
        """Do nothing."""


def make_answerer(job: dict[str, Any], *, on_tokens: Callable[[int], None], on_note: Callable[[str], None]) -> Answerer:
    """Return who answers ``job``.

    Raises:
        EndpointError: the endpoint does not answer, or refuses.
    """
    engine, kind = dict(job["engine"]), job["engine"]["kind"]
    batch_size, project = engine["batch_size"], Path(job["project"])
    if kind == "openai":
        remote = OpenAIEngine(base_url=engine["base_url"], model=engine["model"], folder=project, **engine["manners"])
        answerer = Answerer(remote, None, batch_size)
        answerer.run(remote.connect)
        return answerer
    if kind == "recorded":
        return Answerer(Recorded(engine["name"], engine["revision"]), None, batch_size)
    model = ResolvedModel(**job["model"])
    share = tuple(job.get("share") or (0, 1))
    local = LocalEngine(
        model, batch_size=batch_size, on_tokens=on_tokens, cut_prompts=True, folder=project, share=(share[0], share[1])
    )
    if kind == "local":
        return Answerer(local, local, batch_size)
    given = {**engine["server"], "logs": Path(engine["server"]["logs"]), "base": Path(engine["server"]["base"])}
    served = VllmEngine(model, ServerSettings(**given), on_note=on_note, folder=project, **engine["manners"])
    return Answerer(served, local, batch_size)


def as_chat(messages: Sequence[Mapping[str, Any]]) -> str:
    """Return messages as a prompt for :func:`read_prompt`: whoever answers applies the model's template, and sees the images."""
    return CHAT + json.dumps(messages, ensure_ascii=False)


def read_prompt(context: str) -> tuple[tuple[dict[str, Any], ...], bool]:
    """Return the messages of a prompt as lm-eval hands it on, and whether it is a chat."""
    if context.startswith(CHAT):
        return tuple(json.loads(context.removeprefix(CHAT))), True
    return as_messages(context), False
