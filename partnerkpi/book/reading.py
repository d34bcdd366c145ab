"""What reading found: every fault with its place, and the account of all rows and all money.

A fault has a class: `E` refuses the book, `Q` sets the row aside, `W` keeps it and says so. The account is always
true, row by row and cent by cent: *rows read = used + out of scope + set aside*. Identical duplicates of a row that is
used count as out of scope: they are not used, and they are counted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import pandas as pd

USED, OUT_OF_SCOPE, SET_ASIDE = FATES = ("used", "out of scope", "set aside")
FAULT_COLUMNS = ("table", "file", "record", "line", "column", "value", "rule", "kind", "count")


@dataclass(frozen=True)
class Fault:
    """One thing wrong with the data, and where.

    `record` counts the rows of data from 1, `line` the physical lines of the file from 1 (the header is line 1);
    both are 0 where a fault concerns a whole file. `kind` is E, Q or W. `count` says how many rows have the same
    fault when one line stands for them all; the place is then that of the first.
    """

    table: str
    file: str
    record: int
    line: int
    column: str
    value: str
    rule: str
    kind: str
    count: int = 1

    def __str__(self) -> str:
        """One line: where, what, and how often."""
        place = self.file or f"[{self.table}]"
        if self.line:
            place += f", line {self.line}" + (f" (record {self.record})" if self.record else "")
        elif self.record:
            place += f", record {self.record}"
        what = f", {self.column}" if self.column else ""
        shown = f" '{_cut(self.value)}'" if self.value else ""
        times = f" ({self.count:,} rows)" if self.count > 1 else ""
        return f"{self.kind} {place}{what}{shown}: {self.rule}{times}"


@dataclass(frozen=True, eq=False)
class Reading:
    """The account of one reading of a book.

    - `ledger`: one row per `table`, `partner_id`, `currency` and `fate` (used, out of scope, set aside) with `rows`
      and `amount`, the exact sum in whole units of 10^-`digits`;
    - `found`: the faults as a frame, columns as in `to_frame()` and `partner_id`;
    - `set_aside`: every row set aside: table, file, record, line, column, value, rule, partner_id, and the row's text;
    - `inputs`: SHA-256 of every file read, by name.
    """

    ledger: pd.DataFrame
    found: pd.DataFrame
    set_aside: pd.DataFrame
    inputs: Mapping[str, str] = field(default_factory=dict)
    digits: int = 2

    @cached_property
    def faults(self) -> tuple[Fault, ...]:
        """All faults, errors first, then rows set aside, then warnings; each in the order of the files."""
        return tuple(Fault(*row) for row in self.to_frame().itertuples(index=False, name=None))

    @property
    def refused(self) -> bool:
        """True when any fault refuses the book."""
        return bool((self.found["kind"] == "E").any())

    def to_frame(self) -> pd.DataFrame:
        """The faults as a frame: table, file, record, line, column, value, rule, kind (E, Q, W), count."""
        return self.found[list(FAULT_COLUMNS)].reset_index(drop=True)

    def rows(self, table: str = "deals") -> dict[str, int]:
        """Rows of a table: `read`, and how many were `used`, `out of scope` and `set aside`."""
        mine = self.ledger[self.ledger["table"] == table]
        by_fate = {fate: int(mine.loc[mine["fate"] == fate, "rows"].sum()) for fate in FATES}
        return {"read": sum(by_fate.values()), **by_fate}

    def money(self, table: str = "deals") -> dict[str, dict[str, int]]:
        """Money of a table by currency, as `rows()` but in whole units of 10^-digits; unreadable amounts count 0."""
        mine = self.ledger[self.ledger["table"] == table]
        found = {}
        for currency in sorted(set(mine["currency"])):
            own = mine[mine["currency"] == currency]
            by_fate = {fate: sum(map(int, own.loc[own["fate"] == fate, "amount"])) for fate in FATES}
            found[currency] = {"read": sum(by_fate.values()), **by_fate}
        return found

    def line(self, table: str = "deals") -> str:
        """The account of one table as a sentence.

        It reads like: deals: 8,800 rows read = 8,300 used + 500 out of scope + 0 set aside; USD 10,005,534 = …
        """
        parts = [f"{table}: {_equation(self.rows(table), ' rows read', str_of=lambda n: f'{n:,}')}"]
        parts += [
            f"{currency} {_equation(sums, '', str_of=self._money_text)}"
            for currency, sums in self.money(table).items()
            if currency and sums["read"]
        ]
        return "; ".join(parts)

    def lines(self) -> list[str]:
        """The account of every table that was read."""
        return [self.line(str(table)) for table in dict.fromkeys(self.ledger["table"])]

    def of_partner(self, partner: str) -> Reading:
        """The same account for one partner's rows alone, without the files' hashes."""

        def own(frame: pd.DataFrame) -> pd.DataFrame:
            return frame[frame["partner_id"] == partner].reset_index(drop=True)

        return replace(self, ledger=own(self.ledger), found=own(self.found), set_aside=own(self.set_aside), inputs={})

    def _money_text(self, units: int) -> str:
        sign, units = ("−" if units < 0 else ""), abs(units)
        whole, rest = divmod(units, 10**self.digits)
        return f"{sign}{whole:,}" + (f".{rest:0{self.digits}d}" if self.digits else "")


def _equation(sums: dict[str, int], noun: str, str_of) -> str:  # type: ignore[no-untyped-def]
    parts = " + ".join(f"{str_of(sums[fate])} {fate}" for fate in FATES)
    return f"{str_of(sums['read'])}{noun} = {parts}"


def _cut(text: str, limit: int = 60) -> str:
    """The text on one line, cut with a mark when it is long."""
    flat = "".join(c if c.isprintable() else "�" for c in text)
    return flat if len(flat) <= limit else flat[:limit] + "…"


def empty_found() -> pd.DataFrame:
    """A frame of faults without any."""
    return pd.DataFrame(
        {
            name: pd.Series(dtype="int64" if name in ("record", "line", "count") else "str")
            for name in (*FAULT_COLUMNS, "partner_id")
        }
    )


def empty_ledger() -> pd.DataFrame:
    """An account without any row."""
    texts = {name: pd.Series(dtype="str") for name in ("table", "partner_id", "currency", "fate")}
    return pd.DataFrame({**texts, "rows": pd.Series(dtype="int64"), "amount": pd.Series(dtype="object")})


def empty_set_aside() -> pd.DataFrame:
    """A frame of rows set aside without any."""
    names = ("table", "file", "record", "line", "column", "value", "rule", "partner_id", "row")
    return pd.DataFrame({n: pd.Series(dtype="int64" if n in ("record", "line") else "str") for n in names})
