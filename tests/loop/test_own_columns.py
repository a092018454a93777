"""``train.columns``: rows in anybody's columns become those that a trainer reads."""

import pytest
from flywheel.config import TrainConfig
from flywheel.loop._own_rows import freeze_heldout, read_own_rows
from support import write_jsonl

ROW = {"article": "Long {{x}} text.", "highlights": "Short.", "id": 7, "more": {"list": ["a", "b"]}}


@pytest.mark.parametrize(
    ("columns", "made"),
    [
        ({"prompt": "article", "completion": "highlights"}, {"prompt": "Long {{x}} text.", "completion": "Short.", "id": 7, "more": ROW["more"]}),
        ({"prompt": "summarize: {{article}}", "completion": "{{ more.list.1 }}!"}, {"prompt": "summarize: Long {{x}} text.", "completion": "b!", "highlights": "Short.", "id": 7}),
        ({"text": "more.list.0", "label": "nowhere"}, {"article": "Long {{x}} text.", "highlights": "Short.", "id": 7, "text": "a"}),
        ({"messages": [{"role": "user", "content": "Sum up: {{article}}"}, {"role": "assistant", "content": "OK"}]},
         {"highlights": "Short.", "id": 7, "more": ROW["more"], "messages": [{"role": "user", "content": "Sum up: Long {{x}} text."}, {"role": "assistant", "content": "OK"}]}),
    ],
)  # fmt: skip
def test_columns_are_made_of_names_texts_and_messages(tmp_path, columns, made):
    write_jsonl(tmp_path / "rows.jsonl", [ROW])
    train = TrainConfig(rows="rows.jsonl", heldout="rows.jsonl", columns=columns)
    (row,) = read_own_rows(train, tmp_path)
    assert row.columns == made
    assert freeze_heldout(train, tmp_path, tmp_path).path.read_text().strip() == row.raw


def test_a_line_that_is_no_row_stays_one(tmp_path):
    (tmp_path / "rows.jsonl").write_text('rug{"article": 1}\n{"article": "A", "highlights": "B"}\n')
    train = TrainConfig(rows="rows.jsonl", columns={"prompt": "article", "completion": "highlights"})
    bad, good = read_own_rows(train, tmp_path)
    assert bad.columns is None and bad.raw == 'rug{"article": 1}' and good.columns == {"prompt": "A", "completion": "B"}
