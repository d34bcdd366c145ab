"""A small book without a fault in every form, and an own reading that says what an honest file holds.

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
from collections.abc import Callable
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
    workbook.properties.created = workbook.properties.modified = dt.datetime(2025, 12, 31)
    saved, target = io.BytesIO(), io.BytesIO()
    workbook.save(saved)
    with zipfile.ZipFile(saved) as source, zipfile.ZipFile(target, "w") as made:  # the same bytes at any time
        for name in source.namelist():
            made.writestr(zipfile.ZipInfo(name), source.read(name), zipfile.ZIP_DEFLATED)
    return target.getvalue()


def as_parquet(rows: list[Row]) -> bytes:
    columns = {name: [_typed(name, row[name]) for row in rows] for name in rows[0]}
    exact = {n: pa.array(v, pa.decimal128(14, 2)) if n == "amount" else pa.array(v) for n, v in columns.items()}
    target = io.BytesIO()
    pq.write_table(pa.table(exact), target)
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
    if isinstance(value, float | Decimal):
        value = round(Decimal(value), 6).normalize()  # money has six decimals at most
        return f"{value:f}"
    return "" if value is None else f"{value}"


def write_book(
    folder: Path,
    tables: Tables,
    form: str,
    *,
    target: str = "deals",
    harm: Callable[[bytes], bytes] = bytes,
    totals: dict[str, list[str]] | None = None,
) -> None:
    """A book in the folder: the deals in the form and the rest as CSV, or all of it as a database.

    `harm` is done to the file that holds the table `target`; `totals` are more lines of book.toml for each table.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    toml = HEADER + ('[source]\nurl = "sqlite:///crm.db"\n' if form == "database" else "")
    if form == "database":
        write_database(folder / "crm.db", tables)
    for name, rows in tables.items():
        ending, write = ENDINGS.get(form, ENDINGS["csv"]) if name == "deals" else ENDINGS["csv"]
        file = "crm.db" if form == "database" else f"{name}.{ending}"
        source = f'relation = "{name}"' if form == "database" else f'files = ["{file}"]'
        toml += "".join(f"{line}\n" for line in (f"[{name}]", source, *(totals or {}).get(name, [])))
        if form != "database":
            (folder / file).write_bytes(write(rows))
        if name == target:
            (folder / file).write_bytes(harm((folder / file).read_bytes()))
    (folder / "book.toml").write_text(toml, encoding="utf-8")


ENDINGS = {"csv": ("csv", as_csv), "workbook": ("xlsx", as_workbook), "parquet": ("parquet", as_parquet)}


def control_totals(rows: list[Row]) -> list[str]:
    """The lines of book.toml that say how many rows there are, and the sum of their amounts."""
    money = [f'amount_total = "{sum(Decimal(row["amount"]) for row in rows)}"'] if "amount" in rows[0] else []
    return [f"rows = {len(rows)}", *money]


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
                if column in ("name", "region", "stage"):
                    if re.search("[\r\n]", cell) and cell.count(",") >= len(row) - 1:
                        return f"{name}.{column} {cell!r}: a record within a cell"
                    cell = re.sub("[\t\r\n]", " ", cell)
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
    plain = text.strip(" ")  # spaces around a number are no part of it
    return Decimal(plain) if re.fullmatch(r"\+?[0-9]{1,12}(\.[0-9]+)?", plain) else None


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
        return "an amount became another" if Decimal(was) != Decimal(now or 0) else ""
    if column in ("created_on", "closed_on", "joined_on", "changed_at"):
        return "a day became another" if was[:10] != now[:10] or column == "changed_at" else ""
    if column in ("partner_id", "status"):
        return f"a {column.removesuffix('_id')} became another"
    return "a text became another"
