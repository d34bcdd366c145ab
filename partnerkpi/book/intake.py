"""One table under examination: its rows of text, their values, what is wrong with them and what becomes of each row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from partnerkpi.book.causes import cause_of
from partnerkpi.book.choosing import (
    beside_columns,
    by_status,
    first_filled,
    key_of_rows,
    settled_status,
    shared_by_partners,
    twins,
    wanted_columns,
)
from partnerkpi.book.declarations import IGNORE, TableConfig
from partnerkpi.book.labels import as_label
from partnerkpi.book.naming import header_look
from partnerkpi.book.schema import ENUMERATED, Table
from partnerkpi.book.sources import Problem, RawTable
from partnerkpi.book.values import read_column, unreadable

FATES = ("used", "out of scope", "set aside")
USED, OUT, ASIDE = range(len(FATES))
FAULT_COLUMNS = ("table", "file", "record", "line", "column", "value", "rule", "kind", "count")
#: Of the rows that one fault stands for, so many are shown.
EXAMPLES = 3


@dataclass(eq=False)
class Examined:
    """Rows of one table: `text` by canonical column, where each was read, its `fate`, and the parsed `values`.

    `unread` lists for each file the columns that nothing is made of, `queried` the files that a query was given;
    `beside` holds the cells of flags, keys, scope and sources by status, named as in the export. `below` counts the
    lines of footers, `late` holds faults that follow from others, `signs` the currency's sign or code beside each
    amount, where there are any. `touched` and `examples` are those of `Reading`; `deals` those the rows are about.
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
        fault = self._placed(column, rule, kind, shown)
        one = not once or len(where) == 1
        owner = self.partner_of().take(shown).to_numpy() if one else ""
        self.faults.append(fault.assign(count=1 if one else len(where), partner_id=owner))
        first = where[:EXAMPLES]
        self.examples.append(self._placed(column, rule, kind, first).assign(row=written(self.text.take(first))))
        self.touch(column, rule, kind, self._owners(where), whole=self.table.looked_up)

    def _placed(self, column: str, rule: str, kind: str, rows: np.ndarray) -> pd.DataFrame:
        """The fault of some rows, each where it was read."""
        value = self.text[column].take(rows).fillna("").to_numpy() if column in self.text else ""
        place = {"file": np.asarray(self.file.take(rows), dtype=object)}
        place |= {"record": self.record[rows], "line": self.line[rows]}
        return pd.DataFrame({"table": self.table.name, **place, "column": column, "value": value, "rule": rule,
                             "kind": kind})  # fmt: skip

    def _owners(self, rows: np.ndarray) -> pd.Series:
        """The partner of some rows; where they name none, that of the deal they are about."""
        own = self.partner_of().take(rows)
        if self.deals is None or not self.has("deal_id") or not self.deals.has("deal_id"):
            return own
        named, ids = self.text["deal_id"].take(rows), self.deals.text["deal_id"]
        at = np.flatnonzero(ids.isin(named).to_numpy())
        owner = dict(zip(ids.take(at), self.deals.partner_of().take(at), strict=True))
        theirs = pd.Series([owner.get(one, "") for one in named], index=own.index, dtype="str")
        return own.mask(own == "", theirs)


def written(text: pd.DataFrame) -> list[str]:
    """Each row as `column=value` for the columns that have one."""
    return [
        "; ".join(f"{n}={v}" for n, v in row.items() if isinstance(v, str)) for row in text.to_dict(orient="records")
    ]


def examine(table: Table, config: TableConfig, raws: list[RawTable], zone: str, home: str) -> Examined:
    """The table's rows with values, and every fault a row shows by itself."""
    examined = _assembled(table, config, [raw.without(config.missing) for raw in raws])
    _leave_out(examined, config)
    if config.key:
        examined.text[table.key[0]] = key_of_rows(examined.beside, config.key, examined.file, examined.record)
    if config.flags.columns:
        _settle_status(examined, config)
    elif "status" in config.values and examined.has("status"):
        _map_values(examined, "status", config.values["status"])
    for name, source in config.columns.items():
        if source.by_status and examined.has(name):
            status = examined.text.get("status", pd.Series(np.nan, index=examined.text.index, dtype="str"))
            examined.text[name] = by_status(examined.beside, source, status)
    for name, mapping in config.values.items():
        if examined.has(name) and name != "status":
            _map_values(examined, name, mapping)
    for name in table.names:
        plain = name not in config.values and not (name == "status" and config.flags.columns)
        if name in ENUMERATED and plain and examined.has(name):
            _check_enumerated(examined, name)
    for column in table.columns:
        if examined.has(column.name):
            _parse(examined, config, column.name, zone, home)
    for column in table.columns:
        if column.required and examined.has(column.name):
            examined.aside(column.name, "is empty and must not be", examined.text[column.name].isna().to_numpy())
    _drop_duplicates(examined)
    if config.key:
        examined.made_key = True
        rule = "the same as a row above in all but its key: perhaps one deal twice, and both are used"
        examined.warn(table.key[0], rule, twins(examined.text, table.key[0], examined.used))
    _note_remarks(examined, config)
    return examined


