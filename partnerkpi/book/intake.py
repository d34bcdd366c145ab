"""One table under examination: its rows of text, their values, what is wrong with them and what becomes of each row."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from partnerkpi.book.declarations import IGNORE, TableConfig
from partnerkpi.book.labels import as_label
from partnerkpi.book.schema import ENUMERATED, Table
from partnerkpi.book.sources import Problem, RawTable
from partnerkpi.book.values import read_column, unreadable
from partnerkpi.errors import nearest

FATES = ("used", "out of scope", "set aside")
USED, OUT, ASIDE = range(len(FATES))
FAULT_COLUMNS = ("table", "file", "record", "line", "column", "value", "rule", "kind", "count")


@dataclass(eq=False)
class Examined:
    """Rows of one table: `text` by canonical column, where each was read, its `fate`, and the parsed `values`.

    `unread` lists for each file the columns that nothing is made of, `queried` the files that a query was given.
    `below` counts the lines of footers, `late` holds faults that follow from others, `signs` the currency's sign or
    code beside each amount, where there are any.
    """

    table: Table
    text: pd.DataFrame
    file: pd.Categorical
    record: np.ndarray
    line: np.ndarray
    typed: dict[str, str] = field(default_factory=dict)
    given: bool = True
    ragged: list[tuple[str, Problem]] = field(default_factory=list)
    faults: list[pd.DataFrame] = field(default_factory=list)
    unread: dict[str, list[str]] = field(default_factory=dict)
    queried: frozenset[str] = frozenset()
    values: dict[str, pd.Series] = field(default_factory=dict)
    decimals: int = 0
    below: int = 0
    late: list[pd.DataFrame] = field(default_factory=list)
    signs: pd.Series | None = None

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

    def partner_of(self) -> pd.Series:
        """The partner of each row as text, empty where there is none."""
        if "partner_id" not in self.text:
            return pd.Series("", index=self.text.index, dtype="str")
        return self.text["partner_id"].fillna("")

    def unknown_money(self) -> np.ndarray:
        """True for the rows whose amount cannot be read, or is empty where it must not be."""
        if "amount" not in self.values:
            return np.zeros(len(self.text), dtype=bool)
        unread = self.values["amount"].isna().to_numpy()
        return unread if self.table["amount"].required else unread & self.text["amount"].notna().to_numpy()

    def frame(self) -> pd.DataFrame:
        """The rows used, with all columns of the table, their dtypes, and the place each was read at."""
        keep = np.flatnonzero(self.used)
        columns = {}
        for column in self.table.columns:
            if column.name in self.values:
                whole = self.values[column.name]
            elif column.name in self.text:
                whole = self.text[column.name]
            else:
                empty = pd.Series([np.nan], dtype="str" if column.dtype == "category" else column.dtype)
                whole = empty.take(np.zeros(len(self.text), dtype=np.int64))
            part = whole.take(keep).reset_index(drop=True)
            columns[column.name] = as_label(part) if column.dtype == "category" else part
        place = {"_file": self.file.take(keep), "_record": self.record[keep], "_line": self.line[keep]}
        return pd.DataFrame({**columns, **place})

    def _note(self, column: str, rule: str, rows: np.ndarray, kind: str, *, once: bool) -> None:
        where = np.flatnonzero(rows)
        if not len(where):
            return
        shown = where[:1] if once else where
        value = self.text[column].take(shown).fillna("").to_numpy() if column in self.text else ""
        self.faults.append(
            pd.DataFrame(
                {
                    "table": self.table.name,
                    "file": np.asarray(self.file.take(shown), dtype=object),
                    "record": self.record[shown],
                    "line": self.line[shown],
                    "column": column,
                    "value": value,
                    "rule": rule,
                    "kind": kind,
                    "count": len(where) if once else 1,
                    "partner_id": "" if once and len(where) > 1 else self.partner_of().take(shown).to_numpy(),
                }
            )
        )


def wanted_columns(table: Table, config: TableConfig, header: list[str]) -> dict[str, str]:
    """The column of the file for each canonical column that the file has: as mapped, else of the same name."""
    there, other = set(header), {*config.constants, *config.unread}
    sources = {name: config.columns.get(name, name) for name in table.names if name not in other}
    return {name: source for name, source in sources.items() if source in there}


def examine(table: Table, config: TableConfig, raws: list[RawTable], zone: str, home: str) -> Examined:
    """The table's rows with values, and every fault a row shows by itself."""
    examined = _assembled(table, config, [raw.without(config.missing) for raw in raws])
    for name, mapping in config.values.items():
        if examined.has(name):
            _map_values(examined, name, mapping)
    for name in table.names:
        if name in ENUMERATED and name not in config.values and examined.has(name):
            _check_enumerated(examined, name)
    for column in table.columns:
        if examined.has(column.name):
            _parse(examined, config, column.name, zone, home)
    for column in table.columns:
        if column.required and examined.has(column.name):
            examined.aside(column.name, "is empty and must not be", examined.text[column.name].isna().to_numpy())
    _drop_duplicates(examined)
    return examined


