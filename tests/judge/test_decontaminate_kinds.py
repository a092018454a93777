"""Evaluation items in disguise are found, by kind, and rows that hold none pass."""

import json
from collections import defaultdict

import numpy as np
import pytest
from flywheel.config import DecontaminateConfig
from flywheel.judge import Decontaminator, EvalText, find_embedded
from planted import make_rows, plant, read_items, read_lines

ITEM = (
    "Anna starts the day with 31 tickets. Then Ben gives Anna 12 more tickets, and Anna loses 2.5 of them. "
    "How many tickets of Anna are left when the day ends?"
)
CLAIM = "Tilda Swinton is a vegan."
TINY = "Artpop flopped."


@pytest.fixture(scope="module")
def decontaminator():
    items = [EvalText("s", "gate", name, text) for name, text in (("long", ITEM), ("claim", CLAIM), ("tiny", TINY))]
    return Decontaminator(items, DecontaminateConfig())


@pytest.mark.parametrize(
    ("text", "item", "kind"),
    [
        (ITEM.replace("2.5", "2. 5").replace(". ", "."), "long", "ngram"),
        (ITEM.replace(" ", ""), "long", "ngram"),
        (ITEM.replace(" ", "\u200b").upper(), "long", "ngram"),
        ("Ｔｉｌｄａ Swinton is a vegan", "claim", "whole"),
        ("Is it so? tilda\nswinton IS a vegan , they say", "claim", "whole"),
        ("What of it. Artpop flopped. Really", "tiny", "whole"),
        (ITEM.replace("Anna", "Mia").replace("Ben", "Mr. Tom Brown"), "long", "renamed"),
        (ITEM.replace("Anna", "mia").replace("Ben", "tom"), "long", "renamed"),
        (ITEM.replace("more tickets", "new tickets").replace("are left", "remain"), "long", "near"),
    ],
)
def test_an_item_in_disguise_is_found_and_its_kind_is_named(decontaminator, text, item, kind):
    match = decontaminator.find(text)
    assert (match.item_id, match.kind) == (item, kind)
    assert 0.8 <= match.share <= 1
    assert f"s/gate {item}: {kind}" in match.evidence


@pytest.mark.parametrize(
    "text",
    [
        ITEM.replace("Anna", "Mia").replace("Ben", "Tom").replace("31", "32"),
        ITEM.replace("starts", "begins").replace("ends", "is over").replace("12", "13"),
        "Mary Jones is a vegan.",
        "Tilda Swinton is a vegan's friend and Tilda Swinton is averse to meat",
        "Matilda Swinton is a vegan.",
        "Then Artpop flopped, as everybody knows",
        "Yesterday we starts the day with 31 balloons.",
    ],
    ids=["other number, renamed", "other number, near", "other name, short", "other words", "inside a word", "no sentence", "few"],
)  # fmt: skip
def test_what_is_no_item_passes(decontaminator, text):
    found = decontaminator.find(text)
    assert found is None or (found.item_id == "claim" and "vegan's" in text)  # an apostrophe ends a word


def test_a_short_claim_with_other_names_is_found_where_enough_of_it_tells_something():
    told, empty = (
        "Orlando Vance became a starting quarterback during the Comets season.",
        "Sikkim is a part of the Union.",
    )
    decontaminator = Decontaminator([EvalText("s", "g", t, t) for t in (told, empty)], DecontaminateConfig())
    assert (
        decontaminator.find(told.replace("Orlando Vance", "Basil Crane").replace("Comets", "Rovers")).kind == "renamed"
    )
    assert decontaminator.find("Bavaria is a part of the Empire.") is None  # says nothing that many claims do not
    assert decontaminator.find("Basil Crane became a starting goalkeeper during the Rovers season.") is None


def test_many_rows_at_once_are_as_one_by_one(decontaminator):
    rows = ["", "nothing", ITEM, f"x {CLAIM} y", "\n", "💡" * 10, ITEM[:60], "\ud800 lone half"]
    assert decontaminator.find_all(rows) == [decontaminator.find(r) for r in rows]
    assert [m and m.item_id for m in decontaminator.find_all(rows)] == [None, None, "long", "claim", *[None] * 4]


def test_near_and_renamed_can_be_left_out():
    items = [EvalText("s", "gate", "long", ITEM)]
    plain = Decontaminator(items, DecontaminateConfig(), near=0, renamed=False)
    assert plain.find(ITEM)
    assert plain.find(ITEM.replace("Anna", "Mia").replace("Ben", "Tom")) is None


def test_items_without_words_match_nothing():
    assert Decontaminator([EvalText("s", "g", "i", "?!")], DecontaminateConfig()).find("?! a") is None


def test_planted_gsm8k_and_fever_items_are_found_among_generated_rows(shared_data):
    items = read_items(shared_data, 200)
    rows = make_rows(3000)
    decontaminator = Decontaminator(items, DecontaminateConfig())
    assert not [m for m in decontaminator.find_all(rows) if m]
    planted = list(plant(items, rows))
    missed = defaultdict(list)
    for (kind, item, text), match in zip(
        planted, decontaminator.find_all(t for _, _, t in planted), strict=True
    ):  # fmt: skip
        if match is None or (kind != "renamed" and match.item.text != item.text and item.text not in text):
            missed[kind, item.suite].append(text)
    assert not {k for k in missed if k[0] != "renamed"}
    renamed = sum(kind == "renamed" and item.suite == "gsm8k" for kind, item, _ in planted)
    assert renamed > 100
    assert len(missed["renamed", "gsm8k"]) <= 0.05 * renamed
    told = sum(kind == "renamed" and item.suite == "fever" for kind, item, _ in planted)
    assert len(missed["renamed", "fever"]) <= 0.8 * told
    others = [i.text for i in read_items(shared_data, 3000, skip=200) if i.suite == "fever"]
    false = [m for m in decontaminator.find_all(others) if m and m.kind == "renamed"]
    assert len(false) <= 0.001 * len(others)


def test_real_rows_of_other_sets_pass(shared_data):
    items = [
        EvalText("gsm8k", "test", str(i), json.loads(line)["question"])
        for i, line in enumerate(read_lines(shared_data / "gsm8k/test.jsonl"))
    ]
    rows = [json.loads(line)["question"] for line in read_lines(shared_data / "gsm8k/train.jsonl")]
    found = [m for m in Decontaminator(items, DecontaminateConfig()).find_all(rows) if m]
    assert len(found) <= 0.001 * len(rows)


def test_embeddings_given_from_outside_find_the_nearest_item():
    texts = [EvalText("s", "g", name, name) for name in "ab"]
    items = np.array([[1.0, 0.0], [0.0, 2.0]])
    found = find_embedded(np.array([[3.0, 0.1], [1.0, 1.0], [0.0, 0.0]]), items, texts)
    assert [(m.item_id, m.kind, round(m.share, 2)) if m else None for m in found] == [
        ("a", "embedding", 1.0),
        None,
        None,
    ]
    assert find_embedded(items, np.zeros((0, 2)), []) == [None, None]
