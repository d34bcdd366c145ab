"""What a signal is made of: for each partner it is about, what was found, beside what, from which rows."""

from __future__ import annotations

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
    table = pd.DataFrame(index=index)
    for name in COLUMNS:
        given = {"value": value, "n": n, **others}.get(name)
        if isinstance(given, pd.Series):
            given = given.set_axis(given.index.astype("str")).reindex(index)
        if name == "rows":
            table[name] = pd.Series([()] * len(index), index=index, dtype=object) if given is None else given
            table[name] = [one if isinstance(one, tuple) else () for one in table[name]]
        elif name in _TEXT:
            table[name] = pd.Series("" if given is None else given, index=index, dtype="str").fillna("")
        else:
            table[name] = pd.Series(np.nan if given is None else given, index=index).astype("float64")
    return table


def nobody() -> Found:
    """Found with nobody: the book does not record what is asked for."""
    return found(np.nan, pd.Series(dtype="float64"))


def grouped(values: pd.Series, partners: pd.Series) -> pd.Series:
    """The sum of the known values of each partner; rows without a partner are left out."""
    who = partners.astype("str").where(partners.notna())
    return values.astype("float64").groupby(who.to_numpy(dtype=object)).sum()


def ids_of(rows: pd.DataFrame, key: str) -> pd.Series:
    """The ids of each partner's rows, as tuples."""
    known = rows[rows["partner_id"].notna()]
    ids = known[key].astype("str").groupby(known["partner_id"].astype("str").to_numpy(dtype=object)).agg(tuple)
    return ids.astype(object) if len(ids) else pd.Series(dtype=object)
