"""Curation in parts: whatever the parts are and wherever they are done, the result is the same."""

import pickle

import flywheel.judge.curate._minhash as minhash
import numpy as np
import pytest
from flywheel.config import DecontaminateConfig
from flywheel.judge import Decontaminator, EvalText, Here
from flywheel.judge.curate import CurateRow, CurationConfig, curate, find_near
from flywheel.seed import generate

ITEM = (
    "Zara paints 41 fences and then 7 more fences with Gus before the long winter begins. How many fences are painted?"
)


class Elsewhere(Here):
    """Lets nothing pass that could not go to another machine: all of it is pickled, the results too."""

    def map(self, function, parts, *shared):
        for part in parts:
            work = pickle.loads(pickle.dumps((function, part, shared)))
            yield pickle.loads(pickle.dumps(work[0](work[1], *work[2])))


def make_rows(n=600):
    """Return rows among which are copies, near copies of several, one text very often, evaluation items, mail, loops."""
    source = generate("loop", 5, {1: 0.5, 2: 0.5})
    rows = [(p.question, p.answer) for _, p in zip(range(n), source, strict=False)]
    rows += [(q.replace("How many", "How very many"), a) for q, a in rows[: n // 6]]
    rows += [(q.replace("How many", "Just how many"), a) for q, a in rows[: n // 6]]
    rows += [(q.upper(), a) for q, a in rows[n // 6 : n // 4]]
    rows += [(f"{rows[0][0]} {i}", rows[0][1]) for i in range(200)]
    rows += [
        (ITEM, "48"),
        (ITEM.replace("Zara", "Mona"), "So 48"),
        ("Who?", "Write to me@example.org"),
        ("Say", "la " * 40),
    ]
    order = np.random.default_rng(1).permutation(len(rows))
    return [CurateRow(f"r{i}", *rows[i], score=None if i % 3 else i % 7) for i in order.tolist()]


def run(mapper):
    found = Decontaminator([EvalText("gsm", "gate", "1", ITEM)], DecontaminateConfig(), mapper=mapper)
    config = CurationConfig(duplicates={"near": 0.6}, difficulty={"order": "stages"})
    return curate(
        make_rows(), config, decontaminator=found, earlier=[(ITEM, "x"), ("Anna has 3 plums .", "3")], mapper=mapper
    )


@pytest.mark.parametrize("shares", [1, 4])
def test_parts_done_elsewhere_give_the_same_rows_and_drops(shares, monkeypatch):
    whole = run(Here())
    monkeypatch.setattr(minhash, "ROWS_A_SEARCH", -(-900 // shares))
    parts = run(Elsewhere(part_chars=4000))
    assert (parts.kept, parts.drops, parts.steps, parts.pii) == (whole.kept, whole.drops, whole.steps, whole.pii)
    assert {d.step for d in whole.drops} >= {"exact", "near", "decontaminate", "repetition"}


def test_of_equally_similar_rows_the_best_one_is_named():
    a, b = "one two three four five six seven", "eight nine ten eleven twelve thirteen fourteen"
    (gone,) = find_near([a, b, f"{a} and {b}"], [1.0, 2.0, 0.0], 0.3)
    assert (gone.row, gone.kept) == (2, 1)


def test_no_file_is_left_behind(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    run(Elsewhere(part_chars=4000))
    assert not list(tmp_path.iterdir())
