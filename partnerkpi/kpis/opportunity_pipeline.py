r"""The amount of the deals that are open at the end of the quarter, as they stood that day.

A stock: what could still be won, before a rival does. Where the book keeps a history, stage, amount, owner and expected
close are those of that day: the last change by then holds, and what the history gives only later was not known then.
What the history never gives is that of the deals table, and the note says so of amounts. On the day of the export the
deals table holds. Open deals without an amount are counted but add nothing, and the note says how many; where none
has one, the figure is missing, as it is in a book that never records an open deal. There is no interval: nothing is
sampled.

Beside it stand the count; what the open deals are expected to bring by the end of the next two quarters, each weighted
by its chance at its stage and age in the network's own past, in money and in wins, each with an interval (see
`partnerkpi.forecast`; `backtest` says what came of earlier forecasts); the pipeline's age, what is overdue, what rivals
took, and how often the pipeline covers the target: all of it, and what is still to go. Where the past is too short to
tell chances, the weighted pipeline takes those that the book declares for its stages, and says so.

>>> from partnerkpi.opening import book_of
>>> deals = ("deal_id,created_on,status,closed_on,amount\n"
...          "D1,2025-08-01,won,2025-10-06,200\n"
...          "D2,2025-09-03,open,,400\n")
>>> book = book_of(deals=deals, as_of="2025-12-31")
>>> print(opportunity_pipeline(book, "2025Q3")), print(opportunity_pipeline(book, "2025Q4"))
€600 (2 open deals; recorded in full, not sampled: no interval; no history: by created and closed days, today's amounts)
€400 (1 open deal; recorded in full, not sampled: no interval)
(None, None)

With a history of D2, whose amount was 350 in September and 400 from October on:

>>> history = "deal_id,changed_at,amount\nD2,2025-09-03,350\nD2,2025-10-20,400\n"
>>> opportunity_pipeline(book_of(deals=deals, history=history, as_of="2025-12-31"), "2025Q3").value
550.0
"""

import numpy as np
import pandas as pd

from partnerkpi.book import Book
from partnerkpi.deals import closed_in, open_at, target_rows, targets_ahead, won_in
from partnerkpi.forecast import AHEAD, landmarks, with_chances, with_declared
from partnerkpi.indices import predicted, worth_of
from partnerkpi.kpi import kpi, silent
from partnerkpi.periods import Quarter
from partnerkpi.recorded import NotRecorded, need_won_amounts
from partnerkpi.statistics import median, ratio_or, reasons_of, recorded_count, recorded_total, total
from partnerkpi.wording import LOST_DEALS, OPEN_DEALS, Code, Remark


def open_deals_at_end(book: Book, quarter: Quarter) -> pd.DataFrame:
    """The deals open on the quarter's last day, with their amount that day as value."""
    need_open_deals(book)
    deals = open_at(book, quarter.last_day)
    owned = np.append(book.deals["partner_id"].notna().to_numpy(), False)  # −1: no longer among the book's deals
    unknown = deals["partner_id"].isna().to_numpy() & owned[deals["deal"].to_numpy()]
    return deals.assign(value=deals["amount"], remark=reasons_of([(unknown, Code.OWNER_NOT_KNOWN())]))


def need_open_deals(book: Book) -> None:
    """Pass when any deal of the book was ever open at the end of a day.

    Raises:
        NotRecorded: none was: the book is one of sales made, not of sales to come.
    """
    if "open" not in book.others.statuses:
        raise NotRecorded(Code.OPEN_NOT_RECORDED())


def amounts_of_today(book: Book, quarter: Quarter) -> Remark | None:
    """That the amounts of a past day are those of the export, where no history tells them."""
    if book.records("history.amount") or quarter.last_day >= book.extracted_on:
        return None
    return Code.AMOUNTS_OF_EXPORT() if book.records("history") else Code.AMOUNTS_OF_TODAY()


