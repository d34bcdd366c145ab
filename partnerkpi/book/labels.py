"""Label columns: categories that are sorted, and only those in use."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

#: So many cells tell whether few texts recur in a column.
SAMPLE = 4096
_MOST_CODES = 2**62


def as_label(values: pd.Series) -> pd.Series:
    """The column as a category with sorted categories, only those that occur."""
    if not isinstance(values.dtype, pd.CategoricalDtype):
        return values.astype("category")
    names = values.cat.categories
    if not len(names):
        return values
    used = occurring(values)
    if not names.is_monotonic_increasing:
        return values.cat.set_categories(pd.Index(sorted(names[used]), dtype=names.dtype))
    if used.all():
        return values
    place = np.append(np.cumsum(used) - 1, -1).astype(np.int32)
    kept = pd.CategoricalDtype(names[used], values.cat.ordered)
    codes = place[values.cat.codes.to_numpy()]
    return pd.Series(pd.Categorical.from_codes(codes, dtype=kept, validate=False), values.index, name=values.name)


def occurring(values: pd.Series) -> np.ndarray:
    """For each category of the column whether any row has it."""
    used = np.zeros(len(values.cat.categories) + 1, dtype=bool)
    used[pc.unique(pa.array(values.cat.codes.to_numpy())).to_numpy()] = True  # a missing value, −1, marks the last
    return used[:-1]


def occurring_in(frames: Iterable[pd.DataFrame], column: str) -> list[str]:
    """Every value that a label column has in any of these tables, in alphabetical order."""
    labels = [frame[column] for frame in frames if column in frame]
    return sorted(set().union(*(label.cat.categories[occurring(label)] for label in labels)))


def few(texts: int, cells: int) -> bool:
    """True where so few texts stand in a column that it pays to look at each once."""
    return 4 * texts <= cells


def few_at_first(texts: int, cells: int) -> bool:
    """True where the first cells of a column promise that, though in them fewer texts can recur."""
    return 3 * texts <= cells


def coded(text: pd.Series) -> pd.Series:
    """The text as a category where few texts recur, so that each is looked at once; else as it is."""
    first = text.iloc[:SAMPLE]
    if isinstance(text.dtype, pd.CategoricalDtype) or not few_at_first(first.nunique(), len(first)):
        return text
    codes, names = pd.factorize(text)
    if not few(len(names), len(text)):
        return text
    return pd.Series(pd.Categorical.from_codes(codes, pd.Index(names, dtype="str"), validate=False), index=text.index)


def as_text(values: pd.Series) -> pd.Series:
    """The column as text; that of a category is taken by its codes, for pandas would make an object of every cell."""
    if not isinstance(values.dtype, pd.CategoricalDtype):
        return values.astype("str")
    names = pd.Series(values.cat.categories, dtype="str").array
    codes = values.cat.codes.to_numpy()
    taken = names.take(codes, allow_fill=True) if len(names) else pd.array([None] * len(codes), dtype="str")
    return pd.Series(taken, index=values.index)


def texts_of(text: pd.Series) -> tuple[np.ndarray | None, pd.Series]:
    """What is to be looked at to know all of a column: its distinct texts and their places, or all its cells."""
    return distinct(text) if isinstance(text.dtype, pd.CategoricalDtype) else (None, text)


def distinct(text: pd.Series) -> tuple[np.ndarray, pd.Series]:
    """For each cell the place of its text among the distinct ones, −1 where it is missing; and these."""
    if not isinstance(text.dtype, pd.CategoricalDtype):
        codes, names = pd.factorize(text)
        return codes, pd.Series(names, dtype="str")
    codes, used = pd.factorize(text.cat.codes.to_numpy(), use_na_sentinel=True)
    if len(used) and (used == -1).any():  # a missing cell has a code of its own, and is none of the texts
        place = np.cumsum(used != -1) - 1
        place[used == -1] = -1
        codes, used = place[codes], used[used != -1]
    return codes, pd.Series(text.cat.categories, dtype="str").take(used).reset_index(drop=True)


def spread(of_each: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """What is true of each distinct text, for every cell; a missing one has none of it."""
    return np.append(of_each, False)[codes]


def first_known(one: pd.Series, other: pd.Series) -> pd.Series:
    """The first column's value where it has one, else the second's; both are categories of the same length."""
    names, (mine, theirs) = shared_codes([one, other])
    codes = np.where(mine >= 0, mine, theirs)
    return as_label(pd.Series(pd.Categorical.from_codes(codes, names), index=one.index))


def shared_codes(columns: Iterable[pd.Series]) -> tuple[pd.Index, list[np.ndarray]]:
    """All categories of the columns, sorted, and each column as positions among them; −1 is missing."""
    listed = list(columns)
    names = pd.Index(sorted(set().union(*(set(c.cat.categories) for c in listed))), dtype="str")
    coded = []
    for column in listed:
        place = np.append(names.get_indexer(pd.Index(column.cat.categories, dtype="str")), -1)
        place = place.astype(np.min_scalar_type(-len(names) - 1))
        coded.append(place[column.cat.codes.to_numpy()])
    return names, coded


def trimmed(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with a fresh index and without categories that no longer occur."""
    whole = isinstance(frame.index, pd.RangeIndex) and (frame.index.start, frame.index.step) == (0, 1)
    fresh = frame.copy(deep=False) if whole else frame.reset_index(drop=True)
    kept = {name: fresh[name] for name, kind in fresh.dtypes.items() if isinstance(kind, pd.CategoricalDtype)}
    labels = {name: label for name, column in kept.items() if (label := as_label(column)) is not column}
    return fresh.assign(**labels) if labels else fresh  # type: ignore[arg-type]


