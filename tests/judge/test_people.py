"""What people decided on the page, in the training sets of every method: SFT's rows, pairs, KTO's labels."""

import json

import pytest
from flywheel.config import CurationConfig, DecontaminateConfig, PairConfig, PairKind, SelectConfig
from flywheel.judge import MATH_JUDGE, Decontaminator, Freezer, Rules, Scope, make_pairs, snapshot_kto
from flywheel.schema import VerdictRow
from flywheel.ui._people import decide, edit
from support_filled import Filled

ADA = "human:ada"


class Decided(Filled):
    """Draws of problems, with a person who decides on them as the page does."""

    def decide(self, sample_id, action):
        self.store.put_aside([decide(ADA, sample_id, action)])
        self.store.fold_aside()

    def edit(self, sample_id, text):
        (sample,) = self.store.query_rows("SELECT * FROM samples WHERE sample_id = ?", [sample_id])
        rows = edit(ADA, sample, text)
        self.store.put_aside(rows)
        self.store.fold_aside()
        return rows[0].sample_id

    def pairs(self, iteration=1, *kinds, step="on-policy"):
        config = PairConfig(kinds=kinds) if kinds else PairConfig()
        make_pairs(self.store, Scope("run_a", iteration, (step,)), config, verifier=MATH_JUDGE, seed=1)
        made = self.freezer(iteration).freeze_dpo("ckpt_1")
        self.check_funnel(iteration)
        return [(r["chosen"][0]["content"], r["rejected"][0]["content"]) for r in read(made)]

    def check_funnel(self, iteration):
        """What pairing kept is what curation got."""
        counts = dict(
            self.store.query(
                "SELECT step, CASE step WHEN 'pair/items' THEN kept ELSE entered END FROM funnel WHERE iteration = ? AND step IN ('pair/items', 'dpo/curate')",
                [iteration],
            )
        )
        assert counts.get("pair/items", 0) == counts["dpo/curate"]
        assert self.store.query(
            "SELECT count(*) FROM funnel WHERE entered <> kept + dropped AND regexp_matches(step, 'pair|curate|snapshot')"
        ) == [(0,)]

    def labels(self, iteration=1):
        clean = Decontaminator([], DecontaminateConfig())
        made = snapshot_kto(self.store, "run_a", iteration, judge=MATH_JUDGE, per_problem=2, decontaminator=clean)
        return {r["completion"][0]["content"]: r["label"] for r in read(made)}

    def accepted(self, iteration=1, per_problem=8):
        rules = Rules(CurationConfig(), SelectConfig(per_problem=per_problem), DecontaminateConfig(), MATH_JUDGE)
        clean = Decontaminator([], DecontaminateConfig())
        made = Freezer(self.store, "run_a", iteration, rules, clean, seed=3).freeze_sft("ckpt_seed")
        return [r["completion"][0]["content"] for r in read(made)]


def read(snapshot):
    return [json.loads(line) for line in snapshot.path.read_text().splitlines()]


RIGHT, WRONG, OTHER = "One and two are three #### 0", "They make twelve of it #### 7", "Nobody knows this at all #### 8"


@pytest.fixture
def decided(store):
    return Decided(store)


@pytest.fixture(params=["correct/incorrect", "higher/lower"])
def kind(request):
    return PairKind(kind=request.param, **({"judge": "quality"} if request.param == "higher/lower" else {}))


def score(decided, iteration, *scores, step="on-policy"):
    decided.store.append(
        [
            VerdictRow(f"vq_{iteration}_{i}", f"smp_{iteration}_{step}_0_{i}", "quality@abc", s > 0.5, s, "said", None)
            for i, s in enumerate(scores)
        ]
    )
    decided.store.fold()


@pytest.fixture
def drawn(decided):
    decided.add(1, 0, (RIGHT, True), (WRONG, False), step="on-policy")
    score(decided, 1, 0.9, 0.1)
    return decided


def test_without_a_person_the_verifiers_word_makes_the_pair(drawn, kind):
    assert drawn.pairs(1, kind) == [(RIGHT, WRONG)]


