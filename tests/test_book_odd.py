"""Odd input of every kind ends in a sentence: what is wrong, where, and what to do."""

from __future__ import annotations

import codecs
import encodings.aliases
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from partnerkpi.book.config import read_config
from partnerkpi.book.delimited import read_file
from partnerkpi.cli import run
from partnerkpi.errors import DataRefused, SystemProblem, UsageError
from partnerkpi.opening import open_book

Write = Callable[..., Path]
DEALS = "deal_id,created_on,status,amount\nD-1,2025-01-01,open,5\n"
BOOK = '[book]\ncurrency = "EUR"\nextracted_on = 2025-12-31\n'


def refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """The sentence with which the command refuses the book."""
    code = run(["check", str(folder)])
    out, err = capsys.readouterr()
    assert code in (1, 2), (code, out, err)
    assert "fault in partnerkpi itself" not in err
    assert "Traceback" not in out + err
    assert not re.search("[a-z]Error", err)  # no name of an exception
    if code == 1:
        with pytest.raises(DataRefused):
            open_book(folder)
    return out + err


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        *((f'[deals]\nencoding = "{name}"\n', "encoding") for name in (
            "utf-7", "rot13", "hex", "base64", "bz2", "zlib", "quopri", "uu", "idna", "punycode", "unicode_escape",
            "raw_unicode_escape", "undefined", "mbcs", "oem", "hz", "cp037", "", "\\u0000", "é",
        )),
        ("[deals]\nencoding = 8\n", "a text in quotes is expected, not 8"),
        ("[deals.values.status]\nwon = 5\n", "[deals.values.status] won: a list of values"),
        ("[deals.values.status]\nwon = [5]\n", "a text in quotes is expected, not 5"),
        ("[deals.values.status]\nwon = {}\n", "a list of values in the export is expected"),
        ('[deals.values.status]\nwon = { a = "b" }\n', "a list of values in the export is expected"),
        ("[deals.values]\nstatus = 3\n", "a table of names and values is expected, not 3"),
        ('[deals]\nvalues = "x"\n', "a table of names and values is expected"),
        ('[deals.values.amount]\n"" = ["NA"]\n', "say missing = ["),
        ('[deals.values.created_on]\n"2025-01-01" = ["x"]\n', "of kind day"),
        ('[deals]\nfiles = [""]\n', "'' is no file this package reads"),
        ('[deals]\nfiles = ""\n', "'' is no file this package reads"),
        ("[deals]\nfiles = []\n", "a list of file names is expected"),
        ('[deals]\nfiles = ["deals.csv", 3]\n', "a list of file names is expected"),
        ('[deals]\nfiles = ["sub.csv"]\n', "there is no file 'sub.csv'"),
        ('[deals]\nfiles = ["deals.csv\\u0000"]\n', "is no file this package reads"),
        ('[deals]\nfiles = ["a\\u0000b.csv"]\n', "there is no file"),
        ('[deals]\nfiles = ["~/deals.csv"]\n', "there is no file"),
        ('[deals]\nfiles = ["/etc/passwd.csv"]\n', "inside the book's folder"),
        ('[deals]\nfiles = ["C:\\\\deals.csv"]\n', "inside the book's folder"),
        ('[deals]\nfiles = ["x/../../deals.csv"]\n', "inside the book's folder"),
        ('[deals]\nfiles = ["x\\\\..\\\\..\\\\deals.csv"]\n', "inside the book's folder"),
        ('[deals]\nfiles = ["CON.csv"]\n', "there is no file"),
        ('[deals]\nfiles = ["/dev/stdin"]\n', "inside the book's folder"),
        ('[deals]\nfiles = ["deals.csv", "./deals.csv"]\n', "named twice"),
        ("[deals]\ncolumns = 3\n", "[deals.columns]: a table of names and values is expected, not 3"),
        ("[deals.columns]\namount = 3\n", "a text in quotes or a list of them is expected, not 3"),
        ("[deals]\nconstants = []\n", "a table of names and values is expected"),
        ("[deals]\ndates = 5\n", "a table of names and values is expected, not 5"),
        ('[deals]\ndates = ""\n', "must name year, month and day"),
        ("[deals]\ndates = { created_on = 5 }\n", "a text in quotes is expected, not 5"),
        ('[deals]\ndates = "%"\n', "must name year, month and day"),
        ('[deals]\ndelimiter = "ab"\n', "one character"),
        ('[deals]\ndelimiter = "\\n"\n', "one character"),
        ('[deals]\ndelimiter = "\\u0000"\n', "one character"),
        ('[deals]\ndelimiter = "\\u2028"\n', "one character"),
        ("[deals]\ndelimiter = 5\n", "a text in quotes is expected"),
        ('[deals]\ndecimal = ","\nthousands = ","\n', "also the decimal mark"),
        ('[deals]\ndecimal = "."\nthousands = "."\n', "also the decimal mark"),
        ("[deals]\nthousands = []\n", "is not one of"),
        ('[deals]\nsql = ""\n', "the query is empty"),
        ('[deals]\nsql = "\\u0000"\n', "[deals] sql"),
        ("[[deals]]\n", "a table of names and values is expected"),
        ("deals = 5\n", "there is no such name here"),
        ("[[slice]]\n", "[slice]: there is no such name here"),
        ("[deals]\nx = " + "[" * 3000 + "]" * 3000 + "\n", "not readable as TOML"),
        ("[deals]\nx = " + "9" * 5000 + "\n", "not readable as TOML"),
        ("[deals]\ndelimiter = 0x" + "f" * 5000 + "\n", "a text in quotes is expected"),
    ],
)  # fmt: skip
def test_an_odd_table_of_book_toml(write_book: Write, capsys: pytest.CaptureFixture[str], toml: str, said: str) -> None:
    folder = write_book(DEALS, book=BOOK, toml=toml)
    (folder / "sub.csv").mkdir()
    assert said in refused(folder, capsys)


