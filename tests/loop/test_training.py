"""Methods beside SFT and DPO in the wheel: what they train on, where they start, what becomes of old weights."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from flywheel.config import Recipe
from flywheel.errors import InputError, NotFoundError
from flywheel.eval._labels import bootstrap_stderr, macro_f1, statistic_of
from flywheel.llm import LocalEngine
from flywheel.loop import SilentReporter, Wheel
from flywheel.loop._prune import prune
from flywheel.schema import utc_now
from flywheel.store import Project
from support import MINI, make_mini_project
from support_train import SEED_MODEL, make_model, skip_the_process, write_rows


def open_wheel(folder, method="sft", **changes):
    wheel = Wheel(Project(folder), Recipe.model_validate({**MINI, **changes}), folder, SilentReporter())
    wheel.prepare(method)
    return wheel


class Told(SilentReporter):
    """Keeps what every stage came to."""

    def __init__(self):
        self.ends = []

    def end(self, result):
        self.ends.append(result)


@pytest.mark.filterwarnings("ignore")
def test_kto_and_grpo_train_on_what_the_verifier_judged(tmp_path, monkeypatch):
    skip_the_process(monkeypatch)
    folder = make_mini_project(tmp_path / "p")
    fast = {"max_steps": 1, "per_device_train_batch_size": 4}
    train = {
        **MINI["train"], "kto": fast, "grpo": {**fast, "num_generations": 4, "max_completion_length": 16}, "peft": {"r": 4},
    }  # fmt: skip
    wheel = open_wheel(folder, train=train, solve={"draws": 4, "problems": 12, "max_tokens": 64})
    wheel.reporter = Told()
    wheel.begin_iteration(1)
    wheel.generate(1)
    kto, grpo = wheel.train_by(1, "kto"), wheel.train_by(1, "grpo")
    ask = wheel.store.query
    parents = ask("SELECT stage, parent_id FROM checkpoints WHERE run_id IS NOT NULL ORDER BY stage")
    assert parents == [
        ("grpo", wheel.checkpoints.first().checkpoint_id),
        ("kto", wheel.checkpoints.first().checkpoint_id),
    ]
    labels = ask(
        "SELECT v.passed, count(*) FROM snapshots n JOIN snapshot_rows x USING (snapshot_id) "
        "JOIN verdicts v ON v.sample_id = x.sample_id WHERE n.stage = 'kto' GROUP BY ALL ORDER BY ALL"
    )
    rows = [json.loads(line) for line in next(wheel.store.project.snapshots.glob("*.jsonl")).read_text().splitlines()]
    assert {passed for passed, _ in labels} == {False, True} and rows
    ((walked,),) = ask("SELECT count(DISTINCT problem_id) FROM lineage WHERE checkpoint_id = ?", [grpo.checkpoint_id])
    assert walked == 12, "from the checkpoint back to each problem"
    assert ask("SELECT count(*) FROM funnel WHERE dropped <> entered - kept AND step LIKE 'kto/%'") == [(0,)]
    logged = ask("SELECT entry FROM train_log WHERE checkpoint_id = ?", [grpo.checkpoint_id])
    assert "rewards/math/mean" in json.loads(logged[0][0])
    assert re.search(r", loss \d\.\d+, reward \d\.\d+; from the first model$", wheel.reporter.ends[-1])
    card = (kto.path / "README.md").read_text()
    assert f"1. `{wheel.checkpoints.first().checkpoint_id}` (the first model)" in card and wheel.run_id in card
    wheel.store.close()


def talk(*said):
    return [{"role": role, "content": text} for role, text in said]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("curate", [{}, {"curate": False}])
def test_rows_that_teach_nothing_or_out_of_turn_are_drops_with_their_reason(tmp_path, monkeypatch, curate):
    skip_the_process(monkeypatch)
    asked, told = ("user", "What is a plum?"), ("assistant", "A plum is a fruit with one stone in it.")
    bad = {
        "empty: messages is empty: only U+200B": talk(("user", "Which one?"), ("assistant", "\u200b")),
        "empty: messages is empty: only U+FEFF": talk(("user", "Which two?"), ("assistant", "\ufeff\n")),
        "turns: messages, turn 2: a second one of the user in a row": talk(asked, ("user", "And a pear?"), told),
        "turns: messages, turn 1: what the user says is empty: only U+00AD": talk(("user", "\u00ad"), told),
        "turns: messages, turn 2: of the system, which stands first or nowhere": talk(asked, ("system", "Be short."), told),
        "template_marks: messages, turn 1: holds [INST] of the chat template of Llama 2 or Mistral; the model's own has none such":
            talk(("user", "[INST] What is a pear? [/INST]"), told),
    }  # fmt: skip
    good = [
        talk(("user", f"What is plum {i}?"), ("assistant", f"Plum {i} is a fruit with {i} stones.")) for i in range(8)
    ]
    folder = tmp_path / "p"
    folder.mkdir()
    write_rows(folder / "rows.jsonl", [{"messages": m} for m in [*bad.values(), *good]])
    fast = {"max_steps": 1}
    wheel = open_wheel(folder, train={"rows": "rows.jsonl", "sft": fast}, problems=None, suites=[], **curate)
    wheel.train_own("sft")
    dropped = wheel.store.query("SELECT reason, raw FROM drops WHERE step = 'sft/preflight'")
    assert {reason: json.loads(text)["messages"] for reason, text in dropped} == bad
    wheel.store.close()


@pytest.mark.filterwarnings("ignore")
def test_kto_of_one_label_is_left_out_of_the_wheel_and_refused_of_ones_own_rows(tmp_path, monkeypatch):
    skip_the_process(monkeypatch)
    folder = make_mini_project(tmp_path / "p")
    changes = {"verifier": {"name": "regex", "options": {"pattern": "(?s).*"}}}
    train = {**MINI["train"], "kto": {"max_steps": 1}}
    wheel = open_wheel(folder, train=train, solve={"draws": 2, "problems": 12, "max_tokens": 16}, **changes)
    wheel.begin_iteration(1)
    wheel.generate(1)
    assert wheel.train_by(1, "kto") is None
    (reason,), *more = wheel.store.query("SELECT reason FROM drops WHERE step = 'kto/train'")
    assert "all with label true: KTO learns from how completions of both labels differ" in reason and not more
    wheel.store.close()
    own = tmp_path / "own"
    own.mkdir()
    write_rows(own / "rows.jsonl", [{"prompt": f"{i}?", "completion": str(i), "label": False} for i in range(8)])
    wheel = open_wheel(own, "kto", train={"rows": "rows.jsonl", "kto": {"max_steps": 1}}, problems=None, suites=[])
    with pytest.raises(InputError, match="8 rows, all with label false"):
        wheel.train_own("kto")
    wheel.store.close()


SHORT = """
from flywheel.judge import Verdict, verifier