def test_what_a_person_rejected_is_never_chosen(drawn, kind):
    drawn.decide("smp_1_on-policy_0_0", "reject")
    assert drawn.pairs(1, kind) == []


def test_what_a_person_accepted_is_never_rejected(drawn, kind):
    drawn.decide("smp_1_on-policy_0_1", "accept")
    assert drawn.pairs(1, kind) == []


def test_a_person_may_turn_a_pair_round(drawn, kind):
    drawn.decide("smp_1_on-policy_0_0", "reject")
    drawn.decide("smp_1_on-policy_0_1", "accept")
    assert drawn.pairs(1, kind) == [(WRONG, RIGHT)]
    ((chosen, rejected),) = drawn.store.query(
        "SELECT v.judge, w.judge FROM dpo d JOIN verdicts v ON v.verdict_id = d.chosen_verdict_id JOIN verdicts w ON w.verdict_id = d.rejected_verdict_id"
    )
    assert (chosen, rejected) == (ADA, ADA)


def test_an_edited_text_is_chosen_over_what_it_was_made_of(drawn, kind):
    drawn.edit("smp_1_on-policy_0_1", "Mended by hand, quite another text #### 0")
    found = drawn.pairs(1, kind)
    assert ("Mended by hand, quite another text #### 0", WRONG) in found
    assert all(chosen != WRONG for chosen, _ in found)


def test_an_edit_comes_before_what_the_verifier_passed_where_few_are_taken(drawn):
    drawn.add(2, 1, *((f"Way {w} in some words #### 1", True) for w in "abcde"), (OTHER, False), step="on-policy")
    drawn.edit("smp_2_on-policy_1_0", "The mended way in some words #### 1")
    config = PairConfig(per_problem=1)
    make_pairs(drawn.store, Scope("run_a", 2, ("on-policy",)), config, verifier=MATH_JUDGE, seed=1)
    ((chosen, _),) = [
        (r["chosen"][0]["content"], r["rejected"][0]["content"])
        for r in read(drawn.freezer(2).freeze_dpo("ckpt_1"))
        if "way" in r["chosen"][0]["content"].lower()
    ]
    assert chosen == "The mended way in some words #### 1"


def test_a_rejected_text_that_was_drawn_twice_is_not_chosen_either(decided):
    decided.add(1, 0, (RIGHT, True), (RIGHT, True), (WRONG, False), step="on-policy")
    decided.decide("smp_1_on-policy_0_0", "reject")
    assert decided.pairs(1) == []


def test_what_people_say_in_the_morning_makes_pairs_of_the_next_iteration_once(drawn, kind):
    assert drawn.pairs(1, kind) == [(RIGHT, WRONG)]
    drawn.edit("smp_1_on-policy_0_1", "Mended by hand, quite another text #### 0")
    drawn.add(2, 1, ("Fine as it is #### 1", True), (OTHER, False), step="on-policy")
    drawn.store.append(
        [
            VerdictRow(f"vq_2_{i}", f"smp_2_on-policy_1_{i}", "quality@abc", i == 0, 1.0 - i, "said", None)
            for i in (0, 1)
        ]
    )
    drawn.store.fold()
    mended, fresh = ("Mended by hand, quite another text #### 0", WRONG), ("Fine as it is #### 1", OTHER)
    assert sorted(drawn.pairs(2, kind)) == sorted([fresh, mended])
    assert sorted(drawn.pairs(2, kind)) == sorted([fresh, mended]), "the same again after a kill"
    drawn.add(3, 2, ("Good for three #### 2", True), ("Bad for three, though #### 9", False), step="on-policy")
    assert mended not in drawn.pairs(3, kind)


