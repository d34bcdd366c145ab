"""Targets as rows, so that a figure against its target is a ratio of sums like any other."""

import numpy as np
import pandas as pd

from partnerkpi.book import Book
from partnerkpi.kpi import NotRecorded
from partnerkpi.periods import Quarter


def target_rows(book: Book, quarter: Quarter, measure: str = "won_amount") -> pd.DataFrame:
    """The quarter's targets in column `of`, none of them counted; at one level, so that nothing is added twice.

    A book may set targets per partner, per rep, per unit or for the whole: the first of these that it has is used.

    Raises:
        NotRecorded: the book has no target for the quarter.
    """
    table = book.targets
    table = table[(table["quarter"] == quarter.label) & (table["measure"].fillna("won_amount") == measure)]
    for level in ("partner_id", "rep", "unit"):
        if table[level].notna().any():
            table = table[table[level].notna()]
            break
    if table.empty:
        raise NotRecorded("no target is recorded for the quarter")
    keys = table[["partner_id", "rep", "unit"]]
    return keys.assign(value=0.0, of=table["amount"].to_numpy(dtype=np.float64), counted=False)
