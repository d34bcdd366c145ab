import datetime as dt
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from partnerkpi.book.sheets import read_sheet
from partnerkpi.cli import partnerkpi
from partnerkpi.errors import DataRefused, UsageError
from partnerkpi.opening import check_book, open_book

openpyxl = pytest.importorskip("openpyxl")
pytest.importorskip("python_calamine")

Write = Callable[..., Path]
HEAD = ["deal_id", "created_on", "status", "amount", "name"]
DAY = dt.date(2025, 1, 5)


def book_of(
    write_book: Write, sheets: dict[str, list[list[Any]]], toml: str = "", hidden: tuple[str, ...] = ()
) -> Path:
    folder = write_book(None, toml='[deals]\nfiles = ["deals.xlsx"]\n' + toml)
    workbook = openpyxl.Workbook()
    workbook.remove(workbook.active)
    for name, rows in sheets.items():
        sheet = workbook.create_sheet(name)
        for row in rows:
            sheet.append(row)
        sheet.sheet_state = "hidden" if name in hidden else "visible"
    workbook.save(folder / "deals.xlsx")
    return folder


def one(rows: list[list[Any]]) -> dict[str, list[list[Any]]]:
    return {"Export": [HEAD, *rows]}


def changed(path: Path, part: str, change: Callable[[str], str]) -> None:
    """Write the workbook again, with one part changed."""
    with zipfile.ZipFile(path) as old:
        parts = {name: old.read(name) for name in old.namelist()}
    parts[part] = change(parts[part].decode()).encode()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        for name, data in parts.items():
            new.writestr(name, data)


def said(folder: Path, kind: str) -> list[str]:
    return [str(f) for f in check_book(folder).faults if f.kind == kind]


def test_cells_are_what_they_are_whatever_is_declared_of_texts(write_book: Write) -> None:
    rows = [
        [12345.0, DAY, "won", 1234.5, True],
        ["007", dt.date(2025, 2, 3), "open", 0.1 + 0.2, "NA"],
        [],
        ["A-1", DAY, "open", None, " x "],
    ]
    rows[0].append(dt.datetime(2025, 3, 31, 23, 59, 0))
    rows[1].append(dt.datetime(2025, 4, 1))
    sheet = {"Export": [[*HEAD, "expected_close_on"], *rows]}
    toml = 'decimal = ","\nthousands = "."\ndates = "%d/%m/%Y"\n[deals.constants]\nclosed_on = "2025-12-01"\n'
    book = open_book(book_of(write_book, sheet, toml))
    assert book.deals["deal_id"].tolist() == ["12345", "007", "A-1"]
    assert book.deals["amount"].tolist()[:2] == [1234.5, 0.3]
    assert book.deals["created_on"].dt.strftime("%Y-%m-%d").tolist() == ["2025-01-05", "2025-02-03", "2025-01-05"]
    assert [str(day)[:10] for day in book.deals["expected_close_on"][:2]] == ["2025-03-31", "2025-04-01"]
    assert book.deals["name"].tolist() == ["TRUE", "NA", " x "]
    assert book.deals[["_record", "_line"]].to_numpy().tolist() == [[1, 2], [2, 3], [3, 5]]
    assert sorted(book.reading.inputs) == ["book.toml", "deals.xlsx"]


def test_a_number_among_texts_is_read_by_the_declared_marks(write_book: Write) -> None:
    """12.345 as a cell is a little more than twelve, and must not become twelve thousand beside texts."""
    rows = [["D-1", DAY, "open", 12.345, "x"], ["D-2", DAY, "open", "1.234,50", "x"]]
    book = open_book(book_of(write_book, one(rows), 'decimal = ","\nthousands = "."\n'))
    assert book.deals["amount"].tolist() == [12.345, 1234.5]


def test_days_among_texts_are_read_strictly_and_mentioned(write_book: Write) -> None:
    """A spreadsheet made a day of 03/04/2025 in its own order, and left 13/04/2025 a text."""
    rows = [["D-1", dt.date(2025, 3, 4), "open", 1, "x"], ["D-2", "13/04/2025", "open", 1, "x"]]
    folder = book_of(write_book, one(rows), 'dates = "%d/%m/%Y"\n')
    with pytest.raises(DataRefused, match="not written like %d/%m/%Y"):
        open_book(folder)
    assert "W deals.xlsx, line 2 (record 1), created_on '2025-03-04': a day among texts: a spreadsheet may have made" \
           " it of a text, and exchanged day and month" in said(folder, "W")  # fmt: skip


