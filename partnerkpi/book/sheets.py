"""Sheets of .xlsx workbooks to text: the values that are stored, each with the number of its row in the sheet.

Only stored values are read: no formula is computed, no link followed, no macro run. What a reader of values would pass
over in silence is said: errors, formulas that were never computed, merged cells, hidden rows, cells beside the table.
"""

from __future__ import annotations

import hashlib
import zipfile
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd

from partnerkpi.book.cells import DAY, NUMBER, STAMP, TEXT, Column, written
from partnerkpi.book.sources import Problem, RawTable, doubled
from partnerkpi.book.workbooks import Damaged, Look, Spot, letters, look_through, visible_sheets
from partnerkpi.errors import UsageError, nearest

_CHUNK = 8_192
_SHOWN = 12
_NOT_ZIPPED = b"\xd0\xcf\x11\xe0"  # how .xls files begin, and .xlsx files with a password


@dataclass(frozen=True)
class _Asked:
    """What is to be read, and how; see `read_sheet`."""

    wanted: Callable[[list[str]], Collection[str]]
    decimal: str
    missing: frozenset[str]
    outside: tuple[int, int]


def read_sheet(
    path: Path,
    name: str,
    sheet: str,
    wanted: Callable[[list[str]], Collection[str]],
    *,
    decimal: str = ".",
    missing: Collection[str] = (),
    outside: tuple[int, int] = (0, 0),
) -> RawTable:
    """The text of a sheet.

    Args:
        path: the file.
        name: what to call it in faults.
        sheet: the sheet's name; empty for the only one that can be seen.
        wanted: given the header, the columns to keep.
        decimal: the declared decimal mark, for numbers in columns that also hold texts.
        missing: texts that mean nothing, also errors like "#N/A".
        outside: how many rows of the sheet stand above the header, and how many filled ones below the table.

    Returns:
        The rows; what is wrong with the file is listed in `problems`, and then there may be no rows.

    Raises:
        UsageError: the package that reads workbooks is not installed.
    """
    try:
        import python_calamine
    except ImportError as error:
        raise UsageError(
            f"Reading '{name}' needs python-calamine: install it with  pip install 'partnerkpi[excel]'"
        ) from error
    raw = RawTable(name)
    with path.open("rb") as source:
        raw.sha256 = hashlib.file_digest(source, "sha256").hexdigest()
    try:
        with zipfile.ZipFile(path) as archive:
            sheets = visible_sheets(archive)
            sheet, part = _chosen(sheets, sheet)
            look = look_through(archive, part, path.stat().st_size)
        with python_calamine.CalamineWorkbook.from_path(path) as book:
            cells = book.get_sheet_by_name(sheet)
            first = cells.start[1] + 1 if cells.start else 1
            _read(raw, cells.iter_rows(), first, look, _Asked(wanted, decimal, frozenset(missing), outside))
    except Damaged as error:
        raw.problems.append(Problem(0, 0, "", "", str(error), "E"))
    except (zipfile.BadZipFile, EOFError, NotImplementedError, python_calamine.CalamineError):
        raw.problems.append(Problem(0, 0, "", "", _no_workbook(path), "E"))
    return raw


def _chosen(sheets: Mapping[str, str], name: str) -> tuple[str, str]:
    """The name of the sheet to read, and its part of the file."""
    if not name and len(sheets) > 1:
        listed = ", ".join(f"'{n}'" for n in list(sheets)[:_SHOWN]) + (" …" if len(sheets) > _SHOWN else "")
        raise Damaged(f'the file has {len(sheets)} sheets: say which is meant, sheet = "…", of {listed}')
    if name and name not in sheets:
        raise Damaged(f"the file has no sheet '{name}' that one can see. {nearest(name, sheets)}")
    name = name or next(iter(sheets))
    return name, sheets[name]


