"""What reading brought to light: every fault with its place, and the account of all rows and all money.

A fault has a class: `E` refuses the book, `Q` sets the row aside, `W` keeps it and says so. The account is always
true, row by row and cent by cent: *rows read = used + out of scope + set aside*. Identical duplicates of a row that is
used count as out of scope: they are not used, and they are counted. Money that cannot be read is *unknown money*: it is
counted in rows, never as nothing.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import pandas as pd

from partnerkpi.book.examined import ASIDE, FATES, FAULT_COLUMNS, Examined, written
from partnerkpi.book.ledger import empty_ledger, ledger_of
from partnerkpi.wording import decimal_point, number_text, say

SET_ASIDE = FATES[ASIDE]
MOST_SET_ASIDE = 0.01
FEW_ROWS = 5
_SHOWN = 60
_OR_ALLOW = "cure what is set aside above, or go on with figures that lack it (--allow-set-aside)"
_VALUES = 8  # of one rule, each with its own line


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
        place, at = self.file or f"[{self.table}]", ""
        if self.line:
            at = f"line {self.line}" + (f" (record {self.record})" if self.record and self.count == 1 else "")
        elif self.record:
            at = f"record {self.record}"
        what = f", {self.column}" if self.column else ""
        shown = f" '{in_one_line(self.value)}'" if self.value else ""
        if self.count > 1:
            first = f", first: {at}" if at else ""
            return f"{self.kind} {place}{what}{shown}: {self.rule} ({self.count:,} rows{first})"
        return f"{self.kind} {place}{', ' if at else ''}{at}{what}{shown}: {self.rule}"


@dataclass(frozen=True)
class Control:
    """A total of a table, `rows` or `amount_total`: what book.toml declares, empty for nothing, and what was read."""

    table: str
    name: str
    declared: str
    read: str
    holds: bool


@dataclass(frozen=True, eq=False)
class Reading:
    """The account of one reading of a book.

    - `ledger`: one row per `table`, `partner_id`, `currency` and `fate` (used, out of scope, set aside) with `rows`,
      `amount`, the exact sum in whole units of 10^-`digits`, and `unknown`, how many of the rows have an amount that
      cannot be read; `currency` is empty where there is no money, or nobody knows in which currency it is;
    - `found`: the faults as a frame, columns as in `to_frame()` and `partner_id`, one of them for each row set aside;
    - `set_aside`: every row set aside: table, file, record, line, column, value, rule, partner_id, and the row's text;
    - `inputs`: SHA-256 of every file read, by name;
    - `unread`: the columns of each file that nothing is made of;
    - `touched`: whose rows each cause of a fault (see `causes`) concerns: `table`, `column`, `cause`, `kind`,
      `partner_id`, `rows`; `whole` where it is no single partner's but everybody's; `said` is a remark of book.toml;
    - `examples`: the first rows of each fault, with their text; `controls`: what book.toml declares of tables.
    """

    ledger: pd.DataFrame
    found: pd.DataFrame
    set_aside: pd.DataFrame
    inputs: Mapping[str, str] = field(default_factory=dict)
    digits: int = 2
    unread: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    touched: pd.DataFrame = field(default_factory=lambda: empty_touched())
    examples: pd.DataFrame = field(default_factory=pd.DataFrame)
    controls: tuple[Control, ...] = ()

    @cached_property
    def faults(self) -> tuple[Fault, ...]:
        """All faults, causes first: errors, rows set aside, the errors that follow from them, warnings; each in the
        order of the files. Rows with the same fault and value are one.
        """
        return tuple(Fault(*row) for row in self.to_frame().itertuples(index=False, name=None))

    @property
    def refused(self) -> bool:
        """True when any fault refuses the book."""
        return bool((self.found["kind"] == "E").any())

    def to_frame(self) -> pd.DataFrame:
        """The faults as a frame: table, file, record, line, column, value, rule, kind (E, Q, W), count."""
        return _grouped(self.found[list(FAULT_COLUMNS)])

    def rows(self, table: str = "deals") -> dict[str, int]:
        """Rows of a table: `read`, and how many were `used`, `out of scope` and `set aside`."""
        mine = self.ledger[self.ledger["table"] == table]
        by_fate = {fate: int(mine.loc[mine["fate"] == fate, "rows"].sum()) for fate in FATES}
        return {"read": sum(by_fate.values()), **by_fate}

    def money(self, table: str = "deals") -> dict[str, dict[str, int]]:
        """Money of a table by currency, as `rows()` but in whole units of 10^-digits.

        `unknown` says how many rows have money that cannot be read; it is in none of the sums. Rows of which even the
        currency cannot be read stand under "".
        """
        mine = self.ledger[self.ledger["table"] == table]
        sums = {}
        for currency in sorted(set(mine["currency"]), key=lambda name: (not name, name)):
            own = mine[mine["currency"] == currency]
            by_fate = {fate: sum(map(int, own.loc[own["fate"] == fate, "amount"])) for fate in FATES}
            sums[currency] = {"read": sum(by_fate.values()), **by_fate, "unknown": int(own["unknown"].sum())}
        return sums

    def line(self, table: str = "deals") -> str:
        """The account of one table as a sentence.

        It reads like: deals: 8,800 rows read = 8,300 used + 500 out of scope + 0 set aside; USD 10,005,534 = …
        """
        rows = self.rows(table)
        right = " + ".join(f"{number_text(rows[fate])} {say(fate)}" for fate in FATES)
        read = say("{n} row read", "{n} rows read", n=rows["read"])
        parts = [f"{say(table)}: {read} = {right}"]
        for currency, sums in self.money(table).items():
            if currency and (sums["read"] or sums["unknown"]):
                parts.append(self._equation(table, currency, sums))
            elif sums["unknown"]:
                parts.append(
                    say(
                        "{n} row of unknown money, in a currency just as unknown, set aside",
                        "{n} rows of unknown money, in a currency just as unknown, set aside",
                        n=sums["unknown"],
                    )
                )
        return "; ".join(parts)

    def _equation(self, table: str, currency: str, sums: Mapping[str, int]) -> str:
        """The money of one currency: read = used + out of scope + set aside, rows of unknown money on both sides."""
        mine = self.ledger[(self.ledger["table"] == table) & (self.ledger["currency"] == currency)]
        left = [f"{currency} {self.money_text(sums['read'])}"]
        right = []
        if sums["unknown"]:
            left.append(_unknown(sums["unknown"]))
        for fate in FATES:
            right.append(f"{self.money_text(sums[fate])} {say(fate)}")
            if rows := int(mine.loc[mine["fate"] == fate, "unknown"].sum()):
                right.append(f"{_unknown(rows)} {say(fate)}")
        return f"{' + '.join(left)} = {' + '.join(right)}"

    def lines(self) -> list[str]:
        """The account of every table that was read."""
        return [self.line(str(table)) for table in dict.fromkeys(self.ledger["table"])]

    def unread_lines(self) -> list[str]:
        """For each file that has any, the columns that are not read."""
        return [
            f"{file}: not read: {', '.join(in_one_line(name) or '(no name)' for name in names[:_SHOWN])}"
            + (f" … and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else "")
            for file, names in self.unread.items()
        ]

    def of_partner(self, partner: str) -> Reading:
        """The same account for one partner's rows alone, without the files' hashes, columns and declared totals."""

        def own(frame: pd.DataFrame) -> pd.DataFrame:
            return frame[frame["partner_id"] == partner].reset_index(drop=True)

        part = replace(self, ledger=own(self.ledger), found=own(self.found), set_aside=own(self.set_aside))
        of_all = self.touched["whole"] & (self.touched["partner_id"] != partner)
        mine = self.touched[of_all | (self.touched["partner_id"] == partner)]
        # how many rows of all there are is no partner's to know
        mine = mine.assign(rows=mine["rows"].mask(of_all, 0)).reset_index(drop=True)
        return replace(part, inputs={}, unread={}, touched=mine, examples=self.examples.iloc[:0], controls=())

    def money_text(self, units: int) -> str:
        """So many units of 10^-digits as a reader has them: 10,005.50."""
        sign, units = ("−" if units < 0 else ""), abs(units)
        whole, rest = divmod(units, 10**self.digits)
        return sign + number_text(whole) + (decimal_point() + f"{rest:0{self.digits}d}" if self.digits else "")

    def plain_money(self, units: int) -> str:
        """So many units of 10^-digits as book.toml and other programs have them: 10005.50."""
        whole, rest = divmod(abs(units), 10**self.digits)
        return ("-" if units < 0 else "") + str(whole) + (f".{rest:0{self.digits}d}" if self.digits else "")


def _unknown(rows: int) -> str:
    return say("{n} row of unknown money", "{n} rows of unknown money", n=rows)


def in_one_line(text: str, limit: int = 60) -> str:
    """The text on one line, cut with a mark when it is long: every space as it is, what has no shape as its number."""
    flat = "".join(c if c.isprintable() or unicodedata.category(c) == "Zs" else ascii(c)[1:-1] for c in text)
    return flat if len(flat) <= limit else flat[:limit] + "…"


def _grouped(found: pd.DataFrame) -> pd.DataFrame:
    """Faults of one column, rule and value as one, at the place of the first, with their number.

    Of a rule that many values break the most frequent are named; the others are one fault together.
    """
    same = [c for c in FAULT_COLUMNS if c not in ("record", "line", "count")]
    found = found.reset_index(drop=True)
    groups = found.groupby(same, sort=False, dropna=False)
    first = found.loc[groups.head(1).index].assign(count=groups["count"].sum().to_numpy())
    rule = [c for c in same if c != "value"]
    values = first.groupby(rule, sort=False, dropna=False)
    rank = values["count"].rank(method="first", ascending=False)
    rest = (rank > _VALUES) & (values["value"].transform("size") > _VALUES + 1)
    if not rest.any():
        return first.reset_index(drop=True)
    others = first[rest].groupby(rule, sort=False, dropna=False)
    merged = first.loc[others.head(1).index].assign(count=others["count"].sum().to_numpy())
    more = others.size().to_numpy() - 1
    merged["rule"] = [f"{r} (so do {n:,} other values)" for r, n in zip(merged["rule"], more, strict=True)]
    return pd.concat([first[~rest], merged]).sort_index().reset_index(drop=True)


def empty_found() -> pd.DataFrame:
    """A frame of faults without any."""
    return pd.DataFrame(
        {
            name: pd.Series(dtype="int64" if name in ("record", "line", "count") else "str")
            for name in (*FAULT_COLUMNS, "partner_id")
        }
    )


def empty_touched() -> pd.DataFrame:
    """Whose rows faults concern, without any."""
    texts = {n: pd.Series(dtype="str") for n in ("table", "column", "cause", "kind", "partner_id", "said")}
    return pd.DataFrame({**texts, "rows": pd.Series(dtype="int64"), "whole": pd.Series(dtype="bool")})


def empty_set_aside() -> pd.DataFrame:
    """A frame of rows set aside without any."""
    names = ("table", "file", "record", "line", "column", "value", "rule", "partner_id", "row")
    return pd.DataFrame({n: pd.Series(dtype="int64" if n in ("record", "line") else "str") for n in names})


def account(tables: Mapping[str, Examined], home: str, inputs: Mapping[str, str], *, allow_set_aside: bool) -> Reading:
    """The reading of all tables.

    More than 1 % set aside, and set aside nobody knows how much, refuse the book unless that is allowed.
    """
    digits = max((t.decimals for t in tables.values()), default=0)
    given = [t for t in tables.values() if t.given]
    ledger = pd.concat([empty_ledger(), *(ledger_of(t, home, digits) for t in given)], ignore_index=True)
    for examined in given:
        _check_share(examined, ledger[ledger["table"] == examined.table.name], "W" if allow_set_aside else "E")
    causes = pd.concat([empty_found(), *(f for t in tables.values() for f in t.faults)], ignore_index=True)
    follow = pd.concat([empty_found(), *(f for t in tables.values() for f in t.late)], ignore_index=True)
    faults = pd.concat([causes, follow], ignore_index=True)
    order = faults["kind"].map({"E": 0, "Q": 1, "W": 3})
    order = order.mask((faults.index >= len(causes)) & (faults["kind"] == "E"), 2)
    faults = faults.assign(order=order).sort_values("order", kind="stable").drop(columns="order").reset_index(drop=True)
    some = [t for t in given if t.ragged or (t.fate == ASIDE).any()]
    aside = pd.concat([empty_set_aside(), *(_set_aside(t) for t in some)], ignore_index=True)
    touched = pd.concat([empty_touched(), *(f for t in tables.values() for f in t.touched)], ignore_index=True)
    same = [name for name in touched if name != "rows"]
    touched = touched.groupby(same, sort=False)["rows"].sum().reset_index()[list(empty_touched())]
    shown = [f for t in tables.values() for f in t.examples]
    examples = pd.concat(shown, ignore_index=True) if shown else pd.DataFrame()
    return Reading(ledger, faults, aside, dict(sorted(inputs.items())), digits, _unread(given), touched, examples)


def _unread(tables: Iterable[Examined]) -> dict[str, tuple[str, ...]]:
    """The columns that no table reads, by file; a query is taken to read every column of its files."""
    unread: dict[str, list[str]] = {}
    for examined in tables:
        for file, names in examined.unread.items():
            others = set(unread.get(file, names))
            unread[file] = [name for name in names if name in others]
    queried = frozenset().union(*(t.queried for t in tables))
    return {file: tuple(names) for file, names in unread.items() if names and file not in queried}


def _check_share(examined: Examined, ledger: pd.DataFrame, kind: str) -> None:
    """Blame the table for setting aside more than one in a hundred: of its rows, its money, or a partner's."""
    name = examined.table.name
    _blame_share(examined, ledger, kind, f"{name}: ", "")
    if unknown := int(ledger.loc[ledger["fate"] == SET_ASIDE, "unknown"].sum()):
        rule = (
            f"{name}: {_unknown(unknown)} set aside, so nobody can say whether more than 1 % of all money is: "
            f"{_OR_ALLOW}"
        )
        examined.blame(rule, kind, late=True)
    if name != "deals" or not (ledger["fate"] == SET_ASIDE).any():
        return
    for partner in sorted(set(ledger.loc[ledger["fate"] == SET_ASIDE, "partner_id"]) - {""}):
        own = ledger[ledger["partner_id"] == partner]
        if own["rows"].sum() >= FEW_ROWS:
            _blame_share(examined, own, kind, f"partner {partner}: ", partner)


