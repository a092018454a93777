"""Who is scored when a person asks: a checkpoint through an engine, an endpoint's model, or a file of recorded answers."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..errors import InputError, RecipeError
from ..eval import Split, Subject
from ..schema import content_id
from ..store import read_source
from ._checkpoints import Checkpoints, checkpoint_row
from ._engines import Engines

ANSWER_KEYS = ("completion", "answer", "predicted_label", "prediction", "response", "output", "text")
"""Under which of these a recorded answer stands; the first that a row has."""

KIND_OF = {"endpoint": "openai", "recorded": "recorded"}
"""Engine by the stage of a checkpoint that has no weights here."""


def find_subject(checkpoints: Checkpoints, engines: Engines, name: str | None, kind: str) -> Subject:
    """Return a checkpoint as it is scored through an engine of ``kind``, ``local`` or ``vllm``.

    Args:
        checkpoints: the run's.
        engines: the recipe's.
        name: see :meth:`Checkpoints.find`.
        kind: of the engine.

    Raises:
        NotFoundError: there is no such checkpoint.
    """
    if name is not None and (known := checkpoints.find_without_weights(name)):
        checkpoint_id, stage, called = known
        return Subject(checkpoint_id, called, {"kind": KIND_OF[stage], "batch_size": 1})
    model = checkpoints.resolve(checkpoints.find(name))
    assert model.checkpoint_id is not None
    return Subject(model.checkpoint_id, model.name, engines.describe(kind), model)


def endpoint_subject(checkpoints: Checkpoints, engines: Engines) -> Subject:
    """Return the endpoint's model, put on record by its name.

    Raises:
        EndpointError: the endpoint does not answer, or refuses.
    """
    identity = asyncio.run(engines.find_model())
    checkpoint_id = content_id("ckpt", ["openai", identity.model, identity.revision])
    checkpoints.record(checkpoint_row(checkpoint_id, "endpoint", f"endpoint:{identity.model}", identity.model))
    return Subject(checkpoint_id, identity.model, {**engines.describe("openai"), "model": identity.model})


def recorded_subject(checkpoints: Checkpoints, file: Path, splits: Sequence[Split]) -> Subject:
    """Return answers that are recorded in a file, put on record by their content.

    Args:
        checkpoints: the run's.
        file: JSONL, one answer a row, under one of :data:`ANSWER_KEYS`; matched by ``id`` where both sides have one, else in
            order.
        splits: the one split that they answer.

    Raises:
        InputError: a row without an answer, or not one answer for each item.
        RecipeError: several splits are asked for.
    """
    if len(splits) != 1:
        raise RecipeError(
            f"--answers {file}", expected="one split, which the file answers", received=f"{len(splits)} splits",
            cure="name the suite with --suite, and its split with --split gate or --split report",
        )  # fmt: skip
    (split,) = splits
    texts = _match(_read_answers(file), split, file)
    checkpoint_id = content_id("ckpt", ["recorded", texts])
    checkpoints.record(checkpoint_row(checkpoint_id, "recorded", str(file), file.stem))
    engine = {"kind": "recorded", "batch_size": 1, "name": file.stem, "revision": checkpoint_id}
    return Subject(checkpoint_id, file.stem, engine, recorded={(split.suite.name, split.name): texts})


def _read_answers(file: Path) -> list[tuple[str | None, str]]:
    return [
        _read_answer(r.row, r.fault, f"{file}:{r.ordinal + 1}")
        for r in read_source(str(file), Path(), cure="check --answers")
    ]


def _read_answer(row: dict[str, Any], fault: str | None, place: str) -> tuple[str | None, str]:
    found = next((row[k] for k in ANSWER_KEYS if isinstance(row.get(k), str)), None)
    if found is None:
        raise InputError(
            place, expected=f"an answer as text under one of {', '.join(ANSWER_KEYS)}",
            received=fault or f"columns {', '.join(row) or 'none'}", cure="rename the column of the answers",
        )  # fmt: skip
    return (None if row.get("id") is None else str(row["id"])), found


def _match(answers: list[tuple[str | None, str]], split: Split, file: Path) -> list[str]:
    """Return the answers in the order of the split's rows."""
    ids = [None if row.get("id") is None else str(row["id"]) for row in split.rows]
    by_id = dict(answers)
    if None not in ids and None not in by_id:
        missing = [i for i in ids if i not in by_id]
        if not missing:
            return [by_id[i] for i in ids]
        raise InputError(
            f"--answers {file}", expected=f"an answer to each item of {split.suite.name}/{split.name}",
            received=f"none for {len(missing)} of {len(ids)}, the first with id {missing[0]}", cure="answer these too, or slice the suite",
        )  # fmt: skip
    if len(answers) != len(ids):
        raise InputError(
            f"--answers {file}", expected=f"{len(ids)} answers, one for each item of {split.suite.name}/{split.name}",
            received=f"{len(answers)}", cure="give ids to both sides, or as many answers in the order of the items",
        )  # fmt: skip
    return [text for _, text in answers]
