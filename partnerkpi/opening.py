"""Opening a book: a folder of exports with its book.toml, or the slice that a partner's notebooks are given."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from partnerkpi.book import Book, Others, Reading
from partnerkpi.book.config import read_config
from partnerkpi.book.loading import load, read_only
from partnerkpi.book.thresholds import thresholds_of
from partnerkpi.errors import DataRefused
from partnerkpi.others import Computed
from partnerkpi.shipped import shipped
from partnerkpi.slices import is_slice, read_slice


def open_book(
    folder: str | Path = "",
    as_of: str | None = None,
    *,
    allow_set_aside: bool = False,
    allow_approximate: bool = False,
) -> Book:
    """The book in a folder as it was known at the end of a day.

    Args:
        folder: the folder with book.toml; empty for the sample book that comes with the package.
        as_of: the day, like "2025-12-31"; None or empty for the day of the export.
        allow_set_aside: accept a book of which more than 1 % is set aside.
        allow_approximate: accept a day before the export of a book without a history: what later changes overwrote is
            that of the export, and every figure it touches says so.

    Raises:
        UsageError: there is no such book, its book.toml says what cannot be, or the day is after the export.
        DataRefused: the data have faults that forbid any figure; the error lists them. Or the day is before the export
            of a book without a history.
    """
    place = _place(folder)
    if is_slice(place):
        return read_slice(place, as_of)
    loaded = load(place, as_of, allow_set_aside=allow_set_aside, allow_approximate=allow_approximate)
    config = loaded.config

    def bound(others: Others) -> Book:
        return Book(
            name=config.name,
            currency=config.currency,
            thresholds=thresholds_of(config.thresholds),
            direct=config.direct,
            probabilities=config.tables["deals"].probabilities,
            time_zone=config.time_zone,
            fiscal_year_starts=config.fiscal_year_starts,
            as_of=loaded.as_of,
            extracted_on=config.extracted_on,
            money_digits=loaded.reading.digits,
            _frames=loaded.tables,
            recorded=loaded.recorded,
            reading=loaded.reading,
            others=others,
            approximate=loaded.approximate,
        )

    return Computed(bound).whole


def check_book(folder: str | Path = "", *, allow_set_aside: bool = False) -> Reading:
    """The account of a book with every fault, also of one whose data are refused.

    Raises:
        UsageError: there is no such book, or its book.toml says what cannot be.
    """
    place = _place(folder)
    return read_slice(place).reading if is_slice(place) else read_only(place, allow_set_aside=allow_set_aside)


def looked_at(folder: str | Path = "") -> tuple[str, Reading, Book | None]:
    """The name of a book, its account with every fault, and the book itself where its data are not refused.

    Raises:
        UsageError: there is no such book, or its book.toml says what cannot be.
    """
    try:
        book = open_book(folder)
    except DataRefused:
        place = _place(folder)
        return read_config(place).name, read_only(place), None
    return book.name, book.reading, book


def book_of(*, as_of: str, currency: str = "EUR", fiscal_year_starts: int = 1, **tables: str) -> Book:
    r"""A book small enough to be typed, from tables written as CSV text; read and checked like any other.

    >>> book = book_of(as_of="2025-12-31", deals="deal_id,created_on,status\nD1,2025-10-01,open\n")
    >>> len(book.deals)
    1

    Raises:
        DataRefused, UsageError: as `open_book`.
    """
    with TemporaryDirectory(prefix="partnerkpi-") as folder:
        header = (
            f'[book]\nname = "Example"\ncurrency = "{currency}"\ntime_zone = "UTC"\n'
            f"fiscal_year_starts = {fiscal_year_starts}\nextracted_on = {as_of}\n"
        )
        (Path(folder) / "book.toml").write_text(header, encoding="utf-8")
        for name, text in tables.items():
            (Path(folder) / f"{name}.csv").write_text(text, encoding="utf-8")
        return open_book(folder, allow_set_aside=True)


def _place(folder: str | Path) -> Path:
    return Path(folder) if str(folder) else shipped("data")
