"""Text to amounts, numbers and days, strictly by what is declared.

Each function takes a column of text (missing where the cell was empty) and gives the values with, by rule, the rows
that do not follow it. A row that breaks a rule has no value.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from decimal import Decimal

import numpy as np
import pandas as pd

from partnerkpi.book.currencies import SIGN, meant_by
from partnerkpi.book.declarations import SERIALS
from partnerkpi.book.keys import OF_BOOK

MOST_DECIMALS = 6
LARGEST: float = OF_BOOK["largest_amount"].default
_EXPONENT = "(?:[eE][-+]?[0-9]{1,3})?"
#: Every kind of space that may stand between thousands; a minus that is no hyphen.
SPACES = " \u00a0\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f"
MINUS = "\u2212"
_DOUBT = "could be thousands or decimals: declare decimal and thousands"
_APOSTROPHES = "'\u2019"
_GAP = f"[{SPACES}]*"
_MONEY = re.compile(
    rf"(?P<minus>[-+]?){_GAP}(?P<outer>{SIGN}?){_GAP}(?P<open>\()?{_GAP}(?P<before>{SIGN}?){_GAP}(?P<sign>[-+]?){_GAP}"
    rf"(?P<figures>[0-9][^()]*?){_GAP}(?P<inner>{SIGN}?){_GAP}(?(open)\)){_GAP}(?P<after>{SIGN}?)"
)
#: The marks of the world's numbers: decimal, thousands. A group alone ("1.234") fits two of them, and is not guessed.
_WAYS = ((".", ""), (",", ""), (".", ","), (",", "."), (",", " "), (".", " "), (".", "'"), (",", "'"))

_SERIAL = "[0-9]{1,6}(?:[.,][0-9]+)?"  # days, and as a fraction the time of day

Masks = dict[str, np.ndarray]


@dataclass
class Parsed:
    """Values, the rows that break a rule, and decimals.

    `bad`: the row is unusable; `wrong`: the declaration is; `odd`: the value is right, but may not be what was meant.
    `signs`: the currency's sign or code in each cell, empty where there is none.
    """

    values: pd.Series
    bad: Masks = field(default_factory=dict)
    wrong: Masks = field(default_factory=dict)
    odd: Masks = field(default_factory=dict)
    decimals: int = 0
    signs: pd.Series | None = None

    def over(self, codes: np.ndarray | None) -> Parsed:
        """The same for cells of which these are the distinct texts, each cell at its place; itself where none is given.

        A cell at −1 is missing, and breaks no rule.
        """
        if codes is None:
            return self
        values = pd.Series(self.values.array.take(codes, allow_fill=True))
        bad, wrong, odd = (
            {r: np.append(m, False)[codes] for r, m in part.items()} for part in (self.bad, self.wrong, self.odd)
        )
        signs = None if self.signs is None else pd.Series(self.signs.array.take(codes, allow_fill=True), dtype="str")
        return Parsed(values, bad, wrong, odd, self.decimals, None if signs is None else signs.fillna(""))


def amounts(
    text: pd.Series, decimal: str = ".", thousands: str = "", *, declared: bool = True, largest: float = LARGEST
) -> Parsed:
    """Money: an optional sign, digits (grouped in threes by `thousands` or not at all), the decimal mark, digits, an
    exponent as spreadsheets write it.

    A currency's sign or code may stand before or after it, brackets around it make it negative. Nothing is infinite,
    and nothing beyond `largest`.
    Where neither mark is declared, a column that could as well have a point between thousands ("1.234") is wrong as a
    whole. A rule that breaks in some cells says what to declare where that would cure it.

    >>> amounts(pd.Series(["1.234,50", "(12 €)", "1,2E+07"], dtype="str"), ",", ".").values.tolist()
    [1234.5, -12.0, 12000000.0]
    >>> sorted(amounts(pd.Series(["five", "7"], dtype="str")).bad)
    ['not an amount']
    """
    shape = _number(decimal, thousands)
    good = _matches(text, shape)
    plain = text
    result = Parsed(pd.Series(np.nan, index=text.index))
    if not (good | text.isna().to_numpy()).all():
        plain, result.signs = _bare(text, ~good)
        good = _matches(plain, shape)
    result.bad |= _no_amounts(plain, text.notna().to_numpy() & ~good, decimal, thousands, declared=declared)
    plain = _as_written_here(plain.where(pd.Series(good, index=text.index)), decimal, thousands)
    values = plain.astype("float64")
    raised = _holds(plain, "e") | _holds(plain, "E")
    after = _decimals(plain, raised)
    if not declared:
        doubtful = _matches(plain, r"[-+]?[1-9][0-9]{0,2}\.[0-9]{3}")
        proof = _holds(plain, ".") & ~doubtful
        beside = np.zeros(len(text), dtype=bool) if result.signs is None else (result.signs != "").to_numpy()
        if doubtful.any() and not proof.any():
            result.wrong[_DOUBT] = doubtful
        elif (doubtful & beside).any() and not (proof & beside).any():
            doubtful = doubtful & beside  # who writes a sign is another than who proved the point
            result.bad[_DOUBT] = doubtful
        else:
            doubtful = np.zeros(len(text), dtype=bool)
        values = values.mask(pd.Series(doubtful, index=text.index))
    large = (values.abs() > largest).to_numpy()
    result.bad[f"an amount beyond {largest:,.15g}"] = large
    result.odd["written with an exponent: digits may be cut"] = ~large & raised
    result.bad, result.odd = _occurring(result.bad), _occurring(result.odd)
    result.decimals = min(MOST_DECIMALS, int(after[~large & ~result.bad.get(_DOUBT, large)].max(initial=0)))
    if after.max(initial=0) > MOST_DECIMALS:
        values = values.round(MOST_DECIMALS)
    result.values = values.mask(pd.Series(large, index=text.index))
    return result


def numbers(text: pd.Series, decimal: str = ".", thousands: str = "") -> Parsed:
    """Rates and shares: an optional sign, digits, the decimal mark, digits, an exponent; or so many percent.

    >>> numbers(pd.Series(["0.12", "12 %", "−1"], dtype="str")).values.tolist()
    [0.12, 0.12, -1.0]
    """
    plain = text.str.strip()
    percent = _matches(plain, rf".*[0-9][{SPACES}]*%")
    shape = _number(decimal, thousands)
    if percent.any():
        plain = plain.str.replace(rf"[{SPACES}]*%$", "", regex=True)
    plain = plain.str.replace(MINUS, "-", regex=False)
    good = _matches(plain, shape)
    whole = _as_written_here(plain.where(pd.Series(good, index=text.index)), decimal, thousands)
    if percent.any():  # two places to the left, in the figures as they are written: no rounding
        moved = whole[percent & good].map(lambda figures: str(Decimal(figures).scaleb(-2)))
        whole = whole.mask(pd.Series(percent & good, index=text.index), moved.reindex(text.index).astype("str"))
    values = whole.astype("float64")
    infinite = np.isinf(values.to_numpy())
    unread = text.notna().to_numpy() & ~good
    bad = {"not a number": unread, "a number beyond all measure": infinite}
    other = "," if decimal == "." else "."
    if unread.any() and _matches(plain[unread | good], _number(other, "")).all():
        bad = {f'not a number: say decimal = "{other}"': unread, "a number beyond all measure": infinite}
    return Parsed(values.mask(pd.Series(infinite, index=text.index)), _occurring(bad))


def _number(decimal: str, thousands: str) -> str:
    """The shape of a number whose thousands may be grouped."""
    digits = "[0-9]+"
    if thousands:
        alike = next((kind for kind in (SPACES, _APOSTROPHES) if thousands in kind), thousands)
        mark = f"[{alike}]"
        digits = rf"(?:[1-9][0-9]{{0,2}}(?:{mark}[0-9]{{3}})+|[0-9]+)"
    return rf"[-+]?{digits}(?:{re.escape(decimal)}[0-9]+)?{_EXPONENT}"


def _as_written_here(plain: pd.Series, decimal: str, thousands: str) -> pd.Series:
    """Numbers of that shape without thousands marks and with a decimal point."""
    if thousands and thousands in SPACES + _APOSTROPHES:
        plain = plain.str.replace(f"[{SPACES}{_APOSTROPHES}]", "", regex=True)
    elif thousands:
        plain = plain.str.replace(thousands, "", regex=False)
    return plain.str.replace(decimal, ".", regex=False) if decimal != "." else plain


def _bare(text: pd.Series, rows: np.ndarray) -> tuple[pd.Series, pd.Series]:
    """The cells of the rows without currency, brackets and spaces around, and the currency's sign or code of each.

    A cell that is not of this kind stays as it is.
    """
    codes, distinct = pd.factorize(text.where(pd.Series(rows, index=text.index)))
    bare, signs = [], []
    for cell in map(str, distinct):
        found = _MONEY.fullmatch(cell.strip().replace(MINUS, "-"))
        beside = [s for s in found.group("outer", "before", "inner", "after") if s] if found else []
        below = [s for s in found.group("minus", "open", "sign") if s] if found else []
        if found is None or len(beside) > 1 or len(below) > 1 or not all(map(meant_by, beside)):
            bare.append(cell)
            signs.append("")
            continue
        bare.append(("-" if below and below[0] != "+" else "") + found["figures"])
        signs.append("".join(beside))
    cells = np.array([*bare, None], dtype=object)[codes]
    plain = text.mask(pd.Series(rows, index=text.index), pd.Series(cells, index=text.index, dtype="str"))
    return plain, pd.Series(np.array([*signs, ""], dtype=object)[codes], index=text.index, dtype="str")


def _no_amounts(plain: pd.Series, rows: np.ndarray, decimal: str, thousands: str, *, declared: bool) -> Masks:
    """The rows by what is wrong with them, with the declaration under which they could be read."""
    if not rows.any():
        return {}
    if declared:
        marks = f'decimal = "{decimal}"' + (f' and thousands = "{thousands}"' if thousands else "")
        numeric = rows & _matches(plain, "[-+]?[0-9].*")
        return {f"not an amount with {marks}": numeric, "not an amount": rows & ~numeric}
    fits = {way: _matches(plain, _number(*way)) for way in _WAYS}
    some = np.logical_or.reduce(list(fits.values()))
    all_of = [way for way, fit in fits.items() if (fit | ~some).all()]
    curable = rows & some
    return {f"not an amount: {_say(all_of)}": curable, "not an amount": rows & ~curable}


def _say(ways: list[tuple[str, str]]) -> str:
    """What to declare where these marks would all read the column: nothing that is not the same in all of them."""
    decimals, marks = sorted({d for d, _ in ways}), sorted({t for _, t in ways})
    if len(decimals) == 1:
        needed = "" if "" in marks else marks[0] if len(marks) == 1 else "?"
        says = f'say decimal = "{decimals[0]}"' + (f' and thousands = "{needed}"' if needed else "")
    elif len(marks) == 1 and marks[0]:
        says = f'say thousands = "{marks[0]}"'
    else:
        return "declare decimal and thousands"
    return "declare decimal and thousands" if "?" in says else says


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


def days(text: pd.Series, kind: str, declared: str, zone: str, times: str = "") -> Parsed:
    """Days, months and stamps, in the business time zone.

    A time with an offset is converted to the business zone first; a literal Z is the offset of UTC. One without is
    taken to be in the business zone, or in that of `times`.

    Args:
        text: the cells.
        kind: `day` (midnight), `month` (midnight of its first day) or `stamp` (the time is kept).
        declared: the declared format; without one they are written as ISO 8601 has it, 2025-12-31, months also 2025-12,
            each with a time or without (2025-12-31T23:30:00+01:00).
        zone: the business time zone.
        times: the zone of times without an offset, where it is not the business zone.
    """
    codes, distinct = pd.factorize(text)
    unique = pd.Series(distinct, dtype="str")
    result = _unique_days(unique, kind, re.sub(r"(?<=%[SfMH])Z$", "%z", declared), zone, times)
    values = result.values.to_numpy(dtype="datetime64[s]")
    if kind != "stamp":
        values = values.astype("datetime64[D]").astype("datetime64[s]")
    if kind == "month":
        values = values.astype("datetime64[M]").astype("datetime64[s]")
    return Parsed(pd.Series(values), result.bad, result.wrong).over(codes)


def _unique_days(text: pd.Series, kind: str, declared: str, zone: str, times: str) -> Parsed:
    if declared:
        shapes = [(declared, _SERIAL if declared in SERIALS else _shape_of(declared))]
    else:
        shapes = [("%Y-%m-%d", "[0-9]{4}-[0-9]{2}-[0-9]{2}")]
        if kind == "month":
            shapes.append(("%Y-%m", "[0-9]{4}-[0-9]{2}"))
        if not _matches(text, shapes[0][1]).all():
            time = "[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:[.][0-9]{1,9})?)?"
            shapes += [("ISO8601", time), ("ISO8601%z", f"{time} ?(?:Z|UTC|[+-][0-9]{{2}}(?::?[0-9]{{2}})?)")]
    values = np.full(len(text), np.datetime64("NaT", "s"))
    shaped = np.zeros(len(text), dtype=bool)
    offset = np.zeros(len(text), dtype=bool)
    skipped = np.zeros(len(text), dtype=bool)
    for form, shape in shapes:
        fits = _matches(text, shape) & ~shaped
        shaped |= fits
        if fits.any():
            aware = "%z" in form
            offset |= fits & aware
            values[fits] = _stamps(text[fits], form, zone, aware)
            if times and not aware and (form == "ISO8601" or re.search("%[HIMSf]", form)):
                moved = _moved(values[fits], times, zone)
                skipped[fits] = np.isnat(moved) & ~np.isnat(values[fits])
                values[fits] = moved
    result = Parsed(pd.Series(values))
    none = np.isnat(values)
    year = values.astype("datetime64[Y]").astype(np.int64) + 1970
    far = ~none & ((year < 1900) | (year > 2199))
    result.values = result.values.mask(pd.Series(far))
    bad = {
        "no such day in the calendar": shaped & none & ~skipped,
        f"a time at which the clocks of {times} were changed": skipped,
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
    wrong |= {f"{rule}{_forms(text[rows])}": rows for rule, rows in [wrong.popitem()]}
    form = declared or {"month": "2025-12", "stamp": "2025-12-31T23:30:00"}.get(kind, "2025-12-31")
    bad['a number as spreadsheets store days, not a day: if it is one, say dates = "excel-1900"'] = serial
    bad[f"not written like {form}"] = rest & ~short & ~serial & ~undeclared
    mixed = shaped & ~offset & (text.str.len() > 10).fillna(False).to_numpy(dtype=bool)
    if offset.any() and mixed.any() and not times:
        wrong['times with and without an offset in one column: say times = "UTC", or where they are from'] = mixed
    result.bad, result.wrong = _occurring(bad), _occurring(wrong)
    return result


def _forms(text: pd.Series) -> str:
    """The formats that would read all of these, as the end of a sentence; nothing where none does."""
    mark = re.search("[./-]", str(text.iloc[0])) if len(text) else None
    if mark is None:
        return ""
    days = [mark[0].join(order) for order in (("%d", "%m", "%Y"), ("%m", "%d", "%Y"))]
    forms = [day + time for day in days for time in ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p")]
    fits = [form for form in forms if _matches(text, _shape_of(form)).all()]
    fits = [form for form in fits if pd.to_datetime(text, format=form, errors="coerce").notna().all()]
    return ". It could be " + " or ".join(f'dates = "{form}"' for form in fits) if fits else ""


def _stamps(text: pd.Series, form: str, zone: str, aware: bool) -> np.ndarray:
    if form in SERIALS:
        return _of_serials(text, form)
    if form.startswith("ISO"):
        form = form.removesuffix("%z")
        if aware:
            text = text.str.replace(" ?UTC$", "Z", regex=True).str.replace(r" (?=[Z+-])", "", regex=True)
    read = pd.to_datetime(text, format=form, errors="coerce", utc=aware)
    if aware:
        read = read.dt.tz_convert(zone).dt.tz_localize(None)
    return read.dt.floor("s").to_numpy(dtype="datetime64[s]")


def _moved(values: np.ndarray, times: str, zone: str) -> np.ndarray:
    """Times of one zone as the clocks of another show them; none where the first's clocks skip or repeat the hour."""
    there = pd.Series(values).dt.tz_localize(times, ambiguous="NaT", nonexistent="NaT")
    return there.dt.tz_convert(zone).dt.tz_localize(None).to_numpy(dtype="datetime64[s]")


def _of_serials(text: pd.Series, form: str) -> np.ndarray:
    """Days that spreadsheets count; before March 1900 they count one that never was, and nothing is read."""
    numbers = text.str.replace(",", ".", regex=False).astype("float64").to_numpy()
    seconds = np.rint(numbers * 86_400).astype("int64").astype("timedelta64[s]")
    values = np.datetime64(SERIALS[form], "s") + seconds
    return np.where(numbers < (61 if form == "excel-1900" else 0), np.datetime64("NaT", "s"), values)


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
