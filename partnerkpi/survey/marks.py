"""How a column is written: decimal and thousands mark, order of a day's parts. On every cell, and never by majority.

A reading is *found* when all cells fit it and no other; where two fit all cells it is a doubt with the count of rows
that would decide; where a few cells fit none they are listed as exceptions.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from partnerkpi.book.currencies import SIGN, meant_by
from partnerkpi.book.meaning import NO, YES
from partnerkpi.survey.words import CURRENCY_NAMES, NOTHING, folded

ISO = ""
_SPACES = "\u00a0\u202f\u2009\u2007 "
_AMOUNT = re.compile(r"[0-9][0-9.,'’\s]*(?:[eE][-+]?[0-9]{1,3})?")
_BESIDE = re.compile(rf"%|{SIGN}(?![A-Za-z])")
_SIGN = re.compile(rf"[-+\u2212()\s]|%|{SIGN}(?![A-Za-z])")
_TIME = {"": "", " %H:%M": r" [0-9]{1,2}:[0-9]{2}", " %H:%M:%S": r" [0-9]{1,2}:[0-9]{2}:[0-9]{2}",
         " %I:%M %p": r" [0-9]{1,2}:[0-9]{2} [AaPp][Mm]", " %I:%M:%S %p": r" [0-9]{1,2}:[0-9]{2}:[0-9]{2} [AaPp][Mm]",
         ", %H:%M": r", [0-9]{1,2}:[0-9]{2}", ", %I:%M %p": r", [0-9]{1,2}:[0-9]{2} [AaPp][Mm]"}  # fmt: skip
_ISO_SHAPE = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"(?:[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:[.][0-9]{1,9})?)?(?:Z| ?[+-][0-9]{2}:?[0-9]{2})?)?"
)
_COMPACT = "%Y%m%d"
_DAYS = ("%d{s}%m{s}%Y", "%m{s}%d{s}%Y", "%d{s}%m{s}%y", "%m{s}%d{s}%y", "%Y{s}%m{s}%d")
_NAMED = ("%d %b %Y", "%d-%b-%Y", "%d-%b-%y", "%b %d, %Y", "%d %B %Y", "%B %d, %Y", "%d. %B %Y")
_SHAPES = {"%d": "[0-9]{1,2}", "%m": "[0-9]{1,2}", "%Y": "[0-9]{4}", "%y": "[0-9]{2}", "%b": "[A-Za-z]{3}",
           "%B": "[A-Za-z]{3,9}"}  # fmt: skip
_ENOUGH = 0.98  # of the cells must fit a reading, else the column is something else


@dataclass
class Column:
    """One column as it is filled: counts, how often each value stands, and what its values could be.

    `nothing`: the texts among them that stand for an empty cell, with how often; `exceptions`: cells that are not
    written like the rest, each with its first line.
    """

    name: str
    rows: int
    counts: pd.Series
    kind: str = "text"
    formats: tuple[str, ...] = ()
    nothing: dict[str, int] = field(default_factory=dict)
    exceptions: list[str] = field(default_factory=list)
    signs: dict[str, int] = field(default_factory=dict)

    @property
    def filled(self) -> int:
        """How many cells are not empty."""
        return int(self.counts.sum())

    @property
    def distinct(self) -> int:
        """How many different values there are."""
        return len(self.counts)

    @property
    def unique(self) -> bool:
        """True when every row has a value and no two the same."""
        return self.rows > 1 and self.filled == self.rows == self.distinct

    @property
    def values(self) -> list[str]:
        """The different values, the most frequent first."""
        return [str(v) for v in self.counts.index]


def column(name: str, text: pd.Series, lines: np.ndarray) -> Column:
    """What the column holds: `empty`, `day`, `number`, `flag` or `text`."""
    counts = text.value_counts()
    made = Column(name, len(text), counts)
    if not len(counts):
        made.kind = "empty"
        return made
    values = made.values
    if len(values) <= 4 and set(values) <= YES | NO:
        made.kind = "flag"
        return made
    nothing = {v: int(counts[v]) for v in values if v.strip() in NOTHING}
    rest = [v for v in values if v not in nothing]
    if not rest:
        return made
    weight = {v: int(counts[v]) for v in rest}
    total = sum(weight.values())
    if any(c.isdigit() for c in rest[0]):
        readings = {form: [v for v in rest if v not in good] for form, good in _day_readings(rest)}
        left = {form: sum(weight[v] for v in bad) for form, bad in readings.items()}
        if left and min(left.values()) <= (1 - _ENOUGH) * total:
            fewest = min(left.values())
            made.kind, made.formats = "day", tuple(f for f, n in left.items() if n == fewest)
            made.nothing = nothing
            made.exceptions = _placed(readings[made.formats[0]], text, lines)
            return made
    numeric = [v for v in rest if is_amount(v)]
    if numeric and sum(weight[v] for v in numeric) >= _ENOUGH * total and not _like_ids(numeric):
        made.kind, made.nothing = "number", nothing
        made.exceptions = _placed([v for v in rest if v not in set(numeric)], text, lines)
        for value in numeric:
            if sign := sign_of(value):
                made.signs[sign] = made.signs.get(sign, 0) + weight[value]
    return made


def _placed(values: Iterable[str], text: pd.Series, lines: np.ndarray) -> list[str]:
    """At most five of the values, each with its first line."""
    shown = []
    for value in list(values)[:5]:
        where = np.flatnonzero((text == value).to_numpy(dtype=bool))
        shown.append(f"{value!r} (line {lines[where[0]]})")
    return shown


def _like_ids(values: list[str]) -> bool:
    return any(len(v) > 1 and v[0] == "0" and v.isdigit() for v in values)


def _day_readings(values: list[str]) -> list[tuple[str, set[str]]]:
    """The formats that some of the values fit, each with those values."""
    found: list[tuple[str, set[str]]] = []
    iso = {v for v in values if _ISO_SHAPE.fullmatch(v)}
    if iso:
        found.append((ISO, iso))
    first = next((v for v in values if v not in iso), "")
    separators = [s for s in "/.-" if s in first]
    candidates = [form.format(s=s) + time for s in separators for form in _DAYS for time in _TIME]
    candidates += [form + time for form in _NAMED for time in _TIME]
    candidates += [_COMPACT] if len(first) == 8 and first.isdigit() else []
    for form in candidates:
        shape = re.compile(_shape(form) if form != _COMPACT else "(19|20)[0-9]{6}")
        if not shape.fullmatch(first) and not any(shape.fullmatch(v) for v in values[1:20]):
            continue
        good = {v for v in values if shape.fullmatch(v)}
        if form == "%Y-%m-%d" and iso:
            continue
        listed = sorted(good)
        read = pd.to_datetime(pd.Series(listed, dtype="str"), format=form, errors="coerce")
        years = read.dt.year
        fit = read.notna() & years.between(1900, 2199)
        good = {v for v, ok in zip(listed, fit, strict=True) if ok}
        if good:
            found.append((form, good))
    return found


def _shape(form: str) -> str:
    time = next((t for t in sorted(_TIME, key=len, reverse=True) if t and form.endswith(t)), "")
    day = form.removesuffix(time) if time else form
    parts = re.split(r"(%.)", day)
    return "".join(_SHAPES[p] if p.startswith("%") else re.escape(p) for p in parts) + _TIME[time]


def days_of(text: pd.Series, form: str) -> pd.Series:
    """The days of a column under a format, missing where a cell does not fit."""
    if form == ISO:
        cut = text.where(text.str.fullmatch(_ISO_SHAPE.pattern).fillna(False)).str[:10]
        return pd.to_datetime(cut, format="%Y-%m-%d", errors="coerce").astype("datetime64[s]")
    read = pd.to_datetime(text, format=form, errors="coerce")
    return read.dt.normalize().astype("datetime64[s]")


def bare(value: str) -> str:
    """The digits and marks of an amount, without sign, currency, percent or brackets."""
    return "".join("" if c in _SPACES else c for c in _SIGN.sub("", value)).strip()


def is_amount(value: str) -> bool:
    """True when the cell is a number, with a currency's sign or code, a percent or brackets perhaps."""
    core = bare(value)
    return bool(core) and bool(_AMOUNT.fullmatch(core)) and len(value) < 40