def _read(raw: RawTable, rows: Iterator[Sequence[object]], first: int, look: Look, asked: _Asked) -> None:
    """Read header and rows into `raw`; `first` is the number of the first column that `rows` have."""
    above, footer = asked.outside
    top = above + 1
    head = next(islice(rows, above, None), [])
    named = {n: text for n, cell in enumerate(head, first) if (text := written(cell)[1])}
    raw.header = list(named.values())
    if rule := _header_rule(raw.header, top):
        raw.problems.append(Problem(0, top, "", "", rule, "E"))
        return
    names = set(asked.wanted(raw.header))
    keep = {n: name for n, name in named.items() if name in names}
    columns = {n: Column(asked.decimal, asked.missing, sheet=True) for n in keep}
    beside: Counter[int] = Counter()
    lines = [np.empty(0, np.int64)]
    filled = ((at, row) for at, row in enumerate(rows, top + 1) if any(cell != "" for cell in row))
    below = _without_last(filled, footer)
    while piece := list(islice(below, _CHUNK)):
        lines.append(np.array([at for at, _ in piece], dtype=np.int64))
        for n, cells in enumerate(zip(*(row for _, row in piece), strict=True), first):
            if n in columns:
                columns[n].add(cells)
            elif n not in named:
                beside[n] += sum(cell != "" for cell in cells)
    raw.line = np.concatenate(lines)
    raw.record = np.arange(1, len(raw.line) + 1)
    raw.text = pd.DataFrame({name: columns[n].text() for n, name in keep.items()}, index=range(len(raw.line)))
    raw.typed = {name: kind for n, name in keep.items() if (kind := columns[n].typed())}
    last = int(raw.line[-1]) if len(raw.line) else top
    _note_cells(raw, look, keep, range(top, last + 1), asked.missing)
    for n, name in keep.items():
        _note_kinds(raw, name, columns[n].kinds())
    for n, many in sorted(beside.items()):
        if many:
            rule = f"column {letters(n)} has no name in row {top}: its {many:,} cells are not read"
            raw.problems.append(Problem(0, 0, "", "", rule, "W"))


def _without_last(rows: Iterable[tuple[int, Sequence[object]]], many: int) -> Iterator[tuple[int, Sequence[object]]]:
    """All but the last rows."""
    held: deque[tuple[int, Sequence[object]]] = deque()
    for row in rows:
        held.append(row)
        if len(held) > many:
            yield held.popleft()


def _header_rule(header: list[str], top: int) -> str:
    if not header:
        return f"row {top} is empty, and the names of the columns are expected there"
    return doubled(header)


def _note_cells(raw: RawTable, look: Look, keep: Mapping[int, str], rows: range, missing: frozenset[str]) -> None:
    """Blame cells of the table that are read as empty, or as their own, though they are not."""

    def mine(spots: Iterable[Spot]) -> dict[tuple[str, str], list[Spot]]:
        groups: dict[tuple[str, str], list[Spot]] = {}
        for spot in spots:
            if not spot.row or (spot.row in rows and spot.column in keep):
                groups.setdefault((keep.get(spot.column, ""), spot.value), []).append(spot)
        return groups

    for (name, value), spots in mine(s for s in look.errors if s.value not in missing).items():
        rule = f'an error instead of a value, in {_listed(spots)}: mend it there, or say missing = ["{value}"]'
        raw.problems.append(Problem(0, spots[0].row, name, value, rule, "E", len(spots)))
    for (name, _), spots in mine(look.unset).items():
        rule = f"a formula without a stored value, in {_listed(spots)}: open the file in a spreadsheet and save it"
        raw.problems.append(Problem(0, spots[0].row, name, "", rule, "E", len(spots)))
    for start, end in look.merged:
        read = [n for n in range(start.column, end.column + 1) if n in keep]
        if read and end.row in rows and end.row > rows.start:
            rule = f"the cells {start}:{end} are merged, and only the first holds their value: part them and fill each"
            raw.problems.append(Problem(0, start.row, keep[read[0]], "", rule, "E"))
    if look.hidden:
        many = f"{look.hidden:,} rows are" if look.hidden > 1 else "1 row is"
        raw.problems.append(Problem(0, 0, "", "", f"{many} hidden in the sheet, and read like the others", "W"))


def _note_kinds(raw: RawTable, name: str, kinds: np.ndarray) -> None:
    """Say where a column holds what a spreadsheet may have changed."""
    text = raw.text[name]
    long = (kinds == NUMBER) & text.str.fullmatch("-?[0-9]{16,}").fillna(False).to_numpy(dtype=bool)
    rule = "a number of more than 15 digits: a spreadsheet cut digits, unless it stood there as a text"
    days = (kinds == DAY) | (kinds == STAMP)
    mixed = days if (kinds == TEXT).any() else np.zeros(len(kinds), dtype=bool)
    both = "a day among texts: a spreadsheet may have made it of a text, and exchanged day and month"
    for said, rows in ((rule, long), (both, mixed)):
        if rows.any():
            at = int(np.argmax(rows))
            fault = (int(raw.record[at]), int(raw.line[at]), name, str(text.iloc[at]), said, "W", int(rows.sum()))
            raw.problems.append(Problem(*fault))


def _listed(spots: list[Spot]) -> str:
    many = f" and {len(spots) - 3:,} more cells" if len(spots) > 3 else ""
    return ", ".join(map(str, spots[:3])) + many


def _no_workbook(path: Path) -> str:
    with path.open("rb") as source:
        start = source.read(4)
    if start == _NOT_ZIPPED:
        return "the file is an old .xls, or has a password: save it as .xlsx without one"
    if not start:
        return "the file is empty"
    return "the file is no workbook of the kind .xlsx, or damaged"
