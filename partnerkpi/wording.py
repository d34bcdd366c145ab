"""Words: codes become sentences here, and numbers, spans, counts and days become text.

Figures, comparisons and groups carry codes with parameters, never text: a `Remark` is a `Code` and what it speaks of.
Its English sentence stands beside it; another language is one file of whole sentences, `locale/<language>.po`.

>>> str(Code.SOME_WITHOUT_AMOUNT(blank=3, n=1204))
'3 of 1,204 have no amount'
"""

from __future__ import annotations

import io
import math
import string
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import date
from enum import Enum, unique
from functools import cache
from gettext import GNUTranslations, NullTranslations
from pathlib import Path
from typing import Any

from partnerkpi.errors import UsageError

#: Below this count nothing is compared, ranked, coloured, praised or blamed.
FEW = 5
MISSING = "—"
#: Units that are not an ISO currency code (money is written as its currency).
PLAIN_UNITS = frozenset({"share", "days", "deals", "leads", "index", "ratio", "rank", "deals/month"})
COUNTED = frozenset({"days", "deals", "leads"})
DIRECTION = {"higher": "higher is better", "lower": "lower is better"}
FOLDER = Path(__file__).resolve().parent / "locale"

_usual = "en"
_meanwhile: ContextVar[str] = ContextVar("language")


