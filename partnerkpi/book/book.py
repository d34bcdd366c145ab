"""The Book: the tables as known at the end of one day, and its one filter."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
import pandas as pd

from partnerkpi.book.cuts import Cuts
from partnerkpi.book.events import Purse, events_of
from partnerkpi.book.labels import occurring_in
from partnerkpi.book.levels import MEDIA, Choice, choice_of, chosen, media_of, values_of_rows
from partnerkpi.book.money import converted
from partnerkpi.book.periods import with_deals
from partnerkpi.book.reading import Reading
from partnerkpi.book.schema import TABLES
from partnerkpi.book.thresholds import DEFAULTS, Thresholds
from partnerkpi.errors import UsageError, nearest, plain_id
from partnerkpi.experience import Experience
from partnerkpi.periods import Quarter, last_complete, quarter_of


@dataclass(frozen=True)
class Spread:
    """What partners show, as a safe aggregate: how many contribute, their median and the ends of their middle half.

    The three are missing where fewer than five partners contribute; they are smoothed and rounded.
    """

    n: int
    median: float | None = None
    lower: float | None = None
    upper: float | None = None


class Chances(Protocol):
    """The chances of open deals to be won by the end of the next two quarters; see `partnerkpi.forecast`."""

    @property
    def overall(self) -> float:
        """That of any deal; NaN where nothing tells."""

    @property
    def excess(self) -> float:
        """The squared coefficient of variation of what a partner's deals bring, beyond chance."""

    @property
    def common(self) -> float:
        """The same of all deals together."""

    def of(self, rows: pd.DataFrame, day: pd.Timestamp) -> np.ndarray:
        """The chance of each open deal, given its `stage` and `created_on`."""


Told = tuple[int, float, float, float, int]


class Others(Protocol):
    """What the figures of a book may know of the whole network; see `partnerkpi.others`."""

    @property
    def first_day(self) -> pd.Timestamp | None:
        """The first day the whole book knows anything of; None when it has neither deals nor leads."""

    @property
    def statuses(self) -> frozenset[str]:
        """The statuses that any prospect of the whole book has or had: one without any does not record it."""

    @property
    def priced(self) -> frozenset[str]:
        """The statuses in which any deal of the whole book has an amount."""

    def typical(self, quarter: Quarter) -> tuple[float, float]:
        """Deals and amount of the typical partner of the quarter; NaN where there is none."""

    def wins(self, quarter: Quarter) -> tuple[float, float]:
        """What the network won in the quarter, and its median win of the two years that end with it; NaN without."""

    def ranks(self, quarter: Quarter) -> pd.DataFrame:
        """By partner, its `rank` by quality score, and the `best` and `worst` over every weight of the count.

        Of the partners with a priced win in the quarter; no row for any below five such partners.
        """

    def experience(self, quarter: Quarter) -> Experience:
        """How much figures vary beyond chance, as the network's quarters up to this one tell."""

    def chances(self, quarter: Quarter) -> Chances:
        """The chances of open deals to be won by the end of the next two quarters, as the quarter's end knew them."""

    def told(self, quarter: Quarter, choices: tuple[Choice, ...]) -> Told | None:
        """What was expected of the open deals at an earlier quarter's end, of the part chosen, and what came of it.

        Told by the book of that day: open deals, wins expected by the end of the next two quarters, the limits of
        their interval, and those that came. None where nothing could be told.
        """

    def known_at(self, quarter: Quarter) -> Book | None:
        """The whole book as it was known at the end of a quarter; None where only a part of it is there."""

    def shared_spend(self, quarter: Quarter) -> pd.DataFrame:
        """What each win (`per_win`) and each lead (`per_lead`) of a channel carries of the spend of no partner.

        By channel; channels without such spend are not in it, missing is where there was no win, or no lead.
        """

    def expected(self, quarter: Quarter) -> pd.DataFrame:
        """The `chance` that all others' experience gives each prospect of four quarters, and its `error`.

        By `prospect_id`; see `partnerkpi.expectation`.
        """

    def judged(self, judge: Judge, quarter: Quarter) -> pd.DataFrame:
        """What a judge of the whole network says of the quarter; in one partner's part its own lines alone."""

    def peers(self, figure: Figure, quarter: Quarter, partner: str) -> Spread:
        """What the partners other than this one show."""


class Judge(Hashable, Protocol):
    """What tells of every partner of a whole book, each line with its `partner_id`."""

    def __call__(self, book: Book, quarter: Quarter) -> pd.DataFrame:
        """One or more lines per partner."""


class Figure(Hashable, Protocol):
    """What can be computed for every partner of a book: a `Kpi`."""

    name: str
    unit: str

    def by(self, book: Book, quarter: str | Quarter, by: str) -> pd.DataFrame:
        """One row per group."""