@verifier("short", needs=("limit",))
def short(case, options):
    return Verdict(len(case.completion) <= case.fields["limit"], None, "length", str(len(case.completion)))
"""


@pytest.mark.filterwarnings("ignore")
def test_a_verifier_of_the_recipe_rewards_by_the_columns_of_the_problems(tmp_path, monkeypatch):
    skip_the_process(monkeypatch)
    folder = make_mini_project(tmp_path / "p")
    problems = [json.loads(line) for line in (folder / "problems.jsonl").read_text().splitlines()]
    write_rows(folder / "problems.jsonl", [{**row, "limit": 20} for row in problems])
    (folder / "own.py").write_text(SHORT)
    fast = {"max_steps": 1, "per_device_train_batch_size": 4, "num_generations": 4, "max_completion_length": 16}
    format_ = {"question": "question", "answer": "answer"}
    changes = {
        "problems": {"source": "problems.jsonl", "format": format_},
        "verifier": {"name": "own.py"},
        "solve": {"draws": 1, "problems": 8, "max_tokens": 32},
    }
    wheel = open_wheel(folder, train={**MINI["train"], "grpo": fast}, **changes)
    wheel.begin_iteration(1)
    wheel.generate(1)
    grpo = wheel.train_by(1, "grpo")
    logged = wheel.store.query("SELECT entry FROM train_log WHERE checkpoint_id = ?", [grpo.checkpoint_id])
    assert json.loads(logged[0][0])["rewards/short/mean"] is not None, "an abstention for want of a column"
    wheel.store.close()


@pytest.mark.filterwarnings("ignore")
def test_a_classifier_is_measured_on_held_out_rows_before_and_after(tmp_path, monkeypatch):
    skip_the_process(monkeypatch)
    folder = tmp_path / "p"
    folder.mkdir()
    texts = {"good": "what a fine and lovely film", "bad": "a dull and awful waste of time"}
    rows = [{"text": f"{texts[label]} {i}", "label": label} for i in range(16) for label in texts]
    write_rows(folder / "rows.jsonl", rows)
    odd = [rows[0] | {"text": ""}, {"review": "no such column"}]
    with write_rows(folder / "heldout.jsonl", [*rows[:8], *odd]).open("a") as stream:
        stream.write('{"text": "broken\n')
    make_model("bert", tmp_path / "models" / "bert", list(texts.values()))
    train = {
        "rows": "rows.jsonl", "heldout": "heldout.jsonl",
        "classify": {"learning_rate": 2e-3, "per_device_train_batch_size": 8, "num_train_epochs": 4},
    }  # fmt: skip
    changes = {"model": "../models/bert", "train": train, "problems": None, "suites": []}
    wheel = open_wheel(folder, "classify", **changes)
    wheel.reporter = Told()
    made = wheel.train_own("classify")
    scores = wheel.store.query(
        "SELECT checkpoint_id, score, n FROM scores WHERE suite = 'heldout' AND metric = 'accuracy'"
    )
    assert {checkpoint for checkpoint, _, _ in scores} == {made.checkpoint_id, wheel.checkpoints.first().checkpoint_id}
    assert all(n == 8 for _, _, n in scores)
    items = wheel.store.query(
        "SELECT s.score, s.stderr, avg(i.value), list(i.ordinal ORDER BY i.ordinal), list(i.target ORDER BY i.ordinal), "
        "list(r.messages ->> '$[0].content' ORDER BY i.ordinal), bool_and((i.filtered = i.target) = (i.value = 1)), "
        "bool_and(r.completions ->> 0 = i.filtered) FROM scores s JOIN score_items i USING (score_id) JOIN requests r USING (request_id) "
        "WHERE s.metric = 'accuracy' GROUP BY s.score_id, s.score, s.stderr"
    )
    assert len(items) == 2
    for score, stderr, mean, places, targets, prompts, is_right, is_said in items:
        assert score == mean and stderr == pytest.approx((score * (1 - score) / 7) ** 0.5) and is_right and is_said
        assert places == list(range(8)) and targets == [r["label"] for r in rows[:8]]
        assert prompts == [r["text"] for r in rows[:8]]
    for score, stderr, of in wheel.store.query(
        "SELECT score, stderr, list(detail ORDER BY ordinal) FROM scores JOIN score_items USING (score_id) WHERE metric = 'macro_f1' GROUP BY ALL"
    ):
        pairs = [tuple(json.loads(d)["of"]) for d in of]
        assert score == pytest.approx(macro_f1(pairs)), "as flywheel eval has it"
        assert stderr == pytest.approx(bootstrap_stderr(pairs, statistic_of("macro_f1")), rel=0.15)
    assert "held out (n=8, 3 dropped): " in wheel.reporter.ends[0]
    dropped = wheel.store.query("SELECT reason FROM drops WHERE step = 'classify/heldout' ORDER BY reason")
    assert [reason.split(":")[0] for (reason,) in dropped] == ["empty", "missing_columns", "not JSON"]
    assert wheel.store.query("SELECT entered, kept, dropped FROM funnel WHERE step = 'classify/heldout'") == [
        (11, 8, 3)
    ]
    losses = wheel.store.query("SELECT before, after, higher_is_better FROM before_after WHERE metric = 'loss'")
    assert [(after < before, up) for before, after, up in losses] == [(True, False)]
    assert {c: s for c, s, _ in scores}[made.checkpoint_id] == 1.0
    gone = wheel.store.query(
        "SELECT reason, raw::JSON ->> 'text', evidence FROM drops WHERE step = 'classify/preflight' ORDER BY drop_id"
    )
    assert sorted(text for _, text, _ in gone) == sorted(r["text"] for r in rows[:8]), (
        "what is measured on is not trained on"
    )
    assert {reason for reason, *_ in gone} == {"held_out: it is a row of train.heldout, on which is measured"}
    assert all(rows[int(evidence.split()[1]) - 1]["text"] == text for _, text, evidence in gone)
    assert "24 rows (8 of the snapshot's dropped)" in wheel.reporter.ends[0]
    assert wheel.train_own("classify").checkpoint_id == made.checkpoint_id, "trained once"
    assert 'base_model: "bert"\n' in (made.path / "README.md").read_text(), "no path of this machine"
    wheel.store.close()


@pytest.mark.filterwarnings("ignore")
def test_rows_of_the_wheel_that_are_held_out_are_not_trained_on_by_any_method(tmp_path, monkeypatch):
    jobs = skip_the_process(monkeypatch)
    folder = make_mini_project(tmp_path / "p")
    fast = {"max_steps": 1, "per_device_train_batch_size": 4}
    draws = {"draws": 2, "problems": 12, "max_tokens": 16}
    every = {"verifier": {"name": "regex", "options": {"pattern": "(?s).*"}}, "curate": False, "solve": draws}
    problems = [json.loads(line) for line in (folder / "problems.jsonl").read_text().splitlines()]
    held = [problem["question"] for problem in problems[:100]]
    answer = [{"role": "assistant", "content": "It is 7."}]
    write_rows(folder / "held.jsonl", [{"prompt": talk(("user", q)), "completion": answer} for q in held])
    train = {"heldout": "held.jsonl", "sft": fast, "grpo": {**fast, "num_generations": 4, "max_completion_length": 8}}
    wheel = open_wheel(folder, train={**MINI["train"], **train}, **every)
    wheel.begin_iteration(1)
    wheel.generate(1)
    assert wheel.train_sft(1) is not None and wheel.train_by(1, "grpo") is not None
    assert [job["heldout"] is None for job in jobs] == [False, True], "only what is taught to say is measured"
    dropped = wheel.store.query(
        "SELECT step, raw FROM drops WHERE reason LIKE 'held_out: it is a row of train.heldout%'"
    )
    assert {step for step, _ in dropped} == {"sft/preflight", "grpo/preflight"}
    assert all(json.loads(raw)["prompt"][-1]["content"] in held for _, raw in dropped)
    for job in jobs:
        asked = [json.loads(line)["prompt"][-1]["content"] for line in Path(job["data"]).read_text().splitlines()]
        step = f"{job['method']}/preflight"
        assert sum(question in held for question in asked) == sum(of == step for of, _ in dropped) < len(asked)
    assert wheel.store.query("SELECT count(*) FROM funnel WHERE dropped <> entered - kept") == [(0,)]
    wheel.store.close()


def test_held_out_rows_that_are_not_there_are_told_by_their_key(tmp_path):
    write_rows(tmp_path / "rows.jsonl", [{"prompt": "a", "completion": "b"}])
    train = {"rows": "rows.jsonl", "heldout": "gone.jsonl"}
    with pytest.raises(NotFoundError) as caught:
        open_wheel(make_mini_project(tmp_path / "p"), train=train | {"rows": "../rows.jsonl"}, problems=None, suites=[])
    assert caught.value.cure == "check train.heldout in the recipe"


@pytest.mark.filterwarnings("ignore")
def test_preferences_of_ones_own_start_from_the_sft_checkpoint(tmp_path, monkeypatch):
    skip_the_process(monkeypatch)
    folder = tmp_path / "p"
    folder.mkdir()
    rows = [
        {"prompt": f"{i}?", "completion": str(i), "chosen": str(i), "rejected": "No.", "label": i > 0} for i in range(8)
    ]
    write_rows(folder / "rows.jsonl", rows)
    fast = {"max_steps": 1}
    train = {"rows": "rows.jsonl", "sft": fast, "dpo": fast, "kto": fast}
    wheel = open_wheel(folder, train=train, problems=None, suites=[])
    wheel.reporter = Told()
    early = wheel.train_own("dpo")
    sft, dpo, kto = (wheel.train_own(method) for method in ("sft", "dpo", "kto"))
    parents = dict(wheel.store.query("SELECT checkpoint_id, parent_id FROM checkpoints"))
    first = wheel.checkpoints.first().checkpoint_id
    assert [parents[made.checkpoint_id] for made in (early, sft, dpo, kto)] == [
        first, first, sft.checkpoint_id, sft.checkpoint_id,
    ]  # fmt: skip
    said = [line.split("; from ")[1] for line in wheel.reporter.ends]
    assert said == ["the first model"] * 2 + [f"sft checkpoint {sft.checkpoint_id}"] * 2
    wheel.store.close()


@pytest.mark.filterwarnings("ignore")
def test_an_adapter_is_served_scored_and_trained_on_as_the_weights_it_makes(tmp_path, monkeypatch):
    jobs = skip_the_process(monkeypatch)
    folder = tmp_path / "p"
    folder.mkdir()
    said = [{"role": "assistant", "content": "It is 4."}]
    write_rows(
        folder / "rows.jsonl",
        [{"prompt": [{"role": "user", "content": f"{i}?"}], "completion": said} for i in range(8)],
    )
    train = {"rows": "rows.jsonl", "peft": {"r": 4}, "merge": False, "sft": {"max_steps": 1}}
    wheel = open_wheel(folder, train=train, problems=None, suites=[])
    made = wheel.train_own("sft")
    merged = folder / ".flywheel" / "merged" / made.checkpoint_id
    assert (made.path / "adapter_config.json").is_file()
    assert not merged.exists(), "merging takes another process, and nobody has asked for the weights yet"
    model, _, _ = LocalEngine(wheel.checkpoints.resolve(made)).load()
    assert model.config.model_type == "llama"
    promote(wheel.store, wheel.run_id, made.checkpoint_id, 1)
    again = wheel.train_own("sft")
    assert jobs[-1]["model"] == str(merged), "the next training starts from the merged weights"
    named = [base_of(folder / ".flywheel" / "checkpoints" / c.checkpoint_id) for c in (made, again)]
    assert named == ["seed", made.checkpoint_id]
    assert_loads_elsewhere(wheel, made, again, tmp_path / "elsewhere", monkeypatch)
    wheel.store.close()


def base_of(adapter):
    for file in adapter.rglob("*"):
        assert not file.is_file() or str(SEED_MODEL.parent).encode() not in file.read_bytes(), (
            f"{file} has a path of this machine"
        )
    return json.loads((adapter / "adapter_config.json").read_text())["base_model_name_or_path"]


def assert_loads_elsewhere(wheel, parent, made, folder, monkeypatch):
    """Another machine has the adapter, and the model that it stands on under the name that it gives."""
    import torch
    from peft import AutoPeftModelForCausalLM
    from transformers import AutoModelForCausalLM

    folder.mkdir()
    wheel.checkpoints.export(made.checkpoint_id, folder / "adapter", as_adapter=True)
    wheel.checkpoints.export(parent.checkpoint_id, folder / parent.checkpoint_id)
    wheel.checkpoints.export(made.checkpoint_id, folder / "whole")
    monkeypatch.chdir(folder)
    with torch.no_grad():
        loaded = [
            c.from_pretrained(name).eval()
            for c, name in ((AutoPeftModelForCausalLM, "adapter"), (AutoModelForCausalLM, "whole"))
        ]
        adapted, whole = (model(torch.tensor([[5, 6, 7]])).logits for model in loaded)
    assert torch.allclose(adapted, whole, atol=1e-4)


def fake_line(store, run_id, names):
    """Checkpoints in a row, each the parent of the next, with folders that hold weights."""
    for i, name in enumerate(names):
        folder = store.project.checkpoints / name
        folder.mkdir(parents=True)
        (folder / "config.json").write_text("{}")
        (folder / "model.safetensors").write_text("weights")
        (folder / "README.md").write_text("card\n")
        store.insert(
            "checkpoints",
            [{
                "checkpoint_id": name, "run_id": run_id, "iteration": i, "stage": "sft", "parent_id": names[i - 1] if i else None,
                "snapshot_id": None, "path": f".flywheel/checkpoints/{name}", "config": "{}", "metrics": None,
                "created_at": f"2026-01-0{i + 1} 00:00:00",
            }],
            key="checkpoint_id",
        )  # fmt: skip


def promote(store, run_id, name, iteration):
    row = {
        "decision_id": f"d{iteration}", "run_id": run_id, "iteration": iteration, "stage": "sft", "checkpoint_id": name,
        "score_id": "s", "champion_id": None, "champion_score_id": None, "role": "gate", "n": 1, "won": 1, "lost": 0,
        "delta": 1.0, "p_value": 0.01, "test": "t", "promoted": True, "reason": "r", "created_at": utc_now(),
    }  # fmt: skip
    store.insert("decisions", [row], key="decision_id")


def test_old_weights_go_by_the_rule_but_never_the_champions_or_its_parents(store):
    store.project.make_folders()
    fake_line(store, "run_a", ["ckpt_1", "ckpt_2"])
    fake_line(store, "run_b", ["ckpt_x"])  # of another run
    promote(store, "run_a", "ckpt_2", 1)
    for name, day in (("ckpt_3", 5), ("ckpt_4", 6), ("ckpt_5", 7)):
        fake_line(store, "run_a", [name])
        with store.write() as connection:
            connection.execute(
                f"UPDATE checkpoints SET created_at = '2026-01-0{day}' WHERE checkpoint_id = '{name}'"
            ).fetchall()
    assert prune(store, "run_a", 0) == []
    assert prune(store, "run_a", 1) == ["ckpt_4", "ckpt_3"]
    left = {p.name for p in store.project.checkpoints.iterdir() if (p / "model.safetensors").exists()}
    assert left == {"ckpt_1", "ckpt_2", "ckpt_5", "ckpt_x"}
    gone = store.project.checkpoints / "ckpt_3"
    assert [p.name for p in gone.iterdir()] == ["README.md"]
    assert "train.keep = 1" in (gone / "README.md").read_text()
    assert prune(store, "run_a", 1) == []


def test_the_recipes_of_before_are_the_runs_of_before():
    """Keys that nobody sets are no part of a run's identity, nor is where it trained."""
    plain = Recipe.model_validate(MINI).identity()
    assert sorted(plain["train"]) == ["dpo", "min_rows", "sft", "sft_from"]
    elsewhere = {**MINI, "train": {**MINI["train"], "python": "other", "oom_retries": 2, "keep": 3, "save_every_s": 9}}
    assert Recipe.model_validate(elsewhere).identity() == plain
    adapted = {**MINI, "train": {**MINI["train"], "peft": {"r": 8}}}
    assert Recipe.model_validate(adapted).identity() != plain


