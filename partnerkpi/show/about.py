"""What a page stands on: the book, the day, the quarter, and the account of the rows read."""

from __future__ import annotations

import pandas as pd

from partnerkpi.book import Book
from partnerkpi.periods import Quarter
from partnerkpi.show.html import Shown
from partnerkpi.show.tables import rows


def about(book: Book, quarter: str | Quarter) -> Shown:
    """The facts every figure of the page rests on, one line each."""
    period = book.quarter(quarter)
    names = book.partners.set_index("partner_id")["name"]
    name = names.get(book.partner)
    label = f"{book.partner} {name}" if pd.notna(name) and name != book.partner else book.partner
    facts = {
        "partner": label if book.partner else f"the whole network, {len(book.partner_ids)} partners",
        "quarter": f"{period}: {period.start:%Y-%m-%d} to {period.end:%Y-%m-%d}",
        "as of": f"{book.as_of:%Y-%m-%d}; nothing later is in any figure",
        "book": f"{book.name}, exported on {book.extracted_on:%Y-%m-%d}",
        "money and days": f"{book.currency}; days in {book.time_zone}",
        "rows": book.reading.line(),
    }
    return rows(pd.DataFrame({"fact": facts.keys(), "here": facts.values()}), "What these figures rest on")
