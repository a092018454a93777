"""``math-reasoner``: the embedded model improves by its own verified attempts; GRPO; and real rows of GSM8K and MATH in one set."""

import json

import pytest
import yaml
from support import run_cli, sql
from support_recipes import read_trained

pytestmark = [pytest.mark.slow, pytest.mark.recipes]

ASK = "{}\n\nReason step by step, one short step a line. End with a line of the form: #### \\boxed{{the final answer alone}}"


def test_right_attempts_over_wrong_ones_make_a_better_model(miniature):
    made = miniature("math-reasoner", page=True)
    assert made.rows["solve"] == 480 and made.rows["on-policy"] == 400
    assert made.pairs["correct/incorrect"] >= 10
    before, after, n = made.score("words")
    assert n == 120 and after > before + 0.2
    first, last = {name: (a, b) for name, a, b in made.losses}["sft 1"]
    assert last < first
    assert made.decisions[0]["promoted"] and [d["stage"] for d in made.decisions][:2] == ["sft", "dpo"]
    mixed = sql(made.folder, "select source, count(*) as n from problems group by all order by source")
    assert [m["source"] for m in mixed] == ["mini/latex.jsonl", "mini/problems.jsonl"]


def test_grpo_rewards_what_the_verifier_passes(miniature):
    made = miniature("math-reasoner", variant="mini-grpo.yaml")
    assert [d["stage"] for d in made.decisions] == ["sft", "grpo"]
    rewards = sql(
        made.folder,
        "select (entry ->> '$.reward')::double as reward from train_log where (entry ->> '$.reward') is not null",
    )
    assert rewards and all(0 <= r["reward"] <= 1.1 for r in rewards) and max(r["reward"] for r in rewards) > 0


def test_real_rows_of_both_sets_are_verified_and_no_test_row_is_trained_on(miniature, shared_data, tmp_path, endpoint):
    """A teacher stands in at the endpoint: of three attempts some are the sets' own solutions, the others end at a wrong number."""
    gsm8k, math = (
        [json.loads(x) for x in (shared_data / f).read_text().split("\n") if x]
        for f in ("gsm8k/train.jsonl", "math/math500.jsonl")
    )
    gsm8k, math = gsm8k[:24], math[:16]
    said = [{"question": ASK.format(r["question"]), "answer": r["answer"]} for r in gsm8k]
    said += [
        {"question": ASK.format(r["problem"]), "answer": f"{r['solution']}\n#### \\boxed{{{r['answer']}}}"}
        for r in math
    ]
    (tmp_path / "said.jsonl").write_text("".join(json.dumps(r) + "\n" for r in said))

    def prepare(folder):
        for name, rows in (("gsm8k", gsm8k), ("math", math)):
            (folder / f"{name}.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
        full = yaml.safe_load((folder / "recipe.yaml").read_text())
        suites = [{k: v for k, v in s.items() if k != "report"} | {"max_gen_toks": 16} for s in full["suites"]]
        suites[0]["gate"], suites[1]["gate"] = "gsm8k.jsonl[19:]", "math.jsonl[11:]"  # in the problems too: a leak
        real = {
            "extends": "mini.yaml", "engine": {"kind": "openai"}, "iterations": 1, "suites": suites, "verifier": "math",
            "problems": {"source": "gsm8k.jsonl", "more": [{**full["problems"]["more"][0], "source": "math.jsonl"}]},
            "solve": {"template": "solve-math", "draws": 3, "problems": 40}, "train": {"dpo": None, "sft": {"max_length": 1024}},
            "gate": {"suite": "gsm8k", "guards": [{"suite": "math500", "tolerance": 0.0}]},
        }  # fmt: skip
        (folder / "real.yaml").write_text(yaml.safe_dump(real))

    env = endpoint(tmp_path / "said.jsonl", right=0.5).env
    made = miniature("math-reasoner", variant="real.yaml", env=env, prepare=prepare)
    own = {r["answer"] for r in said}
    verdicts = sql(made.folder, "select s.completion, v.passed from verdicts v join samples s using (sample_id)")
    assert len(verdicts) == 3 * 40 and [v for v in verdicts if v["passed"] != (v["completion"] in own)] == []
    assert 30 < sum(v["passed"] for v in verdicts) < 90
    assert (
        made.drops["sft/curate: contaminated: gsm8k/gate"] >= 1
        and made.drops["sft/curate: contaminated: math500/gate"] >= 1
    )
    trained = read_trained(made.folder)
    held = {r["question"] for r in gsm8k[19:]} | {r["problem"] for r in math[11:]}
    assert trained & {r["question"] for r in gsm8k} and trained & {r["problem"] for r in math} and not trained & held
    first, last = made.losses[0][1:]
    assert last < first
    assert {(s["suite"], s["n"]) for s in made.scores} == {("gsm8k", 5), ("math500", 5)}


def test_each_answer_of_the_suite_equals_itself_and_no_other(tmp_path, shared_data):
    folder = tmp_path / "p"
    run_cli(folder, "init", "--recipe", "math-reasoner", check=0)
    rows = [json.loads(x) for x in (shared_data / "math/math500.jsonl").read_text().split("\n") if x]
    told = [
        f"{r['solution']}\n#### $\\boxed{{{r['answer']}}}$." if i % 5 else "#### \\boxed{no}"
        for i, r in enumerate(rows)
    ]
    for name, some in (("math", rows), ("answers", [{"completion": t} for t in told])):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(r) + "\n" for r in some))
    suite = {"name": "math500", "task": "math500.yaml", "gate": "math.jsonl", "metric": "exact_match,boxed"}
    (folder / "recipe.yaml").write_text(yaml.safe_dump({"name": "x", "model": "seed", "suites": [suite]}))
    run_cli(folder, "eval", "--answers", str(folder / "answers.jsonl"), "--suite", "math500", check=0)
    (scored,) = sql(folder, "select score, n from scores where metric = 'exact_match,boxed'")
    assert scored == {"score": pytest.approx(0.8), "n": 250}


