"""The Book: everything known on one day about partners, deals, leads and money."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import pandas as pd

from partnerkpi.book.choosing import checked_choice, chosen_derived, chosen_tables
from partnerkpi.book.money import converted
from partnerkpi.book.prospects import prospects_of
from partnerkpi.book.reading import Reading
from partnerkpi.book.schema import TABLES
from partnerkpi.book.spells import spells_of
from partnerkpi.errors import UsageError
from partnerkpi.periods import Quarter, last_complete, quarter_of


@dataclass(frozen=True)
class NetworkFacts:
    """Ready-made aggregates of the whole network that a slice was given: the frames as they were written."""

    network: pd.DataFrame
    expected: pd.DataFrame


@dataclass(frozen=True, eq=False)
class Book:
    """What is known at the end of `as_of`; nothing later is in it.

    - `tables`: each table of `schema.TABLES`, always with all its columns; what the source lacks is missing in every
      row. `deals` has also `amount_original` (in `currency`) and where each row was read: `_file`, `_record`, `_line`.
      Amounts are in the book's currency, those of `history` in the currency of their deal;
    - `recorded`: what the source really has, "leads" or "deals.sourced";
    - `money_digits`: decimals of the amounts as read, to which sums are exact;
    - `extracted_on`: the day of the export;
    - `reading`: the account of all rows and money read, and the faults;
    - `network`: the whole book when this one was filtered by `where`, else None;
    - `facts`: set only in a slice read from disk, which knows of the network no more than this;
    - `chosen`: what `where` was asked for.
    """

    name: str
    currency: str
    time_zone: str
    fiscal_year_starts: int
    as_of: pd.Timestamp
    extracted_on: pd.Timestamp
    money_digits: int
    tables: Mapping[str, pd.DataFrame]
    recorded: frozenset[str]
    reading: Reading
    network: Book | None = None
    facts: NetworkFacts | None = None
    chosen: tuple[tuple[str, str | None], ...] = ()
    given: Mapping[str, pd.DataFrame] = field(default_factory=dict)

    @property
    def deals(self) -> pd.DataFrame:
        """Possible sales, one row each; `amount` in the book's currency."""
        return self.tables["deals"]

    @property
    def partners(self) -> pd.DataFrame:
        """Companies that sell, one row each."""
        return self.tables["partners"]

    @property
    def leads(self) -> pd.DataFrame:
        """Contacts that may become deals, one row each."""
        return self.tables["leads"]

    @property
    def history(self) -> pd.DataFrame:
        """What changed on a deal and when; `amount` in the currency of the deal."""
        return self.tables["history"]

    @property
    def spend(self) -> pd.DataFrame:
        """Money spent on channels, by month."""
        return self.tables["spend"]

    @property
    def channels(self) -> pd.DataFrame:
        """The media type (paid, earned, owned) of each channel."""
        return self.tables["channels"]

    @property
    def touches(self) -> pd.DataFrame:
        """Contacts with a deal or lead through a channel."""
        return self.tables["touches"]

    @property
    def targets(self) -> pd.DataFrame:
        """What was to be reached, by quarter."""
        return self.tables["targets"]

    @property
    def rates(self) -> pd.DataFrame:
        """Units of the book's currency for one unit of another, by day."""
        return self.tables["rates"]

    @cached_property
    def spells(self) -> pd.DataFrame:
        """The periods of constant state of every deal; see `partnerkpi.book.spells`.

        After `where(partner_id=…)` these are the periods in which that partner owned the deal; `deal` is −1 where the
        deal is no longer among `deals`.
        """
        if "spells" in self.given:
            return self.given["spells"]
        if self.network is not None:
            return chosen_derived(self.network.spells, self.chosen, self.deals, self.network)
        return spells_of(self.deals, self.history, self.as_of)

    @cached_property
    def prospects(self) -> pd.DataFrame:
        """Leads, and deals that came from no lead; see `partnerkpi.book.prospects`."""
        if "prospects" in self.given:
            return self.given["prospects"]
        if self.network is not None:
            return chosen_derived(self.network.prospects, self.chosen, None, self.network)
        return prospects_of(self.deals, self.leads)

    @property
    def partner(self) -> str:
        """The partner this book was narrowed to; empty for the whole network."""
        return dict(self.chosen).get("partner_id") or ""

    @property
    def partner_ids(self) -> list[str]:
        """Every partner with any row in the book, in alphabetical order."""
        tables = (*self.tables.values(), self.spells)
        keys = [t["partner_id"].cat.remove_unused_categories().cat.categories for t in tables if "partner_id" in t]
        return sorted(set().union(*keys))

    def records(self, name: str) -> bool:
        """True when the source really has this table ("leads") or column ("deals.sourced").

        Raises:
            KeyError: there is no such table or column in any book.
        """
        table, _, column = name.partition(".")
        if table not in TABLES or (column and column not in TABLES[table].names):
            raise KeyError(name)
        return name in self.recorded

    def quarter(self, label: str | Quarter = "") -> Quarter:
        """The quarter of this label, cut at the as-of day; without a label the last one that has ended.

        Raises:
            UsageError: the text is no quarter, or the quarter has not begun on the as-of day.
        """
        if isinstance(label, Quarter):
            label = label.label
        label = label or last_complete(self.as_of, self.fiscal_year_starts)
        return quarter_of(label, fiscal_year_starts=self.fiscal_year_starts, as_of=self.as_of)

    def where(self, **equals: str | None) -> Book:
        """The part of the book where every named column has the given value; None chooses the rows without one.

        Every table that has the column is filtered by it, and the others follow: history and touches the deals and
        leads that remain; a column only the partners table has (`tier`, `type`, `country`, `manager`) chooses partners.
        `network` of the result is the whole book.

        Raises:
            UsageError: there is no such column, or the value occurs nowhere in the book; the text names near ones.
        """
        whole = self.network or self
        if whole.facts is not None:
            raise UsageError("A slice holds one partner only and cannot be filtered further.")
        for column, value in equals.items():
            checked_choice(whole, column, value)
        chosen = (*self.chosen, *equals.items())
        owner = dict(chosen).get("partner_id")
        reading = whole.reading.of_partner(owner) if owner is not None else self.reading
        return replace(self, tables=chosen_tables(whole, chosen), reading=reading, network=whole, chosen=chosen)

    def for_partner(self, partner: str) -> Book:
        """The part of one partner, found by its exact id; the book itself when the text is empty.

        Raises:
            UsageError: the book has no such partner; the text names near ids.
        """
        if not partner or self.chosen == (("partner_id", partner),):
            return self
        return self.where(partner_id=partner)

    def in_book_currency(self, frame: pd.DataFrame, day: pd.Timestamp) -> pd.DataFrame:
        """The rows with `amount` converted from `currency` at the rate of the day; missing where there is no rate."""
        days = pd.Series(day, index=frame.index)
        return frame.assign(amount=converted(frame, days, self.rates, self.currency, self.money_digits))

    def write_slice(self, folder: str, facts: NetworkFacts) -> None:
        """Write this part of the book as a folder that `open_book` reads back to the same frames.

        See `partnerkpi.book.slice`.
        """
        from partnerkpi.book.slice import write_slice

        write_slice(self, folder, facts)