@kpi(
    title="Opportunity pipeline",
    formula="sum of the amounts of deals open on the quarter's last day",
    unit="money",
    counts=OPEN_DEALS,
    better="higher",
    kind="stock",
    span="quarter",
    rose="The pipeline grew",
    fell="The pipeline shrank",
    statistic=recorded_total,
    note=amounts_of_today,
)
def opportunity_pipeline(book: Book, quarter: Quarter) -> pd.DataFrame:
    """What is there still to win?"""
    return open_deals_at_end(book, quarter)


@opportunity_pipeline.companion(
    title="Open deals",
    formula="count of deals open on the quarter's last day",
    unit="deals",
    statistic=recorded_count,
    note=silent,
)
def open_deals(book: Book, quarter: Quarter) -> pd.DataFrame:
    """How many deals are open?"""
    return open_deals_at_end(book, quarter)


def promising(book: Book, quarter: Quarter) -> pd.DataFrame:
    """The deals open at the quarter's end, each with its `chance` to be won by the end of the next two quarters."""
    deals = open_deals_at_end(book, quarter)
    known = book.others.chances(quarter)
    if np.isnan(known.overall):
        raise NotRecorded(Code.TOO_LITTLE_TO_FORECAST())
    return with_chances(deals, known, quarter.last_day)


@opportunity_pipeline.companion(
    title="Weighted pipeline",
    formula="sum of open amounts × the chance to be won by the end of the next two quarters, by stage and age",
    statistic=worth_of(),
    note=silent,
)
def weighted_pipeline(book: Book, quarter: Quarter) -> pd.DataFrame:
    """What will the open deals bring by the end of the next two quarters, by the network's own record?"""
    if book.probabilities and np.isnan(book.others.chances(quarter).overall):
        deals = with_declared(open_deals_at_end(book, quarter), book.probabilities)
        deals = deals.assign(remark=reasons_of([(np.full(len(deals), True), Code.DECLARED_CHANCES())]))
    else:
        deals = promising(book, quarter)
    return deals.assign(value=(deals["amount"] * deals["chance"]).round(book.money_digits))


@opportunity_pipeline.companion(
    title="Expected wins",
    formula="sum of the open deals' chances to be won by the end of the next two quarters, by stage and age",
    on_cover="always",
    unit="deals",
    statistic=predicted,
    note=silent,
)
def expected_wins(book: Book, quarter: Quarter) -> pd.DataFrame:
    """How many of the open deals will be won by the end of the next two quarters?"""
    deals = promising(book, quarter)
    return deals.assign(value=deals["chance"])


@opportunity_pipeline.companion(
    title="Expected share of the target",
    formula="weighted pipeline ÷ target of the next two quarters",
    unit="share",
    on_cover="always",
    statistic=worth_of(Code.NO_TARGET_AHEAD),
    note=silent,
)
def expected_attainment(book: Book, quarter: Quarter) -> pd.DataFrame:
    """How much of the target of the next two quarters will the deals bring that are open now?"""
    deals = promising(book, quarter)
    worth = deals.assign(value=(deals["amount"] * deals["chance"]).round(book.money_digits))
    return pd.concat([worth.assign(of=0.0, counted=True), targets_ahead(book, quarter, AHEAD)])


@opportunity_pipeline.companion(
    title="Median age",
    formula="median days since creation of the open deals",
    unit="days",
    better="lower",
    statistic=median,
    note=silent,
)
def pipeline_age(book: Book, quarter: Quarter) -> pd.DataFrame:
    """How old is the pipeline?"""
    need_open_deals(book)
    deals = open_at(book, quarter.last_day)
    return deals.assign(value=(quarter.last_day - deals["created_on"]).dt.days.astype(np.float64))


@opportunity_pipeline.companion(
    title="Overdue deals",
    formula="count of open deals whose expected close has passed",
    unit="deals",
    better="lower",
    statistic=recorded_count,
    note=silent,
)
def overdue_deals(book: Book, quarter: Quarter) -> pd.DataFrame:
    """How many open deals should have closed already?"""
    if not (book.records("deals.expected_close_on") or book.records("history.expected_close_on")):
        raise NotRecorded(Code.EXPECTED_CLOSES_NOT_RECORDED())
    deals = open_deals_at_end(book, quarter)
    return deals[(deals["expected_close_on"] < quarter.last_day).to_numpy()]


