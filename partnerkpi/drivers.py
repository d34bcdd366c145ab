r"""Why the won amount changed against the year before: more or fewer deals, other things sold, other sizes.

The usual decomposition of a revenue into volume, mix and price, by the Bennet indicator (Bennet 1920): every change is
weighed by the mean of both periods, so that neither is the measure of the other and nothing is left over. Over priced
wins, W of them with the mean amount A, a bar for the mean of both periods, Δ for now − before:

- *volume* = ΔW · Ā: what more deals of the usual size bring;
- *mix* = W̄ · Σ Δs · Ā of each group, with s its share of the deals: what selling more of the dearer things brings;
- *size* = W̄ · Σ s̄ · ΔA of each group: what larger deals of the same things bring.

A group that sold nothing in one of the periods takes the other's mean: that is mix, not size. Where one period has no
priced win all is volume. Wins without an amount, or of nought, are counted beside and bring nothing. Fractions are
kept until the end; then the parts are rounded to whole cents so that they add up: those with the largest rest upward.

>>> from partnerkpi.opening import book_of
>>> deals = ("deal_id,created_on,status,closed_on,amount,product\n"
...          "D1,2024-10-01,won,2024-10-09,100.00,small\nD2,2024-10-01,won,2024-11-09,300,large\n"
...          "D3,2025-10-01,won,2025-10-09,100,small\nD4,2025-10-01,won,2025-11-09,400,large\n"
...          "D5,2025-10-01,won,2025-12-09,400,large\n")
>>> table = why(book_of(deals=deals, as_of="2025-12-31"), "2025Q4")
>>> print(table[["part", "deals", "amount"]].to_string(index=False))
  part  deals  amount
before      2  400.00
volume      1  250.00
   mix      0  104.17
  size      0  145.83
   now      3  900.00
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import pandas as pd

from partnerkpi.book import Book
from partnerkpi.deals import priced
from partnerkpi.groups import ALL, Key, groups_of
from partnerkpi.kpi import nothing_known
from partnerkpi.kpis.number_of_deals import won_amount
from partnerkpi.periods import Quarter
from partnerkpi.recorded import NotRecorded
from partnerkpi.waterfalls import movements
from partnerkpi.wording import Code, Remark

PARTS = ("before", "volume", "mix", "size", "now")
#: By what mix is told unless one says: the first of these of which the book has more than one.
TOLD_BY = ("product", "region")


@dataclass(frozen=True)
class Drivers:
    """The exact parts of a change: `mix` and `size` of each group, which add up to those of all."""

    volume: Fraction
    mix: tuple[Fraction, ...]
    size: tuple[Fraction, ...]


def drivers_of(before: Sequence[tuple[int, int]], now: Sequence[tuple[int, int]]) -> Drivers:
    """What made the amount of one period that of the other, given deals and amount of each group in both.

    A group's mix is Δs times what it brings above the mean of all, so that less of the cheaper things counts as a gain;
    over all groups that is the same sum, because the shares' changes cancel.
    """
    deals = [sum(n for n, _ in side) for side in (before, now)]
    amount = [sum(money for _, money in side) for side in (before, now)]
    none = (Fraction(0),) * len(now)
    if not all(deals):
        return Drivers(Fraction(amount[1] - amount[0]), none, none)
    overall = (Fraction(amount[0], deals[0]) + Fraction(amount[1], deals[1])) / 2
    usual = Fraction(sum(deals), 2)
    mix, size = [], []
    for old, new in zip(before, now, strict=True):
        share = [Fraction(n, whole) for (n, _), whole in zip((old, new), deals, strict=True)]
        means = [Fraction(money, n) for n, money in (old, new) if n] or [Fraction(0)]
        mix.append(usual * (share[1] - share[0]) * ((means[0] + means[-1]) / 2 - overall))
        size.append(usual * (share[0] + share[1]) / 2 * (means[-1] - means[0]))
    return Drivers((deals[1] - deals[0]) * overall, tuple(mix), tuple(size))


def why(book: Book, quarter: str | Quarter, by: str = "") -> pd.DataFrame:
    """Why the won amount of the quarter is another than that of the same quarter a year before.

    A running quarter is set beside as many days of the year before.

    Args:
        book: a book, or any part of one.
        quarter: the quarter, like "2025Q4".
        by: the column that mix is told by; empty: product, else region, else nothing, so that all is volume and size.

    Returns:
        One row per part, in the order of `PARTS`: `part`; `deals`, priced wins (of `volume` their change); `unpriced`,
        wins without an amount or of nought; `amount` in the book's currency, the parts adding up to the cent, `before`
        and `now` as `won_amount` has them; `by`, what mix and size are told by; `note`, why amounts are missing.

    Raises:
        UsageError: the text is no quarter, it has not begun, or there is no such column.
    """
    return _told(book, book.quarter(quarter), by)[0]


def why_groups(book: Book, quarter: str | Quarter, by: str = "") -> pd.DataFrame:
    """The same for each group: `group`, priced wins and their amount before and now, its part in `mix` and in `size`.

    Both columns add up to the parts of `why` to the cent. Empty where amounts are missing.

    Raises:
        UsageError: as `why`.
    """
    return _told(book, book.quarter(quarter), by)[1]


def won_bar(book: Book, quarter: str | Quarter) -> pd.DataFrame:
    """How the bar `won` of the waterfall becomes the won amount of the quarter: rows of deals that differ.

    They are the same where a history ends as the deals table does, deal by deal. The bar tells what left the pipeline
    as it was then; the won amount is that of the deals table as it is now.

    Returns:
        One row per deal that differs, by deal: `deal_id`, `left` (what the bar has of it), `won` (what the won amount
        has), `amount` (won − left), and `note`: changed after it was won, no longer a win of this part and quarter, or
        not one then. The bar's amount, sign turned, plus the sum of `amount` is the won amount, to the cent.

    Raises:
        UsageError: the text is no quarter, or it has not begun.
    """
    period = book.quarter(quarter)
    left = -movements(book, period, "won").groupby("deal_id")["amount"].sum()
    rows = won_amount.rows(book, period)
    won = pd.Series(rows["value"].to_numpy(), index=rows["deal_id"].astype(str))
    both = pd.DataFrame({"left": left, "won": won}).rename_axis("deal_id")
    step = book.purse.units(both["won"].to_numpy()) - book.purse.units(both["left"].to_numpy())
    here, there = both.index.isin(won.index), both.index.isin(left.index)
    note = np.full(len(both), Code.CHANGED_AFTER_WIN(), dtype=object)
    note[~here], note[~there] = Code.WIN_NO_LONGER(), Code.WIN_NOT_THEN()
    table = both.assign(amount=book.purse.money(step), note=note)
    return table[(step != 0) | ~here | ~there].reset_index()


def _told(book: Book, period: Quarter, by: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    then = _year_before(period)
    level = by or _telling(book)
    labels = groups_of(book, level).labels if level else ()
    reason = _unknown(book, period) or _unknown(book, then)
    if reason:
        lines = pd.DataFrame({"part": PARTS, "deals": 0, "unpriced": 0, "amount": np.nan, "by": "", "note": reason})
        return lines, _groups(book, (), [], [], [])
    rows = [won_amount.rule(book, one) for one in (then, period)]
    sides = [_of_groups(book, one, level) for one in rows]
    found = drivers_of(*sides)
    deals = [sum(n for n, _ in side) for side in sides]
    money = [sum(units for _, units in side) for side in sides]
    parts = _rounded([found.volume, sum(found.mix, Fraction(0)), sum(found.size, Fraction(0))], money[1] - money[0])
    unpriced = [len(one) - n for one, n in zip(rows, deals, strict=True)]
    lines = pd.DataFrame(
        {
            "part": PARTS,
            "deals": [deals[0], deals[1] - deals[0], 0, 0, deals[1]],
            "unpriced": [unpriced[0], 0, 0, 0, unpriced[1]],
            "amount": book.purse.money(np.array([money[0], *parts, money[1]])),
            "by": ["", "", level, level, ""],
            "note": pd.Series([None] * len(PARTS), dtype=object),
        }
    )
    mix, size = _rounded(found.mix, parts[1]), _rounded(found.size, parts[2])
    return lines, _groups(book, labels, sides, mix, size)


def _groups(
    book: Book,
    labels: Sequence[str | Key],
    sides: Sequence[Sequence[tuple[int, int]]],
    mix: Sequence[int],
    size: Sequence[int],
) -> pd.DataFrame:
    """The groups that sold anything in either period."""
    names = ("deals_before", "amount_before", "deals_now", "amount_now", "mix", "size")
    cells = [(*old, *new, *rest) for old, new, *rest in zip(*sides, mix, size, strict=True)] if sides else []
    numbers = np.array(cells, dtype=np.int64).reshape(-1, len(names))
    table = pd.DataFrame({"group": np.array([*labels, *[ALL] * (len(numbers) - len(labels))], dtype=object)})
    for place, name in enumerate(names):
        column = numbers[:, place]
        table[name] = column if name.startswith("deals") else book.purse.money(column)
    return table[(table["deals_before"] + table["deals_now"] > 0).to_numpy()].reset_index(drop=True)


def _year_before(period: Quarter) -> Quarter:
    """The same quarter a year before; of a running one as many days."""
    then = period.year_before
    return then if period.complete else then.known_on(then.start + pd.Timedelta(days=period.days_so_far - 1))


def _unknown(book: Book, period: Quarter) -> Remark | None:
    """Why the book has no won amount of the quarter; None when it has."""
    try:
        won_amount.rule(book, period)
    except NotRecorded as missing:
        return missing.reason
    return nothing_known(book, period)


def _telling(book: Book) -> str:
    """The first level that the book records and by which its rows differ; empty where there is none."""
    differ = (level for level in TOLD_BY if len(groups_of(book, level).labels) > 2)
    return next(differ, "")


def _of_groups(book: Book, rows: pd.DataFrame, level: str) -> list[tuple[int, int]]:
    """Deals and amount, in whole units, of each group's priced wins; of all together without a level."""
    rows = priced(rows)
    groups = groups_of(book, level) if level else None
    codes = groups.codes(rows) if groups else np.zeros(len(rows), dtype=np.int64)
    many = len(groups.labels) if groups else 1
    units = np.zeros(many, dtype=np.int64)
    np.add.at(units, codes, book.purse.units(rows["value"].to_numpy()))
    return list(zip(np.bincount(codes, minlength=many).tolist(), units.tolist(), strict=True))


def _rounded(parts: Sequence[Fraction], total: int) -> list[int]:
    """Whole numbers that add up to the total, each at most one away: those with the largest rest are rounded up."""
    floors = [part.__floor__() for part in parts]
    by_rest = sorted(range(len(parts)), key=lambda i: (floors[i] - parts[i], i))
    for i in by_rest[: total - sum(floors)]:
        floors[i] += 1
    return floors
