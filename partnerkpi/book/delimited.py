"""Delimited files to text: every cell as it stands, with the number of its record and the line it begins on.

Nothing is converted and nothing is guessed. Only the empty text is missing: `NA`, `null` and `007` stay what they are.
"""

from __future__ import annotations

import codecs
import csv
import gc
import hashlib
import re
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from partnerkpi.book.heads import Head, shown_mark
from partnerkpi.book.plain import read_plain
from partnerkpi.book.sources import Problem, RawTable

if TYPE_CHECKING:
    from _csv import Reader as _Reader

_CHUNK = 8_192  # rows at a time; more do not fit the processor's cache
_BLOCK = 1 << 20
_NEWLINE = re.compile(r"\r\n|\r|\n")
_SINGLE_BYTE_CONTROLS = re.compile(rb"[\x80-\x9f]")
_BEYOND_ASCII = re.compile(rb"[\x80-\xff]")
_SHOWN = 12


def read_file(
    path: Path,
    name: str,
    encoding: str,
    delimiter: str,
    wanted: Callable[[list[str]], Collection[str]],
    outside: tuple[int, int] = (0, 0),
    *,
    coded: bool = False,
) -> RawTable:
    """The text of a delimited file.

    Args:
        path: the file.
        name: what to call it in faults.
        encoding: how it is encoded; a byte order mark is accepted.
        delimiter: what stands between two cells.
        wanted: given the header, the columns to keep.
        outside: how many lines stand above the header, and how many below the rows.
        coded: columns in which few texts recur may be categories.

    Returns:
        The rows; what is wrong with the file is listed in `problems`, and then there may be no rows.
    """
    raw = RawTable(name)
    raw.sha256, damage = _scan(path, encoding)
    if damage is not None:
        raw.problems.append(damage)
        return raw
    above, below = outside
    if not below and read_plain(raw, path, encoding, delimiter, wanted, above, coded=coded):
        return raw
    held: deque[str] = deque()
    head = Head(path, _with_mark(encoding), above)
    try:
        with path.open(encoding=_with_mark(encoding), newline="") as lines, _no_collection():
            for _ in islice(lines, above):
                pass
            reader = csv.reader(_without_last(lines, below, held) if below else lines, delimiter=delimiter, strict=True)
            _read(raw, reader, delimiter, wanted, head)
    except csv.Error as error:
        line = int(error.args[1]) if len(error.args) > 1 else 0
        rule = _rule_of(error)
        if line == above + 1 and (other := head.delimiter_but(delimiter)):
            rule = f"{rule}, and the header holds {shown_mark(other)}: {head.advice(other, delimiter)}"
        raw.problems.append(Problem(0, line, "", "", rule, "E"))
    _note_footer(raw, held, delimiter)
    return raw


def _without_last(lines: Iterable[str], many: int, held: deque[str]) -> Iterator[str]:
    """The lines but for the last so many, which end up in `held`."""
    for line in lines:
        held.append(line)
        if len(held) > many:
            yield held.popleft()


def _note_footer(raw: RawTable, held: deque[str], delimiter: str) -> None:
    """Count the lines of the footer; one that could as well be a row is mentioned."""
    filled = [line for line in held if line.strip()]
    raw.below = len(filled)
    for line in filled:
        cells = next(csv.reader([line], delimiter=delimiter), [])
        if len(cells) == len(raw.header) > 1 and 2 * sum(map(bool, cells)) > len(cells):
            rule = f"a line of the footer has {len(cells)} cells like a row: is footer = {len(held)} too many?"
            raw.problems.append(Problem(0, 0, "", line.strip("\r\n"), rule, "W"))


def _read(
    raw: RawTable, reader: _Reader, delimiter: str, wanted: Callable[[list[str]], Collection[str]], head: Head
) -> None:
    """Read header and rows into `raw`; errors of the reader carry the line."""
    above = head.above
    try:
        raw.header = next(reader, [])
        if _header_problem(raw, delimiter, head):
            return
        names = set(wanted(raw.header))
        keep = [i for i, n in enumerate(raw.header) if n in names]
        parts: list[list[pd.api.extensions.ExtensionArray]] = [[] for _ in keep]
        records, lines, done, line = [], [], 0, reader.line_num
        while rows := list(islice(reader, _CHUNK)):
            if reader.line_num - line == len(rows) and set(map(len, rows)) == {len(raw.header)}:
                number, starts = np.arange(done, done + len(rows)) + 1, np.arange(line, reader.line_num) + 1 + above
                done += len(rows)
            else:
                filled, number, starts = _irregular(raw, rows, done, line + above, reader.line_num - line, delimiter)
                rows, done = [row for row in rows if len(row) == len(raw.header)], done + filled
            columns = list(zip(*rows, strict=True)) or [()] * len(raw.header)
            for part, i in zip(parts, keep, strict=True):
                part.append(pd.array(columns[i], dtype="str"))
            records.append(number)
            lines.append(starts)
            line = reader.line_num
    except csv.Error as error:
        error.args = (*error.args, reader.line_num + above)
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
        if advice := head.advice(delimiter, delimiter):
            rule = f"{rule}. Lines above the header? {advice}"
        raw.problems.append(Problem(first.record, first.line, "", "", rule, "E", len(raw.ragged)))
        raw.ragged.clear()
    _advise_footer(raw, done, line + above)