@unique
class Code(Enum):
    """What can be said of a figure. The value is the English sentence; calling a member gives a `Remark`."""

    # why there is no interval
    FEWER_THAN_FEW = f"fewer than {FEW}: no interval"
    FEWER_THAN_FEW_WON = f"fewer than {FEW} won: no interval"
    FEWER_THAN_SIX = "fewer than 6: no interval"
    FEW_CUSTOMERS = "from too few customers: no interval"
    ONE_ONLY = "one only: no interval"
    EQUAL_SIZES = "all of one size: no interval"
    EQUAL_DURATIONS = "all of one duration: no interval"
    TOO_WIDE = "the upper limit would be more than {times} times the lower one: no interval"
    IN_FULL = "recorded in full, not sampled: no interval"
    RATIO_OF_SUMS = "a ratio of recorded sums: no interval"
    NO_INTERVAL = "no interval for this figure"
    UPPER_LIMIT_NOT_REACHED = "upper limit not reached"
    # no value: too little happened
    ONE_DEAL_ONLY = "one deal only"
    NONE_WITH_AMOUNT = "none has an amount"
    NO_DEAL_WON_IN_WINDOW = "no deal won in the window"
    NOBODY_AT_RISK = "at some age up to the median no deal was followed: the share won within 90 days tells more"
    NOBODY_FOLLOWED_SO_LONG = "nobody was followed for {days} days yet"
    ONE_SIDE_WITHOUT_AMOUNT = "none of the won, or none of the other decided deals has an amount"
    NO_AMOUNTS_DECIDED = "no amounts were decided"
    TOO_FEW_FOR_RATIO = f"fewer than {FEW}: too few for a ratio"
    NO_SPEND = "no spend"
    NO_LEADS_FROM_SPEND = "no leads from channels with spend"
    NO_WINS_FROM_SPEND = "no deals won from channels with spend"
    TYPICAL_WITHOUT_AMOUNT = "the typical partner brought no amount"
    NO_WIN_IN_YEAR_BEFORE = "no deal won in the four quarters before"
    NOT_A_PARTNER_THEN = "no months of membership in the quarter"
    TOO_LITTLE_TO_FORECAST = "too few deals of past quarters are recorded to say what open ones will bring"
    TOO_LITTLE_TO_EXPECT = "too little is recorded to say what was to be expected"
    NOT_TO_BE_SEPARATED = "cannot be separated from its region, season or product: too few others sell there"
    NONE = "{rows:none}"
    NONE_IN_QUARTER = "{rows:none_in_quarter}"
    # why there is no value: the book does not say
    NO_DEALS_IN_BOOK = "no deals in this book"
    RECORDS_BEGIN = "the book's records begin on {day}"
    WINS_NOT_RECORDED = "wins are not recorded in this book"
    WON_AMOUNTS_NOT_RECORDED = "the wins of this book carry no amounts"
    LOSSES_NOT_RECORDED = "losses are not recorded"
    LOST_AMOUNTS_NOT_RECORDED = "lost deals carry no amounts"
    NO_OUTCOMES_RECORDED = "neither losses nor refusals are recorded"
    REFUSALS_NOT_RECORDED = "refused registrations are not recorded"
    CHANNELS_NOT_RECORDED = "marketing channels are not recorded in this book"
    NO_CHANNEL_MAPPED = "no channel is mapped to a media type in this book"
    LEADS_NOT_RECORDED = "leads are not recorded in this book"
    SPEND_NOT_RECORDED = "marketing spend is not recorded in this book"
    NO_TARGET = "no target is recorded for the quarter"
    NO_TARGET_AHEAD = "no target is recorded for the next two quarters"
    NO_TARGET_LEFT = "no target is recorded for the quarter, or it is already reached"
    EXPECTED_CLOSES_NOT_RECORDED = "expected close dates are not recorded in this book"
    OPEN_NOT_RECORDED = "open deals are not recorded in this book"
    OPEN_AMOUNTS_NOT_RECORDED = "open deals carry no amounts"
    COMMISSION_NOT_RECORDED = "commission rates are not recorded in this book"
    RIVALS_NOT_RECORDED = "competitors are not recorded in this book"
    FEW_TYPICAL = f"fewer than {FEW} partners won a deal in the four quarters before: there is no typical partner"
    FEW_TO_RANK = f"fewer than {FEW} partners won anything with an amount: nobody is ranked"
    TOO_FEW_TO_RANK = f"fewer than {FEW}: no rank"
    OVER_EVERY_WEIGHT = "whatever weight the count is given: rank {best} to {worst}"
    PARTNERS_ONLY = "made for one partner beside a typical one: for partners only"
    JUDGED_BY_OTHERS = "made for a partner or rep judged by the others: for all together it would be 1"
    YEAR_BEFORE_NOT_RECORDED = "fewer than four quarters before this one are recorded"
    # what else must be known to read a value
    SOME_WITHOUT_AMOUNT = "{blank} of {n} have no amount"
    AMOUNTS_OF_TODAY = "no history: by created and closed days, today's amounts"
    DECLARED_CHANCES = "by the chances declared for the stages, of ever being won: no past tells better"
    SOME_WITHOUT_CHANCE = "{blank} of {n} are in a stage without a declared chance, and add nothing"
    AMOUNTS_OF_EXPORT = "the history holds no amounts: amounts are today's"
    ALL_DEALS_COUNT = "who brought a deal is not recorded: all deals count"
    CLOSE_RATE_OF_DEALS = "who brought a deal is not recorded: this is the close rate of deals"
    WITHIN_HORIZON = ("of wins within {n} day of entry", "of wins within {n} days of entry")
    FOLLOWED_SO_FAR = (
        "of wins within {n} day of entry, as long as any deal is followed so far: longer ones cannot be known yet",
        "of wins within {n} days of entry, as long as any deal is followed so far: longer ones cannot be known yet",
    )
    OWNER_NOT_KNOWN = "who owned a deal that day is not recorded: unassigned"
    APPROXIMATE = "approximate: no history tells how things stood on {day}, what was changed since is that of {export}"
    BOTH = "{first}; {second}"
    NOTHING_RESTATED = "nothing was restated"
    CHANGED_AFTER_WIN = "won more than once, or its amount was changed after it was won"
    WIN_NO_LONGER = "by the deals table no win of these rows and this quarter: reopened, handed on or dated otherwise"
    WIN_NOT_THEN = "by its history no win of these rows in this quarter"
    # comparisons
    TO_DATE = "to date, {done} of {days} days: not compared with a whole quarter"
    MISSING_NOW = "this quarter: {reason}"
    MISSING_THEN = "{quarter}: {reason}"
    TOO_SHORT_A_PAST = "fewer than {n} whole quarters before this one are known"
    TOO_FEW_TO_COMPARE = "too few to compare"
    TOO_FEW_PARTNERS = "too few partners"
    OWN_SALES = "the vendor's own sales are no partner: they are compared with none"
    NOT_A_PARTNER = "the whole network is not a partner: it is not compared with one"

    def __call__(self, **values: object) -> Remark:
        """The code with its parameters.

        Raises:
            TypeError: a parameter of the sentence is not given, or one is given that it does not have.
        """
        if (wanted := _fields(self.english)) != values.keys():
            raise TypeError(f"{self.name} speaks of {sorted(wanted)}, not of {sorted(values)}")
        return Remark(self, tuple(sorted(values.items())))

    @property
    def english(self) -> str:
        """The sentence in English; where it has plural forms, the form for many."""
        return self.value if isinstance(self.value, str) else self.value[-1]


