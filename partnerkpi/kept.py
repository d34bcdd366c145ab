"""The figures of a scorecard kept from an earlier review beside those the book tells now: which differ, and why.

A review writes `scorecard.csv`; an export made later may tell the same quarter otherwise. The kept figures are set
beside those of the book in hand as both are written to files, so that not a digit differs unseen. Where the book has a
history the deals are named that had an outcome in the quarter and were changed, or entered, after the day of the kept
one.
"""

from __future__ import annotations

import io
from pathlib import Path

import pandas as pd

from partnerkpi.book import Book
from partnerkpi.book.schema import levels
from partnerkpi.errors import UsageError
from partnerkpi.export import columns_text, harmless, shown, to_csv
from partnerkpi.figures import COLUMNS, scorecard
from partnerkpi.groups import ALL, UNASSIGNED, Key, group_text
from partnerkpi.restatement import changed_since
from partnerkpi.wording import MISSING, Code

KEY = ("by", "group", "quarter", "kpi", "figure")
TOLD = ("value", "n", "reason", "as_of")
RESTATED = (*KEY, "unit", *(f"{name}_{side}" for name in TOLD for side in ("then", "now")), "deals")


def restated_figures(book: Book, kept: str | Path, quarter: str = "", *, partner: str | None = None) -> pd.DataFrame:
    """Every figure of a kept scorecard whose value or count is another one today, in the order of the scorecard.

    Args:
        book: the book as it is told now.
        kept: a scorecard written as CSV, by `partnerkpi review` or `partnerkpi score`.
        quarter: only this quarter of it.
        partner: the partner that the kept one was made for, where it was made for one.

    Returns:
        `by, group, quarter, kpi, figure, unit`; `value`, `n`, `reason` and `as_of`, each `_then` and `_now`; `deals`:
        the ids of the group's deals of the quarter that changed since, as far as a history tells. A group of today that
        the kept one has not is listed where the kept one was of all groups.

    Raises:
        UsageError: the file is no scorecard, is of a later day than the book, or has nothing of the quarter; or the
            book has no such partner.
    """
    then = _kept(book, Path(kept), quarter)
    tables: list[pd.DataFrame] = []
    deals: dict[tuple[object, object, object], list[str]] = {}
    for (by, day), part in then.groupby(["by", "as_of"], sort=False):
        periods = [book.quarter(label) for label in part["quarter"].unique()]
        card = scorecard(book, periods, by=str(by), partner=partner)
        for period in periods:
            changed = _changed(book, str(by), period.label, pd.Timestamp(str(day)).as_unit("s"), partner)
            deals |= {(by, group, period.label): ids for group, ids in changed.items()}
        now = _written(card)
        if str(ALL) not in set(part["group"]):
            now = now[now["group"].isin(part["group"])]
        both = now.merge(part, how="outer", on=list(KEY), suffixes=("_now", "_then"), sort=False)
        order = {key: place for place, key in enumerate(zip(*(now[name] for name in KEY), strict=True))}
        keys = list(zip(*(both[name] for name in KEY), strict=True))
        both = both.assign(_place=[order.get(key, len(order)) for key in keys]).sort_values("_place", kind="stable")
        tables.append(both.assign(as_of_now=f"{book.as_of:%Y-%m-%d}", as_of_then=str(day)))
    whole = pd.concat(tables, ignore_index=True).fillna("")
    differs = (whole["value_then"] != whole["value_now"]) | (_count(whole["n_then"]) != _count(whole["n_now"]))
    whole = whole[differs.to_numpy()].reset_index(drop=True)
    places = zip(whole["by"], whole["group"], whole["quarter"], strict=True)
    whole["deals"] = [" ".join(deals.get(place, ())) for place in places]
    whole["unit"] = whole["unit_now"].where(whole["unit_now"] != "", whole["unit_then"])
    numbers = {name: pd.to_numeric(whole[name]) for name in ("value_then", "value_now")}
    counts = {name: _count(whole[name]) for name in ("n_then", "n_now")}
    return whole.assign(**numbers, **counts)[list(RESTATED)]


