"""bert-sentiment: an encoder from scratch learns to classify; real reviews come from a CSV with a byte-order mark."""

import pytest
from support_recipes import run_command, table_rows

pytestmark = pytest.mark.recipes


def scores(made):
    return {s["metric"]: (s["before"], s["after"], s["n"]) for s in made.scores if s["suite"] == "heldout"}


def test_a_small_encoder_tells_favourable_reviews_from_others(miniature):
    made = miniature("bert-sentiment", page=True)
    counted = [row[:3] for row in table_rows(next(s for s in made.said if "data check" in s))]
    assert sorted(counted) == [["favourable", "32", "32"], ["unfavourable", "32", "32"]]
    ((_, first, last),) = made.losses
    assert last < 0.1 * first and made.drops == {}
    for metric in ("accuracy", "macro_f1"):
        before, after, n = scores(made)[metric]
        assert n == 16 and before < 0.75 and after > 0.85


def test_real_reviews_are_read_through_their_byte_order_mark(miniature, shared_data):
    source = shared_data / "imdb/imdb_sample.csv"
    assert source.read_bytes().startswith(b"\xef\xbb\xbf")

    def prepare(folder):
        (folder / "imdb.csv").write_bytes(source.read_bytes())
        (folder / "real.yaml").write_text(
            "extends: mini.yaml\ntrain:\n  rows: imdb.csv[0:200]\n  heldout: imdb.csv[440:500]\n"
            "  labels: ['0', '1']\n  classify: {num_train_epochs: 1, max_length: 96}\n"
        )

    made = miniature("bert-sentiment", prepare=prepare, variant="real.yaml")
    assert made.rows == {"classify/rows": 200}
    assert sum(n for reason, n in made.drops.items() if "missing_columns" in reason or "unknown_label" in reason) == 0
    assert scores(made)["accuracy"][2] == 60 and len(made.losses) == 1
    shown = run_command(made.folder, "flywheel sql \"select fields from samples where step = 'classify/rows' limit 1\"")
    assert '{""text""' in shown.stdout and "\ufeff" not in shown.stdout