@opportunity_pipeline.companion(
    title="Coverage",
    formula="pipeline ÷ target of the quarter",
    unit="ratio",
    statistic=ratio_or(Code.NO_TARGET),
)
def coverage(book: Book, quarter: Quarter) -> pd.DataFrame:
    """How often does the pipeline cover the target?"""
    there = open_deals_at_end(book, quarter)
    if "open" not in book.others.priced:
        raise NotRecorded(Code.OPEN_AMOUNTS_NOT_RECORDED())
    return pd.concat([there.assign(of=0.0, counted=True), target_rows(book, quarter)])


@opportunity_pipeline.companion(
    title="To-go coverage",
    formula="pipeline ÷ (target − won amount)",
    unit="ratio",
    statistic=ratio_or(Code.NO_TARGET_LEFT),
)
def to_go_coverage(book: Book, quarter: Quarter) -> pd.DataFrame:
    """How often does the pipeline cover what is still missing to the target?"""
    need_won_amounts(book)
    won = won_in(book.deals, quarter)
    reached = won.assign(value=0.0, of=-won["amount"], counted=False, needed=True)
    return pd.concat([coverage.rule(book, quarter), reached])


@opportunity_pipeline.companion(
    title="Lost to rivals",
    formula="sum of the amounts of deals lost to a named competitor",
    unit="money",
    counts=LOST_DEALS,
    better="lower",
    kind="flow",
    statistic=total,
    note=silent,
)
def lost_to_rivals(book: Book, quarter: Quarter) -> pd.DataFrame:
    """What did rivals take in the quarter?"""
    if not book.records("deals.competitor"):
        raise NotRecorded(Code.RIVALS_NOT_RECORDED())
    lost = closed_in(book.deals, quarter, ("lost",))
    lost = lost[lost["competitor"].notna()]
    return lost.assign(value=lost["amount"])


def deals_to_act_on(book: Book, quarter: str | Quarter) -> pd.DataFrame:
    """The deals open at the quarter's end as one acts on them: the longest overdue first, then by expected close.

    Columns, as far as the book records them: `deal_id`, `customer`, `product`, `stage`, `expected_close_on`,
    `days_overdue` (missing where it is not), `competitor`, `age` in days, `amount`. A rival and a product are those
    that the deals table names.
    """
    period = book.quarter(quarter)
    deals = opportunity_pipeline.rows(book, period)
    if not len(deals):
        return deals.reindex(columns=["deal_id", "amount"])
    named = book.deals.assign(deal_id=book.deals["deal_id"].astype("str")).set_index("deal_id")
    ids = deals["deal_id"].astype("str")
    given = {name: named[name].reindex(ids).to_numpy() for name in ("product", "competitor") if name in named}
    late = (period.last_day - deals["expected_close_on"]).dt.days
    table = deals.assign(**given, days_overdue=late.where(late > 0).astype("Int64"))
    table = table.assign(age=(period.last_day - table["created_on"]).dt.days)
    order = ["days_overdue", "expected_close_on", "deal_id"]
    table = table.sort_values(order, ascending=[False, True, True], na_position="last")
    columns = ("customer", "product", "stage", "expected_close_on", "days_overdue", "competitor", "age", "amount")
    return table[["deal_id", *(c for c in columns if c in table)]].reset_index(drop=True)


def backtest(book: Book, quarter: Quarter) -> pd.DataFrame:
    """What was expected at each past quarter end whose two quarters are over, and what came: oldest first, up to eight.

    Each forecast is the one that the book of that day makes, without what was entered later, of the deals that were the
    partner's that day, whoever has them now. Columns: `quarter`, `open_deals`, `expected`, `low`, `high` (wins by the
    end of the two quarters after), `came`, and whether it came `inside`. Empty where nothing could be forecast, and for
    a part of a slice, which holds the back-test of its partner only.
    """
    lines = []
    for past in landmarks(quarter):
        told = book.others.told(past, book.choices)
        if told is not None:
            _, _, low, high, came = told
            lines.append((past.label, *told, low <= came <= high))
    return pd.DataFrame(lines, columns=["quarter", "open_deals", "expected", "low", "high", "came", "inside"])