@pytest.mark.filterwarnings("ignore")
def test_a_set_in_the_form_of_ultrafeedback_passes_curation_and_is_trained_on(tmp_path, monkeypatch):
    skip_the_process(monkeypatch)
    folder = tmp_path / "p"
    folder.mkdir()
    asked = [{"role": "user", "content": "Name a number that is greater than the others of this list, and say why."}]
    rows = []
    for i in range(8):
        prompt = [{**asked[0], "content": f"{asked[0]['content']} {i} {i * i} {i + 7}"}]
        said = {"chosen": f"It is {max(i * i, i + 7)}, since none is more.", "rejected": f"I do not know {i}."}
        rows.append(
            {
                "prompt": prompt[0]["content"],
                **{c: [*prompt, {"role": "assistant", "content": t}] for c, t in said.items()},
            }
        )
    write_rows(folder / "rows.jsonl", rows)
    wheel = open_wheel(folder, "dpo", train={"rows": "rows.jsonl", "dpo": {"max_steps": 1}}, problems=None, suites=[])
    made = wheel.train_own("dpo")
    (metrics,) = wheel.store.query("SELECT metrics FROM checkpoints WHERE checkpoint_id = ?", [made.checkpoint_id])[0]
    assert json.loads(metrics)["n_rows"] == 8
    assert wheel.store.query("SELECT count(*) FROM drops") == [(0,)]
    wheel.store.close()


