import pytest
from flywheel.errors import RecipeError
from flywheel.train import check_keys, valid_keys


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
        ("sft", "beta", ""),
        ("sft", "output_dir", "flywheel sets it"),
    ],
)
def test_unknown_keys_are_refused(method, key, cure):
    with pytest.raises(RecipeError) as caught:
        check_keys(method, [key])
    assert cure in caught.value.cure
    assert f"train.{method}.{key}" in caught.value.place
