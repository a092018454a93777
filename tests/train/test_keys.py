import importlib.util

import pytest
from flywheel.errors import RecipeError
from flywheel.train import METHODS, check_keys, valid_keys
from support_train import SEED_MODEL, train_here


def test_trl_and_transformers_names_are_known():
    assert {"learning_rate", "max_length", "packing", "num_train_epochs", "optim"} <= set(valid_keys("sft"))
    assert {"beta", "loss_type", "loss_weights", "precompute_ref_log_probs"} <= set(valid_keys("dpo"))


def test_the_keys_read_from_source_are_those_of_the_classes():
    from dataclasses import fields

    import trl

    for method, cls in (("sft", trl.SFTConfig), ("dpo", trl.DPOConfig)):
        real = {f.name for f in fields(cls) if not f.name.startswith("_")}
        assert set(valid_keys(method)) <= real
        assert {"learning_rate", "max_length"} <= real


@pytest.mark.parametrize(
    ("method", "key", "cure"),
    [
        ("sft", "learning_rat", "did you mean 'learning_rate'?"),
        ("dpo", "betta", "did you mean 'beta'?"),
        ("sft", "beta", "it is a key of train.dpo, train.kto, train.grpo: move it there"),
        ("sft", "lora_dropout", "it is a key of train.peft: move it there"),
        ("sft", "wandb", "remove the key"),
        ("sft", "kl_coef", "it is 'beta' of train.dpo, train.kto, train.grpo: move it there"),
        ("sft", "lora_r", "it is 'r' of train.peft"),
        ("dpo", "kl_coef", "did you mean 'beta'?"),
        ("grpo", "kl_coeff", "did you mean 'beta'?"),
        ("sft", "batch", "did you mean 'per_device_train_batch_size'?"),
        ("kto", "gradient_clipping", "did you mean 'max_grad_norm'?"),
        ("sft", "lr", "did you mean 'learning_rate'?"),
        ("sft", "batch_size", "did you mean 'per_device_train_batch_size'?"),
        ("classify", "batch-size", "did you mean 'per_device_train_batch_size'?"),
        ("dpo", "epochs", "did you mean 'num_train_epochs'?"),
        ("sft", "max_seq_length", "did you mean 'max_length'?"),
        ("grpo", "max_tokens", "did you mean 'max_completion_length'?"),
        ("sft", "output_dir", "flywheel sets it"),
    ],
)
def test_unknown_keys_are_refused(method, key, cure):
    with pytest.raises(RecipeError) as caught:
        check_keys(method, {key: 1})
    assert cure in caught.value.cure
    assert f"train.{method}.{key}" in caught.value.place


@pytest.mark.parametrize(
    ("method", "given", "expected", "cure"),
    [
        ("sft", {"lr_scheduler_type": "cosin"}, "one of linear, cosine", "did you mean 'cosine'?"),
        ("sft", {"optim": "adam"}, "adamw_torch", "did you mean 'adamw_torch'?"),
        ("sft", {"num_train_epochs": "lots"}, "a number", "set train.sft.num_train_epochs to a number"),
        ("sft", {"learning_rate": -1}, "0 or more", "set train.sft.learning_rate"),
        ("sft", {"per_device_train_batch_size": 0}, "above 0", "set"),
        ("sft", {"per_device_train_batch_size": 1.5}, "a whole number", "set"),
        ("sft", {"max_length": "long"}, "a whole number or null", "set"),
        ("sft", {"packing": "maybe"}, "true or false", "set"),
        ("sft", {"loss_type": "nil"}, "one of nll, dft", "did you mean 'nll'?"),
        ("sft", {"learning_rate": True}, "a number", "set"),
        ("dpo", {"loss_type": ["sigmod", "sft"]}, "one of sigmoid, hinge", "did you mean 'sigmoid'?"),
        ("dpo", {"loss_type": "sigmod"}, "one of sigmoid", "did you mean 'sigmoid'?"),
        ("dpo", {"loss_type": ["sigmoid", "sft"], "loss_weights": [1.0]}, "2 weights", "set"),
        ("dpo", {"loss_weights": ["a"]}, "a list of numbers", "set"),
        ("dpo", {"beta": -0.1}, "0 or more", "set"),
    ],
)
def test_values_that_trl_cannot_take_are_refused_without_loading_it(method, given, expected, cure):
    with pytest.raises(RecipeError) as caught:
        check_keys(method, given)
    assert f"train.{method}." in caught.value.place
    assert expected in caught.value.expected
    assert cure in caught.value.cure


@pytest.mark.parametrize(
    ("method", "given"),
    [
        ("sft", {"lr_scheduler_type": "cosine", "learning_rate": 1, "max_length": None, "optim": "adamw_torch"}),
        ("sft", {"warmup_steps": 0.1, "gradient_checkpointing_kwargs": {"use_reentrant": False}, "neftune_noise_alpha": 5}),
        ("sft", {"eval_strategy": "no", "logging_strategy": "steps", "optim_target_modules": ["a"], "bf16": None}),
        ("dpo", {"loss_type": "sigmoid", "beta": 0, "model_init_kwargs": {"dtype": "float32"}, "debug": "x"}),
        ("dpo", {"loss_type": ["sigmoid", "sft"], "loss_weights": [1, 0.2]}),
        ("dpo", {"loss_type": "ipo", "loss_weights": [1.0]}),
    ],
)  # fmt: skip
def test_values_that_trl_takes_pass(method, given):
    check_keys(method, given)


def test_every_default_of_trl_passes():
    """What TRL itself sets must be allowed: its source says all that is checked."""
    from dataclasses import MISSING, fields

    import trl

    for method, cls in (("sft", trl.SFTConfig), ("dpo", trl.DPOConfig)):
        for f in fields(cls):
            if f.default is not MISSING and f.name in valid_keys(method):
                value = f.default.value if hasattr(f.default, "value") else f.default
                check_keys(method, {f.name: value})


def test_every_usual_name_stands_for_a_key_that_some_method_or_adapter_has():
    from flywheel.train._keys import _USUAL_NAMES, _peft_fields

    known = {key for method in METHODS for key in valid_keys(method)} | set(_peft_fields({}))
    assert {name for names in _USUAL_NAMES.values() for name in names} <= known
    assert not set(_USUAL_NAMES) & known


def test_a_value_whose_package_is_missing_is_the_recipes_fault(tmp_path):
    """The same command again, which a failed stage asks for, could not help."""
    rows = [{"prompt": "1+1=", "completion": " 2"}] * 4
    for key, value, package in (("use_liger_kernel", True, "liger"), ("optim", "adamw_8bit", "bitsandbytes")):
        if importlib.util.find_spec({"liger": "liger_kernel"}.get(package, package)) is not None:
            continue
        with pytest.raises(RecipeError) as caught:
            train_here(tmp_path / key, "sft", SEED_MODEL, rows, {"max_steps": 1, key: value})
        assert package in caught.value.received.lower().replace("_", "-") and "install the package" in caught.value.cure