def sign_of(value: str) -> str:
    """The currency's sign or code in the cell, or `%`."""
    found = _BESIDE.search(value)
    sign = found.group() if found else ""
    return sign if sign == "%" or meant_by(sign) else ""


def currency_of(text: str) -> str:
    """The currency a sign, code or name stands for; empty where nobody knows, or several have it."""
    meant = meant_by(text)
    return meant[0] if len(meant) == 1 else CURRENCY_NAMES.get(folded(text), "")


def likely_currency(sign: str) -> str:
    """The likeliest currency of a sign that several have."""
    return next(iter(meant_by(sign)), "")


@dataclass
class Marks:
    """Decimal and thousands mark of a table's amounts: declared where `sure`, else in doubt."""

    decimal: str = "."
    thousands: str = ""
    needed: bool = False
    sure: bool = True
    evidence: str = ""


def marks_of(columns: Iterable[Column]) -> Marks:
    """The marks that every amount of the columns fits."""
    counts: dict[str, int] = {}
    for one in columns:
        for value in one.values:
            if value not in one.nothing and is_amount(value):
                core = re.sub(r"[eE][-+]?[0-9]+$", "", _SIGN_ONLY.sub("", value).strip())
                counts[core] = counts.get(core, 0) + int(one.counts[value])
    marked = {v: n for v, n in counts.items() if not v.isdigit()}
    if not marked:
        return Marks(evidence="whole numbers only")
    fits: list[tuple[str, str, int]] = []
    for decimal in ".,":
        for thousands in ("", *(m for m in (".", ",", " ", "'", "’") if m != decimal)):
            shape = _amount_shape(decimal, thousands)
            bad = sum(n for v, n in marked.items() if not shape.fullmatch(v))
            fits.append((decimal, thousands, bad))
    fewest = min(bad for *_, bad in fits)
    best = [(d, t) for d, t, bad in fits if bad == fewest]
    best = [
        (d, t) for d, t in best if not t or any(_amount_shape(d, t).fullmatch(v) and t in _spaced(v) for v in marked)
    ]
    total = sum(marked.values())
    note = f"{total - fewest:,} of {total:,} amounts with a mark"
    decimals = {d for d, _ in best if any(d in v for v in marked)} or {d for d, _ in best}
    groups = {t for _, t in best}
    if len(best) == 1 or (len(decimals) == 1 and len(groups - {""}) <= 1 and not _same_mark(best)):
        decimal, thousands = max(best, key=lambda pair: (pair[0] in decimals, len(pair[1])))
        return Marks(decimal, thousands, True, True, f"{note} fit no other reading")
    decides = sum(n for v, n in marked.items() if not re.fullmatch(r"[0-9]{1,3}[.,][0-9]{3}", v))
    ways = " or ".join(f"decimal '{d}'{f', thousands {t!r}' if t else ''}" for d, t in best)
    if fewest:
        why = (
            f"{ways}: {total - fewest:,} of {total:,} amounts with a mark fit either, none fits all: not written alike"
        )
    else:
        why = f"{ways}: all {total:,} amounts with a mark fit both, {decides:,} decide"
    return Marks(*best[0], True, False, why)


