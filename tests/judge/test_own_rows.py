"""Rows of one's own (train.rows): curated by the recipe's rules before the snapshot, as far as they fit the method's rows."""

import json
from collections import Counter

import pytest
from flywheel.config import CurationConfig, DecontaminateConfig
from flywheel.errors import RecipeError
from flywheel.judge import Decontaminator, EvalText, OwnCuration, OwnRow, snapshot_own
from flywheel.judge.curate import read_card, render_card

LONG = "The river rises in the hills above the old town and reaches the sea after ninety miles."
OTHER = "Bread is baked before dawn so that the shop may open when the first train arrives."
ITEM = (
    "Zara paints 41 fences and then 7 more fences with Gus before the long winter begins. How many fences are painted?"
)
IMAGE = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "What is shown?"}]}]


def said(text):
    return [{"role": "assistant", "content": text}]


def asked(text):
    return [{"role": "user", "content": text}]


def freeze(store, method, rows, **curate):
    given = [OwnRow(row, json.dumps(row)) for row in rows]
    clean = Decontaminator([EvalText("gsm", "gate", "1", ITEM)], DecontaminateConfig())
    rules = OwnCuration(CurationConfig(**curate))
    made = snapshot_own(store, "run_a", 0, method, "rows.jsonl", given, decontaminator=clean, rules=rules)
    kept = [json.loads(line) for line in made.path.read_text().splitlines()]
    sql = "SELECT step, entered, kept, dropped FROM funnel ORDER BY step"
    funnel = {step.split("/")[1]: (entered, kept, dropped) for step, entered, kept, dropped in store.query(sql)}
    assert all(entered == kept + dropped for entered, kept, dropped in funnel.values())
    assert (funnel["rows"][1], funnel["curate"][1]) == (funnel["curate"][0], funnel["snapshot"][0])
    reasons = Counter(r for (r,) in store.query("SELECT reason FROM drops"))
    return [rows.index(row) for row in kept], dict(reasons)


CLAIMS = [
    {"prompt": f"{name} is a town.", "completion": label}
    for name, label in [
        ("Ulm", "SUPPORTS"),
        ("Ulm", "REFUTES"),
        ("Bonn", "SUPPORTS"),
        ("Kiel", "REFUTES"),
        ("Kiel", " refutes"),
    ]
]
CASES = {
    "sft: labels that contradict each other, and one said twice": (
        "sft", CLAIMS, {}, [2, 3], {"conflicting labels": 2, "exact duplicate": 1},
    ),
    "sft: a bound of words": (
        "sft", [CLAIMS[0], {"prompt": "Where?", "completion": LONG}], {"length": {"min_words": 5}}, [1], {"too short: words": 1},
    ),
    "sft: messages": (
        "sft", [{"messages": asked("Where?") + said(t)} for t in (LONG, LONG, OTHER)], {}, [0, 2], {"exact duplicate": 1},
    ),
    "sft: the same question of two images": (
        "sft", [{"prompt": IMAGE, "completion": said("a cat"), "images": [f"{i}.png"]} for i in (1, 2, 1)], {}, [0, 1],
        {"exact duplicate": 1},
    ),
    "sft: a call of a tool is an answer": (
        "sft", [{"prompt": asked("Go"), "completion": [{"role": "assistant", "tool_calls": [{"function": {"name": "go"}}]}]}], {},
        [0], {},
    ),
    "sft: an answer that says nothing is the trainer's to drop": (
        "sft", [{"prompt": "Where?", "completion": " "}, {"prompt": "When?", "completion": said("")}], {}, [0, 1], {},
    ),
    "sft: rows of no known shape are the trainer's to refuse": ("sft", [{"a": "x"}, {"a": "x"}], {}, [0, 0], {}),
    "sft: an evaluation item": (
        "sft", [{"prompt": ITEM, "completion": "48"}, CLAIMS[2]], {}, [1], {"contaminated: gsm/gate": 1},
    ),
    "switched off": ("sft", [*CLAIMS[:2], CLAIMS[3], {"prompt": "Kiel is a town. ", "completion": "REFUTES"}], False, [0, 1, 2, 3], {}),
    "kto: one completion called good and bad": (
        "kto", [
            {"prompt": "Where?", "completion": LONG, "label": True}, {"prompt": "Where?", "completion": LONG, "label": False},
            {"prompt": "When?", "completion": LONG, "label": True}, {"prompt": "When?", "completion": OTHER, "label": False},
        ], {}, [2, 3], {"conflicting labels": 2},
    ),
    "dpo: pairs that contradict each other": (
        "dpo", [
            {"prompt": "Where?", "chosen": LONG, "rejected": OTHER}, {"prompt": "Where?", "chosen": OTHER, "rejected": LONG},
            {"prompt": "When?", "chosen": said(LONG), "rejected": said(OTHER)},
        ], {}, [2], {"conflicting preferences": 2},
    ),
    "grpo: one prompt with two references, one said twice": (
        "grpo", [{"prompt": asked(q), "answer": a} for q, a in (("2+2", "4"), ("2+2", "5"), ("3+3", "6"), ("3+3", "6"), ("9", "9"))],
        {}, [2, 4], {"conflicting labels": 2, "exact duplicate": 1},
    ),
    "classify: one text of two classes": (
        "classify", [{"text": t, "label": k} for t, k in ((LONG, 1), (LONG, 0), (OTHER, 1), (OTHER, 1), ("fine", 0))], {},
        [2, 4], {"conflicting labels": 2, "exact duplicate": 1},
    ),
    "seq2seq: as for sft": (
        "seq2seq", [{"prompt": "Sum up.", "completion": t} for t in (LONG, LONG, "I cannot help with that.")], {}, [0],
        {"exact duplicate": 1, "refusal": 1},
    ),
}  # fmt: skip


