"""Plain delimited files to text, by pyarrow: the same cells as `delimited` reads, many times quicker.

Plain is a file in which every line is one row as long as the header: no quote, no empty line, no other end of a line
than a newline with or without a return before it. Any other file is left to the reader that can say what is wrong.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np
import pandas as pd

from partnerkpi.book.sources import RawTable, doubled

if TYPE_CHECKING:
    import pyarrow as pa

_BLOCK = 1 << 20  # bytes at a time; more do not fit the processor's cache
_WINDOW = 1 << 16  # a line without an end in one is longer than half of what a cell may be
_ONE_BYTE = ("ascii", "iso8859", "cp125")


def read_plain(
    raw: RawTable,
    path: Path,
    encoding: str,
    delimiter: str,
    wanted: Callable[[list[str]], Collection[str]],
    above: int = 0,
) -> bool:
    """Read header and rows of a plain file into `raw`; False, and nothing read, where the file is not plain.

    Args:
        raw: where to put them.
        path: the file, every byte of which is known to be one of the encoding.
        encoding: how it is encoded; a byte order mark is accepted.
        delimiter: what stands between two cells.
        wanted: given the header, the columns to keep.
        above: how many lines stand above the header.
    """
    name = codecs.lookup(encoding).name
    if not (name == "utf-8" or name.startswith(_ONE_BYTE)) or len(delimiter.encode()) != 1 or delimiter in '"\r\n':
        return False
    with path.open("rb") as source:
        first = [source.readline() for _ in range(above + 1)]
        if any(map(_is_odd, first)):
            return False
        head = first[-1].decode("utf-8-sig" if name == "utf-8" and not above else encoding)
        header = head.rstrip("\r\n").split(delimiter)
        names = set(wanted(header))
        keep = [n for n in header if n in names]
        if len(header) < 2 or doubled(header) or not keep:
            return False
        table = _table(_utf8(source, name), header, keep, delimiter)
    if table is None:
        return False
    raw.header = header
    columns = {n: pd.Series(table.column(n).combine_chunks().to_pandas(), dtype="str") for n in keep}
    raw.text = pd.DataFrame(columns)
    raw.record = np.arange(1, len(raw.text) + 1)
    raw.line = raw.record + 1 + above
    return True


def _table(blocks: Iterator[bytes], header: list[str], keep: list[str], delimiter: str) -> pa.Table | None:
    """The cells to keep, missing where they are empty; None where the lines are not plain, or there are none."""
    import pyarrow as pa
    import pyarrow.csv as arrow

    reading = arrow.ReadOptions(use_threads=False, block_size=4 * _BLOCK, column_names=header)
    parsing = arrow.ParseOptions(delimiter=delimiter, quote_char=False, ignore_empty_lines=False)
    converting = arrow.ConvertOptions(
        check_utf8=False,
        include_columns=keep,
        column_types=dict.fromkeys(keep, pa.large_string()),
        null_values=[""],
        strings_can_be_null=True,
    )
    parts = []
    for block in blocks:
        if _is_odd(block):
            return None
        try:
            parts.append(arrow.read_csv(pa.BufferReader(block), reading, parsing, converting))
        except pa.ArrowInvalid:
            return None
    return pa.concat_tables(parts) if parts else None


def _utf8(source: IO[bytes], encoding: str) -> Iterator[bytes]:
    """Blocks of whole lines, in UTF-8."""
    rest = b""
    while piece := source.read(_BLOCK):
        cut = piece.rfind(b"\n") + 1
        lines, rest = (rest + piece[:cut], piece[cut:]) if cut else (b"", rest + piece)
        if lines:
            yield lines if encoding == "utf-8" else lines.decode(encoding).encode()
    if rest:
        yield rest if encoding == "utf-8" else rest.decode(encoding).encode()


def _is_odd(lines: bytes) -> bool:
    """True where whole lines hold anything but plain rows, or one that is very long."""
    if b'"' in lines or lines.startswith((b"\n", b"\r")):
        return True
    if b"\r" in lines and (lines.count(b"\r") != lines.count(b"\r\n") or b"\n\r" in lines):
        return True
    ends = np.frombuffer(lines, np.uint8) == ord("\n")
    if (ends[1:] & ends[:-1]).any():  # an empty line; many times quicker than to search for two newlines
        return True
    full = range(0, len(lines) - _WINDOW, _WINDOW)
    return any(lines.find(b"\n", start, start + _WINDOW) < 0 for start in full)