@dataclass(frozen=True)
class Remark:
    """A code with the values it speaks of: why something is missing, or what else must be known."""

    code: Code
    values: tuple[tuple[str, Any], ...] = ()

    def __str__(self) -> str:
        """The sentence, in the language in use."""
        return say(*((self.code.value,) if isinstance(self.code.value, str) else self.code.value), **dict(self.values))


@dataclass(frozen=True)
class Noun:
    """What a count counts, in the forms a page needs; each is a text of its own in every language."""

    name: str
    one: str
    many: str
    none: str
    none_in_quarter: str

    def __str__(self) -> str:
        """The plain plural: `won deals`."""
        return say(self.name)

    def __format__(self, form: str) -> str:
        """A sentence names the form it wants: `{rows:none_in_quarter}` is `no won deals in the quarter`."""
        return say(getattr(self, form or "name"))

    def counted(self, n: int) -> str:
        """The count with its noun: `9 prospects`, `1 deal`."""
        return say(self.one, self.many, n=n)


def noun(one: str, many: str, rest: str = "") -> Noun:
    """An English noun: the word for one and for many, and what follows it (`deal`, `deals`, ` with an amount`)."""
    return Noun(
        name=f"{many}{rest}",
        one=f"{{n}} {one}{rest}",
        many=f"{{n}} {many}{rest}",
        none=f"no {many}{rest}",
        none_in_quarter=f"no {many}{rest} in the quarter",
    )


DEALS = noun("deal", "deals")
WON_DEALS = noun("won deal", "won deals")
PRICED_DEALS = noun("won deal", "won deals", " with an amount")
OPEN_DEALS = noun("open deal", "open deals")
LOST_DEALS = noun("lost deal", "lost deals")
LEADS = noun("lead", "leads")
PROSPECTS = noun("prospect", "prospects")
SPEND_ENTRIES = noun("spend entry", "spend entries")
PARTNERS = noun("partner", "partners")
ROWS = noun("row", "rows")


def say(one: str, many: str | None = None, **values: Any) -> str:
    """A text of the catalogue in the language in use, filled with the values.

    With `many` the form is chosen by the value `n`. Whole numbers are grouped, days written like 2025-12-31.
    """
    words = _catalogue(language()) if one else NullTranslations()  # for no text a catalogue has its own head
    text = words.gettext(one) if many is None else words.ngettext(one, many, values["n"])
    return text.format_map({name: written(value) for name, value in values.items()}) if values else text


def written(value: Any) -> Any:
    """A parameter of a sentence as a text to put in: whole numbers grouped, days written like 2025-12-31."""
    if isinstance(value, date):
        return f"{value:%Y-%m-%d}"
    return number_text(value) if isinstance(value, int) and not isinstance(value, bool) else value


def language() -> str:
    """The language in use."""
    return _meanwhile.get(_usual)


def languages() -> tuple[str, ...]:
    """The languages pages can be made in."""
    return ("en", *sorted(path.stem for path in FOLDER.glob("*.po")))


def speak(language: str) -> None:
    """Say everything in this language from now on.

    Raises:
        UsageError: there is no catalogue of this language.
    """
    global _usual
    _catalogue(language)
    _usual = language


@contextmanager
def spoken(language: str) -> Iterator[None]:
    """Say everything in this language meanwhile.

    Raises:
        UsageError: there is no catalogue of this language.
    """
    _catalogue(language)
    before = _meanwhile.set(language)
    try:
        yield
    finally:
        _meanwhile.reset(before)


@cache
def _catalogue(language: str) -> NullTranslations:
    if language == "en":
        return NullTranslations()
    if language not in languages():
        raise UsageError(f"There is no language '{language}' in this version. There is: {', '.join(languages())}.")
    from babel.messages.mofile import write_mo
    from babel.messages.pofile import read_po

    compiled = io.BytesIO()
    with (FOLDER / f"{language}.po").open("rb") as file:
        write_mo(compiled, read_po(file, locale=language))
    compiled.seek(0)
    return GNUTranslations(compiled)


@cache
def _fields(text: str) -> frozenset[str]:
    return frozenset(name for _, name, _, _ in string.Formatter().parse(text) if name)


