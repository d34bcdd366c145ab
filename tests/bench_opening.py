"""What opening a book costs: each source, and all checks, beside the bare cells of the same files. `make bench`.

All ways read the same tables of a sample book: `pandas.read_csv` of every file as text, which knows no kinds, keys or
faults; the book from these files, from Parquet and from SQLite by SQLAlchemy; and `partnerkpi check`, which adds the
account, the examples and the figures each fault touches. A workbook of that size would be none: it is measured on a
smaller book, beside the files of that one. Every way must find the same deals and the same won amount.
"""

from __future__ import annotations

import contextlib
import io
import shutil
import sqlite3
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pandas as pd
from timing import CACHE, ROOT, in_own_process, peak, say, timed

import partnerkpi as pk
from partnerkpi.cli import run

PARTNERS, DEALS, IN_A_WORKBOOK = 200, 100_000, 5_000
BARE = "pandas, cells as text"
Found = tuple[int, float] | None


@dataclass(frozen=True)
class Cost:
    """One way, once: seconds, those of its processors, MB at the beginning and at most, and what was found."""

    seconds: float
    processor: float
    before: float
    most: float
    found: Found


def opening(deals: int, rounds: int) -> bool:
    """Measure all ways in interleaved rounds, each in a process of its own; True where all found the same."""
    folder = sample(deals)
    many: dict[str, tuple[Callable[[Path], Found], Path]] = {
        BARE: (as_cells, folder),
        "book, CSV": (as_book, folder),
        "book, Parquet": (as_book, with_parquet(folder)),
        "book, SQLite": (as_book, with_database(folder)),
        "partnerkpi check, CSV": (as_check, folder),
    }
    held = compared(many, rounds, f"{deals:,} deals")
    few = min(deals, IN_A_WORKBOOK)
    small = sample(few)
    sheets = {BARE: (as_cells, small), "book, CSV": (as_book, small), "book, workbooks": (as_book, with_sheets(small))}
    return compared(sheets, rounds, f"{few:,} deals, what a workbook can hold") and held


def compared(ways: dict[str, tuple[Callable[[Path], Found], Path]], rounds: int, title: str) -> bool:
    """Measure the ways and print a line for each: medians, and the median of the ratios within one round."""
    costs: dict[str, list[Cost]] = {way: [] for way in ways}
    for _ in range(rounds):
        for way, (work, folder) in ways.items():
            costs[way].append(in_own_process(cost_of, work, folder))
    _, folder = ways[BARE]
    files = sorted(folder.glob("*.csv"))
    rows = sum(path.read_bytes().count(b"\n") - 1 for path in files)
    size = sum(path.stat().st_size for path in files) / 1e6
    say(f"opening a book of {title}: {rows:,} rows, {size:.1f} MB as CSV; median of {rounds} rounds")
    say(f"  {'way':22} {'seconds':>8} {'x bare':>7} {'processor':>10} {'x bare':>7} {'peak MB':>8} {'above start':>12}")
    for way, done in costs.items():
        beside = list(zip(done, costs[BARE], strict=True))
        slower = statistics.median(mine.seconds / bare.seconds for mine, bare in beside)
        dearer = statistics.median(mine.processor / bare.processor for mine, bare in beside)
        most, more = statistics.median(c.most for c in done), statistics.median(c.most - c.before for c in done)
        seconds, processor = statistics.median(c.seconds for c in done), statistics.median(c.processor for c in done)
        say(f"  {way:22} {seconds:8.2f} {slower:7.1f} {processor:10.2f} {dearer:7.1f} {most:8,.0f} {more:12,.0f}")
    found = {cost.found for done in costs.values() for cost in done} - {None}
    if len(found) != 1:
        say(f"  the ways do not find the same deals and won amount: {sorted(map(str, found))}")
        return False
    many, won = found.pop() or (0, 0.0)
    say(f"  every book: {many:,} deals used, {won:,.2f} won")
    return True


