"""What a delimited file is: encoding, delimiter, what stands above the header and below the rows. On the whole file.

Nothing here decides how a book is read: it says what a first book.toml should declare, and on what evidence.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from partnerkpi.errors import SystemProblem
from partnerkpi.survey.words import TOTAL, folded

_MARKS = (
    (codecs.BOM_UTF8, "utf-8", "a byte order mark"),
    (codecs.BOM_UTF16_LE, "utf-16", "a byte order mark of UTF-16"),
    (codecs.BOM_UTF16_BE, "utf-16", "a byte order mark of UTF-16"),
)
_DELIMITERS = (",", ";", "\t", "|")
_LONGEST_PREAMBLE = 40  # records above a header that are looked at
_NUMBER = re.compile(r"[-+(]?[^\w\s]?\s?[0-9][0-9.,'’\s]*\s?[^\w\s]?\)?")
_DAY = re.compile(r"[0-9]{1,4}[-./][0-9]{1,2}[-./][0-9]{1,4}.*")


@dataclass
class Sheet:
    """Rows of text as they stand in one file, and how they are to be reached.

    `line` is the physical line each row begins on; `doubts` what cannot be told; `kept_out` the rows of totals that
    stand among the others, as the column and the texts that tell them from the rest, `totals` how many they are,
    `removed` those rows. `kinds` tells the typed columns of a workbook.
    """

    path: Path
    name: str
    encoding: str = "utf-8"
    delimiter: str = ","
    skip_rows: int = 0
    footer: int = 0
    sheet: str = ""
    sheets: tuple[str, ...] = ()
    header: list[str] = field(default_factory=list)
    text: pd.DataFrame = field(default_factory=pd.DataFrame)
    line: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))
    above: list[str] = field(default_factory=list)
    below: list[str] = field(default_factory=list)
    evidence: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)
    kept_out: dict[str, list[str]] = field(default_factory=dict)
    typed: bool = False
    kinds: dict[str, str] = field(default_factory=dict)
    totals: int = 0
    removed: pd.DataFrame = field(default_factory=pd.DataFrame)

    @property
    def file(self) -> str:
        """The file's name, without that of a sheet."""
        return self.path.name

    @property
    def rows(self) -> int:
        """How many rows of data there are."""
        return len(self.text)