def _same_mark(best: list[tuple[str, str]]) -> bool:
    """True when one mark is the decimal of one reading and the thousands of another."""
    return bool({d for d, _ in best} & {t for _, t in best if t})


_SIGN_ONLY = re.compile(rf"[-+\u2212()]|%|{SIGN}(?![A-Za-z])")


def _spaced(value: str) -> str:
    return re.sub(r"\s", " ", value)


def _amount_shape(decimal: str, thousands: str) -> re.Pattern[str]:
    digits = "[0-9]+"
    if thousands:
        mark = r"\s" if thousands == " " else re.escape(thousands)
        digits = rf"(?:[0-9]{{1,3}}(?:{mark}[0-9]{{3}})+|[0-9]+)"
    return re.compile(rf"{digits}(?:{re.escape(decimal)}[0-9]+)?")


def amounts_of(text: pd.Series, marks: Marks) -> pd.Series:
    """The amounts of a column under the marks, missing where a cell does not fit; brackets are a minus."""
    shape = _amount_shape(marks.decimal, marks.thousands)
    codes, distinct = pd.factorize(text)
    values = []
    for cell in distinct:
        value = str(cell)
        core = _SIGN_ONLY.sub("", value).strip()
        if not re.fullmatch(shape.pattern + r"(?:[eE][-+]?[0-9]{1,3})?", core):
            values.append(np.nan)
            continue
        plain = re.sub(r"\s", "", core)
        if marks.thousands.strip():
            plain = plain.replace(marks.thousands, "")
        number = float(plain.replace(marks.decimal, "."))
        values.append(-number if value.strip()[:1] in "(-\u2212" else number)
    return pd.Series(np.array([*values, np.nan])[codes], index=text.index)