def _assembled(table: Table, config: TableConfig, raws: list[RawTable]) -> Examined:
    """The files of a table below each other, columns named canonically; faults of the files themselves."""
    faulty = Examined(table, pd.DataFrame(), pd.Categorical([]), np.empty(0, np.int64), np.empty(0, np.int64))
    parts: list[pd.DataFrame] = []
    beside: list[pd.DataFrame] = []
    files: list[RawTable] = []
    ragged: list[tuple[str, Problem]] = []
    typed: dict[str, str] = {}
    for raw in raws:
        note_file(faulty, raw)
        ragged += [(raw.file, p) for p in raw.ragged]
        if raw.refused:
            continue
        look = header_look(table, config, raw.header)
        for kind, column, value, rule in look.faults:
            faulty.blame(rule, kind, column, value, file=raw.file)
        faulty.unread[raw.file] = look.unread
        if not look.complete:
            continue
        columns = wanted_columns(table, config, raw.header)
        cells = {name: first_filled(raw.text, source.names) for name, source in columns.items()}
        part = pd.DataFrame(cells, index=raw.text.index)
        for name, source in columns.items():
            kinds = {raw.typed.get(one, "") for one in source.names}
            if len(kinds) == 1 and "" not in kinds:
                typed[name] = kinds.pop()
        beside.append(raw.text[beside_columns(table, config, raw.header)])
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
    extra = pd.concat(beside, ignore_index=True) if beside else pd.DataFrame()
    examined = Examined(table, text, whole, record, line, typed, extra, given=bool(raws), ragged=ragged)
    examined.faults, examined.unread, examined.touched = faulty.faults, faulty.unread, faulty.touched
    examined.below = sum(raw.below for raw in raws)
    return examined


def note_file(examined: Examined, raw: RawTable) -> None:
    """Take over what is wrong with a file as such."""
    for p in [*raw.problems, *raw.ragged]:
        row = (examined.table.name, raw.file, p.record, p.line, p.column, p.value, p.rule, p.kind, p.count)
        examined.faults.append(pd.DataFrame([row], columns=list(FAULT_COLUMNS)).assign(partner_id=""))
    rows = Counter[tuple[str, str, str]]()
    for p in [*raw.problems, *raw.ragged]:
        rows[p.column, p.rule, p.kind] += p.count
    for (column, rule, kind), many in rows.items():  # whose they are nobody knows
        examined.touch(column, rule, kind, pd.Series([""] * many, dtype="str"), whole=True)


def _leave_out(examined: Examined, config: TableConfig) -> None:
    """Put the rows out of scope that book.toml leaves out by the value of a column."""
    for part, chosen in (("leave_out", config.leave_out), ("only", config.only)):
        for name, values in chosen.items():
            if name not in examined.beside:
                continue  # only a preset names it
            cells = examined.beside[name].fillna("")
            for value in sorted(values - set(cells.unique())):
                if f"{part}.{name}" not in config.offered:
                    where = f"[{examined.table.name}.{part}]"
                    examined.blame(f"{where}: no row has the value '{value}' in this column", "W", name, value)
            examined.leave_out((cells.isin(values) == (part == "leave_out")).to_numpy())


def _settle_status(examined: Examined, config: TableConfig) -> None:
    """The status of each row, by its flags and by the value of its status; see `choosing.status_by_flags`."""
    if not examined.has("status"):
        examined.text["status"] = pd.Series(np.nan, index=examined.text.index, dtype="str")
    settled = settled_status(examined.text["status"], examined.beside, config)
    examined.leave_out(settled.ignored)
    where = f"[{examined.table.name}.flags]"
    for column, word, rows in settled.strange:
        examined.refuse("status", f"'{word}' in '{column}' is neither a yes nor a no: say which under {where}", rows)
    for word, rows in settled.unmapped:
        known = f"stands under no value in [{examined.table.name}.values.status], and no flag tells"
        examined.refuse("status", f"{known} ('{word}')", rows)
    holds = f"the {config.flags.decides} hold"
    for value, flag, rows in settled.conflicts:
        examined.warn("status", f"the value says {value}, the flags say {flag}: {holds}", rows)
    examined.aside("status", "the flags contradict each other", settled.contradiction)
    examined.text["status"] = settled.status


def _note_remarks(examined: Examined, config: TableConfig) -> None:
    """Say what book.toml, or its preset, has to say of a column that is there, and of a status that no row has."""
    for name, sentence in config.remarks.items():
        if examined.has(name):
            examined.warn(name, sentence, examined.text[name].notna().to_numpy())
    there = examined.text["status"][examined.used] if examined.has("status") else pd.Series(dtype="str")
    for status, sentence in config.expects.items():
        if len(there) and not (there == status).any():
            examined.blame(sentence, "W", "status")


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
    doubled = examined.text[key].take(rows).duplicated(keep=False).to_numpy()
    if not doubled.any():
        return
    rows = rows[doubled]
    same = examined.text.take(rows).duplicated(keep="first").to_numpy()
    mask = np.zeros(len(examined.text), dtype=bool)
    mask[rows[same]] = True
    examined.warn(key[0], "an identical row stands above: counted out of scope", mask)
    examined.leave_out(mask)
    if examined.table.name == "history":  # several things may change on one day
        return
    rest = rows[~same]
    conflict = np.zeros(len(examined.text), dtype=bool)
    conflict[rest[examined.text[key].take(rest).duplicated(keep=False).to_numpy()]] = True
    shared = shared_by_partners(examined.text, key, conflict)
    rule = "the same key stands in rows that differ"
    examined.aside(key[0], f"{rule} in the partner: to share a deal among partners is not in this version", shared)
    examined.aside(key[0], rule, conflict & ~shared)