def _assembled(table: Table, config: TableConfig, raws: list[RawTable]) -> Examined:
    """The files of a table below each other, columns named canonically; faults of the files themselves."""
    faulty = Examined(table, pd.DataFrame(), pd.Categorical([]), np.empty(0, np.int64), np.empty(0, np.int64))
    parts: list[pd.DataFrame] = []
    files: list[RawTable] = []
    ragged: list[tuple[str, Problem]] = []
    typed: dict[str, str] = {}
    for raw in raws:
        note_file(faulty, raw)
        ragged += [(raw.file, p) for p in raw.ragged]
        if raw.refused:
            continue
        near = _near_columns(table, config, raw.header)
        complete = _columns_there(faulty, config, raw, near)
        _note_unread(faulty, config, raw, near)
        if not complete:
            continue
        columns = wanted_columns(table, config, raw.header)
        part = pd.DataFrame({name: raw.text[source] for name, source in columns.items()}, index=raw.text.index)
        typed |= {name: raw.typed[source] for name, source in columns.items() if source in raw.typed}
        parts.append(part.assign(**dict.fromkeys(config.constants, "")).astype("str"))
        files.append(raw)
        if not len(raw.text) and not raw.ragged:
            faulty.blame("no rows, only a header", "W", file=raw.file)
    text = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
    for name, value in config.constants.items():
        text[name] = pd.Series(value, index=text.index, dtype="str")
    names = [np.full(len(r.text), r.file, dtype=object) if r.files is None else r.files for r in files]
    whole = pd.Categorical(np.concatenate([*names, np.empty(0, dtype=object)]))
    record = np.concatenate([*(r.record for r in files), np.empty(0, np.int64)])
    line = np.concatenate([*(r.line for r in files), np.empty(0, np.int64)])
    examined = Examined(table, text, whole, record, line, typed, given=bool(raws), ragged=ragged)
    examined.faults, examined.unread = faulty.faults, faulty.unread
    examined.below = sum(raw.below for raw in raws)
    return examined


def note_file(examined: Examined, raw: RawTable) -> None:
    """Take over what is wrong with a file as such."""
    for p in [*raw.problems, *raw.ragged]:
        row = (examined.table.name, raw.file, p.record, p.line, p.column, p.value, p.rule, p.kind, p.count)
        examined.faults.append(pd.DataFrame([row], columns=list(FAULT_COLUMNS)).assign(partner_id=""))


def _near_columns(table: Table, config: TableConfig, header: list[str]) -> dict[str, tuple[str, bool]]:
    """For each column of the file that is not read but nearly named like one that could be: that one, and whether
    they are the same but for capitals, spaces, `_`, `-` and the width of letters; else one or two letters differ.
    """
    columns = wanted_columns(table, config, header)
    free = [n for n in table.names if n not in {*columns, *config.columns, *config.constants, *config.unread}]
    folded = {_folded(name): name for name in free}
    near: dict[str, tuple[str, bool]] = {}
    for source in dict.fromkeys(header):
        if source in columns.values():
            continue
        own = _folded(source)
        if own in folded:
            near[source] = (folded[own], True)
        elif close := [n for f, n in folded.items() if _within(own, f, 2 if len(f) > 5 else 1)]:
            near[source] = (close[0], False)
    return near


