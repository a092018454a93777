"""Verifiers as rewards: called as TRL's GRPO trainer calls them."""

import inspect

import pytest
from flywheel.errors import RecipeError
from flywheel.judge import as_reward
from flywheel.judge.verifiers import built_in

TRAINER = {"trainer_state": object(), "log_extra": print, "log_metric": print}


def test_texts():
    reward = as_reward(built_in()["math"])
    done = reward(
        prompts=["a", "b", "c"], completions=["#### 7", "#### 8", "#### 9"], completion_ids=[[1], [2], [3]],
        answer=["7", "7", None], **TRAINER,
    )  # fmt: skip
    assert done == [1.0, 0.0, None]
    assert reward.__name__ == "math"
    assert not inspect.iscoroutinefunction(reward)


def test_conversations():
    reward = as_reward(built_in()["math"], {"markers": ["boxed"]}, expected="solution")
    turns = [
        [{"role": "assistant", "content": r"\boxed{7}"}],
        [{"role": "assistant", "content": [{"type": "text", "text": r"\boxed{8}"}]}],
    ]
    prompts = [[{"role": "user", "content": "3 + 4?"}]] * 2
    assert reward(
        prompts=prompts, completions=turns, completion_ids=[[1], [2]], solution=[r"so \boxed{7}", "7"], **TRAINER
    ) == [1.0, 0.0]


def test_other_columns_reach_the_verifier():
    reward = as_reward(built_in()["citations"])
    assert reward(completions=["see [1]", "see [2]"], sources=[["a"], ["a"]], **TRAINER) == [1.0, 0.0]


def test_tool_calls_of_a_message():
    reward = as_reward(built_in()["tool_calls"], expected="calls")
    call = {"type": "function", "function": {"name": "f", "arguments": {"x": 1}}}
    said = [{"role": "assistant", "content": "", "tool_calls": [call]}]
    assert reward(completions=[said], calls=[[{"f": {"x": [1]}}]], **TRAINER) == [1.0]


def test_a_score_between_is_kept():
    assert as_reward(built_in()["f1"])(completions=["black cat"], answer=["cat"]) == [pytest.approx(2 / 3)]


def test_wrong_options_are_refused_at_once():
    with pytest.raises(RecipeError):
        as_reward(built_in()["math"], {"marker": 1})


@pytest.mark.slow
def test_the_real_trainer_reads_what_it_returns():
    from types import SimpleNamespace

    import torch
    from accelerate import PartialState
    from trl import GRPOTrainer

    PartialState()
    rewards = [as_reward(built_in()["math"], expected="answer"), as_reward(built_in()["f1"], expected="answer")]
    trainer = SimpleNamespace(
        accelerator=SimpleNamespace(device=torch.device("cpu"), is_main_process=False), environments=None, state=SimpleNamespace(global_step=0),
        reward_funcs=rewards, reward_processing_classes=[None] * 2, reward_func_names=[r.__name__ for r in rewards],
        _log_completion_extra=print, _log_metric=print, args=SimpleNamespace(report_to=[]),
    )  # fmt: skip
    inputs = [{"prompt": "3 + 4?", "answer": "7"}, {"prompt": "3 + 4?", "answer": "7"}, {"prompt": "?", "answer": None}]
    said = ["#### 7", "#### 8", "#### 9"]
    found = GRPOTrainer._calculate_rewards(trainer, inputs, [i["prompt"] for i in inputs], said, [[1]] * 3)
    assert found[:, 0].tolist()[:2] == [1.0, 0.0]
    assert torch.isnan(found[2]).all()
