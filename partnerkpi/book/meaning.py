"""What cells mean beyond the name of their column: several sources, flags, keys, rows to leave out, what to say."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from partnerkpi.book.keys import NAME, OF_FLAGS, check_name, mapping_of, one_of, shown, text_of
from partnerkpi.book.schema import STATUSES, Table
from partnerkpi.errors import UsageError

OTHER, ROW = "other", "row"
YES, NO = (frozenset(OF_FLAGS[words].default) for words in ("yes", "no"))
_DECIDES = OF_FLAGS["decides"]
FLAGS = tuple(name for name in OF_FLAGS if name not in ("yes", "no", "decides"))
#: The key that is the file and the record of a row.
BY_ROW = ("",)


@dataclass(frozen=True)
class Source:
    """Where the cells of a column come from: of these columns of the export the first that is filled in the row.

    `always` holds for every row; else `by_status` says which columns hold for rows of a status, `other` for the rest.
    """

    always: tuple[str, ...] = ()
    by_status: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """Every column of the export it may use, each once."""
        return tuple(dict.fromkeys([*self.always, *(n for names in self.by_status.values() for n in names)]))

    def of(self, status: str) -> tuple[str, ...]:
        """The columns for rows of a status; all of them for rows without any, so that their money can be told."""
        if not self.by_status or not status:
            return self.names
        return self.by_status.get(status, self.by_status.get(OTHER, ()))

    def within(self, header: Collection[str]) -> Source:
        """The same, of the columns that are there."""
        there = set(header)
        by_status = {s: tuple(n for n in names if n in there) for s, names in self.by_status.items()}
        return Source(tuple(n for n in self.always if n in there), by_status)


@dataclass(frozen=True)
class Flags:
    """Columns that say yes or no of a deal: `closed`, `won`, `lost`, `active`; and which words mean which.

    `decides`: where the flags and the value of the status disagree, the `flags` hold, or the `values`.
    """

    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    yes: frozenset[str] = YES
    no: frozenset[str] = NO
    decides: str = "flags"


def sources_of(table: Table, value: Any) -> dict[str, Source]:
    """The sources of each column of `[table.columns]`; one without names is not to be read.

    Two columns that share a source share it by status: it is `closed_on` of what has ended, else `expected_close_on`.

    Raises:
        UsageError: a column is unknown, or its source is neither a text, a list of texts nor a table by status.
    """
    where = f"[{table.name}.columns]"
    sources: dict[str, Source] = {}
    for name, given in mapping_of(value, where).items():
        check_name(name, table.names, f"{where} {name}")
        if not isinstance(given, dict):
            sources[name] = Source(texts_of(given, f"{where} {name}"))
            continue
        if "status" not in table or name == "status" or name in table.key:
            raise UsageError(f"{NAME}, {where} {name}: a text or a list of texts is expected, not a table by status.")
        for status in given:
            check_name(status, (*STATUSES, OTHER), f"{where} {name} {status}")
        by_status = {status: texts_of(names, f"{where} {name} {status}") for status, names in given.items()}
        if not any(by_status.values()):
            raise UsageError(f"{NAME}, {where} {name}: no status has a column here.")
        sources[name] = Source(by_status=by_status)
    return sources


def shared_by_status(sources: Mapping[str, Source]) -> dict[str, Source]:
    """The sources, where a column that is both the closing day and the expected one is so by status.

    It is the closing day of what has ended and the expected one of what is open.
    """
    result = dict(sources)
    closed, expected = (result.get(name, Source()) for name in ("closed_on", "expected_close_on"))
    shared = set(closed.always) & set(expected.always)
    if shared:
        own, hoped = (tuple(n for n in s.always if n not in shared) for s in (closed, expected))
        result["closed_on"] = Source(by_status={"open": own, OTHER: closed.always})
        result["expected_close_on"] = Source(by_status={"open": expected.always, OTHER: hoped})
    return result


def flags_of(table: Table, value: Any) -> Flags:
    """The flags of `[table.flags]`.

    Raises:
        UsageError: the table has no status, a key is unknown, or a word means both.
    """
    where = f"[{table.name}.flags]"
    given = mapping_of(value, where)
    if given and "status" not in table:
        raise UsageError(f"{NAME}, {where}: the table has no status.")
    for key in given:
        check_name(key, OF_FLAGS, f"{where} {key}")
    columns = {name: texts_of(given[name], f"{where} {name}") for name in FLAGS if name in given}
    yes, no = (
        frozenset(texts_of(given[key], f"{where} {key}")) if key in given else words
        for key, words in (("yes", YES), ("no", NO))
    )
    if "yes" in given and "no" not in given:
        no -= yes
    if "no" in given and "yes" not in given:
        yes -= no
    if both := sorted(yes & no):
        raise UsageError(f"{NAME}, {where}: '{both[0]}' stands under yes and no.")
    decides = one_of(given.get("decides", _DECIDES.default), _DECIDES.allowed, f"{where} decides")
    return Flags({name: names for name, names in columns.items() if names}, yes, no, decides)


def key_of(table: Table, value: Any) -> tuple[str, ...]:
    """The columns that make the key; `BY_ROW` for the text "row".

    Raises:
        UsageError: the table has no key of one column, or neither a list of columns nor "row" is given.
    """
    where = f"[{table.name}] key"
    if len(table.key) != 1:
        raise UsageError(f"{NAME}, {where}: this table has no key to be made.")
    if value == ROW:
        return BY_ROW
    if not isinstance(value, list) or not value:
        raise UsageError(f'{NAME}, {where}: a list of columns of the export is expected, or "{ROW}".')
    names = texts_of(value, where)
    if len(set(names)) < len(names):
        raise UsageError(f"{NAME}, {where}: a column is named twice.")
    return names


def latest_by_of(table: Table, value: Any) -> str:
    """The column of the export that says when a row was last changed; empty where none is named.

    Raises:
        UsageError: it is no text, or the rows of the table have no id that could stand in several.
    """
    where = f"[{table.name}] latest_by"
    column = text_of(value, where)
    if column and (not table.key or table.name == "history"):
        raise UsageError(f"{NAME}, {where}: rows of this table have no id of which one could be the latest.")
    return column


def credit_notes_of(table: Table, value: Any) -> str | Literal[True]:
    """The column of the export that names the deal of each credit note; of spend True where it has such.

    Empty where none are declared.

    Raises:
        UsageError: the table has no credit notes, or it is not said which deal they are of.
    """
    where = f"[{table.name}] credit_notes"
    if value == "" or value is False:
        return ""
    if table.name == "spend" and value is True:
        return True
    if table.name == "spend":
        raise UsageError(f"{NAME}, {where}: true is expected, not {shown(value)}.")
    if table.name != "deals":
        raise UsageError(f"{NAME}, {where}: only [deals] and [spend] have credit notes.")
    if value is True:
        raise UsageError(
            f"{NAME}, {where}: which deal does each take money back from? Name the column of the export that holds its "
            'id, credit_notes = "…". Where the export has none, leave credit notes out under [deals.leave_out].'
        )
    return text_of(value, where)


def rows_of(value: Any, where: str) -> dict[str, frozenset[str]]:
    """The values by column of the export, of `[table.leave_out]` or `[table.only]`; "" stands for an empty cell.

    Raises:
        UsageError: a column has no list of values.
    """
    given = mapping_of(value, where)
    chosen: dict[str, frozenset[str]] = {}
    for name, listed in given.items():
        values = [listed] if isinstance(listed, str) else listed
        if not isinstance(values, list) or not values:
            raise UsageError(f'{NAME}, {where} "{name}": a list of values is expected, like ["…"].')
        chosen[name] = frozenset(text_of(text, f'{where} "{name}"') for text in values)
    return chosen


def probabilities_of(table: Table, value: Any) -> dict[str, float]:
    """The chance of each stage of `[table.probabilities]`, as a share.

    Raises:
        UsageError: one is no number from 0 to 100, or shares and percents are mixed.
    """
    where = f"[{table.name}.probabilities]"
    given = mapping_of(value, where)
    if given and table.name != "deals":
        raise UsageError(f"{NAME}, {where}: only [deals] has stages with a probability.")
    for stage, chance in given.items():
        if isinstance(chance, bool) or not isinstance(chance, int | float) or not 0 <= chance <= 100:
            raise UsageError(
                f"{NAME}, {where} {stage}: a share like 0.1 or a percentage like 10 is expected, not {shown(chance)}."
            )
    percent = any(chance > 1 for chance in given.values())
    if percent and (mixed := [stage for stage, chance in given.items() if 0 < chance <= 1]):
        raise UsageError(
            f"{NAME}, {where} {mixed[0]}: {given[mixed[0]]} stands beside numbers above 1. Write all as shares "
            "(0.1) or all as percentages (10)."
        )
    return {stage: chance / 100 if percent else float(chance) for stage, chance in given.items()}


def sentences_of(options: Collection[str], value: Any, where: str) -> dict[str, str]:
    """The sentence for each name, of `[table.remarks]` or `[table.expects]`.

    Raises:
        UsageError: a name is unknown, or its sentence is no text.
    """
    given = mapping_of(value, where)
    for name in given:
        check_name(name, options, f"{where} {name}")
    return {name: text_of(text, f"{where} {name}") for name, text in given.items()}


def texts_of(value: Any, where: str) -> tuple[str, ...]:
    """The value as texts: one, or those of a list; none for an empty text.

    Raises:
        UsageError: it is neither.
    """
    if value == "":
        return ()
    if not isinstance(value, str | list) or not all(isinstance(text, str) and text for text in value):
        raise UsageError(f"{NAME}, {where}: a text in quotes or a list of them is expected, not {shown(value)}.")
    return (value,) if isinstance(value, str) else tuple(value)
