"""What a book records at all: where it does not, a figure is missing with the reason, for every group alike.

A rule asks here, of the whole book, and never of its own rows: what one partner lacks is not what the book lacks.
"""

from __future__ import annotations

from partnerkpi.book import Book
from partnerkpi.wording import Code, Remark


class NotRecorded(Exception):
    """A rule raises this when the book as a whole does not hold what its figure is made of; it carries the reason."""

    def __init__(self, reason: Remark) -> None:
        super().__init__(reason)
        self.reason = reason


def approximation(book: Book) -> Remark | None:
    """What must be known of every figure of deals and leads where no history tells of the as-of day; else None."""
    return Code.APPROXIMATE(day=book.as_of, export=book.extracted_on) if book.approximate else None


def need_wins(book: Book) -> None:
    """Pass when the book records any win.

    Raises:
        NotRecorded: it does not, so that no figure of wins can be told from nothing.
    """
    if "won" not in book.others.statuses:
        raise NotRecorded(Code.WINS_NOT_RECORDED())


def need_won_amounts(book: Book) -> None:
    """Pass when any win of the book carries an amount.

    Raises:
        NotRecorded: none does, or no win is recorded.
    """
    need_wins(book)
    if "won" not in book.others.priced:
        raise NotRecorded(Code.WON_AMOUNTS_NOT_RECORDED())


def records_losses(book: Book) -> bool:
    """True when the book records any prospect that was decided against us."""
    return bool({"lost", "abandoned"} & book.others.statuses)


def need_losses(book: Book) -> None:
    """Pass when the book records prospects that were decided against us, and wins.

    Raises:
        NotRecorded: it does not: everything it decided was won, or lost.
    """
    if not records_losses(book):
        raise NotRecorded(Code.LOSSES_NOT_RECORDED())
    need_wins(book)
