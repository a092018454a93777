import json
from collections import Counter

import pytest
from flywheel.config import DecontaminateConfig
from flywheel.judge import Decontaminator, EvalText
from flywheel.judge.curate import CurateRow, CurationConfig, curate
from flywheel.seed import generate
from planted import read_lines

ITEM = (
    "Zara paints 41 fences and then 7 more fences with Gus before the long winter begins. How many fences are painted?"
)


def make_rows(n=300):
    source = generate("loop", 9, {1: 0.3, 2: 0.7})
    return [
        CurateRow(f"r{i}", p.question, p.answer, score=i / n, pass_rate=(i % 5) / 4)
        for i, p in zip(range(n), source, strict=False)
    ]


def planted():
    rows = make_rows()
    best = rows[7]
    return [
        *rows,
        CurateRow("empty", "Say it", "  "),
        CurateRow("refusal", "Say it", "I'm sorry, but I cannot do that."),
        CurateRow("loop", "Say it", "and again and " * 20),
        CurateRow("mark", "Say it", "Fine.<|im_end|>"),
        CurateRow("yes", "Is water wet?", "yes, it is", label="yes"),
        CurateRow("no", "is water  WET?", "no, it is not", label="no"),
        CurateRow("copy", best.prompt.upper(), best.completion, score=0.9),
        CurateRow("near", best.prompt.replace("How many", "How very many"), best.completion),
        CurateRow("item", ITEM, "48"),
        CurateRow("mail", "Who?", "Write to someone@example.org now"),
    ]


@pytest.fixture(scope="module")
def decontaminator():
    return Decontaminator([EvalText("gsm", "gate", "1", ITEM)], DecontaminateConfig())


def test_every_planted_defect_goes_at_its_step_and_the_counts_add_up(decontaminator):
    rows = planted()
    made = curate(iter(rows), decontaminator=decontaminator)
    where = {d.row_id: d.step for d in made.drops}
    wanted = {
        "empty": "length", "refusal": "refusals", "loop": "repetition", "mark": "boilerplate", "yes": "conflicts", "no": "conflicts",
        "r7": "exact", "near": "near", "item": "decontaminate",
    }  # fmt: skip
    assert wanted.items() <= where.items()
    assert "copy" in made.kept
    assert made.pii == {"mail": ("mail",)}
    entered = len(rows)
    for step in made.steps:
        assert (step.entered, step.kept + step.dropped) == (entered, entered)
        assert step.dropped == sum(d.step == step.step for d in made.drops)
        entered = step.kept
    assert entered == len(made.kept)
    assert sorted([*made.kept, *where]) == sorted(r.row_id for r in rows)
    evidence = {d.row_id: d.evidence for d in made.drops}
    assert evidence["yes"] == "no | yes"
    assert "of copy" in evidence["r7"]
    assert "gsm/gate 1" in evidence["item"]


def test_again_is_the_same_and_what_was_kept_stays(decontaminator):
    rows = planted()
    config = CurationConfig(difficulty={"order": "stages"}, selection={"n": 50}, seed=3)
    first = curate(rows, config, decontaminator=decontaminator)
    again = curate(rows, config, decontaminator=decontaminator)
    assert (first.kept, first.drops, first.steps) == (again.kept, again.drops, again.steps)
    by_id = {r.row_id: r for r in rows}
    plain = curate(rows, decontaminator=decontaminator)
    assert curate([by_id[i] for i in plain.kept], decontaminator=decontaminator).kept == plain.kept
    assert len(first.kept) == 50


def test_earlier_rows_difficulty_and_affixes():
    rows = make_rows(60)
    old = [(rows[0].prompt, rows[0].completion)]
    made = curate(rows, CurationConfig(difficulty={"max_pass_rate": 0.9}), earlier=old)
    where = {d.row_id: (d.step, d.reason) for d in made.drops}
    assert where["r0"] == ("exact", "exact duplicate")
    assert {d.evidence for d in made.drops if d.row_id == "r0"} == {"of an earlier iteration, similarity 1.00"}
    assert where["r4"] == ("difficulty", "too easy")
    loud = [CurateRow(r.row_id, r.prompt, r.completion + "!!!") for r in rows]
    assert [a.text for a in curate(loud).affixes] == ["!!!"]
    struck = curate(loud, CurationConfig(affixes={"action": "drop"}))
    assert not struck.kept
    assert Counter(d.reason for d in struck.drops) == {"constant suffix": 60}


def test_embeddings_from_outside_find_semantic_duplicates():
    rows = [CurateRow("a", "x", "big"), CurateRow("b", "x", "large"), CurateRow("c", "x", "blue")]
    made = curate(
        rows, CurationConfig(duplicates={"semantic": 0.9, "near": 0}), embed=lambda t: [[1, "blue" in s] for s in t]
    )
    assert [(d.row_id, d.step) for d in made.drops] == [("b", "semantic")]


def test_nothing_in_nothing_out_and_double_ids_are_refused():
    assert curate([]).kept == []
    with pytest.raises(ValueError, match="distinct"):
        curate([CurateRow("a", "x", "y"), CurateRow("a", "x", "z")])


def test_conflicting_labels_of_real_claims_are_all_kept_out(shared_data):
    rows = [json.loads(line) for line in read_lines(shared_data / "fever/paper_dev.jsonl")]
    made = curate(CurateRow(f"f{i}", r["claim"], r["label"], label=r["label"]) for i, r in enumerate(rows))
    labels = {}
    for row in rows:
        labels.setdefault(" ".join(row["claim"].casefold().split()), set()).add(row["label"])
    conflicting = {f"f{i}" for i, r in enumerate(rows) if len(labels[" ".join(r["claim"].casefold().split())]) > 1}
    assert conflicting
    assert {d.row_id for d in made.drops if d.step == "conflicts"} == conflicting


def test_pairs_that_contradict_each_other_go():
    rows = [
        CurateRow("ab", "Which?", "the first one", rejected="another one"), CurateRow("ba", "which? ", "Another one", rejected="the first one"),
        CurateRow("other", "Who?", "the first one", rejected="another one"), CurateRow("ac", "Which?", "the first one", rejected="nothing"),
    ]  # fmt: skip
    made = curate(rows, CurationConfig(duplicates={"near": 0}))
    assert {d.row_id: d.reason for d in made.drops} == dict.fromkeys(("ab", "ba"), "conflicting preferences")
    kept = curate(rows, CurationConfig(duplicates={"near": 0}, conflicts=False)).kept
    assert len(kept) == 4