def among(texts: pd.Series, known: pd.Series) -> np.ndarray:
    """True where the text occurs among the known ones; a missing text does not."""
    return places(texts, known) >= 0


def places(texts: pd.Series, known: pd.Series) -> np.ndarray:
    """Where among the known texts, all different, each text stands; −1 where it is missing or not among them."""
    if not len(texts) or not len(known):
        return np.full(len(texts), -1, dtype=np.int32)
    codes, each = None, texts
    if isinstance(texts.dtype, pd.CategoricalDtype):
        codes, each = texts.cat.codes.to_numpy(), pd.Series(texts.cat.categories, dtype="str")
    one, other = (pa.array(as_text(column).array) for column in (each, known))  # no text becomes an object
    found = pc.fill_null(pc.index_in(one, value_set=other, skip_nulls=True), -1)
    place: np.ndarray = found.to_numpy(zero_copy_only=False)
    return place if codes is None else np.append(place, np.int32(-1))[codes]


def in_order(first: np.ndarray, second: np.ndarray) -> bool:
    """True where rows stand in the order of two keys, as those of most exports do."""
    later = first[1:] > first[:-1]
    later |= (first[1:] == first[:-1]) & (second[1:] >= second[:-1])
    return bool(later.all())


def all_differ(columns: Sequence[pd.Series], rows: np.ndarray) -> bool:
    """True where no two of the rows are alike in all of these columns, none of which is missing in them."""
    if len(columns) == 1 and not isinstance(columns[0].dtype, pd.CategoricalDtype):
        return bool(columns[0][rows].is_unique)
    number, most = np.zeros(int(rows.sum()), dtype=np.int64), 1
    for column in columns:
        codes, names = _codes_of(column)
        most *= max(names, 1)
        if most > _MOST_CODES:
            return False
        number = number * names + codes[rows]
    number.sort()  # numbers are put in order in a fraction of the time it takes to look each one up
    return not bool((number[1:] == number[:-1]).any())


def _codes_of(column: pd.Series) -> tuple[np.ndarray, int]:
    """Whole numbers, one for each value of the column, and how many there are at most."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        return column.cat.codes.to_numpy(), len(column.cat.categories)
    codes, names = pd.factorize(column)
    return codes, len(names)
