"""A small book whose files can be damaged in many ways, and an own reading that says what an honest file holds.

The own reading takes nothing from the package: the standard library for delimited files and SQLite, openpyxl for
workbooks, duckdb for Parquet, and a grammar of each column that is written down here once more.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
import re
import shutil
import sqlite3
import unicodedata
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from random import Random

import duckdb
import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq

EXPORT = dt.date(2025, 12, 31)
HEADER = f'[book]\nname = "Test"\ncurrency = "EUR"\nextracted_on = {EXPORT}\n'
KEYS = {"deals": ("deal_id",), "partners": ("partner_id",), "history": ("deal_id", "changed_at")}
Row = dict[str, str]
Tables = dict[str, list[Row]]
Harm = Callable[[Random, bytes], bytes]
#: A deal of which an optional column is not known, and so cannot be wrong.
SOUND = {"partner_id": "?", "closed_on": "", "amount": "1"}
FORMS = ("csv", "workbook", "parquet", "database")


def sound_tables(chance: Random) -> Tables:
    """A dozen deals of four partners with their history, in which no fault is to be found."""
    places = ["North", "Südwest", "Île-de-France", "Łódź"]
    partners = [
        {"partner_id": f"P-{n}", "name": name, "region": places[n], "joined_on": f"20{18 + n}-0{n + 2}-14"}
        for n, name in enumerate(["Müller & Söhne", 'Café "Zoë", Paris', "Nordwind", "Ásta ehf."])
    ]
    deals, history = [], []
    for n in range(12):
        created = dt.date(2024, 3, 1) + dt.timedelta(days=chance.randrange(500))
        closed = created + dt.timedelta(days=chance.randrange(20, 120))
        status = ("won", "lost", "won", "open", "abandoned")[n % 5]
        amount = f"{chance.randrange(100, 90_000)}.{chance.randrange(10, 99)}"
        deals.append(
            {
                "deal_id": f"D-{n:03}",
                "partner_id": f"P-{chance.randrange(4)}",
                "name": chance.choice(["Maestro, large", 'Duetto "blue"', "Piccolo", "Café für alle"]) + f" {n}",
                "region": chance.choice(places),
                "created_on": f"{created}",
                "status": status,
                "closed_on": "" if status == "open" else f"{closed}",
                "amount": amount,
            }
        )
        for at, stage in ((created, "Demo"), (created + dt.timedelta(days=7), "Proposal")):
            history.append({"deal_id": f"D-{n:03}", "changed_at": f"{at} 09:30:00", "stage": stage, "amount": amount})
    return {"deals": deals, "partners": partners, "history": history}


# How a table is written, in each form, and read again


def as_csv(rows: list[Row]) -> bytes:
    target = io.StringIO(newline="")
    writer = csv.DictWriter(target, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return target.getvalue().encode()


def as_workbook(rows: list[Row]) -> bytes:
    workbook = openpyxl.Workbook()
    workbook.active.append(list(rows[0]))
    for row in rows:
        workbook.active.append([_typed(name, text) for name, text in row.items()])
    target = io.BytesIO()
    workbook.save(target)
    return target.getvalue()


def as_parquet(rows: list[Row], **how: object) -> bytes:
    columns = {name: [_typed(name, row[name]) for row in rows] for name in rows[0]}
    exact = {n: pa.array(v, pa.decimal128(14, 2)) if n == "amount" else pa.array(v) for n, v in columns.items()}
    target = io.BytesIO()
    pq.write_table(pa.table(exact), target, **how)
    return target.getvalue()


def write_database(path: Path, tables: Tables) -> None:
    with closing(sqlite3.connect(path)) as made:
        for name, rows in tables.items():
            made.execute(f"CREATE TABLE {name} ({', '.join(rows[0])})")
            cells = [[float(c) if n == "amount" else c or None for n, c in row.items()] for row in rows]
            made.executemany(f"INSERT INTO {name} VALUES ({', '.join('?' * len(rows[0]))})", cells)
        made.commit()


def _typed(name: str, text: str) -> str | dt.date | dt.datetime | Decimal | None:
    if not text:
        return None
    if name == "amount":
        return Decimal(text)
    if name == "changed_at":
        return dt.datetime.fromisoformat(text)
    return dt.date.fromisoformat(text) if name.endswith("_on") else text


def _texts(header: list[object], rows: list[tuple[object, ...]]) -> list[Row]:
    names = [_text("", name) for name in header]
    return [dict(zip(names, map(_text, names, row), strict=True)) for row in rows]


def _text(name: str, value: object) -> str:
    if isinstance(value, dt.datetime):
        value = value.date() if name.endswith("_on") and value.time() == dt.time() else value
    return "" if value is None else f"{value}"


def write_book(folder: Path, tables: Tables, form: str, harm: Harm | None = None, chance: Random | None = None,
               target: str = "deals", totals: bool = False) -> None:  # fmt: skip
    """A book in the folder: the deals in the form, the rest as CSV (all of it in a database); one file damaged."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    toml, files = HEADER, {}
    for name, rows in tables.items():
        declared = "".join(f"{line}\n" for line in control_totals(rows)) if totals else ""
        if form == "database":
            toml += f'[{name}]\nrelation = "{name}"\n{declared}'
        else:
            ending = {"workbook": "xlsx", "parquet": "parquet"}.get(form, "csv") if name == "deals" else "csv"
            toml += f'[{name}]\nfiles = ["{name}.{ending}"]\n{declared}'
            files[name] = (
                folder / f"{name}.{ending}",
                {"xlsx": as_workbook, "parquet": as_parquet}.get(ending, as_csv)(rows),
            )
    if form == "database":
        path = folder / "crm.db"
        write_database(path, tables)
        files[target] = (path, path.read_bytes())
        toml += '[source]\nurl = "sqlite:///crm.db"\n'
    (folder / "book.toml").write_text(toml, encoding="utf-8")
    for name, (path, data) in files.items():
        path.write_bytes(harm(chance, data) if harm and chance and name == target else data)