def test_real_answers_with_commas_signs_and_a_suffix_are_the_numbers_that_they_are(tmp_path, shared_data):
    """GSM8K's own gold answers, and those of its chat form, each of which ends in ``!!!``: the verifier of the recipe says of each
    solution that it is right, and of the next row's that it is wrong."""
    folder = tmp_path / "p"
    run_cli(folder, "init", "--recipe", "math-reasoner", check=0)
    gold = [json.loads(x) for x in (shared_data / "gsm8k/train.jsonl").read_text().split("\n") if x]
    odd = [r for r in gold if set(r["answer"].rpartition("#### ")[2]) & set(",-")]
    assert len(odd) > 20
    chat = shared_data / "ms_foundry_ft/Supervised_Fine_Tuning/Text-GSM8K/chat_train.jsonl"
    told = [json.loads(x)["messages"] for x in chat.read_text().split("\n") if x][:60]
    assert all(m[-1]["content"].endswith("!!!") for m in told)
    golds = [r["answer"] for r in odd] + [m[2]["content"] for m in told]
    ends = [gold.rpartition("#### ")[2].strip("!") for gold in golds]
    said = [f"#### {end}{'' if i % 2 else '9'}" for i, end in enumerate(ends)]
    rows = [
        {"completion": c, "expected": g, "right": i % 2 == 1} for i, (c, g) in enumerate(zip(said, golds, strict=True))
    ]
    (folder / "rows.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    verify = (
        "judge",
        "verify",
        str(folder / "rows.jsonl"),
        "--verifier",
        "math",
        "--truth",
        "right",
        "--output",
        str(folder / "v.jsonl"),
    )
    run_cli(folder, *verify, check=0)
    verdicts = [json.loads(x)["passed"] for x in (folder / "v.jsonl").read_text().split("\n") if x]
    assert verdicts == [r["right"] for r in rows]
