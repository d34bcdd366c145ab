"""What a signal is made of: for each partner it is about, what was found, beside what, from which rows."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pandas as pd

#: A table indexed by `partner_id`, with the columns of `COLUMNS`.
Found = pd.DataFrame
#: - `value`, `usual`: what is, and what it stands beside: the partner's past, the others, the target;
#: - `n`: rows behind it; `stake`: money of a year that hangs on it; `effect`: one number more, as the kind says;
#: - `z`: of a test, the distance from chance, positive where it is good; `p`: how often chance does as much;
#: - `label`: what it is about (a channel, a deal, a day), `rows`: the ids of the rows behind it.
COLUMNS = ("value", "usual", "n", "stake", "effect", "z", "p", "label", "rows")
_TEXT = ("label",)


def found(value: Any, n: pd.Series, **others: Any) -> Found:
    """One line per partner of `n`; what is not given is missing."""
    index = pd.Index(n.index.astype("str"), name="partner_id")
    columns: dict[str, Any] = {}
    for name in COLUMNS:
        given = {"value": value, "n": n, **others}.get(name)
        if isinstance(given, pd.Series):
            own = given.index if given.index is n.index else given.index.astype("str")
            given = given.to_numpy() if own.equals(index) else given.set_axis(own).reindex(index).to_numpy()
        if name == "rows":
            listed = [()] * len(index) if given is None else given
            columns[name] = pd.Series([one if isinstance(one, tuple) else () for one in listed], index, dtype=object)
        elif name in _TEXT:
            columns[name] = pd.Series("" if given is None else given, index=index, dtype="str").fillna("")
        else:
            columns[name] = pd.Series(np.nan if given is None else given, index=index, dtype="float64")
    return pd.DataFrame(columns, index=index)


def kept(keep: np.ndarray, n: Any, value: Any, ids: pd.Index, rows: pd.Series, **others: Any) -> Found:
    """What was found of the partners to keep: `n`, `value` and the others are arrays along `ids`."""
    columns = {name: pd.Series(np.asarray(one)[keep], index=ids[keep]) for name, one in others.items()}
    counted, values = (pd.Series(np.asarray(one)[keep], index=ids[keep]) for one in (n, value))
    return found(values, counted, rows=rows, **columns)


def nobody() -> Found:
    """Found with nobody: the book does not record what is asked for."""
    return found(np.nan, pd.Series(dtype="float64"))


def grouped(values: pd.Series, partners: pd.Series) -> pd.Series:
    """The sum of the known values of each partner; rows without a partner are left out."""
    sums = values.astype("float64").groupby(partners.array, observed=True).sum()
    return sums.set_axis(pd.Index(sums.index.astype("str").to_numpy(dtype=object))).sort_index()


def ids_of(rows: pd.DataFrame, key: str) -> pd.Series:
    """The ids of each partner's rows, as tuples."""
    codes, names = pd.factorize(rows["partner_id"])
    order = np.argsort(codes.astype(np.min_scalar_type(-len(names) - 1)), kind="stable")  # short integers by radix
    ids = rows[key].array.take(order).to_numpy(dtype=object)
    ends = np.searchsorted(codes[order], np.arange(len(names) + 1))
    listed = [tuple(ids[begin:end]) for begin, end in itertools.pairwise(ends)]
    return pd.Series(listed, index=pd.Index(names.astype("str"), dtype="str"), dtype=object)
