"""Small odd books in which everything happens that may, and some in which whole columns or outcomes never occur.

Everywhere: transfers, reopened deals, several deals of a lead, sparse rates, channels without a medium, amounts that
are missing or nought, same-day deals, deals closed before they were created, history that begins late, partners that
join, leave or stand in no list.
"""

from __future__ import annotations

import csv
import random
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

AS_OF = pd.Timestamp("2025-11-18")
FIRST = pd.Timestamp("2023-04-01")
DAYS = (AS_OF - FIRST).days
PARTNERS = [f"P-{i}" for i in range(1, 8)]
STATUSES = ("won", "lost", "abandoned", "rejected")
BARE = {"deals": ["deal_id", "created_on", "status", "partner_id", "closed_on", "amount"]}


@dataclass(frozen=True)
class Odd:
    """What is odd about a book: shares of amounts left out, outcomes that never occur, who has targets."""

    unpriced: float = 0.08
    without: tuple[str, ...] = ()
    wins_unpriced: bool = False
    targets: str = "partner_id"
    fiscal_year_starts: int = 1
    bare: bool = False
    no_map: bool = False
    quarters: int = 3


BOOKS = {
    "vanilla": Odd(quarters=11),
    "pistachio": Odd(targets="unit"),
    "liquorice": Odd(targets="", fiscal_year_starts=2),
    "sparse": Odd(unpriced=0.6, quarters=6),
    "winless": Odd(without=("won",)),
    "priceless": Odd(wins_unpriced=True),
    "lossless": Odd(without=("lost", "abandoned"), targets="rep", no_map=True),
    "bare": Odd(bare=True, unpriced=0.0),
}

Row = dict[str, str]


def write_odd_book(folder: Path, name: str) -> Path:
    """The odd book of this name as CSV files and book.toml; the same name gives the same bytes."""
    odd = BOOKS[name]
    draw = random.Random(name)
    leads = [lead(draw, odd, i) for i in range(150)]
    deals, history = [], []
    for i in range(600):
        row, changes = deal(draw, odd, i)
        deals.append(row)
        history += changes
    tables = {
        "deals": deals, "leads": leads, "history": sorted(history, key=lambda row: (row["deal_id"], row["changed_at"])),
        "channels": [{"channel": c, "media": m} for c, m in (("ads", "paid"), ("press", "earned"), ("mail", "owned"))],
        "rates": rates(draw), "partners": partners(draw), "spend": spending(draw), "targets": targets(draw, odd),
    }  # fmt: skip
    if odd.bare:
        tables = {
            name: [{column: row[column] for column in columns} | {"currency": ""} for row in tables[name]]
            for name, columns in BARE.items()
        }
    if odd.no_map:
        del tables["channels"]
    for table, rows in tables.items():
        with open(folder / f"{table}.csv", "w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    (folder / "book.toml").write_text(
        f'[book]\nname = "Odd"\ncurrency = "EUR"\ntime_zone = "Europe/Paris"\nextracted_on = {day(AS_OF)}\n'
        f"fiscal_year_starts = {odd.fiscal_year_starts}\n",
        encoding="utf-8",
    )
    return folder


def lead(draw: random.Random, odd: Odd, number: int) -> Row:
    """A lead that ends by itself or stays open."""
    born = FIRST + pd.Timedelta(days=draw.randrange(DAYS))
    closed = born + pd.Timedelta(days=draw.randrange(120))
    status = draw.choice(["open", "lost", "abandoned", "rejected"])
    status = "open" if closed > AS_OF or status in odd.without else status
    return {
        "lead_id": f"L-{number}", "created_on": day(born), "partner_id": draw.choice([*PARTNERS, ""]), "status": status,
        "closed_on": day(closed) if status != "open" else "", "channel": draw.choice(["ads", "press", "fair", ""]),
        "region": draw.choice(["North", "South", ""]), "product": draw.choice(["Cone", ""]),
    }  # fmt: skip


def deal(draw: random.Random, odd: Odd, number: int) -> tuple[Row, list[Row]]:
    """A deal and what its history tells of it."""
    born = FIRST + pd.Timedelta(days=draw.randrange(DAYS))
    status = draw.choices(["open", *STATUSES], [15, 40, 25, 10, 10])[0]
    closed = born + pd.Timedelta(days=int(draw.expovariate(1 / 70)))
    if draw.random() < 0.02:  # somebody mistyped a day
        closed = max(born - pd.Timedelta(days=draw.randrange(1, 200)), FIRST)
    status = "open" if closed > AS_OF or status in odd.without else status
    amount = f"{draw.lognormvariate(8, 1.2):.2f}" if draw.random() >= odd.unpriced else draw.choice(["", "", "0.00"])
    row = {
        "deal_id": f"D-{number}", "created_on": day(born), "status": status,
        "partner_id": draw.choice([*PARTNERS, ""]), "closed_on": day(closed) if status != "open" else "",
        "amount": "" if odd.wins_unpriced and status == "won" else amount,
        "currency": draw.choice(["EUR", "EUR", "CHF", "USD"]), "stage": draw.choice(["one", "two", "three", ""]),
        "expected_close_on": day(born + pd.Timedelta(days=draw.randrange(200))) if draw.random() < 0.8 else "",
        "sourced": draw.choice(["partner", "partner", "vendor"]),
        "reason": draw.choice(["conflict", "Conflict", "no fit"]) if status in ("rejected", "lost") else "",
        "competitor": draw.choice(["Gelora", "Rimini", ""]),
        "channel": draw.choice(["ads", "press", "fair", "mail", "", ""]),
        "lead_id": f"L-{draw.randrange(160)}" if draw.random() < 0.3 else "",
        "region": draw.choice(["North", "South", ""]), "product": draw.choice(["Cone", "Cup", ""]),
    }  # fmt: skip
    if draw.random() < 0.6:
        return row, story(draw, row, born, closed if status != "open" else AS_OF)
    return row, []