def cost_of(work: Callable[[Path], Found], folder: Path) -> Cost:
    """What the work costs in this process, which has imported everything before."""
    before, begun = peak(), time.process_time()
    found, seconds = timed(lambda: work(folder))
    return Cost(seconds, time.process_time() - begun, before, peak(), found)


def as_cells(folder: Path) -> Found:
    """Every cell of the files as text, nothing more."""
    for path in sorted(folder.glob("*.csv")):
        pd.read_csv(path, dtype="str", keep_default_na=False)
    return None


def as_book(folder: Path) -> Found:
    """The book, with every check."""
    book = pk.open_book(folder)
    won = book.deals.loc[book.deals["status"] == "won", "amount"].sum()
    return len(book.deals), round(float(won), 2)


def as_check(folder: Path) -> Found:
    """What the command prints, thrown away."""
    with contextlib.redirect_stdout(io.StringIO()):
        if run(["check", str(folder)]) != 0:
            raise SystemExit(f"the book in {folder} is refused")
    return None


def sample(deals: int) -> Path:
    """The sample book of that size, written once."""
    folder = CACHE / f"sample-{PARTNERS}-{deals}"
    if not (folder / "book.toml").exists():
        say(f"writing {deals:,} deals of {PARTNERS} partners to {folder.relative_to(ROOT)} (once)")
        pk.write_sample(folder, partners=PARTNERS, deals=deals)
    return folder


def beside(folder: Path, form: str) -> tuple[Path, list[Path]]:
    """An empty folder for the same book in another form, and the files of the book."""
    place = folder.with_name(f"{folder.name}-{form}")
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    return place, sorted(folder.glob("*.csv"))


def declared(place: Path, folder: Path, lines: dict[str, str], more: str = "") -> Path:
    """Write book.toml: that of the book, its tables now made of other things."""
    text = (folder / "book.toml").read_text(encoding="utf-8")
    tables = "".join(f"[{table}]\n{line}\n" for table, line in lines.items())
    (place / "book.toml").write_text(f"{text}\n{more}{tables}", encoding="utf-8")
    return place


def with_parquet(folder: Path) -> Path:
    """The tables as Parquet, days and numbers as such."""
    place, files = beside(folder, "parquet")
    for path in files:
        duckdb.sql(f"COPY (FROM read_csv('{path}', sample_size=-1)) TO '{place / path.stem}.parquet'")
    return declared(place, folder, {p.stem: f'files = ["{p.stem}.parquet"]' for p in files})


def with_database(folder: Path) -> Path:
    """The tables in a SQLite file, cells as text, amounts as numbers."""
    place, files = beside(folder, "sqlite")
    with contextlib.closing(sqlite3.connect(place / "crm.db")) as made:
        for path in files:
            cells = pd.read_csv(path, dtype="str", keep_default_na=False)
            kinds = [f"{name} {'NUMERIC' if name in ('amount', 'rate') else 'TEXT'}" for name in cells]
            made.execute(f"CREATE TABLE {path.stem} ({', '.join(kinds)})")
            made.executemany(
                f"INSERT INTO {path.stem} VALUES ({', '.join('?' * len(kinds))})",
                ([cell or None for cell in row] for row in cells.itertuples(index=False)),
            )
        made.commit()
    lines = {p.stem: f'relation = "{p.stem}"' for p in files}
    return declared(place, folder, lines, '[source]\nurl = "sqlite:///crm.db"\n')


def with_sheets(folder: Path) -> Path:
    """Each table as a workbook, days and numbers as typed cells."""
    from openpyxl import Workbook

    place, files = beside(folder, "xlsx")
    for path in files:
        table = duckdb.sql(f"FROM read_csv('{path}', sample_size=-1)")
        book = Workbook(write_only=True)
        sheet = book.create_sheet(path.stem)
        sheet.append(table.columns)
        for row in table.fetchall():
            sheet.append(row)
        book.save(place / f"{path.stem}.xlsx")
    return declared(place, folder, {p.stem: f'files = ["{p.stem}.xlsx"]' for p in files})
