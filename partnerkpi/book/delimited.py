"""Delimited files to text: every cell as it stands, with the number of its record and the line it begins on.

Nothing is converted and nothing is guessed. Only the empty text is missing: `NA`, `null` and `007` stay what they are.
"""

from __future__ import annotations

import codecs
import csv
import gc
import hashlib
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from partnerkpi.book.sources import Problem, RawTable

if TYPE_CHECKING:
    from _csv import Reader as _Reader

_CHUNK = 8_192  # rows at a time; more do not fit the processor's cache
_BLOCK = 1 << 20
_NEWLINE = re.compile(r"\r\n|\r|\n")
_SINGLE_BYTE_CONTROLS = re.compile(rb"[\x80-\x9f]")
_SHOWN = 12


def read_file(
    path: Path, name: str, encoding: str, delimiter: str, wanted: Callable[[list[str]], Collection[str]]
) -> RawTable:
    """The text of a delimited file.

    Args:
        path: the file.
        name: what to call it in faults.
        encoding: how it is encoded; a byte order mark is accepted.
        delimiter: what stands between two cells.
        wanted: given the header, the columns to keep.

    Returns:
        The rows; what is wrong with the file is listed in `problems`, and then there may be no rows.
    """
    raw = RawTable(name)
    raw.sha256, damage = _scan(path, encoding)
    if damage is not None:
        raw.problems.append(damage)
        return raw
    try:
        with path.open(encoding=_with_mark(encoding), newline="") as lines, _no_collection():
            _read(raw, csv.reader(lines, delimiter=delimiter, strict=True), delimiter, wanted)
    except csv.Error as error:
        line = int(error.args[1]) if len(error.args) > 1 else 0
        raw.problems.append(Problem(0, line, "", "", _rule_of(error), "E"))
    return raw


def _read(raw: RawTable, reader: _Reader, delimiter: str, wanted: Callable[[list[str]], Collection[str]]) -> None:
    """Read header and rows into `raw`; errors of the reader carry the line."""
    try:
        raw.header = next(reader, [])
        if _header_problem(raw, delimiter):
            return
        names = set(wanted(raw.header))
        keep = [i for i, n in enumerate(raw.header) if n in names]
        parts: list[list[pd.api.extensions.ExtensionArray]] = [[] for _ in keep]
        records, lines, done, line = [], [], 0, reader.line_num
        while rows := list(islice(reader, _CHUNK)):
            if reader.line_num - line == len(rows) and set(map(len, rows)) == {len(raw.header)}:
                number, starts = np.arange(done, done + len(rows)) + 1, np.arange(line, reader.line_num) + 1
                done += len(rows)
            else:
                filled, number, starts = _irregular(raw, rows, done, line, reader.line_num - line, delimiter)
                rows, done = [row for row in rows if len(row) == len(raw.header)], done + filled
            columns = list(zip(*rows, strict=True)) or [()] * len(raw.header)
            for part, i in zip(parts, keep, strict=True):
                part.append(pd.array(columns[i], dtype="str"))
            records.append(number)
            lines.append(starts)
            line = reader.line_num
    except csv.Error as error:
        error.args = (*error.args, reader.line_num)
        raise
    raw.text = pd.DataFrame({raw.header[i]: _joined(p) for i, p in zip(keep, parts, strict=True)})
    raw.record = np.concatenate([*records, np.empty(0, np.int64)])
    raw.line = np.concatenate([*lines, np.empty(0, np.int64)])
    if not keep:
        raw.text = pd.DataFrame(index=range(len(raw.record)))
    if raw.ragged and len(raw.ragged) >= max(1, len(raw.record)):
        first = raw.ragged[0]
        many = f"{len(raw.ragged):,} of {done:,} rows"
        rule = f"the header has {len(raw.header)} cells, {many} have another number: {first.rule}"
        raw.problems.append(Problem(first.record, first.line, "", "", rule, "E", len(raw.ragged)))
        raw.ragged.clear()