def test_long_numbers_in_an_id_column_are_mentioned(write_book: Write) -> None:
    rows = [[123456789012345678, DAY, "open", 1, "x"], [12345678901234, DAY, "open", 1, "x"]]
    folder = book_of(write_book, one(rows))
    assert [w for w in said(folder, "W") if "more than 15 digits" in w] == [
        "W deals.xlsx, line 2 (record 1), deal_id '123456789012345700': a number of more than 15 digits: a "
        "spreadsheet cut digits, unless it stood there as a text"
    ]


def test_the_sheet_is_named_or_the_only_one_to_be_seen(write_book: Write) -> None:
    rows = [HEAD, ["D-1", DAY, "open", 1, "x"]]
    two = {"Notes": [["read me"]], "Deals": rows}
    with pytest.raises(
        DataRefused, match=re.escape("2 sheets: say which is meant, sheet = \"…\", of 'Notes', 'Deals'")
    ):
        open_book(book_of(write_book, two))
    assert len(open_book(book_of(write_book, two, 'sheet = "Deals"\n')).deals) == 1
    assert len(open_book(book_of(write_book, two, hidden=("Notes",))).deals) == 1
    with pytest.raises(DataRefused, match=r"no sheet 'Deal' that one can see\. Did you mean 'Deals'"):
        open_book(book_of(write_book, two, 'sheet = "Deal"\n'))
    with pytest.raises(UsageError, match=r"names the sheet of a \.xlsx file, and files names none"):
        open_book(write_book("deal_id\n", toml='[deals]\nfiles = ["deals.csv"]\nsheet = "Deals"\n'))


def test_errors_and_formulas_never_computed_refuse_the_book_and_name_the_cell(write_book: Write) -> None:
    rows = [["D-1", DAY, "open", "=1+1", "x"], ["D-2", DAY, "open", "#N/A", "x"], ["D-3", DAY, "open", "#N/A", "x"]]
    folder = book_of(write_book, one(rows))
    assert said(folder, "E")[:2] == [
        "E deals.xlsx, amount '#N/A': an error instead of a value, in D3, D4: mend it there, or say missing ="
        ' ["#N/A"] (2 rows, first: line 3)',
        "E deals.xlsx, line 2, amount: a formula without a stored value, in D2: open the file in a spreadsheet and "
        "save it",
    ]
    raw = read_sheet(folder / "deals.xlsx", "deals.xlsx", "", lambda header: header, missing=["#N/A"])
    assert [p.rule[:32] for p in raw.problems if p.kind == "E"] == ["a formula without a stored value"]


def test_stored_values_of_formulas_are_read_also_the_empty_text(write_book: Write) -> None:
    folder = book_of(write_book, one([["D-1", DAY, "open", 5, "=A1"], ["D-2", DAY, "open", 5, "x"]]))
    part = "xl/worksheets/sheet1.xml"
    changed(folder / "deals.xlsx", part, lambda xml: re.sub(
        r'<c r="E2"[^>]*><f>A1</f><v\s*/?>(</v>)?</c>', '<c r="E2" t="str"><f>A1</f><v></v></c>', xml))  # fmt: skip
    changed(folder / "deals.xlsx", part, lambda xml: xml.replace(
        '<c r="D3" t="n"><v>5</v></c>', '<c r="D3"><f>2+3</f><v>5</v></c>'))  # fmt: skip
    book = open_book(folder)
    assert book.deals["amount"].tolist() == [5.0, 5.0]
    assert book.deals["name"].tolist()[1] == "x"
    assert book.deals["name"].isna().tolist() == [True, False]


