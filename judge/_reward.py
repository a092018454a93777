"""Verifiers as reward functions of TRL's GRPO trainer."""

from collections.abc import Callable, Mapping
from typing import Any

from ._completion import text_of
from .verifiers import Case, Verifier, complete_options, run_verifier

Reward = Callable[..., list[float | None]]


def as_reward(verifier: Verifier, options: Mapping[str, Any] | None = None, *, expected: str = "answer") -> Reward:
    """Return a function that rewards completions by the verdicts of ``verifier``: for ``GRPOTrainer(reward_funcs=[…])``.

    The trainer calls it with ``prompts``, ``completions`` and every other column of the data set, each a list with one
    value a completion, and with things of its own that are no columns (``trainer_state``, ``log_metric``). A completion is
    a text or, of a conversational data set, a list of messages. (trl 1.16, ``GRPOTrainer._calculate_rewards``.)

    Args:
        verifier: see :func:`find_verifier`.
        options: of the verifier; defaults are filled in.
        expected: the column with the reference.

    Returns:
        A function to rewards: the verdict's score, 0 to 1; 1 or 0 where it has none; None for an abstention, which the
        trainer leaves out.

    Raises:
        RecipeError: the options are wrong.
    """
    complete = complete_options(verifier, options or {})

    def reward(completions: list[Any], **columns: Any) -> list[float | None]:
        n = len(completions)
        known = {
            name: v for name, v in columns.items() if isinstance(v, list | tuple) and len(v) == n and name != "prompts"
        }
        known.pop("completion_ids", None)
        prompts = columns.get("prompts") or [()] * n
        cases = (
            Case(text_of(said), known[expected][i] if expected in known else None, {k: v[i] for k, v in known.items()},
                 prompt=_messages(prompts[i]))
            for i, said in enumerate(completions)
        )  # fmt: skip
        verdicts = [run_verifier(verifier, case, complete) for case in cases]
        return [None if v.passed is None else float(v.passed) if v.score is None else v.score for v in verdicts]

    reward.__name__ = verifier.name  # the trainer logs rewards under it
    return reward


def _messages(prompt: Any) -> list[dict[str, Any]]:
    return [{"role": "user", "content": prompt}] if isinstance(prompt, str) else list(prompt)