@pytest.mark.parametrize(
    ("book", "said"),
    [
        ("", "has no [book]"),
        ("book = 5\n", "[book]: a table of names and values is expected"),
        ("[[book]]\n", "[book]: a table of names and values is expected"),
        ("slice = 5\n" + BOOK, "[slice]: there is no such name here"),
        (BOOK + 'name = ""\n', "[book] name: it is empty"),
        (BOOK + "name = 5\n", "a text in quotes is expected"),
        (BOOK.replace("2025-12-31", "10:00:00"), "the day the export was made"),
        (BOOK.replace("2025-12-31", "2025-12-31T10:00:00Z"), "the day the export was made"),
        (BOOK.replace("2025-12-31", "0001-01-01"), "the day the export was made"),
        (BOOK.replace("2025-12-31", "9999-12-31"), "like 2025-12-31, not 9999-12-31"),
        (BOOK.replace("2025-12-31", '"2025-02-30"'), "the day the export was made"),
        (BOOK.replace("2025-12-31", "[]"), "the day the export was made"),
        (BOOK.replace('"EUR"', "[]"), "three capital letters"),
        (BOOK + "time_zone = 1\n", "a text in quotes is expected"),
        (BOOK + 'time_zone = ""\n', "time_zone: '' is unknown"),
        (BOOK + 'time_zone = "../x"\n', "time_zone: '../x' is unknown"),
        (BOOK + 'time_zone = "a\\u0000b"\n', "is unknown"),
        (BOOK + "fiscal_year_starts = true\n", "a month from 1 to 12"),
        (BOOK + "fiscal_year_starts = 1e999\n", "a month from 1 to 12"),
    ],
)
def test_an_odd_header_of_book_toml(
    write_book: Write, capsys: pytest.CaptureFixture[str], book: str, said: str
) -> None:
    assert said in refused(write_book(DEALS, book=book), capsys)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "has no [book]"),
        (b"\xef\xbb\xbf", "has no [book]"),
        (BOOK.encode("utf-16"), "not readable as TOML"),
        (b'[book]\nname = "\xe9"\n', "not readable as TOML"),
        (b"\x00", "not readable as TOML"),
        (None, "is a folder"),
    ],
)
def test_a_book_toml_that_is_none(
    write_book: Write, capsys: pytest.CaptureFixture[str], content: bytes | None, said: str
) -> None:
    folder = write_book(DEALS)
    if content is None:
        (folder / "book.toml").unlink()
        (folder / "book.toml").mkdir()
    else:
        (folder / "book.toml").write_bytes(content)
    assert said in refused(folder, capsys)


