"""Tables as a source of rows."""

import gzip

import pytest
from flywheel.errors import InputError
from flywheel.store import read_source


def test_a_table_is_read_with_its_head_and_without_its_byte_order_mark(tmp_path):
    text = '\ufeffid,text\n1,"two\nlines, and a comma"\n2,a\u2028b\n'
    (tmp_path / "rows.csv").write_text(text, encoding="utf-8")
    (tmp_path / "rows.csv.gz").write_bytes(gzip.compress(text.encode()))
    for name in ("rows.csv", "rows.csv.gz"):
        rows = [row.row for row in read_source(name, tmp_path)]
        assert rows == [{"id": "1", "text": "two\nlines, and a comma"}, {"id": "2", "text": "a\u2028b"}]
    assert [row.row["id"] for row in read_source("rows.csv[1:]", tmp_path)] == ["2"]


def test_a_row_of_another_number_of_cells_is_a_fault_and_the_others_stay(tmp_path):
    (tmp_path / "rows.csv").write_text("a,b\n1,2\n3\n4,5,6\n7,8\n")
    rows = list(read_source("rows.csv", tmp_path))
    assert [bool(row.fault) for row in rows] == [False, True, True, False]
    assert rows[1].fault == "another number of cells than the head" and '"3"' in rows[1].raw


def test_a_table_in_another_encoding_is_refused(tmp_path):
    (tmp_path / "rows.csv").write_bytes(b"a\n\xff\xfe\n")
    with pytest.raises(InputError, match="UTF-8"):
        list(read_source("rows.csv", tmp_path))


@pytest.mark.parametrize(
    ("file", "n", "columns"),
    [
        ("mts_dialog/MTS-Dialog-TrainingSet.csv", 600, {"ID", "section_header", "section_text", "dialogue"}),
        ("aci_bench/valid.csv", 20, {"dataset", "encounter_id", "dialogue", "note"}),
        ("imdb/imdb_sample.csv", None, None),
    ],
)
def test_real_tables_are_read_whole(shared_data, file, n, columns):
    rows = list(read_source(str(shared_data / file), shared_data))
    assert not [row for row in rows if row.fault]
    assert n is None or len(rows) == n
    assert columns is None or set(rows[0].row) == columns
    assert not any(key.startswith("\ufeff") for key in rows[0].row)