def _folded(name: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFKC", name).casefold() if not (c.isspace() or c in "_-"))


def _within(one: str, other: str, letters: int) -> bool:
    """True when at most so many letters must be put in, left out or exchanged to make one of the other."""
    if abs(len(one) - len(other)) > letters:
        return False
    while one and other and one[0] == other[0]:
        one, other = one[1:], other[1:]
    if not (one and other):
        return True
    shorter = ((one[1:], other), (one, other[1:]), (one[1:], other[1:]))
    return letters > 0 and any(_within(*pair, letters - 1) for pair in shorter)


def _note_unread(examined: Examined, config: TableConfig, raw: RawTable, near: Mapping[str, tuple[str, bool]]) -> None:
    """Blame columns that are nearly named like one that could be read; note all others that are not read."""
    where = f"[{examined.table.name}.columns]"
    for source, (name, same) in near.items():
        if examined.table[name].required:
            continue  # it is missing, and that is said
        hint = f'map it under {where}, {name} = "{source}", or say that it is not to be read, {name} = ""'
        rule = f"not read, though but for its spelling it is '{name}': {hint}"
        if not same:
            rule = f"not read. If it is '{name}', {hint}"
        examined.blame(rule, "E" if same else "W", name, source, file=raw.file)
    used = set(wanted_columns(examined.table, config, raw.header).values())
    examined.unread[raw.file] = [n for n in raw.header if n not in used and n not in near]


def _columns_there(
    examined: Examined, config: TableConfig, raw: RawTable, near: Mapping[str, tuple[str, bool]]
) -> bool:
    """True when the file has every column it must have."""
    table, header = examined.table, raw.header
    complete = True
    there = {*wanted_columns(table, config, header), *config.constants}
    where = f"[{table.name}.columns]"
    for name, source in config.columns.items():
        if source not in header:
            examined.blame(
                f"{where} {name}: the column '{source}' is missing. {nearest(source, header)}", "E", name, file=raw.file
            )
            complete = False
    for column in table.columns:
        if column.required and column.name not in {*there, *config.columns}:
            same = [source for source, (name, equal) in near.items() if equal and name == column.name]
            hint = f"Map it under {where}. {nearest(column.name, header)}"
            if same:
                hint = f"Did you mean '{same[0]}'? Map it under {where}: {column.name} = \"{same[0]}\""
            examined.blame(f"the column '{column.name}' is missing. {hint}", "E", column.name, file=raw.file)
            complete = False
    if table.name == "touches" and not {"deal_id", "lead_id"} & there:
        examined.blame("neither 'deal_id' nor 'lead_id' is there", "E", file=raw.file)
        complete = False
    return complete


def _map_values(examined: Examined, column: str, mapping: Mapping[str, str]) -> None:
    """Replace the export's values by canonical ones; rows whose value is ignored are out of scope.

    In a column of fixed values every other value must be one of these; in any other the rest stays as it is. A value
    mapped to the empty text is missing. An amount that is ignored stays what it is, for the account.
    """
    codes, distinct = pd.factorize(examined.text[column])
    names = [str(n) for n in distinct]
    new = np.array([*(mapping.get(n, n) for n in names), mapping.get("")], dtype=object)
    out = new == IGNORE
    examined.leave_out(out[codes])
    if column in ENUMERATED:
        for i, name in enumerate(names):
            if name not in mapping and name not in ENUMERATED[column]:
                where = f"[{examined.table.name}.values.{column}]"
                names_there = f"{', '.join(ENUMERATED[column])} or {IGNORE}"
                examined.refuse(column, f"stands nowhere in {where}: write it there under {names_there}", codes == i)
    if examined.table[column].kind == "amount":
        return
    new[out | (new == "")] = None
    examined.text[column] = pd.Series(new[codes], index=examined.text.index, dtype="str")


def _check_enumerated(examined: Examined, column: str) -> None:
    """Every value must be one of those the column may have."""
    codes, distinct = pd.factorize(examined.text[column])
    allowed = ENUMERATED[column]
    for i, name in enumerate(distinct):
        if name not in allowed:
            where = f"[{examined.table.name}.values.{column}]"
            examined.refuse(column, f"is none of {', '.join(allowed)}: map it under {where}", codes == i)


def _parse(examined: Examined, config: TableConfig, name: str, zone: str, home: str) -> None:
    """Read the values of an amount, number or date column, and say of each cell that has none what becomes of it."""
    column = read_column(examined.table, config, name, examined.text, examined.typed.get(name, ""), zone, home)
    if column is None:
        return
    examined.values[name] = column.values
    examined.decimals = max(examined.decimals, column.decimals)
    if column.signs is not None:
        examined.signs = column.signs
    say = {"E": examined.refuse, "Q": examined.aside, "W": examined.warn, "cell": examined.lose_cells}
    for kind, rule, rows in column.faults:
        say[kind](name, rule, rows)
    if column.currency is not None:
        examined.text["currency"] = column.currency
    if rule := unreadable(examined.table, name, examined.text[name], column.values, examined.fate != OUT):
        examined.blame(rule, "E", name)


def _drop_duplicates(examined: Examined) -> None:
    """Of identical rows keep one; rows of one key that differ are all set aside."""
    key = [name for name in examined.table.key if examined.has(name)]
    if not key or len(key) < len(examined.table.key):
        return
    rows = np.flatnonzero(examined.used)
    part = examined.text[key].take(rows)
    doubled = part.duplicated(keep=False).to_numpy()
    if not doubled.any():
        return
    rows = rows[doubled]
    same = examined.text.take(rows).duplicated(keep="first").to_numpy()
    mask = np.zeros(len(examined.text), dtype=bool)
    mask[rows[same]] = True
    name = examined.table.key[0]
    examined.warn(name, "an identical row stands above: counted out of scope", mask)
    examined.leave_out(mask)
    if examined.table.name == "history":  # several things may change on one day
        return
    rest = rows[~same]
    conflict = np.zeros(len(examined.text), dtype=bool)
    conflict[rest[examined.text[key].take(rest).duplicated(keep=False).to_numpy()]] = True
    examined.aside(name, "the same key stands in rows that differ", conflict)
