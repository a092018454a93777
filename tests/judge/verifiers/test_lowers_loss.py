"""lowers_loss: Toolformer's filter, by the embedded model, and its loss by hand."""

import pytest
import torch
from flywheel.errors import NotFoundError
from flywheel.judge.verifiers import Case, built_in, complete_options, run_verifier
from flywheel.llm import LocalEngine, continuation_losses, resolve_model

QUESTION = [{"role": "user", "content": "Ada has 7 boxes with 12 pens in each. How many pens does Ada have now?"}]


def judge(fields, prompt=QUESTION, **options):
    verifier = built_in()["lowers_loss"]
    return run_verifier(verifier, Case("", None, fields, None, prompt), complete_options(verifier, options))


def parts(expression, result, after="#### 84"):
    form = '[calc("{}") → {}] '
    return {
        "before": "",
        "called": form.format(expression, ""),
        "inserted": form.format(expression, result),
        "after": after,
    }


def test_a_call_whose_result_follows_helps_and_another_does_not():
    right = judge(parts("7 * 12", 84))
    assert right.passed is True and right.reason == "helps" and right.score == 1.0, right
    wrong = judge(parts("12 - 7", 5))
    assert wrong.passed is False and wrong.reason == "does not help", wrong
    assert judge(parts("7 * 12", 84), threshold=50.0).passed is False
    assert right.evidence.startswith("loss ") and right.evidence.count(",") == 2


def test_the_loss_is_the_models_with_falling_weights():
    model, tokenizer, _ = LocalEngine(resolve_model("seed")).load()
    context, after = "Peter has 4 * 4 = ", "16 candles. And more."
    (found,) = continuation_losses("seed", QUESTION, [context], after, window=3)
    begin = tokenizer.apply_chat_template(QUESTION, tokenize=False, add_generation_prompt=True)
    before, wanted = (tokenizer.encode(text, add_special_tokens=False) for text in (begin + context, after))
    labels = [-100] * len(before) + wanted[:3]
    ids = torch.tensor([before + wanted[:3]])
    with torch.no_grad():
        each = torch.nn.functional.cross_entropy(model(ids).logits[0, :-1], torch.tensor(labels)[1:], reduction="none")[
            -3:
        ]
    assert found == pytest.approx(float(each @ torch.tensor([1, 2 / 3, 1 / 3]) / 2), rel=1e-4)


def test_what_cannot_be_judged_abstains():
    assert judge(parts("7 * 12", 84, after=" ")).reason == "nothing follows"
    assert judge({"before": ""}).passed is None
    with pytest.raises(NotFoundError):
        continuation_losses("no/such/model", [], ["a"], "b", window=5)