@pytest.mark.parametrize(
    ("data", "toml", "said"),
    [
        (b"", "", "the file is empty: not even a header"),
        (b"\xef\xbb\xbf", "", "the file is empty: not even a header"),
        (b"\n\n\n", "", "the file is empty: not even a header"),
        (b",,,,\n", "", "names a column twice: ''"),
        (("x,".join(map(str, range(10_000))) + "\n").encode(), "", "'deal_id' is missing"),
        (b"a," * 10_000 + b"a\n", "", "names a column twice: 'a'"),
        (("x" * 200_000 + "\n").encode(), "", "longer than 131,072"),
        (b"deal_id,created_on,status,amount,amount \nD-1,2025-01-01,open,5,6\n", "", "names a column twice: 'amount'"),
        (b"deal_id,created_on,status\nD-1,2025-01-01,op\x00en\n", "", "a NUL character"),
        (b"deal_id,created_on,status\nD\x00,2025-01-01,open\n", 'encoding = "cp1252"', "a NUL character"),
        (DEALS.encode(), 'encoding = "utf-16"', "byte 0 cannot be read as utf-16"),
        (DEALS.encode(), 'encoding = "utf-32"', "cannot be read as utf-32"),
        (DEALS.encode("utf-16"), 'encoding = "utf-32"', "cannot be read as utf-32"),
        (DEALS.encode("utf-16-le")[:-1], 'encoding = "utf-16-le"', "in the middle of a character"),
        ("deal_id,created_on,status,name\nD-1,2025-01-01,open,\U0001f600".encode()[:-1], "", "in the middle"),
        (DEALS.encode("utf-16"), 'encoding = "utf-8"', "begins like UTF-16"),
        (b"deal_id,created_on,status\nD-1,2025-01-01,open\n", 'delimiter = ";"', "holds ',': declare the delimiter"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "", "cannot be read as utf-8"),
        (b"deal_id\rcreated_on\rstatus\r", "", "is missing"),
        (b'"deal_id', "", "a quote is opened and never closed"),
    ],
)  # fmt: skip
def test_an_odd_file(write_book: Write, capsys: pytest.CaptureFixture[str], data: bytes, toml: str, said: str) -> None:
    for table in ("deals", "leads"):
        tables: dict[str, bytes | str] = {"deals": DEALS, table: data.replace(b"deal_id", f"{table[:-1]}_id".encode())}
        folder = write_book(tables.pop("deals"), toml=f"[{table}]\n{toml}\n", **tables)
        assert said.replace("deal_id", f"{table[:-1]}_id") in refused(folder, capsys)


def test_a_byte_order_mark_is_no_fault(write_book: Write) -> None:
    folder = write_book(b"\xef\xbb\xbf" + DEALS.encode())
    toml = folder / "book.toml"
    toml.write_bytes(b"\xef\xbb\xbf" + toml.read_bytes())
    assert open_book(folder).deals["amount"].tolist() == [5.0]


def test_every_encoding_python_has_reads_the_file_or_is_refused(write_book: Write) -> None:
    folder = write_book(DEALS, book=BOOK, toml='[deals]\nencoding = "ENCODING"\n')
    toml = (folder / "book.toml").read_text()
    names = {*encodings.aliases.aliases.values(), "idna", "punycode", "raw_unicode_escape", "unicode_escape", "charmap"}
    read = set()
    for name in sorted(names):
        (folder / "book.toml").write_text(toml.replace("ENCODING", name))
        try:
            encoding = read_config(folder).tables["deals"].encoding
        except UsageError:
            continue
        raw = read_file(folder / "deals.csv", "deals.csv", encoding, ",", lambda header: header)
        assert raw.refused == name.startswith(("utf_16", "utf_32")), name
        if not raw.refused:
            assert raw.text["deal_id"].tolist() == ["D-1"]
            read.add(name)
    assert {"utf_8", "latin_1", "cp1250", "cp1252", "shift_jis", "gb18030", "euc_kr", "koi8_r", "ascii"} <= read
    assert not {"utf_7", "rot_13", "hex_codec", "idna", "punycode", "unicode_escape", "undefined"} & read


def test_an_encoding_that_is_another_on_every_machine_is_refused(write_book: Write) -> None:
    utf_8 = codecs.lookup("utf-8")

    def windows(name: str) -> codecs.CodecInfo | None:
        return codecs.CodecInfo(utf_8.encode, utf_8.decode, name=name) if name in ("mbcs", "oem") else None

    codecs.register(windows)
    try:
        with pytest.raises(UsageError, match="files in 'oem' are not read"):
            read_config(write_book(DEALS, toml='[deals]\nencoding = "oem"\n'))
    finally:
        codecs.unregister(windows)