def _advise_footer(raw: RawTable, done: int, last_line: int) -> None:
    """Short rows after which nothing comes: a file that was cut, or lines that are no rows."""
    tail, record = len(raw.ragged), done
    while tail and raw.ragged[tail - 1].record == record and len(raw.ragged) - tail < _SHOWN:
        tail, record = tail - 1, record - 1
    for i in range(tail, len(raw.ragged)):
        lines = last_line - raw.ragged[tail].line + 1
        advice = f"the file was cut off here, or these are lines below the rows: then say footer = {lines}"
        raw.ragged[i] = replace(raw.ragged[i], rule=f"{raw.ragged[i].rule}: {advice}")


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


def _header_problem(raw: RawTable, delimiter: str, head: Head) -> bool:
    header = raw.header
    rule = ""
    if not header:
        rule = "the file is empty: not even a header"
        if other := head.advice(head.delimiter_but("") or delimiter, delimiter):
            rule = f"the line is empty, and the header comes later: {other}"
        elif head.above:
            rule = f"no header is left after skip_rows = {head.above}, before the lines of the footer"
    elif len(header) == 1 and (mark := head.delimiter_but(delimiter)):
        where = "the header has one column and" if mark in header[0] else "the first line is no header, the next one"
        rule = f"{where} holds {shown_mark(mark)}: {head.advice(mark, delimiter)}"
    elif doubled := [n for n, times in Counter(n.strip() for n in header).items() if times > 1]:
        shown = ", ".join(f"'{n}'" for n in sorted(doubled)[:_SHOWN]) + (" …" if len(doubled) > _SHOWN else "")
        rule = f"the header names a column twice: {shown}"
        if other := head.advice(delimiter, delimiter):
            rule = f"{rule}. Lines above the header? {other}"
    if rule:
        raw.problems.append(Problem(0, head.above + 1, "", "", rule, "E"))
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
    other = None if wide or name.startswith("utf") else _AsUtf8()
    offset, line = 0, 1
    with path.open("rb") as source:
        while block := source.read(_BLOCK):
            digest.update(block)
            if other is not None:
                other.look(block)
            if damage is None:
                try:
                    pending = len(decoder.getstate()[0])
                    text = decoder.decode(block)
                    nul = text.find("\0") if wide else block.find(b"\0")
                    if not wide and offset == 0 and (spelt := _wide(block)):
                        damage = Problem(0, 1, "", "", spelt, "E")
                    elif nul >= 0:
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
    if damage is None and other is not None and other.line:
        rule = f'read as {name}, but every letter beyond ASCII is one of UTF-8: declare encoding = "utf-8"'
        damage = Problem(0, other.line, "", "", rule, "E")
    return digest.hexdigest(), damage


class _AsUtf8:
    """Whether a file that is read by another encoding is UTF-8: `line` is that of its first letter beyond ASCII."""

    def __init__(self) -> None:
        self.line = 0
        self._lines = 1
        self._decoder: codecs.IncrementalDecoder | None = codecs.getincrementaldecoder("utf-8")("strict")

    def look(self, block: bytes) -> None:
        """Look at the next block; what is no UTF-8 ends the search."""
        if self._decoder is None:
            return
        try:
            self._decoder.decode(block)
        except UnicodeDecodeError:
            self._decoder, self.line = None, 0
            return
        if not self.line and (first := _BEYOND_ASCII.search(block)):
            self.line = self._lines + block[: first.start()].count(b"\n")
        self._lines += block.count(b"\n")


def _undecodable(name: str, place: int, block: bytes, offset: int) -> str:
    marked = _wide(block) if offset == 0 else ""
    hint = marked or 'declare its real encoding, often encoding = "cp1252"'
    return f"byte {place} cannot be read as {name}: {hint}"


def _wide(block: bytes) -> str:
    """What encoding of two bytes a letter the first bytes of a file speak of, as a sentence; else empty."""
    if block[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return 'it begins like UTF-16, declare encoding = "utf-16"'
    first = block[:64]
    for name, nuls, letters in (("utf-16-le", first[1::2], first[::2]), ("utf-16-be", first[::2], first[1::2])):
        if len(nuls) > 7 and not any(nuls) and all(letters):
            return f'every second byte is nought as in UTF-16, declare encoding = "{name}"'
    return ""


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
