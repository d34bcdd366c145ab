"""The text of any file a book can be made of, for a survey: as the reader of the book reads it."""

from __future__ import annotations

import zipfile
from pathlib import Path

from partnerkpi.book.columnar import read_columns
from partnerkpi.book.declarations import COLUMNS, SHEETS, SUFFIXES
from partnerkpi.book.sheets import read_sheet
from partnerkpi.book.sources import RawTable
from partnerkpi.book.workbooks import Damaged, visible_sheets
from partnerkpi.errors import SystemProblem, UsageError
from partnerkpi.survey.sniff import Sheet, header_of, sniff, without_totals


def files_of(paths: list[Path]) -> tuple[Path, list[Path]]:
    """The folder of the book, and its files: those named, or all of a folder.

    Raises:
        UsageError: there is no such file, none that is read, or they are in several folders.
    """
    if len(paths) == 1 and paths[0].is_dir():
        folder = paths[0]
        listed = [p for p in sorted(folder.iterdir()) if p.suffix.lower() in SUFFIXES and p.is_file()]
        if not listed:
            raise UsageError(f"The folder '{folder}' has no {', '.join(SUFFIXES)} file.")
        return folder, listed
    for path in paths:
        if not path.is_file():
            raise UsageError(f"'{path}' is no file." if path.exists() else f"There is no file '{path}'.")
        if path.suffix.lower() not in SUFFIXES:
            raise UsageError(f"'{path.name}' is no file this package reads ({', '.join(SUFFIXES)}).")
    if len({p.resolve().parent for p in paths}) > 1:
        raise UsageError("The files are in several folders. A book is one folder: copy them into one.")
    return paths[0].parent, list(dict.fromkeys(paths))


def sheets_of(path: Path) -> list[Sheet]:
    """What a file holds: one table, or one for each sheet of a workbook that one can see.

    Raises:
        SystemProblem: the file cannot be read.
        UsageError: the package that reads workbooks is not installed.
    """
    try:
        if path.suffix.lower() == SHEETS:
            return _workbook(path)
        if path.suffix.lower() == COLUMNS:
            return [_typed(path, path.name, read_columns(path, path.name, _all))]
    except OSError as error:
        raise SystemProblem(f"The file '{path}' cannot be read: {error.strerror}.") from error
    return [sniff(path, path.name)]


def _all(header: list[str]) -> list[str]:
    return header


def _workbook(path: Path) -> list[Sheet]:
    """The sheets of a workbook that hold a table; the first of all where none does."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = tuple(visible_sheets(archive))
    except (zipfile.BadZipFile, Damaged, EOFError, NotImplementedError, KeyError) as error:
        return [Sheet(path, path.name, doubts=[f"the file is no workbook that can be read: {error}"])]
    made = []
    for name in names:
        shown = path.name if len(names) == 1 else f"{path.name} [{name}]"
        above, below = _outside(path, name)
        sheet = _typed(path, shown, read_sheet(path, path.name, name, _all, outside=(above, below)))
        sheet.skip_rows, sheet.footer = above, below
        sheet.sheet, sheet.sheets = name if len(names) > 1 else "", names
        made.append(sheet)
    tables = [sheet for sheet in made if sheet.rows and len(sheet.text.columns) > 1]
    return tables or made[:1]


def _outside(path: Path, name: str) -> tuple[int, int]:
    """How many rows stand above the header of a sheet, and how many filled ones below its rows."""
    from python_calamine import CalamineError, CalamineWorkbook

    try:
        with CalamineWorkbook.from_path(path) as book:
            rows = book.get_sheet_by_name(name).to_python(skip_empty_area=False)
    except CalamineError:
        return 0, 0
    return header_of([["" if cell is None else str(cell) for cell in row] for row in rows])


def _typed(path: Path, name: str, raw: RawTable) -> Sheet:
    """A table whose cells are no texts, and so need no declaration."""
    sheet = Sheet(path, name, typed=True, header=list(raw.header), text=raw.text, line=raw.line)
    sheet.kinds = dict(raw.typed)
    sheet.doubts = [f"{p.rule}{f' (row {p.line})' if p.line else ''}" for p in raw.problems if p.kind == "E"]
    if not raw.refused:
        sheet.evidence.append(f"{len(raw.text):,} rows of typed cells")
        without_totals(sheet)
    return sheet