@contextmanager
def _no_collection() -> Iterator[None]:
    """No garbage collection meanwhile: it would look through every row read, and rows hold no cycles."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _sizes(rows: list[list[str]], advanced: int) -> np.ndarray:
    """How many lines of the file each record takes."""
    size = np.ones(len(rows), dtype=np.int64)
    if advanced != len(rows):
        size += [sum(len(_NEWLINE.findall(cell)) for cell in row if "\n" in cell or "\r" in cell) for row in rows]
    return size


def _joined(parts: list[pd.api.extensions.ExtensionArray]) -> pd.Series:
    """The chunks of a column as one, empty texts as missing."""
    whole = pd.concat([pd.Series(p) for p in parts], ignore_index=True) if parts else pd.Series(dtype="str")
    empty = whole == ""
    return whole.mask(empty) if bool(empty.any()) else whole


def _header_problem(raw: RawTable, delimiter: str) -> bool:
    header = raw.header
    rule = ""
    if not header:
        rule = "the file is empty: not even a header"
    elif len(header) == 1 and (other := [d for d in ",;\t|" if d != delimiter and d in header[0]]):
        shown = {"\t": "a tab"}.get(other[0], f"'{other[0]}'")
        rule = f"the header has one column and holds {shown}: declare the delimiter"
    elif doubled := [n for n, times in Counter(n.strip() for n in header).items() if times > 1]:
        shown = ", ".join(f"'{n}'" for n in sorted(doubled)[:_SHOWN]) + (" …" if len(doubled) > _SHOWN else "")
        rule = f"the header names a column twice: {shown}"
    if rule:
        raw.problems.append(Problem(0, 1, "", "", rule, "E"))
    return bool(rule)


def _irregular(
    raw: RawTable, rows: list[list[str]], done: int, line: int, advanced: int, delimiter: str
) -> tuple[int, np.ndarray, np.ndarray]:
    """Records that take several lines, empty lines (which are no records) and rows of another length.

    Returns:
        How many records there are, and the number and first line of those that are as long as the header.
    """
    size = _sizes(rows, advanced)
    starts = line + 1 + np.concatenate([[0], np.cumsum(size)[:-1]]).astype(np.int64)
    filled = np.fromiter(map(bool, rows), bool, len(rows))
    number = done + np.cumsum(filled)
    good = np.fromiter(map(len, rows), np.int64, len(rows)) == len(raw.header)
    for i in np.flatnonzero(filled & ~good):
        rule = f"the row has {len(rows[i])} cells, the header {len(raw.header)}"
        raw.ragged.append(Problem(int(number[i]), int(starts[i]), "", delimiter.join(rows[i]), rule, "Q"))
    for i in np.flatnonzero(size > 1):
        # A quote that was never closed swallows the rows up to the next quote: the cell then looks like a record.
        for name, cell in zip(raw.header, rows[i], strict=False):
            if _NEWLINE.search(cell) and cell.count(delimiter) >= max(2, len(raw.header) - 1):
                rule = "a cell holds what looks like a whole record: a quote was opened and not closed"
                raw.problems.append(Problem(int(number[i]), int(starts[i]), name, cell, rule, "E"))
    return int(filled.sum()), number[good], starts[good]


def _scan(path: Path, encoding: str) -> tuple[str, Problem | None]:
    """The hash of the file, and the first thing in its bytes that forbids reading it."""
    digest, damage = hashlib.sha256(), None
    name = codecs.lookup(encoding).name
    decoder = codecs.getincrementaldecoder(_with_mark(encoding))("strict")
    wide = name.startswith(("utf-16", "utf-32"))
    offset, line = 0, 1
    with path.open("rb") as source:
        while block := source.read(_BLOCK):
            digest.update(block)
            if damage is None:
                try:
                    pending = len(decoder.getstate()[0])
                    text = decoder.decode(block)
                    nul = text.find("\0") if wide else block.find(b"\0")
                    if nul >= 0:
                        at = line + (text[:nul].count("\n") if wide else block[:nul].count(b"\n"))
                        damage = Problem(0, at, "", "", "a NUL character: the file is damaged or not text", "E")
                    elif name == "iso8859-1" and (odd := _SINGLE_BYTE_CONTROLS.search(block)):
                        at = line + block[: odd.start()].count(b"\n")
                        rule = "control characters that latin-1 does not print: probably it is cp1252, declare that"
                        damage = Problem(0, at, "", "", rule, "E")
                    line += text.count("\n") if wide else block.count(b"\n")
                except UnicodeError as error:  # no place where the mark of UTF-16 is missing at the beginning
                    start = error.start if isinstance(error, UnicodeDecodeError) else 0
                    place = offset - pending + start
                    at = line + block[: max(0, start - pending)].count(b"\n")
                    damage = Problem(0, at, "", "", _undecodable(name, place, block, offset), "E")
            offset += len(block)
    if damage is None:
        try:
            decoder.decode(b"", final=True)
        except UnicodeError:
            damage = Problem(0, line, "", "", f"the file ends in the middle of a character of {name}", "E")
    return digest.hexdigest(), damage


def _undecodable(name: str, place: int, block: bytes, offset: int) -> str:
    marked = offset == 0 and block[:2] in (b"\xff\xfe", b"\xfe\xff")
    hint = 'it begins like UTF-16, declare encoding = "utf-16"' if marked else "declare its real encoding, often cp1252"
    return f"byte {place} cannot be read as {name}: {hint}"


def _with_mark(encoding: str) -> str:
    return "utf-8-sig" if codecs.lookup(encoding).name == "utf-8" else encoding


def _rule_of(error: csv.Error) -> str:
    message = str(error.args[0])
    rules = {
        "unexpected end of data": "a quote is opened and never closed",
        "expected after": "text stands directly after a closing quote",
        "field larger": "a cell is longer than 131,072 characters: probably a quote is not closed",
    }
    other = f"the file is no proper delimited text: {message}"
    return next((rule for part, rule in rules.items() if part in message), other)