def restated_text(table: pd.DataFrame) -> str:
    """The table for reading: what differs, from what to what; a sentence where nothing does."""
    if not len(table):
        return str(Code.NOTHING_RESTATED())
    texts = [[_cell(cell) for cell in row] for row in table.itertuples(index=False, name=None)]
    numbers = [str(name) for name in table if pd.api.types.is_numeric_dtype(table[name])]
    return columns_text([str(name) for name in table], texts, right=numbers)


def _cell(cell: object) -> str:
    if cell is None or cell is pd.NaT or cell is pd.NA or cell != cell:
        return MISSING
    if isinstance(cell, float):
        return f"{cell:.6f}".rstrip("0").rstrip(".")
    return f"{cell:%Y-%m-%d}" if isinstance(cell, pd.Timestamp) else str(cell)


def _kept(book: Book, path: Path, quarter: str) -> pd.DataFrame:
    """The kept scorecard as text."""
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8")
    except FileNotFoundError:
        raise UsageError(f"There is no file '{path}'. Name the scorecard.csv of an earlier review.") from None
    except (OSError, ValueError) as problem:
        raise UsageError(f"The file '{path}' cannot be read as a scorecard: {problem}.") from problem
    if tuple(table.columns) != COLUMNS or not len(table) or table.duplicated(list(KEY)).any():
        raise UsageError(
            f"The file '{path}' is no scorecard: its columns must be {', '.join(COLUMNS)}, each figure once. "
            "'partnerkpi review' writes one beside its pages, 'partnerkpi score -o scorecard.csv' too."
        )
    days = pd.to_datetime(table["as_of"], format="%Y-%m-%d", errors="coerce")
    if days.isna().any() or not set(table["by"]) <= {*levels(), "none"}:
        raise UsageError(f"The file '{path}' is no scorecard: a day or a level in it is none.")
    if days.max() > book.as_of:
        raise UsageError(
            f"The kept scorecard is as of {days.max():%Y-%m-%d}, the book as of {book.as_of:%Y-%m-%d}: "
            "set an earlier scorecard beside a later book."
        )
    if quarter:
        there = ", ".join(sorted(set(table["quarter"])))
        table = table[table["quarter"] == book.quarter(quarter).label]
        if not len(table):
            raise UsageError(f"The kept scorecard '{path}' has nothing of {quarter}, only of {there}.")
    return table


def _written(card: pd.DataFrame) -> pd.DataFrame:
    """The scorecard as it is read back from a file."""
    return pd.read_csv(io.StringIO(to_csv(card)), dtype=str, keep_default_na=False)


def _count(texts: pd.Series) -> pd.Series:
    """Counts as whole numbers, none where a figure was not told at all."""
    return pd.to_numeric(texts).fillna(0).astype("int64")


def _changed(book: Book, by: str, quarter: str, day: pd.Timestamp, partner: str | None) -> dict[str, list[str]]:
    """By group as files have it, the ids of the quarter's deals that changed since the day."""
    part = book if partner is None else book.for_partner(partner)
    table = changed_since(part, book.quarter(quarter), day)
    changed = table["deal_id"].astype(str)
    groups: dict[str, list[str]] = {str(ALL): sorted(changed)}
    if by == "none":
        return groups
    if by == "partner":
        sides = [table[f"partner_id_{side}"][table[f"status_{side}"].notna()] for side in ("then", "now")]
    else:
        values = part.level(part.deals, levels()[by])
        own = pd.Series(dtype=object) if values is None else pd.Series(values.array, index=part.deals["deal_id"])
        sides = [changed.map(own.astype("object"))]
    for side in sides:
        for deal, value in zip(changed[side.index], side, strict=True):
            key: str | Key = UNASSIGNED if pd.isna(value) else str(value)
            ids = groups.setdefault(harmless(shown(group_text(key))), [])
            if deal not in ids:
                ids.append(deal)
    return {group: sorted(ids) for group, ids in groups.items()}