def _blame_share(examined: Examined, ledger: pd.DataFrame, kind: str, who: str, partner: str) -> None:
    aside = ledger["fate"] == SET_ASIDE
    sums = [("rows", "", ledger)]
    sums += [("amount", str(c), own) for c, own in ledger.groupby("currency", sort=True) if c]
    for column, currency, own in sums:
        lost, read = (sum(map(abs, map(int, part[column]))) for part in (own[aside.loc[own.index]], own))
        if lost > MOST_SET_ASIDE * read:
            what = f"{lost:,} of {read:,} rows" if column == "rows" else f"{100 * lost / read:.1f} % of all {currency}"
            examined.blame(f"{who}{what} set aside, more than 1 %: {_OR_ALLOW}", kind, partner=partner, late=True)


def _set_aside(examined: Examined) -> pd.DataFrame:
    """Every fault of a row set aside, with the row's text."""
    parts = [f[f["kind"] == "Q"] for f in examined.faults]
    faults = pd.concat([empty_found(), *parts], ignore_index=True).drop(columns=["kind", "count"])
    where = np.flatnonzero(examined.fate == ASIDE)
    texts = dict(
        zip(_places(examined.file[where], examined.record[where]), written(examined.text.take(where)), strict=True)
    )
    texts |= {(file, p.record): p.value for file, p in examined.ragged}
    rows = [texts.get(place, "") for place in _places(faults["file"], faults["record"])]
    return faults.assign(row=pd.Series(rows, index=faults.index, dtype="str"))[list(empty_set_aside())]


def _places(files: Iterable[object], records: Iterable[object]) -> list[tuple[str, int]]:
    return [(str(f), int(r)) for f, r in zip(files, records, strict=True)]  # type: ignore[call-overload]
