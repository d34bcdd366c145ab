"""Labels by their codes say what pandas says of the texts themselves."""

from __future__ import annotations

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st
from pandas.testing import assert_series_equal

from partnerkpi.book.labels import all_differ, as_text, distinct, in_order, occurring, places

CELLS = st.lists(st.sampled_from(["b", "a", "Z", "", "ä", None]), max_size=12)


def as_category(cells: list[str | None], first: list[str]) -> pd.Series:
    """The cells as a category with more names than occur, in an order of their own."""
    names = list(dict.fromkeys([*first, "unused", *(c for c in cells if c is not None)]))
    codes = [-1 if c is None else names.index(c) for c in cells]
    return pd.Series(pd.Categorical.from_codes(codes, pd.Index(names, dtype="str")))


@given(CELLS, st.permutations(["a", "b", "Z"]))
def test_a_category_is_its_texts(cells: list[str | None], first: list[str]) -> None:
    plain, label = pd.Series(cells, dtype="str"), as_category(cells, first)
    assert_series_equal(as_text(label), plain)
    codes, each = distinct(label)
    there = [c for c in cells if c is not None]
    assert each.tolist() == list(dict.fromkeys(there))
    assert [None if code < 0 else each[code] for code in codes] == cells
    used = label.cat.categories[occurring(label)]
    assert set(used) == set(there)
    known = pd.Series(["Z", "b"], dtype="str")
    expected = [{"Z": 0, "b": 1}.get(c or "", -1) for c in cells]
    assert places(label, known).tolist() == places(plain, known).tolist() == expected


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 3), st.booleans()), max_size=10), st.booleans())
def test_rows_all_differ_where_no_two_are_alike(rows: list[tuple[str, int, bool]], coded: bool) -> None:
    ids = pd.Series([r[0] for r in rows], dtype="str")
    days = pd.Series(np.array([r[1] for r in rows], dtype="datetime64[s]"))
    taken = np.array([r[2] for r in rows], dtype=bool)
    kept = [r[:2] for r in rows if r[2]]
    columns = [as_category(ids.tolist(), []) if coded else ids, days]
    assert all_differ(columns, taken) == (len(set(kept)) == len(kept))
    assert all_differ(columns[:1], taken) == (len({k[0] for k in kept}) == len(kept))


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), max_size=6))
def test_rows_are_in_order_where_sorting_moves_none(rows: list[tuple[int, int]]) -> None:
    keys = [np.array([r[i] for r in rows], dtype=np.int64) for i in (0, 1)]
    assert in_order(*keys) == (sorted(rows) == rows)
