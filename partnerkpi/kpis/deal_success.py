r"""How well the right opportunities are spotted and converted, of the deals that partners bring themselves.

Of the deals a partner brought that got an outcome in the quarter, refused registrations included, the share won. It
is the product of two shares, exactly: identification, decided ÷ (decided + rejected), times conversion, won ÷
decided. A registration refused because the vendor already knew the customer (reason `conflict`) is no failure of the
partner and is not counted. High is good. Where the book does not record who brought a deal all deals count, and where
it records no refusal either, the figure is the close rate of deals; the note says so. Where it records neither losses
nor refusals, the figure is missing.

>>> from partnerkpi.opening import book_of
>>> book = book_of(deals="deal_id,created_on,status,closed_on,sourced,reason\n"
...                      "D1,2025-08-01,won,2025-10-06,partner,\nD2,2025-09-03,lost,2025-11-15,partner,\n"
...                      "D3,2025-09-03,rejected,2025-10-01,partner,no fit\n"
...                      "D4,2025-09-03,rejected,2025-10-01,partner,conflict\n"
...                      "D5,2025-09-20,won,2025-10-02,vendor,\n", as_of="2025-12-31")
>>> print(deal_success(book, "2025Q4"))
33 % (95 % interval 6.1 % to 79 %, 3 deals)
>>> round(identification(book, "2025Q4").value * conversion(book, "2025Q4").value, 6)
0.333333
"""

import pandas as pd

from partnerkpi.book import Book
from partnerkpi.deals import DECIDED, brought_by_partner, ended_in, known_to_vendor, with_status
from partnerkpi.kpi import kpi, silent
from partnerkpi.periods import Quarter
from partnerkpi.recorded import NotRecorded, need_wins
from partnerkpi.statistics import count, share
from partnerkpi.wording import DEALS, Code, Remark


def brought(book: Book, quarter: Quarter) -> pd.DataFrame:
    """The deals the partner brought that got an outcome in the quarter; conflicts with the vendor left out."""
    if not {"lost", "abandoned", "rejected"} & book.others.statuses:
        raise NotRecorded(Code.NO_OUTCOMES_RECORDED())
    ended = brought_by_partner(book, ended_in(book.deals, quarter))
    return ended[~known_to_vendor(ended).to_numpy()]


def who_brought(book: Book, quarter: Quarter) -> Remark | None:
    """What the figure is where the book does not record who brought a deal."""
    if book.records("deals.sourced"):
        return None
    return Code.ALL_DEALS_COUNT() if "rejected" in book.others.statuses else Code.CLOSE_RATE_OF_DEALS()


def need_refusals(book: Book) -> None:
    """Pass when the book records refused registrations.

    Raises:
        NotRecorded: it does not.
    """
    if "rejected" not in book.others.statuses:
        raise NotRecorded(Code.REFUSALS_NOT_RECORDED())


@kpi(
    title="Deal success",
    formula="won ÷ (decided + rejected), of the deals the partner brought",
    unit="share",
    counts=DEALS,
    better="higher",
    kind="flow",
    span="quarter",
    rose="More of the deals the partner brought were won",
    fell="Fewer of the deals the partner brought were won",
    statistic=share,
    note=who_brought,
)
def deal_success(book: Book, quarter: Quarter) -> pd.DataFrame:
    """How well does the partner spot the right opportunities and convert them?"""
    need_wins(book)
    rows = brought(book, quarter)
    return rows.assign(value=rows["status"] == "won")


@deal_success.companion(title="Identification", formula="decided ÷ (decided + rejected)")
def identification(book: Book, quarter: Quarter) -> pd.DataFrame:
    """Of the deals the partner brought, what share was a real opportunity?"""
    need_refusals(book)
    rows = brought(book, quarter)
    return rows.assign(value=with_status(rows, DECIDED))


@deal_success.companion(title="Conversion", formula="won ÷ decided")
def conversion(book: Book, quarter: Quarter) -> pd.DataFrame:
    """Of the real opportunities the partner brought, what share was won?"""
    need_wins(book)
    rows = brought(book, quarter)
    rows = rows[with_status(rows, DECIDED).to_numpy()]
    return rows.assign(value=rows["status"] == "won")


@deal_success.companion(
    title="Conflicts",
    formula="count of registrations refused because the vendor knew the customer",
    unit="deals",
    better="lower",
    statistic=count,
    note=silent,
)
def conflicts(book: Book, quarter: Quarter) -> pd.DataFrame:
    """How many registrations were refused because the vendor already knew the customer?"""
    need_refusals(book)
    ended = brought_by_partner(book, ended_in(book.deals, quarter))
    return ended[known_to_vendor(ended).to_numpy()].assign(value=1.0)