def test_merged_cells_hidden_rows_and_cells_beside_the_table_are_said(write_book: Write) -> None:
    rows = [["D-1", DAY, "open", 1, "x", "beside"], ["D-2", DAY, "open", 1, None], ["D-3", DAY, "open", 1, "z"]]
    folder = book_of(write_book, one(rows))
    workbook = openpyxl.load_workbook(folder / "deals.xlsx")
    workbook["Export"].row_dimensions[4].hidden = True
    workbook.save(folder / "deals.xlsx")
    assert [w for w in said(folder, "W") if "hidden" in w or "column F" in w] == [
        "W deals.xlsx: 1 row is hidden in the sheet, and read like the others",
        "W deals.xlsx: column F has no name in row 1: its 1 cells are not read",
    ]
    workbook["Export"].merge_cells("E2:E3")
    workbook.save(folder / "deals.xlsx")
    with pytest.raises(DataRefused, match="line 2, name: the cells E2:E3 are merged"):
        open_book(folder)


def test_a_table_may_begin_further_down_and_to_the_right(write_book: Write, tmp_path: Path) -> None:
    rows = [["Pipeline report"], [], [None, "id", "v"], [None, "A", 1], [], [None, "B", 2], [None, "Total", 3]]
    folder = book_of(write_book, {"S": rows})
    raw = read_sheet(folder / "deals.xlsx", "deals.xlsx", "", lambda header: header, outside=(2, 1))
    assert (raw.header, raw.text.to_numpy().tolist()) == (["id", "v"], [["A", "1"], ["B", "2"]])
    assert (raw.line.tolist(), raw.record.tolist(), raw.typed) == ([4, 6], [1, 2], {"v": "number"})
    with pytest.raises(DataRefused, match="row 1 is empty, and the names of the columns are expected there"):
        open_book(book_of(write_book, {"S": [[], HEAD]}))
    with pytest.raises(DataRefused, match="names a column twice: 'name'"):
        open_book(book_of(write_book, {"S": [[*HEAD, "name"]]}))


@pytest.mark.parametrize(
    ("data", "rule"),
    [
        (b"", "the file is empty"),
        (b"deal_id,created_on\n", "is no workbook of the kind .xlsx, or damaged"),
        (b"\xd0\xcf\x11\xe0" + b"\0" * 600, "is an old .xls, or has a password"),
        (b"PK\x05\x06" + b"\0" * 18, "is no workbook of the kind .xlsx: a part of it is missing"),
    ],
)
def test_what_is_no_workbook_is_refused(write_book: Write, data: bytes, rule: str) -> None:
    folder = write_book(None, toml='[deals]\nfiles = ["deals.xlsx"]\n')
    (folder / "deals.xlsx").write_bytes(data)
    with pytest.raises(DataRefused, match=rule):
        open_book(folder)


@pytest.mark.parametrize("part", ["xl/worksheets/sheet1.xml", "xl/workbook.xml"])
def test_entities_are_refused(write_book: Write, part: str) -> None:
    folder = book_of(write_book, one([["D-1", DAY, "open", 1, "x"]]))
    changed(folder / "deals.xlsx", part, lambda xml: '<!DOCTYPE x [<!ENTITY a "b">]>' + xml)
    with pytest.raises(DataRefused, match="a part that no spreadsheet writes"):
        open_book(folder)


def test_a_damaged_workbook_gives_no_rows(write_book: Write) -> None:
    folder = book_of(write_book, one([["D-1", DAY, "open", 1, "x"]] * 50))
    whole = (folder / "deals.xlsx").read_bytes()
    for place in range(0, len(whole), 97):
        (folder / "deals.xlsx").write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        reading = check_book(folder)
        assert reading.refused or reading.rows()["read"] == 50


def test_a_bomb_is_refused_before_it_bursts(
    write_book: Write,
) -> None:
    """A file of a few hundred kB whose sheet has 64 MB: in less than 5 seconds, and less than 500 MB."""
    folder = book_of(write_book, one([["D-1", DAY, "open", 1, "x"]]))
    path = folder / "deals.xlsx"
    many = "<row><c><v>1</v></c><c><v>1</v></c></row>" * 1_600_000
    changed(path, "xl/worksheets/sheet1.xml", lambda xml: xml.replace("</sheetData>", f"{many}</sheetData>"))
    assert path.stat().st_size < 400_000
    code = (
        "import pathlib, sys, time\nbegan = time.monotonic()\nfrom partnerkpi.opening import check_book\n"
        "print(check_book(sys.argv[1]).faults[0])\nprint(time.monotonic() - began)\n"
        "status = pathlib.Path('/proc/self/status')\n"  # where there is one
        "peak = status.read_text().partition('VmHWM:')[2].split()[0] if status.exists() else 0\nprint(int(peak) / 1024)"
    )
    made = subprocess.run([sys.executable, "-c", code, str(folder)], capture_output=True, text=True, check=True)
    shown, seconds, megabytes = made.stdout.splitlines()
    assert (float(seconds) < 5, float(megabytes) < 500) == (True, True), made.stdout
    assert "grow to 63 MB, more than is read unasked. If it is right, set PARTNERKPI_MOST_MB=63 in the" in shown


