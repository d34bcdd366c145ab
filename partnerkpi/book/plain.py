"""Plain delimited files to text, by pyarrow: the same cells as `delimited` reads, many times quicker.

Plain is a file in which every line is one row as long as the header: no quote, no empty line, no other end of a line
than a newline with or without a return before it. Any other file is left to the reader that can say what is wrong.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from partnerkpi.book.labels import few, few_at_first
from partnerkpi.book.sources import RawTable, doubled, row_numbers

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
    *,
    coded: bool = False,
) -> bool:
    """Read header and rows of a plain file into `raw`; False, and nothing read, where the file is not plain.

    Args:
        raw: where to put them.
        path: the file, every byte of which is known to be one of the encoding.
        encoding: how it is encoded; a byte order mark is accepted.
        delimiter: what stands between two cells.
        wanted: given the header, the columns to keep.
        above: how many lines stand above the header.
        coded: columns in which few texts recur may be categories.
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
        table = _table(_utf8(source, name), header, keep, delimiter, coded=coded)
    if table is None:
        return False
    raw.header = header
    columns = {}
    for n in keep:
        columns[n] = _series(table.column(n))
        table = table.drop_columns(n)  # one column at a time is held twice
    raw.text = pd.DataFrame(columns, copy=False)
    raw.record = row_numbers(len(raw.text))
    raw.line = raw.record + np.int32(1 + above)
    return True


def _series(column: pa.ChunkedArray) -> pd.Series:
    """The cells as text, or as a category where they are a dictionary in which few texts recur."""
    import pyarrow as pa

    if not pa.types.is_dictionary(column.type):
        return pd.Series(_as_text(column.combine_chunks()))
    whole = column.unify_dictionaries().combine_chunks()
    names = pd.Index(_as_text(whole.dictionary))
    codes = whole.indices.fill_null(-1).to_numpy()
    if not few(len(names), len(codes)):
        return pd.Series(names.array.take(codes, allow_fill=True), dtype="str")
    return pd.Series(pd.Categorical.from_codes(codes, names, validate=False))


def _as_text(column: pa.Array) -> Any:
    """The same cells as pandas holds text, none of them copied."""
    text: Any = pd.StringDtype(na_value=np.nan)
    return text.__from_arrow__(column)


def _table(
    blocks: Iterator[bytes], header: list[str], keep: list[str], delimiter: str, *, coded: bool
) -> pa.Table | None:
    """The cells to keep, missing where they are empty; None where the lines are not plain, or there are none."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.csv as arrow

    reading = arrow.ReadOptions(use_threads=False, block_size=4 * _BLOCK, column_names=header)
    parsing = arrow.ParseOptions(delimiter=delimiter, quote_char=False, ignore_empty_lines=False)
    kinds: dict[str, pa.DataType] = dict.fromkeys(keep, pa.large_string())
    pool = pa.system_memory_pool()  # the others give every block's memory back, and take it anew

    def read(block: bytes) -> pa.Table:
        converting = arrow.ConvertOptions(
            check_utf8=False, include_columns=keep, column_types=kinds, null_values=[""], strings_can_be_null=True
        )
        return arrow.read_csv(pa.BufferReader(block), reading, parsing, converting, memory_pool=pool)

    parts: list[pa.Table] = []
    for block in blocks:
        if _is_odd(block):
            return None
        try:
            if coded and not parts:
                first = read(block)
                often = [n for n in keep if few_at_first(pc.count_distinct(first.column(n)).as_py(), len(first))]
                kinds |= dict.fromkeys(often, pa.dictionary(pa.int32(), pa.large_string()))
            parts.append(read(block))
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
