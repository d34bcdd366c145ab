"""Books small enough to be typed: for worked examples, lessons and questions of the kind "what if"."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from partnerkpi.book.book import Book
from partnerkpi.book.opening import open_book


def book_of(*, as_of: str, currency: str = "EUR", fiscal_year_starts: int = 1, **tables: str) -> Book:
    r"""A book from tables written as CSV text with canonical column names; read and checked like any other.

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