def sniff(path: Path, name: str) -> Sheet:
    """The rows of a delimited file and how it is written.

    Raises:
        SystemProblem: the file cannot be read.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise SystemProblem(f"The file '{path}' cannot be read: {error.strerror}.") from error
    sheet = Sheet(path, name)
    text = _decoded(sheet, data)
    if text is None:
        return sheet
    if not text.strip():
        sheet.doubts.append("the file is empty")
        return sheet
    records, starts, ends, last = _delimited(sheet, text)
    _cut(sheet, records, starts, ends, last)
    return sheet


def _decoded(sheet: Sheet, data: bytes) -> str | None:
    """The text of the file, or None where no encoding reads it; says which and why."""
    for mark, name, why in _MARKS:
        if data.startswith(mark):
            return _with(sheet, data, "utf-8-sig" if name == "utf-8" else name, name, why)
    if len(data) > 3 and data[:2000].count(0) > len(data[:2000]) // 4:
        name = "utf-16-le" if data[1] == 0 else "utf-16-be"
        return _with(sheet, data, name, name, "every other byte is 0, and there is no mark")
    high = len(re.findall(rb"[\x80-\xff]", data))
    if not high:
        return _with(sheet, data, "utf-8", "utf-8", "plain ASCII")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        mended = data.decode("utf-8", errors="replace")
        broken, good = mended.count("\ufffd"), sum(ord(c) > 127 for c in mended)
        if good > 20 * broken:  # one encoding for nearly all of it, and not of what came to some rows
            sheet.evidence.append(f"utf-8: {good - broken:,} letters beyond ASCII are valid")
            what = f"byte 0x{data[error.start]:02X} on line {line}"
            sheet.doubts.append(f"nearly all is UTF-8, but {what} is not: mend it, some rows were written otherwise")
            return mended
        controls = len(re.findall(rb"[\x80-\x9f]", data))
        try:
            text = data.decode("cp1252")
        except UnicodeDecodeError as other:
            sheet.doubts.append(
                f"neither UTF-8 (line {line}) nor cp1252 (byte 0x{data[other.start]:02X}) reads the file: find out "
                "the encoding of the system that wrote it, often cp1250, cp1251, cp850 or mac_roman"
            )
            return None
        letters = [c for c in text if c.isalpha()]
        foreign = sum(ord(c) > 127 for c in letters)
        if foreign > 0.4 * max(1, len(letters)):
            sheet.doubts.append(
                f"{foreign:,} of {len(letters):,} letters would be accented in cp1252: perhaps another alphabet, "
                'like encoding = "cp1251"'
            )
        example = next(w for w in re.findall(r"\S+", text) if any(ord(c) > 127 for c in w))
        own = f"{controls:,} of them characters that only cp1252 has" if controls else "latin-1 reads them alike"
        why = f"not UTF-8 from line {line} on; {high:,} bytes beyond ASCII, {own}; like {example[:30]!r}"
        sheet.encoding = "cp1252"
        sheet.evidence.append(f"cp1252: {why}")
        return text
    sheet.evidence.append(f"utf-8: {high:,} bytes beyond ASCII, all of them valid")
    return text


def _with(sheet: Sheet, data: bytes, codec: str, name: str, why: str) -> str | None:
    sheet.encoding = name
    sheet.evidence.append(f"{name}: {why}")
    try:
        return data.decode(codec)
    except UnicodeDecodeError as error:
        sheet.doubts.append(f"{why}, but byte {error.start:,} cannot be read as {name}: the file is damaged")
        return None


def _delimited(sheet: Sheet, text: str) -> tuple[list[list[str]], list[int], list[int], int]:
    """The records under the delimiter that gives the most rows one width above one; with first and last lines."""
    best: tuple[float, int] | None = None
    chosen: tuple[list[list[str]], list[int], list[int], int] = ([], [], [], 0)
    widths: Counter[int] = Counter()
    for delimiter in _DELIMITERS:
        if delimiter not in text:
            continue
        parsed = _parsed(text, delimiter)
        own = Counter(len(r) for r in parsed[0] if r)
        wide = Counter({w: n for w, n in own.items() if w > 1})
        if not wide:
            continue
        width, many = max(wide.items(), key=lambda item: (item[1], item[0]))
        rank = (many / max(1, sum(own.values())), width)
        if best is None or (rank[0] > best[0] + 0.02) or (abs(rank[0] - best[0]) <= 0.02 and width > best[1]):
            best, chosen, widths, sheet.delimiter = rank, parsed, own, delimiter
    if best is None:
        chosen = _parsed(text, ",")
        sheet.evidence.append("one column, no delimiter")
        return chosen
    shown = {"\t": "tab"}.get(sheet.delimiter, sheet.delimiter)
    most, many = widths.most_common(1)[0]
    sheet.evidence.append(f"delimiter {shown}: {many:,} of {sum(widths.values()):,} lines have {most} cells")
    return chosen


def _parsed(text: str, delimiter: str) -> tuple[list[list[str]], list[int], list[int], int]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    records, starts, ends, line = [], [], [], 0
    try:
        for record in reader:
            records.append(record)
            starts.append(line + 1)
            line = reader.line_num
            ends.append(line)
    except csv.Error:
        pass  # what follows cannot be read; the check says where and why
    return records, starts, ends, line


def _cut(sheet: Sheet, records: list[list[str]], starts: list[int], ends: list[int], last: int) -> None:
    """Tell the header from what stands above it, and the rows from what stands below them."""
    filled = [sum(bool(c.strip()) for c in r) for r in records]
    widths = Counter(len(r) for r in records if len(r) > 1) or Counter(len(r) for r in records if r)
    width = max(widths.items(), key=lambda item: (item[1], item[0]))[0]
    head = _header_at(records, filled, width)
    sheet.header = [c.strip() if c != c.strip() and not c.strip() else c for c in records[head]]
    sheet.skip_rows = starts[head] - 1
    sheet.above = [" ".join(filter(None, r)) for r in records[:head] if any(r)]
    if sheet.skip_rows:
        sheet.evidence.append(f"{sheet.skip_rows} lines above the header: {_shown(sheet.above)}")
    if _looks_like_data(records[head]):
        sheet.doubts.append("the first line looks like a row of data, not like a header")
    end = len(records)
    while end > head + 1 and _is_footer(records[end - 1], filled[end - 1], width):
        end -= 1
    body = [i for i in range(head + 1, end) if records[i]]
    rows = [i for i in body if len(records[i]) == width]
    end_line = ends[rows[-1]] if rows else ends[head]
    sheet.below = [" ".join(filter(None, r)) for r in records[end:] if any(r)]
    if any(records[i] for i in range(end, len(records))):
        sheet.footer = last - end_line
        sheet.evidence.append(f"{sheet.footer} lines below the rows: {_shown(sheet.below)}")
    if len(rows) < len(body):
        odd = next(i for i in body if len(records[i]) != width)
        sheet.doubts.append(
            f"{len(body) - len(rows):,} rows have another number of cells than the header ({width}), the first on "
            f"line {starts[odd]}: they would be set aside"
        )
    names = [f"{n}" for n in sheet.header] if len(sheet.header) == width else [str(i) for i in range(width)]
    doubled = [n for n, times in Counter(names).items() if times > 1]
    if doubled:
        sheet.doubts.append(f"the header names a column twice ({', '.join(map(repr, doubled[:5]))}): rename one")
        seen: Counter[str] = Counter()
        for i, n in enumerate(names):
            seen[n] += 1
            names[i] = n if seen[n] == 1 else f"{n} ({seen[n]})"
    columns = list(zip(*(records[i] for i in rows), strict=True)) or [()] * width
    text = pd.DataFrame({n: pd.array(list(c), dtype="str") for n, c in zip(names, columns, strict=True)})
    sheet.header = names
    sheet.text = text.mask(text == "")
    sheet.line = np.array([starts[i] for i in rows], dtype=np.int64)
    without_totals(sheet)


def header_of(records: list[list[str]]) -> tuple[int, int]:
    """How many rows of a sheet stand above its header, and how many filled ones below its rows."""
    filled = [sum(bool(c.strip()) for c in r) for r in records]
    if not records:
        return 0, 0
    width = max(filled)
    many = [n for n in filled if n >= 0.5 * width]
    usual = max(set(many), key=lambda n: (many.count(n), n)) if many else width
    head = next(
        (i for i, n in enumerate(filled[:_LONGEST_PREAMBLE]) if n >= 0.7 * usual and not _looks_like_data(records[i])),
        0,
    )
    end = len(records)
    while end > head + 1 and _is_footer(records[end - 1], filled[end - 1], filled[head]):
        end -= 1
    return head, sum(bool(n) for n in filled[end:])


def _header_at(records: list[list[str]], filled: list[int], width: int) -> int:
    """The first record as wide and as filled as a header: no numbers, no days, each name once."""
    for i, record in enumerate(records[:_LONGEST_PREAMBLE]):
        if len(record) == width and filled[i] >= max(1, round(0.7 * width)) and not _looks_like_data(record):
            return i
    return next((i for i, r in enumerate(records) if len(r) == width), 0)


def _looks_like_data(record: list[str]) -> bool:
    cells = [c.strip() for c in record if c.strip()]
    return any(_DAY.fullmatch(c) or (_NUMBER.fullmatch(c) and not c.isdigit()) for c in cells) or (
        sum(c.isdigit() for c in cells) > len(cells) // 2
    )


def _is_footer(record: list[str], filled: int, width: int) -> bool:
    """True for what stands below rows: nothing, a sentence, or a total."""
    if not filled:
        return True
    if width > 1 and len(record) != width and filled <= max(1, width // 3):
        return True
    if width > 2 and filled == 1:
        return True
    return _is_total(record) and filled <= max(2, 0.7 * width)


def _is_total(cells: list[str]) -> bool:
    return any(TOTAL.search(folded(c)) for c in cells if c.strip() and len(c) < 60)


def without_totals(sheet: Sheet) -> None:
    """Find rows of subtotals among the others, told by their word and their empty cells, and take them out."""
    text = sheet.text
    if len(text) < 3 or len(text.columns) < 3:
        return
    empty = text.isna().sum(axis=1).to_numpy()
    usual = float(np.median(empty))
    odd = np.flatnonzero(empty >= max(usual + 1, 0.4 * len(text.columns)))
    found = np.zeros(len(text), dtype=bool)
    for i in odd:
        row = text.iloc[int(i)]
        for name, cell in row.items():
            if isinstance(cell, str) and len(cell) < 60 and TOTAL.search(folded(cell)):
                sheet.kept_out.setdefault(str(name), [])
                if cell not in sheet.kept_out[str(name)]:
                    sheet.kept_out[str(name)].append(cell)
                found[i] = True
                break
    if found.any():
        where = sheet.line[found]
        sheet.evidence.append(f"{int(found.sum()):,} rows of totals among the others, the first on line {where[0]}")
        sheet.totals, sheet.removed = int(found.sum()), text[found]
        sheet.text = text[~found].reset_index(drop=True)
        sheet.line = sheet.line[~found]


def _shown(lines: list[str]) -> str:
    text = " / ".join(lines[:2])
    return repr(text if len(text) <= 60 else text[:60] + "…")
