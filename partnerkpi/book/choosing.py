"""Which cells of an export make the columns of a table: the first source that is filled, by status, by flags, a key."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePath

import numpy as np
import pandas as pd

from partnerkpi.book.declarations import IGNORE, TableConfig
from partnerkpi.book.meaning import BY_ROW, Flags, Source
from partnerkpi.book.schema import CLOSED, STATUSES, Table

_LOSSES = tuple(status for status in CLOSED if status != "won")


def wanted_columns(table: Table, config: TableConfig, header: Iterable[str]) -> dict[str, Source]:
    """The source of each canonical column that a file has: as mapped, else the column of the same name."""
    there = set(header)
    other = {*config.constants, *config.unread, *(table.key if config.key else ())}
    claimed = {n for name, source in config.columns.items() for n in source.names if n != name}
    wanted = {}
    for name in table.names:
        source = config.columns.get(name, Source((name,))).within(there)
        if not source.names and f"columns.{name}" in config.offered and name not in claimed:
            source = Source((name,)).within(there)
        if source.names and name not in other:
            wanted[name] = source
    return wanted


def beside_columns(table: Table, config: TableConfig, header: Iterable[str]) -> list[str]:
    """The columns of a file that are looked into though they are no column of the table: of flags, keys and scope.

    Those of sources by status, of when a row was changed and of which deal a credit note is are among them.
    """
    by_status = (s.names for s in wanted_columns(table, config, header).values() if s.by_status)
    key = () if config.key == BY_ROW else config.key
    alone = [name for name in (config.latest_by, config.credited_deal) if name]
    named = [*key, *alone, *config.leave_out, *config.only]
    named += [n for names in config.flags.columns.values() for n in names]
    there = set(header)
    return [n for n in dict.fromkeys([*named, *(n for names in by_status for n in names)]) if n in there]


def needed_columns(table: Table, config: TableConfig, header: Iterable[str]) -> set[str]:
    """Every column of a file that anything is made of."""
    names = list(header)
    sources = wanted_columns(table, config, names).values()
    return {*beside_columns(table, config, names), *(n for source in sources for n in source.names)}


def asked_columns(config: TableConfig) -> dict[str, tuple[str, ...]]:
    """The columns of the export that book.toml itself names, by the key that does: of each one must be there."""
    named = {f"columns.{name}": source.names for name, source in config.columns.items()}
    named |= {f"flags.{name}": names for name, names in config.flags.columns.items()}
    named |= {f"{key}.{name}": (name,) for key in ("leave_out", "only") for name in getattr(config, key)}
    named |= {f"key.{name}": (name,) for name in config.key if name}
    alone = {"latest_by": config.latest_by, "credit_notes": config.credited_deal}
    named |= {key: (name,) for key, name in alone.items() if name}
    return {key: names for key, names in named.items() if key not in config.offered}


def first_filled(text: pd.DataFrame, names: Iterable[str]) -> pd.Series:
    """In each row the first of the columns that is filled; missing where none is."""
    there = [n for n in names if n in text]
    if not there:
        return pd.Series(np.nan, index=text.index, dtype="str")
    result = text[there[0]]
    for name in there[1:]:
        result = result.astype("str").fillna(text[name].astype("str"))
    return result


def by_status(text: pd.DataFrame, source: Source, status: pd.Series) -> pd.Series:
    """The cells of a source that depends on the status of the row."""
    result = first_filled(text, source.of("")).astype("str")
    for one in status.dropna().unique():
        rows = (status == one).to_numpy()
        result = result.mask(rows, first_filled(text, source.of(str(one))).astype("str"))
    return result


def key_of_rows(text: pd.DataFrame, key: tuple[str, ...], file: pd.Categorical, record: np.ndarray) -> pd.Series:
    """The key made of columns, joined by "/", missing where one is empty; or of the file's stem and the record."""
    if key == BY_ROW:
        stems = pd.Series(np.asarray(file, dtype=object), index=text.index).map(lambda name: PurePath(name).stem)
        return (stems.astype("str") + "/" + pd.Series(record, index=text.index).astype("str")).astype("str")
    whole = first_filled(text, key[:1])
    for name in key[1:]:
        whole = whole + "/" + first_filled(text, [name])
    return whole.astype("str")


def twins(text: pd.DataFrame, key: str, used: np.ndarray) -> np.ndarray:
    """True for the used rows that equal one above in all but the key."""
    rows = np.flatnonzero(used)
    again = text.drop(columns=key).take(rows).duplicated().to_numpy()
    mask = np.zeros(len(text), dtype=bool)
    mask[rows[again]] = True
    return mask


@dataclass(frozen=True)
class Versions:
    """Of rows that share a key: `older` ones than the latest, and the `unclear` of which none is the latest alone."""

    older: np.ndarray
    unclear: np.ndarray


def versions(key: pd.DataFrame, changed: pd.Series, rows: np.ndarray) -> Versions:
    """Which of the rows are older than the latest of their key, by when each was changed.

    Unclear are all rows of a key of which one has no such time, or several have the latest.
    """
    at = np.flatnonzero(rows)
    groups = changed.take(at).groupby([key[name].take(at) for name in key], sort=False)
    latest = changed.take(at) == groups.transform("max")
    sole = latest.groupby(groups.ngroup()).transform("sum").to_numpy() == 1
    sole &= (groups.transform("size") == groups.transform("count")).to_numpy()
    older, unclear = np.zeros(len(rows), dtype=bool), np.zeros(len(rows), dtype=bool)
    older[at], unclear[at] = sole & ~latest.to_numpy(), ~sole
    return Versions(older, unclear)