@pytest.mark.filterwarnings("ignore")
def test_the_loss_of_each_held_out_row_is_on_record(tmp_path, monkeypatch):
    """Of a method that answers nothing: a score with its error bar, so that what a language model is worth has one too."""
    skip_the_process(monkeypatch)
    folder = tmp_path / "p"
    folder.mkdir()
    rows = [{"prompt": f"{i} + {i} =", "completion": f" {2 * i}"} for i in range(24)]
    write_rows(folder / "rows.jsonl", rows[:16])
    write_rows(folder / "heldout.jsonl", rows[16:])
    train = {
        "rows": "rows.jsonl",
        "heldout": "heldout.jsonl",
        "sft": {"packing": True, "max_length": 64, "num_train_epochs": 2},
    }
    wheel = open_wheel(folder, "sft", train=train, problems=None, suites=[])
    wheel.reporter = Told()
    made = wheel.train_own("sft")
    scores = wheel.store.query(
        "SELECT s.checkpoint_id, s.score, s.stderr, s.n, list(i.value ORDER BY i.ordinal), list(i.target ORDER BY i.ordinal), "
        "list(r.messages ->> '$[0].content' ORDER BY i.ordinal) FROM scores s JOIN score_items i USING (score_id) "
        "JOIN requests r USING (request_id) WHERE s.suite = 'heldout' AND s.metric = 'loss' GROUP BY ALL"
    )
    assert {row[0] for row in scores} == {made.checkpoint_id, wheel.checkpoints.first().checkpoint_id}
    for _, score, stderr, n, values, targets, prompts in scores:
        assert n == len(values) == 8 and len(set(values)) > 1
        assert score == pytest.approx(np.mean(values), rel=1e-5)
        assert stderr == pytest.approx(np.std(values, ddof=1) / 8**0.5, rel=1e-5)
        assert targets == [r["completion"] for r in rows[16:]] and prompts == [r["prompt"] for r in rows[16:]]
    (seen,) = wheel.store.query("SELECT before, after, higher_is_better FROM before_after WHERE metric = 'loss'")
    assert seen[1] < seen[0] and seen[2] is False
    assert "held out (n=8): loss " in wheel.reporter.ends[0] and " ± " in wheel.reporter.ends[0]


