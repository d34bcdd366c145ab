"""Notes: what was decided at a review, brought back at the next one, and written into the book.

`notes.csv` is a table of the book like any other, written by hand or by `partnerkpi note`. A note of 2025Q3 is what was
decided when that quarter was reviewed: the book knows it from the quarter's end on, and its outcome from the end of the
quarter after, so that a review as of an earlier day does not know how things went on.
"""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

import numpy as np
import pandas as pd
from filelock import FileLock, Timeout

from partnerkpi.book import Book
from partnerkpi.book.config import read_config
from partnerkpi.book.declarations import TableConfig
from partnerkpi.book.schema import TABLES
from partnerkpi.errors import SystemProblem, UsageError
from partnerkpi.export import harmless, shown, write_bytes
from partnerkpi.opening import open_book
from partnerkpi.periods import Quarter
from partnerkpi.slices import is_slice

_TABLE = TABLES["notes"]
_FILE, _LOCK = "notes.csv", ".notes.lock"
_SECONDS = 10


def decided(book: Book, quarter: str | Quarter = "", back: int = 4) -> pd.DataFrame:
    """What was decided at the reviews of the quarters before this one, the newest first.

    Args:
        book: the book, or one partner's part of it.
        quarter: the quarter under review; the last complete one where none is named.
        back: of how many quarters before it notes are wanted.

    Returns:
        The rows of the table `notes` (`partner_id`, `quarter`, `action`, `owner`, `due_on`, `outcome`), within a
        quarter by partner and then as they stand in the file; and `overdue`: its day had passed at the end of the
        quarter under review, and no outcome is told.

    Raises:
        UsageError: the text is no quarter, the quarter has not begun, or `back` is less than one.
    """
    period = book.quarter(quarter)
    labels = [past.label for past in reversed(period.before.back(back))]
    notes = book.notes
    place = pd.Index(labels).get_indexer(pd.Index(notes["quarter"].astype("str")))
    order = np.lexsort((notes["partner_id"].cat.codes, place))
    kept = notes.iloc[order[place[order] >= 0]].reset_index(drop=True)
    late = (kept["due_on"] <= period.last_day) & kept["outcome"].isna()
    return kept.assign(overdue=late.to_numpy(dtype=bool))


def add_note(
    folder: str | Path,
    partner: str,
    action: str,
    quarter: str = "",
    *,
    owner: str = "",
    due: str = "",
    outcome: str = "",
) -> Path:
    r"""Add a line to the notes of a book; every byte that stands there stays.

    The file is made where there is none. It is replaced as a whole, so that it is never half written, and by one
    program at a time. Control characters and line ends become spaces; a text that a spreadsheet would run as a formula
    is put behind an apostrophe. A note that names another partner keeps its own partner's page from being published,
    unless deals went from one to the other.

    Args:
        folder: the book's folder.
        partner: whom it is about, by id.
        action: what was decided.
        quarter: the quarter that was reviewed; the last complete one where none is named.
        owner: who does it.
        due: by which day, like "2026-01-31".
        outcome: what came of it.

    Returns:
        The path of the file.

    Raises:
        UsageError: the book has no such partner or quarter, the day is none, no action is said, or book.toml says how
            the notes are to be read, so that a line in another shape would not fit.
        DataRefused: the book, its notes among it, has faults that forbid any figure.
        SystemProblem: the file cannot be written, or another program is writing it.
    """
    if not str(folder):
        raise UsageError("Name the folder of your book: nothing is written into the sample book that comes along.")
    place = Path(folder)
    if is_slice(place):
        raise UsageError(f"'{place}' holds one partner's part of a book. Notes are written into the book itself.")
    book = open_book(place, allow_set_aside=True)
    book.check_partner(partner)
    cells = {
        "partner_id": partner,
        "quarter": book.quarter(quarter).label,
        "action": _clean(action),
        "owner": _clean(owner),
        "due_on": _day(due),
        "outcome": _clean(outcome),
    }
    if not cells["action"]:
        raise UsageError("Say what was decided: the action is empty.")
    config = read_config(place).tables[_TABLE.name]
    path = place / _file_of(config)
    try:
        with FileLock(place / _LOCK, timeout=_SECONDS):
            return write_bytes(_with_line(path, config, cells), path)
    except Timeout:
        raise SystemProblem(f"Another program is writing the notes in '{place}'. Try again.") from None
    except OSError as error:
        raise SystemProblem(f"The notes in '{place}' cannot be written: {error.strerror or error}.") from error


def _file_of(config: TableConfig) -> str:
    """The file that holds the notes, where a line of the canonical shape may be added to it."""
    if config.declared - {"files"} or len(config.files) > 1:
        raise UsageError("[notes] in book.toml says how the notes are read, so a line is best added by hand.")
    return config.files[0] if config.files else _FILE


def _with_line(path: Path, config: TableConfig, cells: dict[str, str]) -> bytes:
    """What the file holds, with one more line in the order of its header."""
    there = path.read_bytes() if path.exists() else b""
    end = "\r\n" if b"\r\n" in there else "\n"
    delimiter = config.delimiter_of(path.name)
    line = io.StringIO()
    writer = csv.writer(line, delimiter=delimiter, lineterminator=end)
    header = list(_TABLE.names)
    if there:
        header = next(csv.reader(io.StringIO(there.decode("utf-8-sig"), newline=""), delimiter=delimiter))
        line.write("" if there.endswith((b"\n", b"\r")) else end)
    else:
        writer.writerow(header)
    for name in (name for name, text in cells.items() if text and name not in header):
        raise UsageError(f"{path.name} has no column '{name}'. Add it to its first line, or leave it out here.")
    writer.writerow([cells.get(name, "") for name in header])
    return there + line.getvalue().encode("utf-8")


def _clean(text: str) -> str:
    return harmless(" ".join(shown(text).split()))


def _day(said: str) -> str:
    try:
        if said and not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", said):
            raise ValueError
        return f"{pd.Timestamp(said):%Y-%m-%d}" if said else ""
    except ValueError:
        raise UsageError(f"'{said}' is no day. Write it like 2025-12-31.") from None
