"""t5-summarize: an encoder-decoder from scratch learns to sum up; of a real file the line that is no row is told, the others train."""

import pytest
from support import sql

pytestmark = pytest.mark.recipes


def heldout(made, metric):
    (found,) = [s for s in made.scores if (s["suite"], s["metric"]) == ("heldout", metric)]
    return found["before"], found["after"], found["n"]


def test_notices_are_summed_up(miniature):
    made = miniature("t5-summarize", page=True)
    ((_, first, last),) = made.losses
    assert made.rows == {"seq2seq/rows": 40} and made.drops == {} and last < 0.1 * first
    before, after, n = heldout(made, "rougeL")
    assert n == 8 and before < 0.1 and after > 0.6


def test_of_real_articles_the_line_that_is_no_row_is_told_and_the_others_train(miniature, shared_data):
    source = shared_data / "summarization/cnndm_100_alpaca_prompt.jsonl"
    assert source.read_text(encoding="utf-8").startswith("rug{")

    def prepare(folder):
        (folder / "news.jsonl").write_bytes(source.read_bytes())
        (folder / "real.yaml").write_text(
            "extends: mini.yaml\ntrain:\n  rows: news.jsonl[0:25]\n  heldout: news.jsonl[94:100]\n"
            "  columns: {prompt: 'summarize: {{docs.0}}', completion: result.text}\n  accept: [overlong]\n"
            "  seq2seq: {num_train_epochs: 2, max_length: 128, max_completion_length: 64}\n"
        )

    made = miniature("t5-summarize", prepare=prepare, variant="real.yaml")
    assert any("1 row cannot be used" in said for said in made.said)
    (bad,) = sql(made.folder, "select reason, raw from drops where step = 'seq2seq/rows'")
    assert bad["raw"].startswith('rug{"query"') and made.rows == {"seq2seq/rows": 24}
    ((_, first, last),) = made.losses
    assert last < first and heldout(made, "rougeL")[2] == 6
