"""One column's text to values, and what becomes of each cell that cannot be read, with the key that would cure it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from partnerkpi.book import parse
from partnerkpi.book.currencies import named_by
from partnerkpi.book.declarations import TableConfig
from partnerkpi.book.labels import texts_of
from partnerkpi.book.schema import CLOSED, Table

_WORDS, _FEW = 12, 5


@dataclass
class Column:
    """The values of a column, and its faults: kind, rule and rows.

    A kind is E, Q or W, or `cell`: what stands there is lost, and the row is kept without it. `signs` holds the
    currency's sign or code beside each amount, `currency` that of each row where signs name any.
    """

    values: pd.Series
    decimals: int = 0
    signs: pd.Series | None = None
    currency: pd.Series | None = None
    faults: list[tuple[str, str, np.ndarray]] = field(default_factory=list)


def read_column(
    table: Table, config: TableConfig, name: str, text: pd.DataFrame, typed: str, zone: str, home: str
) -> Column | None:
    """The values of an amount, number or date column; none for a column of text.

    A cell that cannot be read costs the row where figures rest on it: in columns a table must have, in money, and in
    the day on which something closed. Else it costs only itself.

    Args:
        table: the table.
        config: how it is read.
        name: the column.
        text: the text of all columns, canonically named.
        typed: what a query knows of the column's kind, empty where it knows nothing.
        zone: the business time zone.
        home: the book's currency.
    """
    column, cells = table[name], text[name]
    plain = name in config.constants or typed == "number"
    marks = (".", "") if plain else (config.decimal, config.thousands)
    if column.kind == "amount":
        declared = plain or bool({"decimal", "thousands"} & config.declared)
        codes, each = texts_of(cells)
        result = parse.amounts(each, *marks, declared=declared, largest=config.largest_amount).over(codes)
    elif column.kind == "number":
        codes, each = texts_of(cells)
        result = parse.numbers(each, *marks).over(codes)
    elif column.dated:
        result = _days(config, name, column.kind, cells, typed, zone)
    else:
        return None
    read = Column(result.values, result.decimals if column.kind == "amount" else 0)
    read.faults += [("E", rule, rows) for rule, rows in result.wrong.items()]
    needed = np.full(len(cells), column.required or column.kind == "amount")
    if name == "closed_on" and "status" in text:
        needed |= text["status"].isin(CLOSED).to_numpy()
    for rule, rows in result.bad.items():
        for advice, part in _advised(table, cells, rows):
            lost = f"{rule}, so it counts as empty{advice}"
            read.faults += [("Q", f"{rule}{advice}", part & needed), ("cell", lost, part & ~needed)]
    read.faults += [("W", rule, rows) for rule, rows in result.odd.items()]
    if result.signs is not None and (result.signs != "").any():
        _name_currencies(read, table, text, result.signs, home)
    return read


def unreadable(table: Table, name: str, cells: pd.Series, values: pd.Series, in_scope: np.ndarray) -> str:
    """What is wrong with a column that a table could do without, but most of whose cells cannot be read; else empty."""
    filled = cells.notna().to_numpy() & in_scope
    unread = filled & values.isna().to_numpy()
    needed = table[name].required or table[name].kind == "amount"  # then each row is set aside
    if needed or unread.sum() < _FEW or 2 * unread.sum() <= filled.sum():
        return ""
    many = f"{unread.sum():,} of {filled.sum():,} cells cannot be read"
    return f'{many}: declare how they are written, or say {name} = "" under [{table.name}.columns] to leave it unread'


def _days(config: TableConfig, name: str, kind: str, cells: pd.Series, typed: str, zone: str) -> parse.Parsed:
    form = "" if name in config.constants or typed in ("day", "stamp") else config.date_format(name)
    result = parse.days(cells, "stamp" if typed == "stamp" else kind, form, zone, config.times)
    if typed == "stamp" and kind != "stamp":
        unit = "datetime64[M]" if kind == "month" else "datetime64[D]"
        whole = result.values.to_numpy(dtype="datetime64[s]").astype(unit).astype("datetime64[s]")
        result.values = pd.Series(whole, index=cells.index)
    return result


def _advised(table: Table, cells: pd.Series, rows: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """The rows by what to do about them: a word in a column of figures or days may stand for an empty cell."""
    if not rows.any():
        return
    cells = cells.astype("str")
    words = rows & ~cells.str.contains("[0-9]").fillna(True).to_numpy(dtype=bool)
    for word in cells[words].value_counts().head(_WORDS).index:
        same = words & (cells == word).to_numpy()
        quoted = json.dumps(str(word).strip(), ensure_ascii=False)
        yield f". If it means nothing, say missing = [{quoted}] under [{table.name}]", same
        rows = rows & ~same
    if rows.any():
        yield "", rows


def _name_currencies(read: Column, table: Table, text: pd.DataFrame, signs: pd.Series, home: str) -> None:
    """The currencies that signs beside the amounts name, where the table has none of its own for the row."""
    read.signs, priced_in = signs, table["amount"].priced_in
    if priced_in == "deal":
        return  # that of another table's row, which is not known yet
    if priced_in == "book":
        said = pd.Series(home, index=signs.index, dtype="str")
        masks = named_by(signs, said, home)[1].values()
        read.faults += [
            ("Q", f"the sign beside the amount is another currency's than the book's, {home}", m) for m in masks
        ]
        return
    own = text["currency"].astype("str") if "currency" in text else pd.Series(np.nan, index=signs.index, dtype="str")
    whole, faults = named_by(signs, own, home)
    for rule, rows in faults.items():
        read.faults.append(("Q", rule, rows))
        read.values = read.values.mask(pd.Series(rows, index=signs.index))  # an amount of nobody knows what
    if "currency" in text or (whole.notna() & (whole != home)).any():
        read.currency = whole
        bare = (signs == "").to_numpy() & whole.isna().to_numpy() & text["amount"].notna().to_numpy()
        read.faults.append(("W", f"no currency beside it, as others have: taken to be in {home}", bare))