@pytest.mark.parametrize("name", ["deals.csv", "book.toml", "leads.csv", "sub"])
def test_a_link_out_of_the_folder_is_refused(write_book: Write, capsys: pytest.CaptureFixture[str], name: str) -> None:
    outside = write_book(DEALS, leads="lead_id,created_on\nL,2025-01-01\n")
    folder = write_book(DEALS, toml="", leads="lead_id,created_on\nL,2025-01-01\n")
    if name == "sub":
        (folder / "sub").symlink_to(outside, target_is_directory=True)
        (folder / "book.toml").write_text(BOOK + '[deals]\nfiles = ["sub/deals.csv"]\n')
    else:
        (folder / name).unlink()
        (folder / name).symlink_to(outside / name)
    assert "is a link that leads out of the book's folder" in refused(folder, capsys)
    if name == "deals.csv":
        (folder / "book.toml").write_text(BOOK + '[deals]\nsql = "SELECT * FROM deals"\n')
        assert "[deals] sql: 'deals.csv' is a link that leads out" in refused(folder, capsys)


def test_a_link_within_the_folder_and_a_link_to_the_folder_are_followed(write_book: Write, tmp_path: Path) -> None:
    folder = write_book(DEALS)
    (folder / "deals.csv").rename(folder / "export.csv")
    (folder / "deals.csv").symlink_to("export.csv")
    (tmp_path / "link").symlink_to(folder, target_is_directory=True)
    assert len(open_book(tmp_path / "link").deals) == 1
    (folder / "leads.csv").symlink_to("leads.csv")  # a link to itself is no file
    assert not open_book(folder).records("leads")


@pytest.mark.parametrize("name", ["deals.csv", "book.toml"])
def test_a_file_that_may_not_be_read_is_a_problem_of_the_system(
    write_book: Write, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    folder = write_book(DEALS)
    opened = Path.open

    def forbidden(path: Path, *arguments: object, **options: object) -> object:
        if path.name == name:
            raise PermissionError(13, "Permission denied", str(path))
        return opened(path, *arguments, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(Path, "open", forbidden)
    with pytest.raises(SystemProblem, match=f"The file '.*{name}' cannot be read: Permission denied"):
        open_book(folder)
    assert run(["check", str(folder)]) == 4
    assert "fault in partnerkpi" not in capsys.readouterr().err


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="nothing is forbidden to this user")
def test_a_file_without_permission_is_a_problem_of_the_system(write_book: Write) -> None:
    folder = write_book(DEALS)
    (folder / "deals.csv").chmod(0)
    with pytest.raises(SystemProblem, match="cannot be read"):
        open_book(folder)


def test_amounts_and_days_can_be_ignored_but_not_mapped(write_book: Write) -> None:
    deals = DEALS + "D-2,2025-01-01,open,NA\nD-3,0000-00-00,open,5\n"
    toml = '[deals.values.amount]\nignore = ["NA"]\n[deals.values.created_on]\nignore = ["0000-00-00"]\n'
    reading = open_book(write_book(deals, toml=toml)).reading
    assert reading.rows() == {"read": 3, "used": 1, "out of scope": 2, "set aside": 0}
    sums = "5 used + 5 out of scope + 1 row of unknown money out of scope + 0 set aside"
    assert reading.line().endswith(f"; EUR 10 + 1 row of unknown money = {sums}")
    for column, kind in (("amount", "amount"), ("closed_on", "day")):
        with pytest.raises(UsageError, match=f"a column of kind {kind} has no values to map"):
            read_config(write_book(deals, toml=f'[deals.values.{column}]\nx = ["NA"]\n'))


def test_a_value_mapped_to_the_empty_text_is_missing(write_book: Write) -> None:
    deals = "deal_id,created_on,status,partner_id,name\nD-1,2025-01-01,open,NA,NA\nD-2,2025-01-01,open,P,x\n"
    toml = '[deals.values.partner_id]\n"" = ["NA"]\n[deals.values.name]\n"" = ["NA"]\n'
    book = open_book(write_book(deals, toml=toml))
    assert book.deals[["partner_id", "name"]].isna().to_numpy().tolist() == [[True, True], [False, False]]
    assert book.partner_ids == ["P"]
