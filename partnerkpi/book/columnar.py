"""Parquet files to text: columns of any plain type, each in one known way.

Numbers have a point and no exponent, days are 2025-12-31, a time of day follows after a space, with `+00:00` where the
column has a time zone. A dictionary is only a way to store texts: none of its entries that no row names is kept.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from partnerkpi.book.cells import without_exponent
from partnerkpi.book.labels import SAMPLE, few, few_at_first
from partnerkpi.book.sources import Problem, RawTable, doubled, most, row_numbers

if TYPE_CHECKING:
    import pyarrow as pa

_MOST_CELLS = 250_000_000


def read_columns(
    path: Path, name: str, wanted: Callable[[list[str]], Collection[str]], *, coded: bool = False
) -> RawTable:
    """The text of a Parquet file.

    Args:
        path: the file.
        name: what to call it in faults.
        wanted: given the header, the columns to keep.
        coded: columns in which few values recur may be categories.

    Returns:
        The rows; what is wrong with the file is listed in `problems`, and then there may be no rows.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    raw = RawTable(name)
    with path.open("rb") as source:
        raw.sha256 = hashlib.file_digest(source, "sha256").hexdigest()
        source.seek(0)
        try:
            with pq.ParquetFile(source, page_checksum_verification=True) as file:
                _read(raw, file, wanted, coded=coded)
        except (pa.ArrowException, OSError, ValueError) as error:
            if isinstance(error, OSError) and error.errno:
                raise
            raw.problems.append(Problem(0, 0, "", "", "the file is no Parquet file, or damaged", "E"))
    return raw


def _read(raw: RawTable, file: Any, wanted: Callable[[list[str]], Collection[str]], *, coded: bool) -> None:
    schema = file.schema_arrow
    raw.header = list(schema.names)
    names = set(wanted(raw.header))
    keep = [name for name in raw.header if name in names]
    rows = file.metadata.num_rows
    rule = "" if raw.header else "the file has no columns"
    rule = doubled(raw.header) or rule
    if rows * max(1, len(keep)) > (allowed := most("PARTNERKPI_MOST_CELLS", _MOST_CELLS)):
        rule = (
            f"the file has {rows:,} rows of {len(keep)} columns, more than the {allowed:,} cells that are read "
            "unasked: set PARTNERKPI_MOST_CELLS in the environment if that is right"
        )
    if rule:
        raw.problems.append(Problem(0, 0, "", "", rule, "E"))
        return
    columns = {}
    for name in keep:
        column = file.read(columns=[name], use_threads=False).column(0)
        column.validate(full=True)  # else text that is none would only be noticed when it is shown
        text, raw_kind = (_categories(column) if coded else None) or _text(column, rows)
        if text is None:
            rule = f"the column holds {schema.field(name).type}, which is no plain value: write it as plain columns"
            raw.problems.append(Problem(0, 0, name, "", rule, "E"))
            continue
        empty = text == ""
        columns[name] = text.mask(empty) if empty.any() else text
        if raw_kind:
            raw.typed[name] = raw_kind
    raw.text = pd.DataFrame(columns, index=range(rows), copy=False)
    raw.record = row_numbers(rows)
    raw.line = np.zeros_like(raw.record)


def _categories(column: pa.ChunkedArray) -> tuple[pd.Series, str] | None:
    """A column in which few values recur, the text of each made once; None where many do, or it is no plain one."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.types as kinds

    if not (kinds.is_primitive(column.type) or kinds.is_string(column.type) or kinds.is_large_string(column.type)):
        return None
    if kinds.is_boolean(column.type) or kinds.is_float16(column.type):
        return None
    if kinds.is_floating(column.type):
        column = pc.if_else(pc.is_nan(column), None, column)
    first = column.slice(0, SAMPLE)
    if not few_at_first(pc.count_distinct(first).as_py(), len(first)):
        return None
    whole = pa.chunked_array(column.dictionary_encode()).unify_dictionaries().combine_chunks()
    if not len(column) or not few(len(whole.dictionary), len(column)):
        return None
    text, kind = _text(pa.chunked_array([whole.dictionary]), len(whole.dictionary))
    if text is None or not text.is_unique:
        return None
    codes = whole.indices.fill_null(-1).to_numpy()
    filled = (text != "").to_numpy(dtype=bool)
    if not filled.all():
        codes = np.append(np.where(filled, np.cumsum(filled) - 1, -1), -1).astype(np.int32)[codes]
    return pd.Series(pd.Categorical.from_codes(codes, pd.Index(text[filled], dtype="str"), validate=False)), kind


def _text(column: pa.ChunkedArray, rows: int) -> tuple[pd.Series | None, str]:
    """A column as text and what it holds; None where that has no text."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.types as kinds

    kind = column.type
    if kinds.is_dictionary(kind):
        return _text(column.cast(kind.value_type), rows)
    if kinds.is_run_end_encoded(kind):
        return _text(pc.run_end_decode(column), rows)
    if kinds.is_null(kind):
        return pd.Series(np.nan, index=range(rows), dtype="str"), ""
    if kinds.is_boolean(kind):
        return _series(pc.if_else(column, "TRUE", "FALSE")), ""
    if kinds.is_floating(kind):
        known = pc.if_else(pc.is_nan(column), None, column)
        wide = known.cast(pa.float32()) if kinds.is_float16(kind) else known
        return _plain(_series(wide.cast(pa.string()))), "number"
    if kinds.is_decimal(kind) or kinds.is_integer(kind):
        return _plain(_series(column.cast(pa.string()))), "number"
    if kinds.is_date(kind):
        return _series(column.cast(pa.date32()).cast(pa.string())), "day"
    if kinds.is_timestamp(kind):
        text = _series(column.cast(pa.timestamp(kind.unit)).cast(pa.string()))
        return text + "+00:00" if kind.tz else text, "stamp"
    if kinds.is_time(kind) or kinds.is_string(kind) or kinds.is_large_string(kind) or kinds.is_string_view(kind):
        return _series(column.cast(pa.large_string())), ""
    return None, ""


def _series(column: pa.ChunkedArray) -> pd.Series:
    return pd.Series(column.to_pandas(), dtype="str").reset_index(drop=True)


def _plain(text: pd.Series) -> pd.Series:
    raised = text.str.contains("e", case=False, regex=False)
    padded = text.str.endswith("0") & text.str.contains(".", regex=False)
    odd = (raised | padded).fillna(False).astype(bool)
    return text.mask(odd, text[odd].map(without_exponent)) if odd.any() else text