def test_rows_of_reinforcement_fine_tuning_lack_what_their_grader_reads(tmp_path, shared_data):
    """MedMCQ's rows hold only ``messages``, and the grader beside them reads ``item.reference_answer``: told by its name."""
    data = shared_data / "ms_foundry_ft" / "Reinforcement_Fine_Tuning" / "MedMCQ"
    rows = [json.loads(line) for line in (data / "medmcq_validation.jsonl").read_text().splitlines()[:8]]
    reward = {"verifier": "grader", "options": {"spec": json.loads((data / "stringcheck_grader.json").read_text())}}
    train = {
        "rows": "rows.jsonl",
        "min_rows": 2,
        "grpo": {"num_generations": 2, "max_completion_length": 4},
        "rewards": [reward],
    }
    write_rows(tmp_path / "rows.jsonl", rows)
    wheel = open_wheel(tmp_path, "grpo", train=train, problems=None, suites=[])
    with pytest.raises(InputError) as refused:
        wheel.train_own("grpo")
    assert refused.value.expected == "the columns prompt + reference_answer"
    assert refused.value.received == "8 rows with prompt"


def test_the_messages_of_reinforcement_fine_tuning_are_the_prompt(tmp_path):
    from flywheel.train.child._rows import read_rows
    from flywheel.train.methods import find_method

    asked = [{"role": "user", "content": "Which?"}]
    given = [
        {"messages": asked, "reference_answer": "A"},
        {"messages": [*asked, {"role": "assistant", "content": "A"}]},
        {"messages": [], "n": 1},
    ]
    read = read_rows(str(write_rows(tmp_path / "rows.jsonl", given)), {"reasoning": "keep"}, find_method("grpo"))
    assert read == [{"prompt": asked, "reference_answer": "A"}, {"prompt": asked}, given[2]]


@pytest.mark.parametrize(
    ("reward", "columns"),
    [
        ({}, {"answer"}),
        ({"expected": "gold"}, {"gold"}),
        ({"verifier": "regex", "options": {"pattern": "^A"}}, set()),
        ({"verifier": "citations"}, {"sources"}),
        ({"verifier": "grader", "options": {"spec": {"type": "string_check", "name": "g", "operation": "eq", "input": "{{item.x}}", "reference": "{{sample.output_text}}"}}}, {"x"}),
    ],
)  # fmt: skip
def test_a_reward_asks_for_the_columns_that_it_reads(tmp_path, reward, columns):
    from flywheel.config import RewardConfig
    from flywheel.loop._rewards import describe_rewards

    assert set(describe_rewards([RewardConfig(**reward)], tmp_path)["columns"]) == columns
