"""A book is the same in whatever form its tables come: CSV, workbook, Parquet, database; in any order; in pieces."""

import csv
import datetime as dt
import random
import sqlite3
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from partnerkpi.figures import scorecard
from partnerkpi.opening import open_book

openpyxl = pytest.importorskip("openpyxl")
pytest.importorskip("python_calamine")
pytest.importorskip("sqlalchemy")

COLUMNS = ("deal_id", "partner_id", "created_on", "status", "closed_on", "amount", "name")
HEADER = '[book]\nname = "Test"\ncurrency = "EUR"\nextracted_on = 2025-12-31\n'
Row = dict[str, Any]
IDS = ["007", "NA", "1E5", "Müller & Söhne", "null", "=P", "12345678901234567890", "p"]


@st.composite
def books(draw: st.DrawFn) -> list[Row]:
    """Up to forty deals of a few partners, with ids that look like other things, in two years."""
    rows, ids = [], draw(st.lists(st.sampled_from(IDS), min_size=1, max_size=3, unique=True))
    for number in range(draw(st.integers(1, 40))):
        created = dt.date(2024, 1, 1) + dt.timedelta(days=draw(st.integers(0, 600)))
        status = draw(st.sampled_from(["open", "won", "lost", "won"]))
        closed = None if status == "open" else created + dt.timedelta(days=draw(st.integers(0, 120)))
        amount = draw(st.none() | st.decimals(0, 10**7, places=2))
        partner = draw(st.none() | st.sampled_from(ids))
        name = draw(st.sampled_from(["", 'x, y; "z"', " sp ", "2025-01-01", "5", "#N/A", "TRUE"])) or None
        cells = (f"{number:03}", partner, created, status, closed, amount, name)
        rows.append(dict(zip(COLUMNS, cells, strict=True)))
    return rows


def text_of(value: object) -> str:
    return "" if value is None else str(value)


def as_csv(folder: Path, rows: list[Row], columns: tuple[str, ...] = COLUMNS, files: int = 1) -> str:
    names = [f"part{n}.csv" for n in range(files)]
    for n, name in enumerate(names):
        with (folder / name).open("w", newline="", encoding="utf-8") as target:
            writer = csv.writer(target)
            writer.writerow(columns)
            writer.writerows([text_of(row[c]) for c in columns] for row in rows[n::files])
    return f"files = {names}"


def as_workbook(folder: Path, rows: list[Row]) -> str:
    workbook = openpyxl.Workbook()
    sheet = workbook.active
    sheet.append(COLUMNS)
    for at, row in enumerate(rows, 2):
        for column, value in enumerate(row.values(), 1):
            cell = sheet.cell(at, column)
            cell.value = value
            if isinstance(value, str):
                cell.data_type = "s"
    workbook.save(folder / "deals.xlsx")
    return 'files = ["deals.xlsx"]'


def as_parquet(folder: Path, rows: list[Row]) -> str:
    table = pa.table({c: [row[c] for row in rows] for c in COLUMNS})
    kinds = {"created_on": pa.date32(), "closed_on": pa.timestamp("us"), "amount": pa.decimal128(12, 2)}
    fields = [(c, kinds.get(c, pa.dictionary(pa.int32(), pa.string()))) for c in COLUMNS]
    for c, kind in fields:
        values = table.column(c).cast(pa.string()).dictionary_encode() if c not in kinds else table.column(c).cast(kind)
        table = table.set_column(COLUMNS.index(c), c, values)
    pq.write_table(table, folder / "deals.parquet")
    return 'files = ["deals.parquet"]'


def as_database(folder: Path, rows: list[Row]) -> str:
    made = sqlite3.connect(folder / "crm.db")
    made.execute(f"CREATE TABLE deals ({', '.join(COLUMNS)})")
    stored = [[float(v) if isinstance(v, Decimal) else None if v is None else str(v) for v in r.values()] for r in rows]
    made.executemany(f"INSERT INTO deals VALUES ({', '.join('?' * len(COLUMNS))})", stored)
    made.commit()
    made.close()
    return 'relation = "deals"\n[source]\nurl = "sqlite:///crm.db"'


def figures(rows: list[Row], write: Any) -> tuple[pd.DataFrame, dict[str, int], dict[str, dict[str, Fraction]]]:
    with TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "book.toml").write_text(f"{HEADER}[deals]\n{write(folder, rows)}\n", encoding="utf-8")
        book = open_book(folder)
        table = scorecard(book, [book.quarter("2025Q2")], by="partner")
        scale = 10**book.reading.digits
        money = {c: {k: Fraction(n, scale) for k, n in sums.items()} for c, sums in book.reading.money().items()}
        return table, book.reading.rows(), money


@settings(max_examples=3, deadline=None, suppress_health_check=list(HealthCheck))
@given(books(), st.randoms(use_true_random=False))
def test_every_form_gives_the_same_figures(rows: list[Row], chance: random.Random) -> None:
    expected, account, money = figures(rows, as_csv)
    assert account["read"] == account["used"] == len(rows)
    shuffled, columns = chance.sample(rows, len(rows)), tuple(chance.sample(COLUMNS, len(COLUMNS)))
    forms = {
        "workbook": lambda folder, _: as_workbook(folder, rows),
        "parquet": lambda folder, _: as_parquet(folder, rows),
        "database": lambda folder, _: as_database(folder, rows),
        "turned": lambda folder, _: as_csv(folder, shuffled, columns),
        "three": lambda folder, _: as_csv(folder, shuffled, columns, files=min(3, len(rows))),
    }
    for name, write in forms.items():
        table, own_account, own_money = figures(rows, write)
        assert (name, own_account, own_money) == (name, account, money)
        assert_frame_equal(table, expected, rtol=1e-12, atol=0, obj=name)