def test_a_pair_that_came_ready_goes_where_a_person_speaks_against_it_and_an_edit_takes_its_place(decided):
    decided.add(1, 0, (RIGHT, True), (WRONG, False), step="answers")
    decided.add(1, 1, ("Fine as it is #### 1", True), (OTHER, False), step="answers")
    decided.store.insert("pairs", [{
        "pair_id": f"pair_{i}", "run_id": "run_a", "iteration": 1, "problem_id": f"prb_{i}", "kind": "revised/original",
        "chosen_sample_id": f"smp_1_answers_{i}_0", "rejected_sample_id": f"smp_1_answers_{i}_1", "created_at": "2026-01-01",
    } for i in (0, 1)], key="pair_id")  # fmt: skip
    assert decided.store.query("SELECT count(*) FROM dpo") == [(2,)]
    decided.decide("smp_1_answers_1_1", "accept")
    decided.edit("smp_1_answers_0_0", "One and two, mended by hand #### 0")
    assert decided.store.query("SELECT count(*) FROM dpo") == [(0,)], "flywheel export writes them no more, at once"
    kind = PairKind(kind="revised/original")
    assert decided.pairs(1, kind, step="answers") == [("One and two, mended by hand #### 0", WRONG)]
    assert sorted(decided.drops("pair/items").values()) == [
        "a person accepted the rejected one", "a person rejected the chosen one",
    ]  # fmt: skip


def test_what_is_said_between_pairing_and_freezing_counts_and_is_on_record(drawn):
    make_pairs(drawn.store, Scope("run_a", 1, ("on-policy",)), PairConfig(), verifier=MATH_JUDGE, seed=1)
    drawn.decide("smp_1_on-policy_0_0", "reject")
    assert read(drawn.freezer(1).freeze_dpo("ckpt_1")) == []
    assert list(drawn.drops("dpo/curate").values()) == ["failed by human:ada"]


def test_sft_trains_on_what_people_accepted_and_edited_and_not_on_what_they_rejected(decided):
    decided.add(1, 0, (RIGHT, True), (WRONG, False), ("To be mended, this one #### 0", True))
    decided.decide("smp_1_solve_0_0", "reject")
    decided.decide("smp_1_solve_0_1", "accept")
    decided.edit("smp_1_solve_0_2", "This one was mended by hand #### 0")
    assert sorted(decided.accepted()) == sorted([WRONG, "This one was mended by hand #### 0"])


def test_an_edited_text_is_trained_on_where_few_of_a_problem_are_taken(decided):
    decided.add(1, 0, *((f"Way {w} of doing it, {w * 4} #### 0", True) for w in "abcde"))
    decided.edit("smp_1_solve_0_4", "The way that was mended by hand #### 0")
    assert decided.accepted(per_problem=1) == ["The way that was mended by hand #### 0"]


def test_a_text_that_a_person_rejected_is_not_trained_on_when_it_is_drawn_again(decided):
    decided.add(1, 0, (RIGHT, True), (RIGHT, True))
    decided.decide("smp_1_solve_0_0", "reject")
    assert decided.accepted() == []
    decided.add(2, 0, (RIGHT, True), ("Another right way of it #### 0", True))
    assert decided.accepted(2) == ["Another right way of it #### 0"]
    assert decided.labels(2)[RIGHT] is False


def test_kto_labels_are_peoples_where_they_spoke(decided):
    decided.add(1, 0, (RIGHT, True), (WRONG, False), ("To be mended, this one #### 0", True))
    decided.decide("smp_1_solve_0_0", "reject")
    decided.decide("smp_1_solve_0_1", "accept")
    decided.edit("smp_1_solve_0_2", "This one was mended by hand #### 0")
    assert decided.labels() == {
        RIGHT: False, WRONG: True, "To be mended, this one #### 0": False, "This one was mended by hand #### 0": True,
    }  # fmt: skip


def test_kto_learns_in_the_next_iteration_what_people_said_since_once(decided):
    decided.add(1, 0, (RIGHT, True), (WRONG, False))
    assert decided.labels() == {RIGHT: True, WRONG: False}
    decided.decide("smp_1_solve_0_0", "reject")
    decided.edit("smp_1_solve_0_1", "This one was mended by hand #### 0")
    decided.add(2, 1, ("Fine as it is #### 1", True))
    said = {
        RIGHT: False, WRONG: False, "This one was mended by hand #### 0": True, "Fine as it is #### 1": True,
    }  # fmt: skip
    assert decided.labels(2) == said
    assert decided.labels(2) == said, "the same again after a kill"
    decided.add(3, 2, ("Good for three #### 2", True))
    assert decided.labels(3) == {"Good for three #### 2": True}
