"""One table under examination: its rows of text, their values, and what becomes of each row."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from partnerkpi.book.causes import cause_of
from partnerkpi.book.labels import as_label, as_text
from partnerkpi.book.schema import Table
from partnerkpi.book.sources import Problem

FATES = ("used", "out of scope", "set aside")
USED, OUT, ASIDE = range(len(FATES))
FAULT_COLUMNS = ("table", "file", "record", "line", "column", "value", "rule", "kind", "count")
#: Of the rows that one fault stands for, so many are shown.
EXAMPLES = 3
_PART = 1 << 16


@dataclass(frozen=True)
class Notes:
    """Credit notes: the `row` of each, and the row `of` the deal that it takes money back from."""

    row: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))
    of: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))


@dataclass(eq=False)
class Examined:
    """Rows of one table: `text` by canonical column, where each was read, its `fate`, and the parsed `values`.

    `unread` lists for each file the columns that nothing is made of, `queried` the files that a query was given;
    `beside` holds the cells of flags, keys, scope and sources by status, named as in the export. `below` counts the
    lines of footers, `late` holds faults that follow from others, `signs` the currency's sign or code beside each
    amount, where there are any. `touched` and `examples` are those of `Reading`; `deals` those the rows are about.
    `notes` are rows used as credit notes: what they take back counts in other rows, see `partnerkpi.book.credits`.
    """

    table: Table
    text: pd.DataFrame
    file: pd.Categorical
    record: np.ndarray
    line: np.ndarray
    typed: dict[str, str] = field(default_factory=dict)
    beside: pd.DataFrame = field(default_factory=pd.DataFrame)
    given: bool = True
    ragged: list[tuple[str, Problem]] = field(default_factory=list)
    faults: list[pd.DataFrame] = field(default_factory=list)
    unread: dict[str, list[str]] = field(default_factory=dict)
    queried: frozenset[str] = frozenset()
    values: dict[str, pd.Series] = field(default_factory=dict)
    decimals: int = 0
    made_key: bool = False
    below: int = 0
    late: list[pd.DataFrame] = field(default_factory=list)
    signs: pd.Series | None = None
    touched: list[pd.DataFrame] = field(default_factory=list)
    examples: list[pd.DataFrame] = field(default_factory=list)
    deals: Examined | None = None
    notes: Notes = field(default_factory=Notes)

    def __post_init__(self) -> None:
        self.fate = np.zeros(len(self.text), dtype=np.int8)

    @property
    def used(self) -> np.ndarray:
        """True for the rows that count so far."""
        return self.fate == USED

    def has(self, column: str) -> bool:
        """True when the source has the column at all."""
        return column in self.text

    def refuse(self, column: str, rule: str, rows: np.ndarray) -> None:
        """An error that forbids the book; one fault stands for all the rows."""
        self._note(column, rule, rows & (self.fate != OUT), "E", once=True)

    def aside(self, column: str, rule: str, rows: np.ndarray) -> None:
        """Set the rows aside, each with its own fault."""
        rows = rows & (self.fate != OUT)
        self._note(column, rule, rows, "Q", once=False)
        self.fate[rows] = ASIDE

    def warn(self, column: str, rule: str, rows: np.ndarray) -> None:
        """Say something about rows that are kept; one fault stands for them all."""
        self._note(column, rule, rows & self.used, "W", once=True)

    def lose_cells(self, column: str, rule: str, rows: np.ndarray) -> None:
        """Keep the rows without what stands in the column, each with its own fault."""
        self._note(column, rule, rows & self.used, "W", once=False)

    def leave_out(self, rows: np.ndarray) -> None:
        """Put rows out of scope."""
        self.fate[rows & self.used] = OUT

    def blame(self, rule: str, kind: str, column: str = "", value: str = "", file: str = "", partner: str = "",
              *, late: bool = False) -> None:  # fmt: skip
        """A fault of the table or a file as a whole; `late` where it follows from others."""
        row = (self.table.name, file, 0, 0, column, value, rule, kind, 1)
        fault = pd.DataFrame([row], columns=list(FAULT_COLUMNS)).assign(partner_id=partner)
        (self.late if late else self.faults).append(fault)
        self.touch(column, rule, kind, pd.Series([partner], dtype="str"), whole=not partner)

    def touch(self, column: str, rule: str, kind: str, partners: pd.Series, *, whole: bool) -> None:
        """Note whose rows a fault concerns, one partner for each row; `whole` where it concerns everybody's figures."""
        cause = cause_of(rule)
        rows = partners.fillna("").value_counts(sort=False)
        facts = {"table": self.table.name, "column": column, "cause": cause.name, "kind": kind, "whole": whole}
        facts["said"] = rule if cause.itself else ""
        self.touched.append(pd.DataFrame({"partner_id": rows.index.astype("str"), "rows": rows.to_numpy(), **facts}))

    def partner_of(self) -> pd.Series:
        """The partner of each row as text, empty where there is none."""
        if "partner_id" not in self.text:
            return pd.Series("", index=self.text.index, dtype="str")
        return as_text(self.text["partner_id"]).fillna("")

    def unknown_money(self) -> np.ndarray:
        """True for the rows whose amount cannot be read, or is empty where it must not be."""
        if "amount" not in self.values:
            return np.zeros(len(self.text), dtype=bool)
        unread = self.values["amount"].isna().to_numpy()
        return unread if self.table["amount"].required else unread & self.text["amount"].notna().to_numpy()

    def frame(self, *, placed: bool = True) -> pd.DataFrame:
        """The rows used, with all columns of the table, their dtypes, and where `placed` the place each was read at.

        What was before a change is only there where the source has it. Credit notes are no rows of their own, and lower
        the amounts of others.
        """
        own = self.used
        own[self.notes.row] = False
        keep = None if own.all() else np.flatnonzero(own)  # what is used whole is not copied
        columns = {}
        for column in self.table.columns:
            if column.name in self.values:
                whole = self.values[column.name]
                if column.name == "amount" and len(self.notes.row):
                    whole = self._left(whole)
            elif column.name in self.text:
                whole = self.text[column.name]
            elif column.before:
                continue
            else:
                whole = self._nothing(column.dtype)
            part = (whole if keep is None else whole.take(keep)).reset_index(drop=True)
            if column.dtype == "category":
                part = as_label(part)
            elif column.name in self.text and column.name not in self.values:
                part = as_text(part)
            columns[column.name] = part
        if not placed:
            return pd.DataFrame(columns, copy=False)
        rows = slice(None) if keep is None else keep
        columns |= {"_file": pd.Series(self.file[rows])}
        columns |= {n: pd.Series(v[rows].astype(np.int64)) for n, v in (("_record", self.record), ("_line", self.line))}
        return pd.DataFrame(columns, copy=False)

    def _nothing(self, dtype: str) -> pd.Series:
        """A column of which the source has nothing."""
        if dtype == "category":
            none = np.full(len(self.text), -1, dtype=np.int8)
            return pd.Series(pd.Categorical.from_codes(none, pd.Index([], dtype="str"), validate=False))
        if dtype == "str":  # parts that are all the same one
            one = pa.nulls(_PART, pa.large_string())
            whole, rest = divmod(len(self.text), _PART)
            text: Any = pd.StringDtype(na_value=np.nan)
            return pd.Series(text.__from_arrow__(pa.chunked_array([*[one] * whole, one[:rest]])))
        return pd.Series([np.nan], dtype=dtype).take(np.zeros(len(self.text), dtype=np.int64))

    def _left(self, amount: pd.Series) -> pd.Series:
        """What credit notes leave of each amount."""
        back = np.bincount(self.notes.of, weights=amount.to_numpy()[self.notes.row], minlength=len(amount))
        return (amount + back).round(self.decimals) if back.any() else amount

    def _note(self, column: str, rule: str, rows: np.ndarray, kind: str, *, once: bool) -> None:
        where = np.flatnonzero(rows)
        if not len(where):
            return
        shown = where[:1] if once else where
        fault = self._placed(column, rule, kind, shown)
        one = not once or len(where) == 1
        owner = self.partner_of().take(shown).to_numpy() if one else ""
        self.faults.append(fault.assign(count=1 if one else len(where), partner_id=owner))
        first = where[:EXAMPLES]
        self.examples.append(self._placed(column, rule, kind, first).assign(row=written(self.text.take(first))))
        self.touch(column, rule, kind, self._owners(where), whole=self.table.looked_up)

    def _placed(self, column: str, rule: str, kind: str, rows: np.ndarray) -> pd.DataFrame:
        """The fault of some rows, each where it was read."""
        value = as_text(self.text[column].take(rows)).fillna("").to_numpy() if column in self.text else ""
        place = {"file": np.asarray(self.file.take(rows), dtype=object)}
        place |= {"record": self.record[rows].astype(np.int64), "line": self.line[rows].astype(np.int64)}
        return pd.DataFrame({"table": self.table.name, **place, "column": column, "value": value, "rule": rule,
                             "kind": kind})  # fmt: skip

    def _owners(self, rows: np.ndarray) -> pd.Series:
        """The partner of some rows; where they name none, that of the deal they are about."""
        own = self.partner_of().take(rows)
        if self.deals is None or not self.has("deal_id") or not self.deals.has("deal_id"):
            return own
        named, ids = as_text(self.text["deal_id"].take(rows)), as_text(self.deals.text["deal_id"])
        at = np.flatnonzero(ids.isin(named).to_numpy())
        owner = dict(zip(ids.take(at), self.deals.partner_of().take(at), strict=True))
        theirs = pd.Series([owner.get(one, "") for one in named], index=own.index, dtype="str")
        return own.mask(own == "", theirs)


def written(text: pd.DataFrame) -> list[str]:
    """Each row as `column=value` for the columns that have one."""
    return [
        "; ".join(f"{n}={v}" for n, v in row.items() if isinstance(v, str)) for row in text.to_dict(orient="records")
    ]