def shared_by_partners(text: pd.DataFrame, key: list[str], rows: np.ndarray) -> np.ndarray:
    """True for those of the rows whose equals by key name other partners, and are the same in all else but amounts."""
    found = np.zeros(len(text), dtype=bool)
    at = np.flatnonzero(rows)
    if "partner_id" in key or "partner_id" not in text or not len(at):
        return found
    own = text.take(at).astype("str").fillna("").drop(columns="amount", errors="ignore")
    kinds = own.groupby(key, sort=False).transform("nunique")
    found[at] = ((kinds.pop("partner_id") > 1) & (kinds == 1).all(axis=1)).to_numpy()
    return found


@dataclass(frozen=True)
class Settled:
    """The status of each row, and what its flags and its value show together.

    - `ignored`: rows whose value is out of scope; `contradiction`: rows whose flags say two things;
    - `conflicts`: the status by value, that by the flags, and the rows where they differ;
    - `unmapped`: values that stand under no status, with the rows where no flag tells it either;
    - `strange`: the column of a flag, a word in it that is neither yes nor no, and its rows.
    """

    status: pd.Series
    ignored: np.ndarray
    contradiction: np.ndarray
    conflicts: list[tuple[str, str, np.ndarray]]
    unmapped: list[tuple[str, np.ndarray]]
    strange: list[tuple[str, str, np.ndarray]]


def settled_status(value: pd.Series, beside: pd.DataFrame, config: TableConfig) -> Settled:
    """The status by the flags, and by the value where they do not tell; the other way round where book.toml says so."""
    mapping = config.values.get("status", {s: s for s in STATUSES})
    meant = value.map(mapping).astype("str")
    ignored = (meant == IGNORE).to_numpy()
    meant = meant.mask(ignored)
    said = read_flags(beside, config.flags)
    by_flags, contradiction = status_by_flags(said, meant)
    first, second = (by_flags, meant) if config.flags.decides == "flags" else (meant, by_flags)
    status = first.fillna(second)
    differs = meant.notna().to_numpy() & by_flags.notna().to_numpy() & (meant != by_flags).to_numpy()
    if "active" in said:  # what is archived was still open in its stage
        differs &= ~((said["active"] == 0) & (meant == "open") & (by_flags == "lost")).to_numpy()
    pairs = pd.DataFrame({"value": meant, "flags": by_flags})[differs].drop_duplicates().sort_values(["value", "flags"])
    conflicts = [
        (str(one), str(other), differs & (meant == one).to_numpy() & (by_flags == other).to_numpy())
        for one, other in pairs.itertuples(index=False, name=None)
    ]
    lost = status.isna().to_numpy() & value.notna().to_numpy() & ~ignored & ~contradiction
    unmapped = [(str(word), lost & (value == word).to_numpy()) for word in value[lost].unique()]
    return Settled(status, ignored, contradiction, conflicts, unmapped, list(_strange(beside, config.flags)))


def _strange(text: pd.DataFrame, flags: Flags) -> Iterator[tuple[str, str, np.ndarray]]:
    for name in dict.fromkeys(n for sources in flags.columns.values() for n in sources if n in text):
        for word in text[name].dropna().unique():
            if word not in flags.yes | flags.no:
                yield name, str(word), (text[name] == word).to_numpy()


def read_flags(text: pd.DataFrame, flags: Flags) -> dict[str, np.ndarray]:
    """Of each flag that the export has, for each row: 1 yes, 0 no, −1 empty or a word that means neither."""
    said = {}
    for name, sources in flags.columns.items():
        if any(source in text for source in sources):
            cells = first_filled(text, sources)
            said[name] = np.where(cells.isin(flags.yes), 1, np.where(cells.isin(flags.no), 0, -1))
    return said


def status_by_flags(said: Mapping[str, np.ndarray], by_value: pd.Series) -> tuple[pd.Series, np.ndarray]:
    """What the flags of each row say its status is, missing where they do not tell; and whether they contradict.

    Won is won. Lost, closed and not won, or not active is lost: abandoned or rejected where the value says so. Not
    closed, or neither won nor lost, is open. Where the flags only say that a deal is closed, or still active, its value
    tells the rest; what is active and has no value is open.
    """
    nothing = np.full(len(by_value), -1)
    won, lost, closed, active = (said.get(name, nothing) for name in ("won", "lost", "closed", "active"))
    values = by_value.to_numpy(dtype=object)
    loss = by_value.isin(_LOSSES).to_numpy()
    lost_as = np.where(loss, values, "lost")
    ended = by_value.where(by_value.isin(CLOSED)).to_numpy(dtype=object)
    active_as = np.where(by_value.isna().to_numpy(), "open", values)
    cases = (
        (won == 1, "won"),
        (lost == 1, lost_as),
        (active == 0, lost_as),
        ((closed == 1) & (won == 0), lost_as),
        ((closed == 1) & (lost == 0), "won"),
        (closed == 1, ended),
        (closed == 0, "open"),
        ((won == 0) & (lost == 0), "open"),
        (active == 1, active_as),
    )
    status = np.full(len(by_value), None, dtype=object)
    undecided = np.ones(len(by_value), dtype=bool)
    for rows, value in cases:
        mine = undecided & rows
        status[mine] = value if isinstance(value, str) else value[mine]
        undecided &= ~rows
    contradiction = (won == 1) & ((lost == 1) | (closed == 0))
    contradiction |= (lost == 1) & (closed == 0)
    return pd.Series(status, index=by_value.index, dtype="str"), contradiction