def story(draw: random.Random, row: Row, born: pd.Timestamp, end: pd.Timestamp) -> list[Row]:
    """Changes of one deal before it closed: amounts, stages and owners move, some are lost and opened again."""
    lasted = (end - born).days
    if lasted < 8:
        return []
    moments = sorted(draw.sample(range(lasted), min(6, lasted - 1)))
    rows = []
    for number, moment in enumerate(moments):
        last = number == len(moments) - 1
        gone = 0 < number < len(moments) - 2 and draw.random() < 0.1
        rows.append({
            "deal_id": row["deal_id"],
            "changed_at": f"{day(born + pd.Timedelta(days=moment))}T{draw.randrange(8, 20):02}:30:00",
            "stage": draw.choice(["one", "two", "three", "four", ""]),
            "status": "lost" if gone else draw.choice(["open", "open", ""]) if not last else "open",
            "amount": "" if draw.random() < 0.4 else f"{draw.lognormvariate(8, 1):.2f}",
            "expected_close_on": day(born + pd.Timedelta(days=draw.randrange(250))) if draw.random() < 0.4 else "",
            "partner_id": "" if draw.random() < 0.6 else draw.choice(PARTNERS),
        })  # fmt: skip
    return rows


def rates(draw: random.Random) -> list[Row]:
    """Rates of two currencies on some days, the first before anything happened."""
    return [
        {"currency": money, "date": day(FIRST + pd.Timedelta(days=at)), "rate": f"{draw.uniform(0.8, 1.1):.4f}"}
        for money in ("CHF", "USD")
        for at in [-400, *sorted(draw.sample(range(DAYS), 40))]
    ]


def partners(draw: random.Random) -> list[Row]:
    """Five of the seven partners, some of whom came or went in the middle of a quarter, and one without any deal."""
    rows = []
    for number, partner in enumerate([*PARTNERS[:5], "P-9"]):
        joined = FIRST + pd.Timedelta(days=draw.randrange(DAYS // 2))
        left = joined + pd.Timedelta(days=draw.randrange(DAYS // 2))
        rows.append({
            "partner_id": partner, "joined_on": day(joined) if number % 2 else "",
            "left_on": day(left) if number % 3 == 0 else "",
        })  # fmt: skip
    return rows


def spending(draw: random.Random) -> list[Row]:
    """Spend by month, of partners and of nobody, sometimes nothing, on channels known and unknown."""
    months = pd.period_range(FIRST, AS_OF, freq="M")
    return [
        {
            "channel": channel, "month": f"{month}-01", "partner_id": partner,
            "amount": "0.00" if draw.random() < 0.1 else f"{draw.uniform(100, 9000):.2f}",
            "currency": draw.choice(["EUR", "CHF", ""]),
        }
        for month in months
        for channel in ("ads", "fair", "mail")
        for partner in ("P-1", "P-2", "P-7", "")
        if draw.random() < 0.4
    ]  # fmt: skip


def targets(draw: random.Random, odd: Odd) -> list[Row]:
    """Targets of some partners, or else of some reps or units, or of the whole alone; some of other measures."""
    owners = {"partner_id": [*PARTNERS[:5], "P-9"], "rep": ["Ada", "Bo"], "unit": ["Retail"], "": [""]}[odd.targets]
    single = odd.targets != "partner_id"
    sizes = [0, 40_000, 400_000, 800_000] if single else [0, 5_000, 50_000, 500_000]
    rows = []
    for year in (2023, 2024, 2025, 2026):
        for quarter in range(1, 5):
            for owner in owners:
                for measure in ("won_amount", "deals", ""):
                    if measure == "deals" or draw.random() < (0.9 if single else 0.6):
                        row = {"quarter": f"{year}Q{quarter}", "partner_id": "", "rep": "", "unit": ""}
                        row |= {"measure": measure, "amount": f"{draw.choice(sizes):.2f}"}
                        rows.append(row | ({odd.targets: owner} if owner else {}))
    return rows


def day(moment: pd.Timestamp) -> str:
    """The day as it stands in the files."""
    return f"{moment:%Y-%m-%d}"