@pytest.mark.parametrize(("method", "rows", "curate", "kept", "reasons"), CASES.values(), ids=CASES)
def test_rows_of_ones_own_are_curated_before_the_snapshot(store, method, rows, curate, kept, reasons):
    given = CurationConfig.off().model_dump() if curate is False else curate
    assert freeze(store, method, rows, **given) == (kept, reasons)


@pytest.mark.parametrize(
    ("method", "curate", "key"),
    [
        ("classify", {"length": {"min_words": 5}}, "length"), ("grpo", {"language": {"allowed": ["en"]}}, "language"),
        ("grpo", {"refusals": False, "boilerplate": ["placeholder"]}, "boilerplate"),
        ("sft", {"difficulty": {"max_pass_rate": 0.9}}, "difficulty"), ("kto", {"difficulty": {"order": "stages"}}, "difficulty"),
    ],
)  # fmt: skip
def test_a_key_that_cannot_apply_to_the_methods_rows_is_refused(store, method, curate, key):
    with pytest.raises(
        RecipeError, match=rf"(?s)curate\.{key}, with train\.rows and --method {method}.*remove curate\.{key}"
    ):
        freeze(store, method, [{"text": LONG, "label": 1}], **curate)


def test_other_rules_replace_the_outcome_and_prompts_are_on_record(store):
    assert freeze(store, "sft", CLAIMS)[0] == [2, 3]
    assert freeze(store, "sft", CLAIMS, conflicts=False) == ([0, 1, 2, 3], {"exact duplicate": 1})
    prompts = {json.loads(p)[0]["content"] for (p,) in store.query("SELECT prompt FROM samples")}
    assert prompts == {"Ulm is a town.", "Bonn is a town.", "Kiel is a town."}


def test_the_data_card_reads_their_prompts_and_says_what_was_searched(store):
    kto = [{"prompt": "Where?", "completion": LONG, "label": k} for k in (True, False)]
    dpo = [{"prompt": "Where?", "chosen": a, "rejected": b} for a, b in ((LONG, OTHER), (OTHER, LONG))]
    classes = [{"text": t, "label": k} for t, k in ((LONG, 1), (LONG, 0), (OTHER, 1))]
    for method, rows in (
        ("sft", [*CLAIMS, {"prompt": ITEM, "completion": "48"}]),
        ("kto", kto),
        ("dpo", dpo),
        ("classify", classes),
    ):
        given = [OwnRow(row, json.dumps(row)) for row in rows]
        nothing = Decontaminator([], DecontaminateConfig())
        snapshot_own(
            store,
            "run_a",
            0,
            method,
            f"{method}.jsonl",
            given,
            decontaminator=nothing,
            rules=OwnCuration(CurationConfig()),
        )
    store.close()
    page = render_card(read_card(store.project, "all"))
    assert (
        "| several labels of one prompt | 2 | 4 | " in page
    )  # of Ulm, and of one text; KTO's labels are none of prompts
    assert "classify.jsonl row 2" in page
    assert "| one completion accepted and rejected | 1 | 2 | " in page
    assert "| each of two preferred to the other | 1 | 2 | dpo.jsonl row 1, dpo.jsonl row 2 |" in page
    assert "These rows were not searched: no suites were given." in page
    clean = Decontaminator([EvalText("gsm", "gate", "1", ITEM)], DecontaminateConfig())
    assert "| gsm/gate | 1 | sft.jsonl row 6 |" in render_card(read_card(store.project, "all", clean))
    trained = render_card(
        read_card(
            store.project,
            "trained",
            Decontaminator([EvalText("s", "gate", "1", "Quite another")], DecontaminateConfig()),
        )
    )
    assert "rows were searched for evaluation items (1 known)." in trained
