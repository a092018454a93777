"""Pieces of other rows among a row's own."""

import json

import pytest
from flywheel.config import DistractorConfig
from flywheel.store import SourceRow, add_distractors

CONFIG = DistractorConfig(column="evidence", by="claim", n=2)


def read(*rows):
    return [SourceRow(i, row) for i, row in enumerate(rows)]


ROWS = [{"claim": f"Claim {i}.", "label": "SUPPORTS", "evidence": [f"{i} is one.", f"{i} is two."]} for i in range(6)]


def test_each_row_keeps_its_own_pieces_and_says_where_they_are():
    made = add_distractors(read(*ROWS), CONFIG)
    for row, mixed in zip(ROWS, made, strict=True):
        pieces, sets = mixed.row["evidence"], mixed.row["evidence_sets"]
        assert len(pieces) == 4 == len(set(pieces))
        assert [pieces[one - 1] for (one,) in sets] == row["evidence"]
        assert mixed.row["claim"] == row["claim"] and row["evidence"] == [*row["evidence"]]
    places = {one for m in made for (one,) in m.row["evidence_sets"]}
    assert len(places) >= 3, "not always in the same place"


def test_the_same_rows_get_the_same_pieces():
    once, again = (add_distractors(read(*ROWS), CONFIG) for _ in range(2))
    assert [r.row for r in once] == [r.row for r in again]


def test_no_piece_is_of_a_row_about_the_same_thing_or_one_of_its_own():
    """FEVER-symmetric: the other row of a claim holds what proves the opposite."""
    rows = [
        {"claim": "It is so.", "evidence": "Yes, so."}, {"claim": "it is  SO.", "evidence": "No, not so."},
        {"claim": "It rains.", "evidence": "Rain falls."}, {"claim": "It snows.", "evidence": "Rain falls."},
    ]  # fmt: skip
    made = [r.row for r in add_distractors(read(*rows), CONFIG)]
    assert sorted(made[0]["evidence"]) == ["Rain falls.", "Yes, so."]
    assert sorted(made[1]["evidence"]) == ["No, not so.", "Rain falls."]
    assert sorted(made[2]["evidence"]) == ["No, not so.", "Rain falls.", "Yes, so."]


def test_sets_that_a_row_names_move_with_their_pieces():
    first = {"claim": "A.", "evidence": [["Page_A", 1, "A one."], ["Page_A", 2, "A two."], ["Page_A", 3, "A three."]], "evidence_sets": [[1, 3], [2]]}  # fmt: skip
    (mixed, *_) = add_distractors(read(first, *ROWS), CONFIG)
    pieces = mixed.row["evidence"]
    said = [[pieces[i - 1][2] for i in one] for one in mixed.row["evidence_sets"]]
    assert said == [["A one.", "A three."], ["A two."]]


@pytest.mark.parametrize("row", [{"claim": "A."}, {"claim": "A.", "evidence": None}, {"claim": "A.", "evidence": []}])
def test_a_row_without_sources_gets_some_too(row):
    (mixed, *_) = add_distractors(read(row, *ROWS), CONFIG)
    assert len(mixed.row["evidence"]) == 2 and mixed.row["evidence_sets"] == []


def test_rows_without_pieces_and_faults_stay_as_they_are():
    rows = [SourceRow(0, {}, "{", "not JSON"), SourceRow(1, {"claim": "A.", "evidence": 7}), *read(*ROWS)]
    made = add_distractors(rows, CONFIG)
    assert made[:2] == rows[:2]
    assert [r.row["evidence"] for r in add_distractors(read(ROWS[0]), CONFIG)] == [ROWS[0]["evidence"]], "none to take"


def test_real_claims_get_sources_of_others_alone(shared_data):
    lines = (shared_data / "fever" / "fever_symmetric_dev.jsonl").read_text(encoding="utf-8").split("\n")
    rows = [json.loads(line) for line in lines if line]
    made = add_distractors(read(*rows), CONFIG)
    of_claim = {}
    for row in rows:
        of_claim.setdefault(row["claim"], set()).add(row["evidence"])
    for row, mixed in zip(rows, made, strict=True):
        ((own,),) = mixed.row["evidence_sets"]
        assert mixed.row["evidence"][own - 1] == row["evidence"]
        assert len(mixed.row["evidence"]) == 3
        assert not (set(mixed.row["evidence"]) - {row["evidence"]}) & of_claim[row["claim"]]