def amount_text(value: float | None, unit: str) -> str:
    """Write a value for a reader: `33 %`, `1,250 €`, `41 days`, `—` when it is missing.

    >>> amount_text(0.3333, "share"), amount_text(41.0, "days"), amount_text(None, "EUR")
    ('33 %', '41 days', '—')
    >>> amount_text(1249.6, "EUR"), amount_text(36.254, "EUR"), amount_text(120.4, "index")
    ('€1,250', '€36.25', '120')
    """
    if value is None or not math.isfinite(value):
        return MISSING
    if unit == "share":
        return say("{value} %", value=number_text(100 * value, 1 if 0 < abs(value) < 0.0995 else 0))
    if unit == "days":
        return say("{value} day", "{value} days", n=_form(value), value=figure_text(value, unit))
    if unit == "deals":
        return say("{value} deal", "{value} deals", n=_form(value), value=figure_text(value, unit))
    if unit == "leads":
        return say("{value} lead", "{value} leads", n=_form(value), value=figure_text(value, unit))
    if unit == "deals/month":
        return say("{value} deals a month", value=number_text(value, 1))
    if unit == "index":
        return number_text(value)
    if unit == "ratio":
        return say("{value} ×", value=number_text(value, 2))
    if unit == "rank":
        return say("rank {value}", value=figure_text(value, unit))
    currency, _, per = unit.partition("/")
    money = _money(value, currency)
    return say("{money} a day", money=money) if per else money


def unit_text(unit: str) -> str:
    """The unit as a definition and an axis name it; a currency is its code: `share`, `EUR`, `EUR/day`."""
    if unit in PLAIN_UNITS:
        return say(unit)
    currency, _, per = unit.partition("/")
    return say("{currency}/day", currency=currency) if per else currency


def _form(value: float) -> int:
    """The number by which the noun of a counted figure takes its form; a fraction is more than one."""
    return abs(round(value)) if float(value).is_integer() or abs(value) >= 100 else 2


def span_text(low: float, high: float, unit: str) -> str:
    """Two values of one unit as a span; a counted noun stands once: `63 to 74 days`, `22 % to 32 %`.

    >>> span_text(0, 4, "deals"), span_text(1, 2.5, "days"), span_text(0.2, 0.3, "share")
    ('0 to 4 deals', '1 to 2.5 days', '20 % to 30 %')
    """
    first = figure_text(low, unit) if unit in COUNTED else amount_text(low, unit)
    return say("{low} to {high}", low=first, high=amount_text(high, unit))


def figure_text(value: float, unit: str) -> str:
    """The value without a counted noun, as an axis has it: `41`, `33 %`, `€1,250`."""
    if unit in COUNTED or unit == "rank":
        return number_text(value, 0 if float(value).is_integer() or abs(value) >= 100 else 1)
    return amount_text(value, unit)


def signed_text(value: float, unit: str) -> str:
    """A difference with its sign: `+€120`, `−3.0 points` (of shares: percentage points); nought has none."""
    points = say("{value} points", value=number_text(abs(100 * value), 1)) if unit == "share" else ""
    text = points or amount_text(abs(value), unit)
    return ("+" if value > 0 else "−") + text if any(c in "123456789" for c in text) else text


def listed(words: list[str]) -> str:
    """Some words as a list in a sentence: `a, b and c`."""
    from babel.lists import format_list

    text = format_list(words, locale=language())
    return text.replace(", and ", " and ") if language() == "en" else text


def number_text(value: float, digits: int = 0, *, trimmed: bool = False) -> str:
    """A number with so many decimals (or at most so many), grouped and pointed as the language in use does.

    >>> number_text(1204), number_text(0.5, 2), number_text(0.5, 2, trimmed=True)
    ('1,204', '0.50', '0.5')
    """
    from babel.numbers import format_decimal

    if isinstance(value, int) and not digits and language() == "en":
        return f"{value:,}"
    pattern = "#,##0" + ("." + ("#" if trimmed else "0") * digits if digits else "")
    return _true_minus(format_decimal(value, format=pattern, locale=language()))


def day_text(day: date) -> str:
    """A day as a sentence has it: `31 December 2025`."""
    from babel.dates import format_date

    return format_date(day, "d MMMM y", locale=language())


def decimal_point() -> str:
    """What stands before the decimals in the language in use."""
    from babel.numbers import get_decimal_symbol

    return get_decimal_symbol(language())


def _money(value: float, currency: str) -> str:
    from babel.numbers import format_currency

    small = abs(value) < 100 and not float(value).is_integer()
    digits = "#,##0.00" if small else "#,##0"
    pattern = f"¤{digits}" if language() == "en" else f"{digits} ¤"
    text = format_currency(value, currency, format=pattern, locale=language(), currency_digits=False)
    return _true_minus(text)


def _true_minus(text: str) -> str:
    """The text with a true minus; a zero has none."""
    return text.replace("-", "−" if any(c in "123456789" for c in text) else "")