def control_totals(rows: list[Row]) -> Iterator[str]:
    """The lines of book.toml that say how many rows there are, and the sum of their amounts."""
    yield f"rows = {len(rows)}"
    if "amount" in rows[0]:
        yield f'amount_total = "{sum(Decimal(row["amount"]) for row in rows)}"'


class NotWhole(Exception):
    """The own reading cannot read the file, or it is not what such a file must be."""


def own_reading(folder: Path, form: str, name: str) -> list[Row]:
    """The cells of a table as text, by a reader that is not the package's."""
    try:
        if form == "database":
            with closing(sqlite3.connect(folder / "crm.db")) as db:
                made = db.execute(f"SELECT * FROM {name}")
                return _texts([c[0] for c in made.description], made.fetchall())
        if name == "deals" and form == "workbook":
            sheet = openpyxl.load_workbook(folder / "deals.xlsx", data_only=True).active
            rows = list(sheet.iter_rows(values_only=True))
            return _texts(list(rows[0]), [r for r in rows[1:] if any(c is not None for c in r)])
        if name == "deals" and form == "parquet":
            made = duckdb.sql(f"SELECT * FROM read_parquet('{folder / 'deals.parquet'}')")
            return _texts(list(made.columns), made.fetchall())
        text = (folder / f"{name}.csv").read_bytes().decode("utf-8-sig")
        lines = [row for row in csv.reader(io.StringIO(text, newline=""), strict=True) if row]
        return _texts(list(lines[0]), [tuple(row) for row in lines[1:]])
    except Exception as error:
        raise NotWhole(f"{type(error).__name__}: {error}") from error


# What a sound book is, once more


