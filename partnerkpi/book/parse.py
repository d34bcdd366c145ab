"""Text to amounts, numbers and days, strictly by what is declared.

Each function takes a column of text (missing where the cell was empty) and gives the values with, by rule, the rows
that do not follow it. A row that breaks a rule has no value.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

MOST_DECIMALS = 6
LARGEST = 1e12
_EXPONENT = "(?:[eE][-+]?[0-9]{1,3})?"

Masks = dict[str, np.ndarray]


@dataclass
class Parsed:
    """Values, the rows that break a rule, and decimals.

    `bad`: the row is unusable; `wrong`: the declaration is; `odd`: the value is right, but may not be what was meant.
    """

    values: pd.Series
    bad: Masks = field(default_factory=dict)
    wrong: Masks = field(default_factory=dict)
    odd: Masks = field(default_factory=dict)
    decimals: int = 0


def amounts(text: pd.Series, decimal: str = ".", thousands: str = "", *, declared: bool = True) -> Parsed:
    """Money: an optional sign, digits (grouped in threes by `thousands` or not at all), the decimal mark, digits, an
    exponent as spreadsheets write it.

    No currency sign, no brackets, nothing infinite. Where neither mark is declared, a column that could as well have a
    point between thousands ("1.234") is wrong as a whole.

    >>> amounts(pd.Series(["1.234,50", "12", "1,2E+07"], dtype="str"), ",", ".").values.tolist()
    [1234.5, 12.0, 12000000.0]
    >>> sorted(amounts(pd.Series(["$5"], dtype="str")).bad)
    ['not an amount']
    """
    digits = "[0-9]+"
    if thousands:
        digits = rf"(?:[0-9]{{1,3}}(?:{re.escape(thousands)}[0-9]{{3}})+|[0-9]+)"
    good = _matches(text, rf"[-+]?{digits}(?:{re.escape(decimal)}[0-9]+)?{_EXPONENT}")
    result = Parsed(pd.Series(np.nan, index=text.index))
    hint = "" if declared else " (decimal and thousands are not declared)"
    result.bad[f"not an amount{hint}"] = text.notna().to_numpy() & ~good
    plain = text.where(pd.Series(good, index=text.index))
    if thousands:
        plain = plain.str.replace(thousands, "", regex=False)
    if decimal != ".":
        plain = plain.str.replace(decimal, ".", regex=False)
    values = plain.astype("float64")
    raised = _holds(plain, "e") | _holds(plain, "E")
    after = _decimals(plain, raised)
    if not declared:
        doubtful = _matches(plain, r"[-+]?[1-9][0-9]{0,2}\.[0-9]{3}")
        if doubtful.any() and not (_holds(plain, ".") & ~doubtful).any():
            result.wrong["could be thousands or decimals: declare decimal and thousands"] = doubtful
            values = values.mask(pd.Series(doubtful, index=text.index))
    large = (values.abs() > LARGEST).to_numpy()
    result.bad["an amount beyond 1,000,000,000,000"] = large
    result.odd["written with an exponent: digits may be cut"] = ~large & raised
    result.bad, result.odd = _occurring(result.bad), _occurring(result.odd)
    result.decimals = min(MOST_DECIMALS, int(after[~large].max(initial=0)))
    if after.max(initial=0) > MOST_DECIMALS:
        values = values.round(MOST_DECIMALS)
    result.values = values.mask(pd.Series(large, index=text.index))
    return result


def numbers(text: pd.Series, decimal: str = ".") -> Parsed:
    """Rates and shares: an optional sign, digits, the decimal mark, digits, an exponent."""
    good = _matches(text, rf"[-+]?[0-9]+(?:{re.escape(decimal)}[0-9]+)?{_EXPONENT}")
    values = text.where(pd.Series(good, index=text.index)).str.replace(decimal, ".", regex=False).astype("float64")
    infinite = np.isinf(values.to_numpy())
    bad = {"not a number": text.notna().to_numpy() & ~good, "a number beyond all measure": infinite}
    return Parsed(values.mask(pd.Series(infinite, index=text.index)), _occurring(bad))


def _decimals(plain: pd.Series, raised: np.ndarray) -> np.ndarray:
    """How many decimals each number has, the exponent of those that have one counted in."""
    mantissa, exponent = plain, np.zeros(len(plain), dtype=np.int64)
    if raised.any():
        parts = plain[raised].str.lower().str.split("e")
        exponent[raised] = parts.str[1].astype("int64")
        mantissa = plain.mask(pd.Series(raised, index=plain.index), parts.str[0].reindex(plain.index))
    point = mantissa.str.find(".")
    after = (mantissa.str.len() - point - 1).where(point >= 0, 0).fillna(0).astype("int64").to_numpy()
    return np.maximum(after - exponent, 0)


def _occurring(masks: Masks) -> Masks:
    return {rule: mask for rule, mask in masks.items() if mask.any()}


def days(text: pd.Series, kind: str, declared: str, zone: str) -> Parsed:
    """Days, months and stamps, in the business time zone.

    A time with an offset is converted to the business zone first; one without is taken to be in it.

    Args:
        text: the cells.
        kind: `day` (midnight), `month` (midnight of its first day) or `stamp` (the time is kept).
        declared: the declared format; without one days are 2025-12-31, months 2025-12 or any day of it, and stamps may
            have a time (2025-12-31T23:30:00+01:00).
        zone: the business time zone.
    """
    codes, distinct = pd.factorize(text)
    unique = pd.Series(distinct, dtype="str")
    result = _unique_days(unique, kind, declared, zone)
    values = result.values.to_numpy(dtype="datetime64[s]")
    if kind != "stamp":
        values = values.astype("datetime64[D]").astype("datetime64[s]")
    if kind == "month":
        values = values.astype("datetime64[M]").astype("datetime64[s]")
    spread = np.append(values, np.datetime64("NaT", "s"))[codes]

    def rows(masks: Masks) -> Masks:
        return {rule: np.append(mask, False)[codes] for rule, mask in masks.items()}

    return Parsed(pd.Series(spread, index=text.index), rows(result.bad), rows(result.wrong))


def _unique_days(text: pd.Series, kind: str, declared: str, zone: str) -> Parsed:
    if declared:
        shapes = [(declared, _shape_of(declared))]
    else:
        shapes = [("%Y-%m-%d", "[0-9]{4}-[0-9]{2}-[0-9]{2}")]
        if kind == "month":
            shapes.append(("%Y-%m", "[0-9]{4}-[0-9]{2}"))
        if kind == "stamp":
            time = "[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:[.][0-9]{1,9})?)?"
            shapes += [("ISO8601", time), ("ISO8601+z", f"{time}(?:Z|[+-][0-9]{{2}}:?[0-9]{{2}})")]
    values = np.full(len(text), np.datetime64("NaT", "s"))
    shaped = np.zeros(len(text), dtype=bool)
    offset = np.zeros(len(text), dtype=bool)
    for form, shape in shapes:
        fits = _matches(text, shape) & ~shaped
        shaped |= fits
        if fits.any():
            aware = form.endswith("z")
            offset |= fits & aware
            values[fits] = _stamps(text[fits], form, zone, aware)
    result = Parsed(pd.Series(values))
    none = np.isnat(values)
    year = values.astype("datetime64[Y]").astype(np.int64) + 1970
    far = ~none & ((year < 1900) | (year > 2199))
    result.values = result.values.mask(pd.Series(far))
    bad = {
        "no such day in the calendar": shaped & none,
        "a year before 1900 or after 2199": far,
    }
    rest = ~shaped
    short = rest & _matches(text, r"[0-9]{1,2}[./-][0-9]{1,2}[./-][0-9]{2}(?:\D.*)?")
    serial = rest & _matches(text, r"[0-9]{5}(?:[.][0-9]+)?")
    undeclared = rest & _matches(text, r"[0-9]{1,2}[./-][0-9]{1,2}[./-][0-9]{4}(?:\D.*)?") & (not declared)
    wrong = {
        "a year of two digits, and no format with %y is declared": short,
        "declare the format: without one a day is written like 2025-12-31": undeclared,
    }
    form = declared or {"month": "2025-12", "stamp": "2025-12-31T23:30:00"}.get(kind, "2025-12-31")
    bad["a number as spreadsheets store days, not a day"] = serial
    bad[f"not written like {form}"] = rest & ~short & ~serial & ~undeclared
    mixed = shaped & ~offset & (text.str.len() > 10).fillna(False).to_numpy(dtype=bool)
    if offset.any() and mixed.any():
        wrong["times with and without an offset in one column"] = mixed
    result.bad, result.wrong = _occurring(bad), _occurring(wrong)
    return result


def _stamps(text: pd.Series, form: str, zone: str, aware: bool) -> np.ndarray:
    form = form.removesuffix("+z") if form.startswith("ISO") else form
    read = pd.to_datetime(text, format=form, errors="coerce", utc=aware)
    if aware:
        read = read.dt.tz_convert(zone).dt.tz_localize(None)
    return read.dt.floor("s").to_numpy(dtype="datetime64[s]")


_PIECES = {
    "Y": "[0-9]{4}", "y": "[0-9]{2}", "f": "[0-9]{1,9}", "z": "(?:Z|[+-][0-9]{2}:?[0-9]{2})", "b": "[A-Za-z]{3}",
    "B": "[A-Za-z]+", "p": "[AaPp][Mm]", **dict.fromkeys("mdHIMS", "[0-9]{1,2}"),
}  # fmt: skip


def _shape_of(form: str) -> str:
    parts = re.split(r"(%.)", form)
    return "".join(_PIECES[p[1]] if p.startswith("%") else re.escape(p) for p in parts)


def _holds(text: pd.Series, part: str) -> np.ndarray:
    """True where the cell holds the part."""
    return text.str.contains(part, regex=False).fillna(False).to_numpy(dtype=bool)


def _matches(text: pd.Series, shape: str) -> np.ndarray:
    """True where the whole cell has the shape; a missing cell has none."""
    return text.str.fullmatch(shape).fillna(False).to_numpy(dtype=bool)
