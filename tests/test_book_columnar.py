import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from partnerkpi.book.columnar import read_columns
from partnerkpi.errors import DataRefused
from partnerkpi.opening import check_book, open_book

Write = Callable[..., Path]
TOML = '[deals]\nfiles = ["deals.parquet"]\n'


def book_of(write_book: Write, columns: dict[str, Any], toml: str = "") -> Path:
    folder = write_book(None, toml=TOML + toml)
    base = {"deal_id": ["D-1", "D-2"], "created_on": [dt.date(2025, 1, 5)] * 2, "status": ["open", "open"]}
    pq.write_table(pa.table({**base, **columns}), folder / "deals.parquet")
    return folder


@pytest.mark.parametrize(
    ("values", "kind", "text", "typed"),
    [
        (["a", "", None], pa.string(), ["a", None, None], ""),
        (["007", "NA"], pa.string_view(), ["007", "NA"], ""),
        ([1, None, 10**17], pa.int64(), ["1", None, "100000000000000000"], "number"),
        ([2**64 - 1], pa.uint64(), ["18446744073709551615"], "number"),
        ([12345.0, float("nan"), 1e17, 0.1], pa.float64(), ["12345", None, "100000000000000000", "0.1"], "number"),
        ([0.1, float("inf")], pa.float32(), ["0.1", "inf"], "number"),
        ([1.5], pa.float16(), ["1.5"], "number"),
        ([Decimal("1234.5"), Decimal("0.00000001")], pa.decimal128(18, 8), ["1234.50", "0.00000001"], "number"),
        ([True, False], pa.bool_(), ["TRUE", "FALSE"], ""),
        ([dt.date(2025, 1, 5)], pa.date32(), ["2025-01-05"], "day"),
        ([dt.datetime(2025, 1, 5, 10)], pa.timestamp("ms"), ["2025-01-05 10:00:00.000"], "stamp"),
        (
            [dt.datetime(2025, 3, 31, 22, 30, tzinfo=dt.UTC)],
            pa.timestamp("us", "Europe/Berlin"),
            ["2025-03-31 22:30:00.000000+00:00"],
            "stamp",
        ),
        ([None, None], pa.null(), [None, None], ""),
    ],
)
def test_every_plain_kind_has_one_text(
    tmp_path: Path, values: list[Any], kind: pa.DataType, text: list[str | None], typed: str
) -> None:
    pq.write_table(pa.table({"x": pa.array(values, kind), "y": pa.array(["z"] * len(values))}), tmp_path / "x.parquet")
    raw = read_columns(tmp_path / "x.parquet", "x.parquet", lambda header: ["x"])
    assert (raw.header, list(raw.text)) == (["x", "y"], ["x"])
    assert [None if v != v else v for v in raw.text["x"].tolist()] == text
    assert raw.typed.get("x", "") == typed
    assert (raw.record.tolist(), set(raw.line.tolist())) == (list(range(1, len(values) + 1)), {0})
    often = pa.table({"x": pa.array(values * 50, kind)})  # few values that recur may be categories: the same texts
    pq.write_table(often, tmp_path / "x.parquet", row_group_size=7)
    many = read_columns(tmp_path / "x.parquet", "x.parquet", lambda header: ["x"], coded=True)
    assert [None if v != v else v for v in many.text["x"].tolist()] == text * 50
    assert many.typed.get("x", "") == typed
    assert many.record.tolist() == list(range(1, 50 * len(values) + 1))


def test_values_are_read_as_they_are_whatever_is_declared_of_texts(write_book: Write) -> None:
    """23:30 UTC on 31 March is 1 April in Berlin, and in its own quarter."""
    stamps = pa.array([dt.datetime(2025, 3, 31, 23, 30), None], pa.timestamp("ms", "UTC"))
    columns = {"amount": pa.array([Decimal("1234.50"), Decimal("1.00")]), "expected_close_on": stamps}
    folder = book_of(write_book, columns, 'decimal = ","\nthousands = "."\ndates = "%d/%m/%Y"\n')
    deals = open_book(folder).deals
    assert deals["amount"].tolist() == [1234.5, 1.0]
    assert [str(day)[:10] for day in deals["expected_close_on"]] == ["2025-04-01", "NaT"]
    assert deals["_file"].tolist() == ["deals.parquet"] * 2


def test_no_entry_of_a_dictionary_is_kept_that_no_row_names(write_book: Write) -> None:
    """Of a file cut down to two partners, the dictionary may still name a third."""
    coded = pa.DictionaryArray.from_arrays(pa.array([0, 1]), pa.array(["P-1", "P-2", "P-HIDDEN"]))
    book = open_book(book_of(write_book, {"partner_id": coded}))
    assert book.partners["partner_id"].tolist() == ["P-1", "P-2"]
    assert list(book.deals["partner_id"].cat.categories) == ["P-1", "P-2"]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (pa.array([[1], [2]]), "the column holds list<"),
        (pa.array([{"a": 1}, None]), "the column holds struct<"),
        (pa.array([b"x", b"y"]), "the column holds binary"),
        (pa.array([1, 2], pa.duration("s")), "the column holds duration"),
    ],
)
def test_nested_values_are_refused_where_they_are_read(write_book: Write, values: pa.Array, said: str) -> None:
    with pytest.raises(DataRefused, match=f"amount: {said}.*which is no plain value: write it as plain columns"):
        open_book(book_of(write_book, {"amount": values}))
    assert len(open_book(book_of(write_book, {"other": values})).deals) == 2


def test_what_is_no_parquet_file_or_too_large_is_refused(write_book: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = book_of(write_book, {"amount": [1, 2]})
    monkeypatch.setenv("PARTNERKPI_MOST_CELLS", "7")
    with pytest.raises(DataRefused, match="2 rows of 4 columns, more than the 7 cells"):
        open_book(folder)
    monkeypatch.delenv("PARTNERKPI_MOST_CELLS")
    whole = (folder / "deals.parquet").read_bytes()
    for place in range(0, len(whole), 41):
        (folder / "deals.parquet").write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        check_book(folder)  # no checksum covers all of it: never a traceback
    for data in (b"", b"deal_id,created_on\n", whole[:-20]):
        (folder / "deals.parquet").write_bytes(data)
        with pytest.raises(DataRefused, match="no Parquet file, or damaged"):
            open_book(folder)


def test_a_query_may_read_sheets_and_parquet_files(write_book: Write) -> None:
    folder = book_of(write_book, {"amount": [Decimal("1.25"), Decimal("2.50")]}, 'sql = "SELECT * FROM deals"\n')
    assert open_book(folder).deals["amount"].tolist() == [1.25, 2.5]