def test_limits_can_be_moved(write_book: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = book_of(write_book, one([["D-1", DAY, "open", 1, "x"]]))
    path = folder / "deals.xlsx"
    many = "<row><c><v>1</v></c><c><v>1</v></c></row>" * 40_000
    changed(path, "xl/worksheets/sheet1.xml", lambda xml: xml.replace("</sheetData>", f"{many}</sheetData>"))
    assert len(read_sheet(path, path.name, "", lambda header: header[:1]).text) == 40_001
    monkeypatch.setenv("PARTNERKPI_MOST_MB", "1")
    with pytest.raises(DataRefused, match=r"grow to 2 MB, more than is read unasked.*PARTNERKPI_MOST_MB=2"):
        open_book(folder)
    monkeypatch.setenv("PARTNERKPI_MOST_MB", "2")
    assert len(read_sheet(path, path.name, "", lambda header: header[:1]).text) == 40_001
    monkeypatch.setenv("PARTNERKPI_MOST_CELLS", "1000")
    with pytest.raises(DataRefused, match="reaches to E40002, 200,010 cells, more than the 1,000"):
        open_book(folder)
    monkeypatch.setenv("PARTNERKPI_MOST_MB", "much")
    with pytest.raises(UsageError, match="PARTNERKPI_MOST_MB in the environment must be a whole number"):
        open_book(folder)


def test_a_single_cell_far_away_does_not_fill_the_memory(write_book: Write) -> None:
    folder = book_of(write_book, one([["D-1", DAY, "open", 1, "x"]]))
    far = '<row r="1048576"><c r="XFD1048576" t="n"><v>1</v></c></row></sheetData>'
    changed(folder / "deals.xlsx", "xl/worksheets/sheet1.xml", lambda xml: xml.replace("</sheetData>", far))
    with pytest.raises(DataRefused, match=r"reaches to XFD1048576, 17,179,869,184 cells.*PARTNERKPI_MOST_CELLS"):
        open_book(folder)


def test_a_part_longer_than_it_says_is_damage(write_book: Write) -> None:
    folder = book_of(write_book, one([["D-1", DAY, "open", 1, "x"]] * 2000))
    path = folder / "deals.xlsx"
    with zipfile.ZipFile(path) as archive:
        size = archive.getinfo("xl/worksheets/sheet1.xml").file_size
    path.write_bytes(path.read_bytes().replace(size.to_bytes(4, "little"), (2000).to_bytes(4, "little")))
    with pytest.raises(DataRefused, match="damaged"):
        open_book(folder)


@pytest.mark.parametrize("name", ["deals.xls", "deals.xlsm", "deals.pkl", "deals.csv.gz", "deals.ods", "s3://b/d.xlsx"])
def test_other_kinds_of_files_are_refused_unopened(write_book: Write, name: str) -> None:
    folder = write_book(None, toml=f'[deals]\nfiles = ["{name}"]\n')
    if "/" not in name:
        (folder / name).write_bytes(b"x")
    result = CliRunner().invoke(partnerkpi, ["check", str(folder)])
    assert isinstance(result.exception, UsageError)
    assert re.search("no file this package reads|inside the book's folder", str(result.exception))


def test_without_the_reader_a_sentence_names_the_extra(write_book: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = book_of(write_book, one([["D-1", DAY, "open", 1, "x"]]))
    monkeypatch.setitem(sys.modules, "python_calamine", None)
    with pytest.raises(UsageError, match=r"pip install 'partnerkpi\[excel\]'"):
        open_book(folder)
