import csv
import io
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from partnerkpi.book import delimited
from partnerkpi.book.delimited import read_file
from partnerkpi.errors import DataRefused
from partnerkpi.opening import check_book, open_book

Write = Callable[..., Path]
HEAD = "deal_id,created_on,status,name\n"
ROW = "D-1,2025-01-01,open,x\n"


def only(folder: Path, kind: str) -> list[str]:
    return [str(f) for f in check_book(folder).faults if f.kind == kind]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ("", "the file is empty: not even a header"),
        ("deal_id,created_on,status,status\n" + ROW, "names a column twice: 'status'"),
        ((HEAD + ROW).replace(",", ";"), "holds ';': declare the delimiter"),
        ((HEAD + ROW).replace(",", "\t"), "holds a tab: declare the delimiter"),
        ((HEAD + ROW).encode("utf-16"), "byte 0 cannot be read as utf-8: it begins like UTF-16"),
        ((HEAD + "D-1,2025-01-01,open,café\n").encode("cp1252"), r"line 2.*byte 54 cannot be read as utf-8"),
        (HEAD + "D-1,2025-01-01,open,a\0b\n", "line 2.*NUL"),
        (HEAD + 'D-1,2025-01-01,open,"never closed\n', "a quote is opened and never closed"),
        (HEAD + 'D-1,2025-01-01,open,"a"b\n', "text stands directly after a closing quote"),
        (HEAD + "D-1,2025-01-01,open,x,\n" * 3, "header has 4 cells, 3 of 3 rows have another number: the row has 5"),
        (HEAD + 'D-1,2025-01-01,open,"x\nD-2,2025-01-02,open,"\nD-3,2025-01-01,open,y\n', "looks like a whole record"),
        ("deal_id,status,name\nD-1,open,x\n", "the column 'created_on' is missing. Map it under"),
        ("Deal_ID,created_on,status\nD-1,2025-01-01,open\n", "'deal_id' is missing.*Did you mean 'Deal_ID'"),
        (HEAD + "D-1,2025-01-01,open," + "y" * 200_000 + "\n", "longer than 131,072"),
    ],
)
def test_a_file_that_cannot_be_read_whole_is_refused(write_book: Write, data: str | bytes, said: str) -> None:
    folder = write_book(data)
    with pytest.raises(DataRefused, match=said) as caught:
        open_book(folder)
    assert caught.value.exit_code == 1
    assert [f.kind for f in caught.value.faults].count("E") == 1
    assert "E" in [f.kind for f in check_book(folder).faults]


def test_latin_1_with_characters_only_cp1252_has_is_refused(write_book: Write) -> None:
    data = (HEAD + "D-1,2025-01-01,open,5 €\n").encode("cp1252")
    with pytest.raises(DataRefused, match="probably it is cp1252"):
        open_book(write_book(data, toml='[deals]\nencoding = "latin-1"\n'))
    assert open_book(write_book(data, toml='[deals]\nencoding = "cp1252"\n')).deals["name"].tolist() == ["5 €"]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig", "utf-8"])
def test_declared_encodings_are_read(write_book: Write, encoding: str) -> None:
    data = (HEAD + "D-1,2025-01-01,open,Žluť\n").encode(encoding)
    declared = "utf-16" if encoding == "utf-16" else "utf-8"
    book = open_book(write_book(data, toml=f'[deals]\nencoding = "{declared}"\n'))
    assert book.deals["name"].tolist() == ["Žluť"]


def test_a_header_without_rows_is_a_book_without_deals(write_book: Write) -> None:
    book = open_book(write_book(HEAD))
    assert len(book.deals) == len(book.spells) == len(book.prospects) == len(book.partners) == 0
    assert [f.rule for f in book.reading.faults] == ["no rows, only a header"]
    assert book.reading.line() == "deals: 0 rows read = 0 used + 0 out of scope + 0 set aside"


def test_record_and_line_of_rows_after_a_cell_of_several_lines(write_book: Write) -> None:
    rows = ['D-1,2025-01-01,open,"one\ntwo\r\nthree"', "", "D-2,2025-01-01,open,x", "D-3,2025-99-01,open,x"]
    folder = write_book((HEAD + "\n".join(rows) + "\n").encode())
    book = open_book(folder, allow_set_aside=True)
    assert book.deals[["_record", "_line"]].to_numpy().tolist() == [[1, 2], [2, 6]]
    assert book.deals["name"].iloc[0] == "one\ntwo\r\nthree"
    aside = [f for f in book.reading.faults if f.kind == "Q"]
    assert [(f.record, f.line, f.column, f.value) for f in aside] == [(3, 7, "created_on", "2025-99-01")]


def test_a_row_of_another_length_is_set_aside(write_book: Write) -> None:
    text = HEAD + ROW + "D-2,2025-01-01,open\n" + "D-3,2025-01-01,open,x,y\n" + "D-4,2025-01-01,open,x\n" * 1
    folder = write_book(text + "D-5,2025-01-01,open,x\n")
    assert any("2 of 5 rows set aside, more than 1 %" in f for f in only(folder, "E"))
    book = open_book(folder, allow_set_aside=True)
    assert book.reading.rows() == {"read": 5, "used": 3, "out of scope": 0, "set aside": 2}
    assert book.reading.set_aside["row"].tolist() == ["D-2,2025-01-01,open", "D-3,2025-01-01,open,x,y"]
    assert book.reading.set_aside["line"].tolist() == [3, 4]
    assert book.deals["_record"].tolist() == [1, 4, 5]


def test_only_the_empty_text_is_missing_and_ids_stay_text(write_book: Write) -> None:
    ids = ["NA", "null", "None", "nan", "007", "1E5", "123456789012345678", "N/A", "-"]
    text = HEAD.replace("name", "partner_id") + "".join(f"{i},2025-01-01,open,{i}\n" for i in ids)
    book = open_book(write_book(text))
    assert book.deals["deal_id"].tolist() == ids
    assert book.deals["partner_id"].tolist() == ids
    assert sorted(book.partners["partner_id"]) == sorted(ids)


CELL = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=6)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(st.lists(st.tuples(CELL, CELL, CELL), max_size=12), st.sampled_from(["\n", "\r\n"]), st.integers(1, 5))
def test_what_was_written_is_read_with_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: list[tuple[str, str, str]], end: str, chunk: int
) -> None:
    monkeypatch.setattr(delimited, "_CHUNK", chunk)
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator=end, quoting=csv.QUOTE_ALL)
    starts = []
    for row in [("a", "b", "c"), *rows]:
        starts.append(len(out.getvalue().replace("\r\n", "\n").replace("\r", "\n").split("\n")))
        writer.writerow(row)
    path = tmp_path / "x.csv"
    path.write_bytes(out.getvalue().encode())
    raw = read_file(path, "x.csv", "utf-8", ",", lambda header: header)
    if raw.refused:  # a cell full of commas and line ends looks like a swallowed record, and is meant to
        assert any(row_cell.count(",") >= 2 for row in rows for row_cell in row)
        return
    assert [tuple(r) for r in raw.text.fillna("").itertuples(index=False)] == rows
    assert raw.record.tolist() == list(range(1, len(rows) + 1))
    assert raw.line.tolist() == starts[1:]