def unsound(tables: Tables) -> str:
    """Why no reader may take these tables without a word; empty where they are sound, cell by cell and together."""
    for name, rows in tables.items():
        for row in rows:
            for column, cell in row.items():
                if any(unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp") for c in cell) or "\ufffd" in cell:
                    return f"{name}.{column} {cell!r}: a character that is not seen"
                if cell != cell.strip() and column in ("deal_id", "partner_id", "status"):
                    return f"{name}.{column} {cell!r}: a space around an id"
        if rows and not {*KEYS[name], *("created_on", "status")[: 2 * (name == "deals")]} <= rows[0].keys():
            return f"{name}: a column is missing that must be there"
        keys = [tuple(row[k] for k in KEYS[name]) for row in rows]
        if not all(map(all, keys)) or len({tuple(map(str.casefold, k)) for k in keys}) < len(keys):
            return f"{name}: a key that is empty, or there twice"
    deals = {row["deal_id"]: row for row in tables["deals"]}
    partners = {row["partner_id"] for row in tables["partners"]}
    for row in ({**SOUND, **row} for row in tables["deals"]):
        created, closed = _day(row["created_on"]), _day(row["closed_on"])
        if row["status"] not in ("open", "won", "lost", "abandoned", "rejected"):
            return f"status {row['status']!r}"
        if created is None or created > EXPORT or (row["closed_on"] and closed is None):
            return f"a day that is none: {row}"
        if (row["status"] == "open") != (closed is None) or (closed and not created <= closed <= EXPORT):
            return f"a day of closing that cannot be: {row}"
        if not (_amount(row["amount"]) or 0) > 0:
            return f"amount {row['amount']!r}"
        if row["partner_id"] not in {*partners, SOUND["partner_id"]}:
            return f"no such partner: {row['partner_id']!r}"
    for row in tables["partners"]:
        if row.get("joined_on") and _day(row["joined_on"]) is None:
            return f"a day that is none: {row}"
    for row in tables["history"]:
        try:
            at = dt.datetime.fromisoformat(row["changed_at"])
        except ValueError:
            return f"changed_at {row['changed_at']!r}"
        if row["deal_id"] not in deals or f"{at.date()}" < deals[row["deal_id"]]["created_on"]:
            return f"a change of no deal, or before it was there: {row}"
        if row.get("amount") and _amount(row["amount"]) is None:
            return f"amount {row['amount']!r}"
    return ""


def _day(text: str) -> dt.date | None:
    if not re.fullmatch("(19|20|21)[0-9]{2}-[0-9]{2}-[0-9]{2}( 00:00:00)?", text):
        return None
    try:
        return dt.date.fromisoformat(text[:10])
    except ValueError:
        return None


def _amount(text: str) -> Decimal | None:
    return Decimal(text) if re.fullmatch(r"\+?[0-9]{1,12}(\.[0-9]+)?", text) else None


def changes(before: Tables, after: Tables) -> list[str]:
    """The kinds of difference between two sound books, each once."""
    kinds: set[str] = set()
    for name, rows in before.items():
        was = {tuple(row[k] for k in KEYS[name]): row for row in rows}
        now = {tuple(row[k] for k in KEYS[name]): row for row in after[name]}
        if len(was) > len(now):
            kinds.add("rows lost")
        elif len(was) < len(now):
            kinds.add("rows added")
        if len(now.keys() - was.keys()) and not len(was) < len(now):
            kinds.add("a key became another")
        for key in was.keys() & now.keys():
            kinds |= {_kind(c, was[key][c], now[key].get(c)) for c in was[key] if was[key][c] != now[key].get(c)}
    return sorted(kinds - {""})


def _kind(column: str, was: str, now: str | None) -> str:
    if now is None:
        return "a column is no longer known"
    if column == "amount":
        return "an amount became another" if Decimal(was) != Decimal(now) else ""
    if column in ("created_on", "closed_on", "joined_on", "changed_at"):
        return "a day became another" if was[:10] != now[:10] or column == "changed_at" else ""
    if column in ("partner_id", "status"):
        return f"a {column.removesuffix('_id')} became another"
    return "a text became another"


# The damage


def _at(chance: Random, data: bytes) -> int:
    return chance.randrange(len(data)) if data else 0


def _place(chance: Random, data: bytes, *marks: bytes) -> int:
    """Where one of the marks stands, or anywhere where none does."""
    places = [m.start() for m in re.finditer(b"|".join(map(re.escape, marks)), data)]
    return chance.choice(places) if places else _at(chance, data)


def _lines(data: bytes) -> list[bytes]:
    return data.splitlines(keepends=True)


def _put(data: bytes, at: int, piece: bytes, instead_of: int = 0) -> bytes:
    return data[:at] + piece + data[at + instead_of :]


def _piece(chance: Random, data: bytes) -> tuple[int, int]:
    start = _at(chance, data)
    return start, start + chance.randrange(1, 90)


def _with_line(change: Callable[[Random, list[bytes]], None]) -> Harm:
    def harm(chance: Random, data: bytes) -> bytes:
        lines = _lines(data)
        if len(lines) > 2:
            change(chance, lines)
        return b"".join(lines)

    return harm


def _with_header(change: Callable[[Random, list[bytes]], None]) -> Harm:
    def harm(chance: Random, data: bytes) -> bytes:
        head, _, rest = data.partition(b"\n")
        cells = head.split(b",")
        change(chance, cells)
        return b",".join(cells) + b"\n" + rest

    return harm


def _inserted(*pieces: bytes) -> Harm:
    return lambda chance, data: _put(data, _at(chance, data), chance.choice(pieces))


def _replaced(marks: tuple[bytes, ...], by: Callable[[Random, bytes], bytes]) -> Harm:
    def harm(chance: Random, data: bytes) -> bytes:
        at = _place(chance, data, *marks)
        return _put(data, at, by(chance, data[at : at + 1]), 1)

    return harm


def _lose_line(chance: Random, lines: list[bytes]) -> None:
    del lines[chance.randrange(1, len(lines))]


def _lose_lines(chance: Random, lines: list[bytes]) -> None:
    start = chance.randrange(1, len(lines))
    del lines[start : start + chance.randrange(1, 5)]


def _double_line(chance: Random, lines: list[bytes]) -> None:
    lines.insert(chance.randrange(1, len(lines)), chance.choice(lines[1:]))


def _cut_line(chance: Random, lines: list[bytes]) -> None:
    at = chance.randrange(len(lines))
    lines[at] = lines[at][: chance.randrange(len(lines[at]))] + chance.choice([b"\n", b""])


def _swap_tails(chance: Random, lines: list[bytes]) -> None:
    one, other = chance.sample(range(1, len(lines)), 2)
    cut, cut_other = chance.randrange(len(lines[one])), chance.randrange(len(lines[other]))
    if chance.random() < 0.5:  # at the same cell
        cells = chance.randrange(1, 4)
        cut, cut_other = (len(b",".join(lines[i].split(b",")[:cells])) for i in (one, other))
    lines[one], lines[other] = lines[one][:cut] + lines[other][cut_other:], lines[other][:cut_other] + lines[one][cut:]


def _swap_cells(chance: Random, lines: list[bytes]) -> None:
    at = chance.randrange(1, len(lines))
    cells = lines[at].rstrip(b"\n").split(b",")
    one, other = chance.sample(range(len(cells)), 2)
    cells[one], cells[other] = cells[other], cells[one]
    lines[at] = b",".join(cells) + b"\n"


def _shuffle(chance: Random, lines: list[bytes]) -> None:
    rows = lines[1:]
    chance.shuffle(rows)
    lines[1:] = rows


def _mix_ends(chance: Random, lines: list[bytes]) -> None:
    for at in chance.sample(range(len(lines)), len(lines) // 2):
        lines[at] = lines[at].rstrip(b"\n") + chance.choice([b"\r\n", b"\r\n", b"\r", b"\n\n", b"\r\r\n"])


def _rename(chance: Random, cells: list[bytes]) -> None:
    at = chance.randrange(len(cells))
    word = cells[at]
    cells[at] = chance.choice([word.upper(), b" " + word, word[:-1], word + b"2", word.replace(b"_", b" "), b"", b"x"])


def _swap_header(chance: Random, cells: list[bytes]) -> None:
    one, other = chance.sample(range(len(cells)), 2)
    cells[one], cells[other] = cells[other], cells[one]


def _encode(chance: Random, data: bytes) -> bytes:
    text = data.decode()
    way = chance.choice(["utf-16", "utf-16-le", "utf-16-be", "cp1252", "latin-1", "cp1250", "utf-32", "twice", "part"])
    if way == "twice":
        return text.encode().decode("cp1252", "ignore").encode()
    if way == "part":
        at = chance.randrange(len(text))
        return text[:at].encode() + text[at:].encode("cp1252", "replace")
    return text.encode(way, "replace")


HARMS: dict[str, Harm] = {
    "bit flipped": lambda chance, data: _flip(chance, data),
    "byte replaced": lambda chance, data: _put(data, _at(chance, data), chance.randbytes(1), 1),
    "byte lost": lambda chance, data: _put(data, _at(chance, data), b"", 1),
    "byte inserted": lambda chance, data: _put(data, _at(chance, data), chance.randbytes(1)),
    "digit or letter replaced": lambda chance, data: _put(data, _at(chance, data), chance.choice(b"0123456789aZ.-".decode()).encode(), 1),
    "cut off": lambda chance, data: data[: _at(chance, data)],
    "cut off at a line": lambda chance, data: data[: data.rfind(b"\n", 0, _at(chance, data) + 1) + 1],
    "beginning lost": lambda chance, data: data[_at(chance, data) :],
    "piece lost": lambda chance, data: _put(data, (p := _piece(chance, data))[0], b"", p[1] - p[0]),
    "piece twice": lambda chance, data: _put(data, _at(chance, data), data[slice(*_piece(chance, data))]),
    "piece over another": lambda chance, data: _put(data, _at(chance, data), p := data[slice(*_piece(chance, data))], len(p)),
    "piece blank": lambda chance, data: _put(data, (p := _piece(chance, data))[0], chance.choice([b"\0", b" ", b"\xff"]) * (p[1] - p[0]), p[1] - p[0]),
    "line lost": _with_line(_lose_line),
    "lines lost": _with_line(_lose_lines),
    "line twice": _with_line(_double_line),
    "line cut": _with_line(_cut_line),
    "ends of lines exchanged": _with_line(_swap_tails),
    "cells exchanged": _with_line(_swap_cells),
    "lines shuffled": _with_line(_shuffle),
    "line ends mixed": _with_line(_mix_ends),
    "header again": _with_line(lambda chance, lines: lines.insert(chance.randrange(1, len(lines)), lines[0])),
    "header lost": _with_line(lambda chance, lines: lines.pop(0) and None),
    "total below": lambda chance, data: data + chance.choice([b"Total,,,\n", b"\n\n", b"Total\n", b",,,,,,,\n", b"12 rows\n", b"\x1a"]),
    "line end lost": _replaced((b"\n",), lambda chance, _: b""),
    "line end put in": _inserted(b"\n", b"\r", b"\r\n", b"\x0b", b"\x0c", b"\xc2\x85", b"\xe2\x80\xa8"),
    "quote put in": _inserted(b'"', b'""', b"'"),
    "quote at a cell's edge": lambda chance, data: _put(data, _place(chance, data, b",", b"\n") + chance.choice([0, 1]), b'"'),
    "quote lost": _replaced((b'"',), lambda chance, _: b""),
    "quote twice": _replaced((b'"',), lambda chance, _: b'""'),
    "delimiter twice": _replaced((b",",), lambda chance, _: b",,"),
    "delimiter lost": _replaced((b",",), lambda chance, _: b""),
    "delimiter is another": _replaced((b",",), lambda chance, _: chance.choice([b";", b"\t", b"|", b"."])),
    "all delimiters another": lambda chance, data: data.replace(b",", chance.choice([b";", b"\t", b"|", b" "])),
    "delimiter at all ends": lambda chance, data: data.replace(b"\n", b",\n"),
    "point and comma": _replaced((b".",), lambda chance, _: b","),
    "NUL": _inserted(b"\0", b"\0\0\0\0"),
    "control character": _inserted(*(bytes([n]) for n in (1, 7, 8, 26, 27, 31, 127))),
    "mark of byte order": _inserted(b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff"),
    "mark at the beginning": lambda chance, data: b"\xef\xbb\xbf" * chance.choice([1, 2]) + data,
    "unseen character": _inserted("\u200b".encode(), "\u00a0".encode(), "\u202e".encode(), "\u00ad".encode(), "\ufffd".encode()),
    "look-alike": _inserted("а".encode(), "０".encode(), "²".encode(), "٣".encode(), "−".encode(), "’".encode()),
    "encoded otherwise": _encode,
    "header cell lost": _with_header(lambda chance, cells: cells.pop(chance.randrange(len(cells))) and None),
    "header cell twice": _with_header(lambda chance, cells: cells.insert(chance.randrange(len(cells)), chance.choice(cells))),
    "header cell renamed": _with_header(_rename),
    "header cells exchanged": _with_header(_swap_header),
    "nothing left": lambda chance, data: chance.choice([b"", b"\n", b"\r\n\r\n", b" ", data[: data.find(b"\n") + 1]]),
}  # fmt: skip

_RAW = ("bit flipped", "byte replaced", "byte lost", "byte inserted", "cut off", "beginning lost", "piece lost",
        "piece twice", "piece over another", "piece blank", "nothing left")  # fmt: skip


def _flip(chance: Random, data: bytes) -> bytes:
    at = _at(chance, data)
    return _put(data, at, bytes([data[at] ^ 1 << chance.randrange(8)]), 1) if data else data


def _inside_archive(harm: Harm) -> Harm:
    """The damage to one part of a workbook, packed again as if it were whole."""

    def inside(chance: Random, data: bytes) -> bytes:
        target = io.BytesIO()
        with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as made:
            parts = [n for n in source.namelist() if n.startswith("xl/")]
            hurt = chance.choice([*parts, *["xl/worksheets/sheet1.xml", "xl/sharedStrings.xml"] * 4])
            for name in source.namelist():
                made.writestr(name, harm(chance, source.read(name)) if name == hurt else source.read(name))
        return target.getvalue()

    return inside


def harms_of(form: str, target: str) -> dict[str, Harm]:
    """What can be done to the file that holds the table in this form."""
    if form == "csv" or (target != "deals" and form != "database"):
        return HARMS
    raw = {name: HARMS[name] for name in _RAW}
    if form == "workbook":
        return raw | {f"{name} in a part": _inside_archive(harm) for name, harm in raw.items()}
    return raw
