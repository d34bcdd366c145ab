"""The keys of a book.toml: what each means, that it is one there may be, and that it holds what it must.

What stands here is all there is: nothing unknown is passed over, and data/dictionary.md is made of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from partnerkpi.book.later import not_yet
from partnerkpi.errors import UsageError, nearest

NAME = "book.toml"


@dataclass(frozen=True)
class Key:
    """A key of book.toml: what it holds, and what it means.

    `default` is what the reader takes where the key is not there, None where it then takes nothing; `without` says what
    that comes to. `allowed`: the only values it may have.
    """

    name: str
    holds: str
    meaning: str
    default: Any = None
    without: str = ""
    allowed: tuple[str, ...] = ()


def _named(*keys: Key) -> dict[str, Key]:
    return {key.name: key for key in keys}


_TEXT, _TEXTS, _NUMBER = "a text", "a text, or a list of texts", "a whole number"
PRESETS = tuple(sorted(path.stem for path in (Path(__file__).parent / "presets").glob("*.toml")))

#: `[book]`: what holds for all tables.
OF_BOOK = _named(
    Key("name", _TEXT, "what the book is called on every page", without="the name of the folder"),
    Key(
        "currency",
        "three capital letters",
        "the currency of all sums; amounts in another one are converted by the table `rates`",
        without="the book is refused: it must be said",
    ),
    Key(
        "time_zone",
        "the name of a time zone",
        "where days begin: a time with an offset counts as the day it was there",
        default="UTC",
    ),
    Key(
        "fiscal_year_starts",
        "a month from 1 to 12",
        "the month in which the fiscal year begins; it is named by the calendar year it ends in",
        default=1,
    ),
    Key(
        "extracted_on",
        "a day",
        "the day the export was made: nothing later is known, and figures are as of its evening unless you say another",
        without="the book is refused: it must be said",
    ),
    Key(
        "preset",
        _TEXT,
        "the CRM the files come from: its columns and values hold where the file says nothing itself, key by key, of "
        "values value by value. A column that only the preset names need not be there. They can be read "
        "in `partnerkpi/book/presets`. `tryton` has queries too: with a `[source]` the deals are asked for, history "
        "and rates where the sections `[history]` and `[rates]` are there, be they empty",
        default="",
        without="nothing is taken to be so",
        allowed=PRESETS,
    ),
    Key(
        "direct",
        _TEXTS,
        "partner ids that are the vendor's own sales: in all sums, reviewed as such, never a peer and in no count of "
        "partners",
        default=[],
        without="every id is a partner's",
    ),
    Key(
        "largest_amount",
        "a number above 0 and at most 1e13",
        "what no amount can be beyond, in its own currency and on either side of 0: a row with such a one is set "
        "aside. Above 1e13 cents would no longer be exact",
        default=1e12,
        without="`1e12`",
    ),
)

#: `[source]`: a database.
OF_SOURCE = _named(
    Key(
        "url",
        _TEXT,
        "the address of a PostgreSQL database, `postgresql://user:${CRM_PASSWORD}@host/name`, followed by "
        "`?sslmode=verify-full&sslrootcert=FILE` where the server's certificate is to be checked (`host=/folder` "
        "names a local socket; nothing else can stand there), or of a SQLite file in the book's folder (extra `sql`). "
        "`${NAME}` is what the environment holds under that name; a password in the file itself is refused, and no "
        "page, file or error repeats one",
        without="the section is refused: it must be said",
    ),
    Key("seconds", "a whole number from 1 to 3600", "how long a query may take", default=60),
)

#: `[deals]` and every other table: where its rows come from.
OF_ROWS = _named(
    Key(
        "files",
        _TEXTS,
        "files of the folder, appended in this order: `.csv`, `.tsv`, `.txt`, `.xlsx` (extra `excel`), `.parquet`",
        without="the file that is called like the table, `deals.csv`, where there is one",
    ),
    Key(
        "sheet",
        _TEXT,
        "the sheet of a workbook",
        default="",
        without="the only one that can be seen; of several one must be named",
    ),
    Key(
        "sql",
        "one SELECT",
        "makes the table of the files of the folder: joins, sums, whatever mapping cannot say. A file is a table by "
        "its name without the ending, or by its name in quotes; every column is text",
        default="",
        without="the rows come from files",
    ),
    Key(
        "query",
        "one SELECT",
        "asks the database of `[source]`; its columns are mapped and checked like those of a file",
        without="no database is asked",
    ),
    Key(
        "relation",
        _TEXT,
        "a whole table or view of the database of `[source]`; only the mapped columns are asked for",
        without="no database is asked",
    ),
)

#: The same sections: how the files are written.
OF_WRITING = _named(
    Key("encoding", _TEXT, "how letters are stored, like `cp1252` or `utf-16`; never guessed", default="utf-8"),
    Key(
        "delimiter",
        "one character",
        "what stands between two cells",
        default="",
        without="a comma; a tab in `.tsv`",
    ),
    Key("decimal", "`.` or `,`", "the mark before decimals", default=".", allowed=(".", ",")),
    Key(
        "thousands",
        "one character",
        "the mark between thousands; a space is every kind of space",
        default="",
        without="none is expected",
        allowed=(".", ",", " ", "'", "’", "\u00a0", "\u202f"),
    ),
    Key(
        "dates",
        "a text, or a table of them by column",
        "how days are written, in the signs of Python's `strptime`: `%d` day, `%m` month, `%b` its name, `%Y` year, "
        "`%y` its two digits, `%H:%M:%S` time, `%z` offset. `excel-1900`, `excel-1904`: a number of "
        "days since that year began, as spreadsheets store them",
        default={},
        without="2025-12-31, also with a time: 2025-12-31T09:30:00Z",
    ),
    Key(
        "times",
        "the name of a time zone",
        "the zone of times without an offset; an offset, or a `Z`, holds in any case",
        without="that of the book",
    ),
    Key(
        "missing",
        _TEXTS,
        "cells that mean nothing, in every column; spaces around them do not matter",
        default=[],
        without="only empty cells mean nothing",
    ),
    Key("skip_rows", _NUMBER, "lines above the header", default=0),
    Key(
        "footer",
        _NUMBER,
        "lines below the rows; those that are not empty are counted as out of scope",
        default=0,
    ),
    Key(
        "rows",
        _NUMBER,
        "control total: how many rows the table is said to hold, without the footer; another number refuses the book",
        without="not checked",
    ),
    Key(
        "amount_total",
        "a number in quotes",
        "control total: the exact sum of all amounts as they are written; another sum refuses the book, one "
        "that is equal only when rounded is said",
        without="not checked",
    ),
)

#: The same sections: what columns and values are.
OF_CONTENT = _named(
    Key(
        "columns",
        "a table: a column of the book = one of the export",
        "which column is what. A list of columns: the first that is filled in the row. A table by status, `other` for "
        'the rest: the column depends on it. `""`: not to be read. One column for `closed_on` and `expected_close_on` '
        "is the day of closing of what has ended, the expected one of what is open",
        default={},
        without="columns are read that are called like those of the book",
    ),
    Key(
        "values",
        "a table: a column = a table of its values",
        "which values of the export stand for a value of the book. `ignore` puts rows out of scope: not used, counted",
        default={},
        without="values are as the book calls them",
    ),
    Key(
        "constants",
        "a table: a column = a text",
        "the value of a column in every row of the table",
        default={},
        without="nothing is added",
    ),
    Key(
        "flags",
        "a table, see below",
        "the status by columns that say yes or no",
        default={},
        without="the status is a column",
    ),
    Key(
        "key",
        'a list of columns of the export, or `"row"`',
        "makes the id: of several columns, or of the file's name and the record. Rows alike in all else are said",
        without="the id is a column",
    ),
    Key(
        "latest_by",
        "a column of the export",
        "when each row was last changed, like Salesforce's `LastModifiedDate`: of rows with one id the latest is used, "
        "older ones are counted as out of scope and said. Written as `dates` says, or `dates = { latest_by = … }`",
        default="",
        without="different rows with one id are all set aside",
    ),
    Key(
        "credit_notes",
        "a column of the export; of `[spend]`: `true`",
        "amounts below 0 are credit notes. Of deals the column holds the id of the deal that each takes money back "
        "from; see below. One of spend lowers what was spent in its month",
        default="",
        without="rows with an amount below 0 are set aside",
    ),
    Key(
        "leave_out",
        "a table: a column of the export = its values",
        'rows out of scope by what stands in a column (`""`: an empty cell), counted',
        default={},
        without="no row is left out",
    ),
    Key(
        "only",
        "a table: a column of the export = its values",
        "all other rows are out of scope, counted",
        default={},
        without="all rows are in scope",
    ),
    Key(
        "probabilities",
        "a table: a stage = its chance",
        "the chance of each stage, all as shares or all as percentages: weighs the pipeline where the book's past is "
        "too short to tell, and is named where it does",
        default={},
        without="the past alone weighs",
    ),
    Key(
        "remarks",
        "a table: a column of the book = a sentence",
        "what is to be said where the file has the column",
        default={},
        without="nothing is said",
    ),
    Key(
        "expects",
        "a table: a status = a sentence",
        "what is to be said where no row has the status",
        default={},
        without="nothing is said",
    ),
)

#: Every key of a table's section.
OF_TABLE = {**OF_ROWS, **OF_WRITING, **OF_CONTENT}

#: `[deals.flags]`.
OF_FLAGS = _named(
    Key("closed", _TEXTS, "the column that says that a deal has ended", without="not known from a flag"),
    Key("won", _TEXTS, "the column that says that it was won", without="not known from a flag"),
    Key("lost", _TEXTS, "the column that says that it was lost", without="not known from a flag"),
    Key("active", _TEXTS, "the column that says no where a deal was archived as lost", without="not known from a flag"),
    Key("yes", _TEXTS, "the words that mean yes", default=["TRUE", "True", "true", "1", "YES", "Yes", "yes"]),
    Key("no", _TEXTS, "the words that mean no", default=["FALSE", "False", "false", "0", "NO", "No", "no"]),
    Key(
        "decides",
        _TEXT,
        "which of the two holds where a flag and the value of the status disagree; each such row is counted and said",
        default="flags",
        allowed=("flags", "values"),
    ),
)


def check_name(key: str, options: Iterable[str], where: str) -> None:
    """Pass when the key is one of the options.

    Raises:
        UsageError: it is not; the text says where it stands, and what is nearest, or that it is not there yet.
    """
    listed = tuple(options)
    if key in listed:
        return
    if later := "" if ".values" in where else not_yet(key):
        raise UsageError(f"{NAME}, {where}: {later}")
    raise UsageError(f"{NAME}, {where}: there is no such name here. {nearest(key, listed)}")


def mapping_of(value: Any, where: str) -> dict[str, Any]:
    """The value, which is a table of names and values.

    Raises:
        UsageError: it is not; the text says where it stands.
    """
    if not isinstance(value, dict):
        raise UsageError(f"{NAME}, {where}: a table of names and values is expected, not {shown(value)}.")
    return value


def text_of(value: Any, where: str) -> str:
    """The value, which is a text.

    Raises:
        UsageError: it is not; the text says where it stands.
    """
    if not isinstance(value, str):
        raise UsageError(f"{NAME}, {where}: a text in quotes is expected, not {shown(value)}.")
    return value


def shown(value: Any) -> str:
    """The value as it may stand in a sentence: on one line, and not too long for it."""
    try:
        text = repr(value)
    except ValueError:  # Python prints no number of more than 4,300 digits
        text = "a number without end"
    return text if len(text) <= 60 else text[:60] + "…"


def zone_of(name: Any, where: str, example: str) -> str:
    """The value, which is the name of a time zone.

    Raises:
        UsageError: there is no such zone; the text gives an example.
    """
    try:
        return str(ZoneInfo(text_of(name, where)).key)
    except (KeyError, ValueError, OSError) as error:
        raise UsageError(f"{NAME}, {where}: {shown(name)} is unknown. Write it like {example}.") from error


def one_of(value: Any, options: Iterable[str], where: str) -> str:
    """The value, which is one of the options.

    Raises:
        UsageError: it is not; the text says where it stands.
    """
    listed = tuple(options)
    if value not in listed:
        raise UsageError(f"{NAME}, {where}: {shown(value)} is not one of {', '.join(map(repr, listed))}.")
    return str(value)
