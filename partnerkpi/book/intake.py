"""From the rows of a table's files to an examined table: columns chosen, values read, every fault of a row said."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd
from pandas.api.types import union_categoricals

from partnerkpi.book.choosing import (
    beside_columns,
    by_status,
    first_filled,
    key_of_rows,
    settled_status,
    shared_by_partners,
    twins,
    versions,
    wanted_columns,
)
from partnerkpi.book.declarations import IGNORE, TableConfig
from partnerkpi.book.examined import FAULT_COLUMNS, OUT, Examined
from partnerkpi.book.labels import all_differ, coded
from partnerkpi.book.naming import header_look
from partnerkpi.book.parse import days
from partnerkpi.book.schema import ENUMERATED, Table
from partnerkpi.book.sources import Problem, RawTable
from partnerkpi.book.values import read_column, unreadable


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
    _drop_duplicates(examined, config, zone)
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
        cells = {name: coded(first_filled(raw.text, source.names)) for name, source in columns.items()}
        part = pd.DataFrame(cells, index=raw.text.index, copy=False)
        for name, source in columns.items():
            kinds = {raw.typed.get(one, "") for one in source.names}
            if len(kinds) == 1 and "" not in kinds:
                typed[name] = kinds.pop()
        if config.latest_by and config.latest_by in raw.typed:
            typed["latest_by"] = raw.typed[config.latest_by]
        beside.append(raw.text[beside_columns(table, config, raw.header)])
        parts.append(part.assign(**dict.fromkeys(config.constants, "")))
        files.append(raw)
        if not len(raw.text) and not raw.ragged:
            faulty.blame("no rows, only a header", "W", file=raw.file)
    if len(parts) > 1:
        whole_text = pd.concat([part.astype("str") for part in parts], ignore_index=True)
        parts = [pd.DataFrame({name: coded(whole_text[name]) for name in whole_text}, index=whole_text.index)]
    text = parts[0] if parts else pd.DataFrame()
    for name, value in config.constants.items():
        text[name] = coded(pd.Series(value, index=text.index, dtype="str"))
    whole = union_categoricals([_files_of(raw) for raw in files], sort_categories=True) if files else pd.Categorical([])
    record, line = _below(r.record for r in files), _below(r.line for r in files)
    extra = pd.concat([part.astype("str") for part in beside], ignore_index=True) if beside else pd.DataFrame()
    examined = Examined(table, text, whole, record, line, typed, extra, given=bool(raws), ragged=ragged)
    examined.faults, examined.unread, examined.touched = faulty.faults, faulty.unread, faulty.touched
    examined.below = sum(raw.below for raw in raws)
    return examined


def _below(numbers: Iterable[np.ndarray]) -> np.ndarray:
    """The numbers of several files below each other; those of one are not copied."""
    parts = list(numbers) or [np.empty(0, np.int64)]
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _files_of(raw: RawTable) -> pd.Categorical:
    """The file of each row."""
    if raw.files is not None:
        return pd.Categorical(raw.files)
    one = pd.Series([raw.file] if len(raw.text) else [], dtype="category")
    return pd.Categorical(one.take(np.zeros(len(raw.text), dtype=np.int64)))


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
    examined.text["status"] = coded(settled.status)


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
    examined.text[column] = coded(pd.Series(pd.array(new, dtype="str").take(codes), index=examined.text.index))


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
        examined.text["currency"] = coded(column.currency)
    if rule := unreadable(examined.table, name, examined.text[name], column.values, examined.fate != OUT):
        examined.blame(rule, "E", name)


def _drop_duplicates(examined: Examined, config: TableConfig, zone: str) -> None:
    """Of identical rows keep one; rows of one key that differ are all set aside, or the latest is kept if declared.

    Of rows that differ one may be set aside for another fault: what the others say is no better for it.
    """
    key = [name for name in examined.table.key if examined.has(name)]
    if not key or len(key) < len(examined.table.key):
        return
    there = examined.fate != OUT
    for name in key:
        there &= examined.text[name].notna().to_numpy()
    if all_differ([examined.text[name] for name in key], there):
        return
    rows = np.flatnonzero(there)
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
    rule = "the same key stands in rows that differ"
    if config.latest_by:
        conflict = _older_out(examined, config, key, zone, conflict)
        unclear = f"{rule}, and '{config.latest_by}' does not tell which is the latest"
        examined.aside(key[0], unclear, examined.used & conflict)
    shared = shared_by_partners(examined.text, key, conflict)
    fresh = examined.used  # what is set aside already has its fault
    told = f"{rule} in the partner: to share a deal among partners is not in this version"
    examined.aside(key[0], told, fresh & shared)
    examined.aside(key[0], rule, fresh & conflict & ~shared)


def _older_out(examined: Examined, config: TableConfig, key: list[str], zone: str, several: np.ndarray) -> np.ndarray:
    """Put older rows of a key out of scope, also where the latest is set aside; those of which none is the latest."""
    typed = examined.typed.get("latest_by") in ("day", "stamp")
    form = "" if typed else config.dates.get("latest_by", config.dates.get("", ""))
    cells = examined.beside[config.latest_by].where(pd.Series(several, index=examined.text.index))
    told = versions(examined.text[key], days(cells, "stamp", form, zone, config.times).values, several)
    rule = f"an older version of a row that stands in several: the latest by '{config.latest_by}' counts"
    examined.warn(key[0], rule, told.older)
    examined.leave_out(told.older)
    return told.unclear
