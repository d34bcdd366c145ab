"""A tidy table as text for a terminal, as CSV, as JSON or as a workbook: what leaves the package for other programs.

Missing stays missing: an empty cell in CSV and in a workbook, `null` in JSON. Text that a spreadsheet would run as a
formula is made harmless; numbers stay numbers.
"""

from __future__ import annotations

import io
import json
import math
import os
import shutil
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from partnerkpi.errors import SystemProblem, UsageError
from partnerkpi.estimate import Estimate
from partnerkpi.figures import HEADLINE
from partnerkpi.groups import Key, group_text
from partnerkpi.kpis import KPIS
from partnerkpi.wording import Remark, amount_text

#: A spreadsheet reads a cell that begins with one of these as a formula.
_FORMULA_STARTS = ("=", "+", "-", "@", "＝", "＋", "－", "＠")  # noqa: RUF001 full-width ones count too


def to_csv(frame: pd.DataFrame) -> str:
    r"""The table as CSV with one header line, commas, a point as decimal sign and `\n` line ends.

    >>> to_csv(pd.DataFrame({"group": ["=1+1", "P-1"], "value": [-2.0, None]}))
    "group,value\n'=1+1,-2.0\nP-1,\n"
    """
    safe = _with_group_texts(frame)
    for column in safe.columns:
        if not pd.api.types.is_numeric_dtype(safe[column]):
            safe[column] = [None if _missing(cell) else harmless(shown(str(cell))) for cell in safe[column]]
    return safe.to_csv(index=False, lineterminator="\n")


def to_json(frame: pd.DataFrame) -> str:
    """The table as a JSON list with one object per row; missing values are `null`.

    >>> print(to_json(pd.DataFrame({"group": ["P-1"], "value": [None], "n": [0]})))
    [
     {"group": "P-1", "value": null, "n": 0}
    ]
    """
    rows = (json.dumps(row, ensure_ascii=False, allow_nan=False) for row in _records(frame))
    return "[\n " + ",\n ".join(rows) + "\n]" if len(frame) else "[]"


def write_xlsx(frame: pd.DataFrame, path: str | Path, sheet: str = "scorecard") -> Path:
    """Write the table as a workbook; every text is stored as text, never as a formula. Returns the path.

    Raises:
        UsageError: the extra `excel` is not installed.
        SystemProblem: the file cannot be written.
    """
    try:
        from openpyxl import Workbook
        from openpyxl.cell import WriteOnlyCell
    except ImportError as problem:
        raise UsageError("Workbooks need openpyxl: install it with  pip install 'partnerkpi[excel]'") from problem
    book = Workbook(write_only=True)
    page = book.create_sheet(sheet)
    page.append([str(column) for column in frame.columns])
    for row in _records(frame):
        cells = []
        for value in row.values():
            cell = WriteOnlyCell(page, value=shown(value) if isinstance(value, str) else value)
            if isinstance(value, str):
                cell.data_type = "s"
            cells.append(cell)
        page.append(cells)
    content = io.BytesIO()
    book.save(content)
    return write_bytes(content.getvalue(), path)


def write_text(text: str, path: str | Path) -> Path:
    r"""Write text as UTF-8 with `\n` line ends. Returns the path.

    Raises:
        SystemProblem: the file cannot be written.
    """
    return write_bytes(text.encode("utf-8"), path)


def write_bytes(content: bytes, path: str | Path) -> Path:
    """Write a file at once: what stood there is whole until the new one is. Returns the path.

    Raises:
        SystemProblem: the file cannot be written.
    """
    path = Path(path)
    try:
        if path.exists() and not path.is_file():  # a pipe, a terminal
            path.write_bytes(content)
        else:
            _replace(path.resolve(), content)
    except OSError as problem:
        raise SystemProblem(f"Cannot write {path}: {problem.strerror or problem}.") from problem
    return path


def _replace(path: Path, content: bytes) -> None:
    """Write a file beside its place, then put it there at once: what stood there is whole until the new one is."""
    beside = path.with_name(f".{path.name}.unfinished")
    try:
        with beside.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if path.exists():
            shutil.copymode(path, beside)
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def columns_text(header: Sequence[str], rows: Iterable[Sequence[str]], right: Sequence[str] = ()) -> str:
    """Lines of text with aligned columns; those named in `right` are flush right, the last one is never padded.

    >>> print(columns_text(["KPI", "n"], [["close_rate", "9"], ["deals", "12"]], right=["n"]))
    KPI          n
    close_rate   9
    deals       12
    """
    lines = [list(header), *([shown(cell) for cell in row] for row in rows)]
    widths = [max(_width(line[i]) for line in lines) for i in range(len(header))]
    texts = []
    for line in lines:
        padded = []
        for name, cell, width in zip(header, line, widths, strict=True):
            space = " " * (width - _width(cell))
            padded.append(space + cell if name in right else cell + space)
        texts.append("  ".join(padded).rstrip())
    return "\n".join(texts)


def shown(text: str) -> str:
    """The text without control characters and direction marks, which could rewrite a terminal's or a sheet's lines."""
    return "".join(c if c.isprintable() else " " if c.isspace() else "" for c in text)


def _with_group_texts(frame: pd.DataFrame) -> pd.DataFrame:
    """The table with its groups as words: those of no id, and ids that look like them in quotes."""
    if "group" not in frame:
        return frame.copy()
    return frame.assign(group=[group_text(g) if isinstance(g, str | Key) else g for g in frame["group"]])


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    frame = _with_group_texts(frame)
    columns = [str(column) for column in frame.columns]
    return [
        {name: _plain(cell) for name, cell in zip(columns, row, strict=True)}
        for row in frame.itertuples(index=False, name=None)
    ]


def _plain(cell: Any) -> Any:
    if _missing(cell):
        return None
    if isinstance(cell, Remark):
        return str(cell)
    if isinstance(cell, pd.Timestamp):
        return cell.date().isoformat() if cell == cell.normalize() else cell.isoformat()
    return cell.item() if hasattr(cell, "item") else cell


def _missing(cell: Any) -> bool:
    return cell is None or cell is pd.NaT or cell is pd.NA or (isinstance(cell, float) and math.isnan(cell))


def harmless(text: str) -> str:
    """The text, behind an apostrophe where a spreadsheet would run it as a formula."""
    return "'" + text if text.lstrip(" ").startswith(_FORMULA_STARTS) else text


def _width(text: str) -> int:
    wide = sum(unicodedata.east_asian_width(c) in "WF" for c in text)
    return len(text) + wide - sum(unicodedata.combining(c) > 0 for c in text)


def score_text(table: pd.DataFrame, quarters: Mapping[str, str] | None = None) -> str:
    """The scorecard for reading: one line per group, quarter and KPI, with interval, n and the reason of a gap.

    Only the headlines; the companion figures are in the other formats. `quarters` says how a quarter is written, by
    its label: one still running is marked "to date".
    """
    kpis = {kpi.name: kpi for kpi in KPIS}
    rows = []
    for row in _records(table[table["figure"] == HEADLINE]):
        kpi = kpis[row["kpi"]]
        value, low, high, unit = (row[name] for name in ("value", "low", "high", "unit"))
        estimate = Estimate(value, low, high, row["n"], unit, kpi.counts)
        quarter = (quarters or {}).get(row["quarter"], row["quarter"])
        texts = [amount_text(value, unit), estimate.interval_text, estimate.n_text, row["reason"] or ""]
        rows.append([row["group"], quarter, kpi.title, *texts])
    header = ["group", "quarter", "KPI", "value", "95 % interval", "n", "reason"]
    return columns_text(header, rows, right=["value"])