@dataclass(frozen=True, eq=False)
class Book:
    """What is known at the end of `as_of`; nothing later is in it.

    The frames it hands out (`deals`, `partners`, … and `table(name)`) are copies on write: editing one changes nothing
    in the book. To ask "what if", use `where` and `without`.

    - `recorded`: what the source really has, "leads" or "deals.sourced";
    - `money_digits`: decimals of the amounts as read, to which sums are exact;
    - `extracted_on`: the day of the export; `reading`: the account of all rows and money read, and the faults;
    - `others`: what may be known of the whole network, whatever part of it this book is;
    - `choices`: what `where` and `without` were asked for;
    - `thresholds`: from where on a fact is a signal;
    - `approximate`: `as_of` is before the export, and no history tells what was changed since;
    - `direct`: the ids that are the vendor's own sales, no partners; `probabilities`: the declared chance by stage.
    """

    name: str
    currency: str
    time_zone: str
    fiscal_year_starts: int
    as_of: pd.Timestamp
    extracted_on: pd.Timestamp
    money_digits: int
    _frames: Mapping[str, pd.DataFrame] = field(repr=False)
    recorded: frozenset[str] = field(repr=False)
    reading: Reading = field(repr=False)
    others: Others = field(repr=False)
    choices: tuple[Choice, ...] = ()
    thresholds: Thresholds = DEFAULTS
    approximate: bool = False
    direct: tuple[str, ...] = ()
    probabilities: Mapping[str, float] = field(default_factory=dict)
    _asked: dict[Hashable, Any] = field(default_factory=dict, init=False, repr=False)

    def table(self, name: str) -> pd.DataFrame:
        """A table of the book, always with all its columns; what the source lacks is missing in every row.

        The names are those of `schema.TABLES`, `spells` (see `partnerkpi.book.past`) and `prospects`. Amounts are in
        the book's currency (`amount_original` of deals in `currency`), those of history and spells in that of the deal.
        """
        frame = self._frames[name]
        return (with_deals(frame, self._frames["deals"]) if name == "spells" else frame).copy(deep=False)

    @property
    def deals(self) -> pd.DataFrame:
        """Possible sales, one row each; `amount` in the book's currency, `_file`, `_line` where each was read."""
        return self.table("deals")

    @property
    def partners(self) -> pd.DataFrame:
        """Companies that sell, one row each."""
        return self.table("partners")

    @property
    def leads(self) -> pd.DataFrame:
        """Contacts that may become deals, one row each."""
        return self.table("leads")

    @property
    def history(self) -> pd.DataFrame:
        """What changed on a deal and when; `amount` in the currency of the deal."""
        return self.table("history")

    @property
    def spend(self) -> pd.DataFrame:
        """Money spent on channels, by month."""
        return self.table("spend")

    @property
    def channels(self) -> pd.DataFrame:
        """The media type (paid, earned, owned) of each channel."""
        return self.table("channels")

    @property
    def touches(self) -> pd.DataFrame:
        """Contacts with a deal or lead through a channel."""
        return self.table("touches")

    @property
    def targets(self) -> pd.DataFrame:
        """What was to be reached, by quarter."""
        return self.table("targets")

    @property
    def rates(self) -> pd.DataFrame:
        """Units of the book's currency for one unit of another, by day."""
        return self.table("rates")

    @property
    def notes(self) -> pd.DataFrame:
        """What was decided for a partner at the review of a quarter, and what came of it."""
        return self.table("notes")

    @property
    def spells(self) -> pd.DataFrame:
        """The periods of constant state of every deal; see `partnerkpi.book.past`.

        After `where(partner_id=…)` these are the periods in which that partner owned the deal; `deal` is −1 where the
        deal is no longer among `deals`.
        """
        return self.table("spells")

    @property
    def periods(self) -> pd.DataFrame:
        """The spells, of a whole book without what stands in its deals: `periods.with_deals` adds it to some rows."""
        return self._frames["spells"].copy(deep=False)

    @property
    def events(self) -> pd.DataFrame:
        """What every deal did to the open amount and the number of open deals; see `partnerkpi.book.events`.

        After `where(partner_id=…)` these are the events at that partner: a deal handed on left it, one taken over came.
        """
        return self.once("events", lambda: events_of(self._frames["spells"], self.purse, self.as_of))

    @property
    def purse(self) -> Purse:
        """What amounts are worth in the book's currency on given days."""
        return Purse(self._frames["rates"], self.currency, self.money_digits)

    @property
    def prospects(self) -> pd.DataFrame:
        """Leads, and deals that came from no lead; see `partnerkpi.book.prospects`."""
        return self.table("prospects")

    @property
    def partner(self) -> str:
        """The one partner this book was narrowed to; empty for more than one."""
        own = (c.values[0] for c in self.choices if c.column == "partner_id" and len(c.values) == 1 and not c.opposite)
        return next(own, None) or ""

    @property
    def partner_ids(self) -> list[str]:
        """Every partner with any row in the book, in alphabetical order."""
        return list(self.once("partner_ids", lambda: occurring_in(self._frames.values(), "partner_id")))

    def records(self, name: str) -> bool:
        """True when the source really has this table ("leads") or column ("deals.sourced").

        Raises:
            KeyError: there is no such table or column in any book.
        """
        table, _, column = name.partition(".")
        if table not in TABLES or (column and column not in TABLES[table]):
            raise KeyError(name)
        return name in self.recorded

    def quarter(self, label: str | Quarter = "") -> Quarter:
        """The quarter of this label, cut at the as-of day; without a label the last one that has ended.

        Raises:
            UsageError: the text is no quarter, the quarter is one of another calendar or has not begun on the as-of
                day.
        """
        if isinstance(label, Quarter):
            if label.fiscal_year_starts != self.fiscal_year_starts:
                raise UsageError(
                    f"The quarter {label.label} is of a year that begins in month {label.fiscal_year_starts}; "
                    f"that of the book begins in month {self.fiscal_year_starts}."
                )
            return label.known_on(self.as_of)
        if not isinstance(label, str):
            shown = f"a {type(label).__name__}" if isinstance(label, Book) else repr(label)[:60]
            raise UsageError(f"A quarter like '2025Q4' is expected, not {shown}.")
        label = label or last_complete(self.as_of, self.fiscal_year_starts)
        return quarter_of(label, fiscal_year_starts=self.fiscal_year_starts, as_of=self.as_of)

    def level(self, frame: pd.DataFrame, column: str) -> pd.Series | None:
        """The value of the column that each row of a frame of this book has, by the rule of `partnerkpi.book.levels`.

        None where the rows can say nothing about it.
        """
        return values_of_rows(self._frames, self.recorded, frame, column)

    def media(self, channel: pd.Series) -> pd.Series:
        """The media type of each channel: one of `levels.MEDIA`."""
        return media_of(self._frames["channels"], channel)

    def where(self, **wanted: Any) -> Book:
        """The part of the book that meets every condition; the book itself stays as it is.

        `region="North"` one value, `region=["North", "South"]` any of them, `partner_id=None` the rows without one,
        `created_on=("2025-01-01", None)` and `amount=(1000, 5000)` a range. Every table that can answer is filtered,
        the others follow the deals and leads that remain; what `others` knows of the whole network stays.

        Raises:
            UsageError: there is no such column, or the value occurs nowhere in the book; the text names near ones.
        """
        return self._chosen(wanted, opposite=False)

    def without(self, **unwanted: Any) -> Book:
        """The book without the rows that meet any of the conditions: `without(deal_id="D-000123")`.

        Conditions are written as for `where`.

        Raises:
            UsageError: as `where`.
        """
        return self._chosen(unwanted, opposite=True)

    def _chosen(self, wanted: Mapping[str, Any], *, opposite: bool) -> Book:
        if "partner_id" in wanted and isinstance(wanted["partner_id"], str):
            self.check_partner(wanted["partner_id"])
        more = tuple(
            choice_of(self._frames, self.recorded, column, value, opposite=opposite) for column, value in wanted.items()
        )
        part = replace(self, _frames=chosen(self._frames, self.recorded, more), choices=(*self.choices, *more))
        owner = [c for c in more if c.column == "partner_id" and not opposite]
        if owner and len(owner[0].values) == 1:
            part = replace(part, reading=self.reading.of_partner(owner[0].values[0] or ""))
        return part

    def for_partner(self, partner: str) -> Book:
        """The part of one partner, found by its exact id; the book itself when the text is empty.

        Raises:
            UsageError: the book has no such partner; the text names near ids.
        """
        if not partner or self.partner == partner:
            return self
        self.check_partner(partner)
        cuts: Cuts = self.once("cuts", lambda: Cuts(self._frames, self.recorded))
        more, reading = Choice("partner_id", (partner,)), self.reading.of_partner(partner)
        return replace(self, _frames=cuts.of(more), choices=(*self.choices, more), reading=reading)

    def check_partner(self, partner: str) -> None:
        """Pass when the book has this partner, by its exact id.

        Raises:
            UsageError: it has not; the text names near ids, or whose name it is.
        """
        known = self.partner_ids
        if partner in known:
            return
        names = self._frames["partners"].dropna(subset="name").set_index("name")["partner_id"].astype(str)
        plain = {plain_id(one): one for one in known}
        if plain_id(partner) in plain:
            hint = f"Did you mean '{plain[plain_id(partner)]}'?"
        elif partner in names.index:
            hint = f"That is the name of '{names.loc[[partner]].iloc[0]}'."
        else:
            hint = nearest(partner, [*known, *names.index])
        raise UsageError(f"The book '{self.name}' has no partner '{partner}'. {hint}")

    def in_book_currency(self, frame: pd.DataFrame, day: pd.Timestamp) -> pd.DataFrame:
        """The rows with `amount` converted from `currency` at the rate of the day; missing where there is no rate."""
        days = pd.Series(day, index=frame.index)
        return frame.assign(amount=converted(frame, days, self._frames["rates"], self.currency, self.money_digits))

    def once(self, question: Hashable, answer: Callable[[], Any]) -> Any:
        """The answer to a question about this book, worked out when it is first asked; a book never changes."""
        if question not in self._asked:
            self._asked[question] = answer()
        known = self._asked[question]
        return known.copy(deep=False) if isinstance(known, pd.DataFrame) else known


__all__ = ["MEDIA", "Book", "Figure", "Others", "Spread"]
