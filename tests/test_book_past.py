import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from partnerkpi.book import Book
from partnerkpi.book.earlier import spells_heard, spells_until
from partnerkpi.book.past import Tables, as_known_on, deals_on, spells_of
from partnerkpi.book.periods import spell_columns, with_deals
from partnerkpi.opening import open_book

Write = Callable[..., Path]
HEAD = "deal_id,created_on,status,closed_on,stage,amount,partner_id,expected_close_on\n"
EXPORT = 20


def on(day: int) -> pd.Timestamp:
    return pd.Timestamp("2025-01-01") + pd.Timedelta(days=day)


def told(book: Book) -> list[list[Any]]:
    shown = book.spells[["deal_id", "from_day", "to_day", "status", "stage", "amount", "partner_id"]]
    days = shown.assign(**{c: shown[c].dt.strftime("%m-%d") for c in ("from_day", "to_day")})
    return days.astype(object).where(days.notna(), None).to_numpy().tolist()


def test_a_deal_without_history_is_open_from_creation_to_closing(write_book: Write) -> None:
    rows = (
        "A,2025-01-02,won,2025-02-03,s,5,P,\nB,2025-01-02,open,,,,,\nC,2025-01-02,lost,2025-01-02,s,5,P,\n"
        "D,2025-03-03,won,2025-01-02,s,5,P,\n"
    )
    assert told(open_book(write_book(HEAD + rows))) == [
        ["A", "01-02", "02-03", "open", "s", 5.0, "P"],
        ["A", "02-03", None, "won", "s", 5.0, "P"],
        ["B", "01-02", None, "open", None, None, None],
        ["C", "01-02", None, "lost", "s", 5.0, "P"],
        ["D", "03-03", None, "won", "s", 5.0, "P"],
    ]


def test_the_last_change_of_a_day_holds_and_what_was_not_known_then_is_missing(write_book: Write) -> None:
    history = (
        "deal_id,changed_at,stage,amount,partner_id\n"
        "A,2025-02-01T15:00:00,late,,\nA,2025-02-01T09:00:00,early,70,\nA,2025-03-01,,80,Q\n"
    )
    book = open_book(write_book(HEAD + "A,2025-01-02,won,2025-04-04,end,90,P,\n", history=history))
    assert told(book) == [
        ["A", "01-02", "02-01", "open", None, None, None],
        ["A", "02-01", "03-01", "open", "late", 70.0, None],
        ["A", "03-01", "04-04", "open", "late", 80.0, "Q"],
        ["A", "04-04", None, "won", "end", 90.0, "P"],
    ]


def test_a_reopened_deal_was_lost_in_between(write_book: Write) -> None:
    history = "deal_id,changed_at,status\nA,2025-02-01,lost\nA,2025-03-01,open\n"
    folder = write_book(HEAD + "A,2025-01-02,won,2025-04-04,s,90,P,\n", history=history)
    assert [r[1:4] for r in told(open_book(folder))] == [
        ["01-02", "02-01", "open"],
        ["02-01", "03-01", "lost"],
        ["03-01", "04-04", "open"],
        ["04-04", None, "won"],
    ]
    lost = open_book(folder, "2025-02-10").deals.iloc[0]
    assert (lost["status"], lost["closed_on"]) == ("lost", pd.Timestamp("2025-02-01"))
    again = open_book(folder, "2025-03-10").deals.iloc[0]
    assert again["status"] == "open"
    assert pd.isna(again["closed_on"])


def test_the_deals_table_holds_from_the_export_on(write_book: Write) -> None:
    history = "deal_id,changed_at,stage,amount\nA,2025-02-01,one,50\n"
    folder = write_book(HEAD + "A,2025-01-02,open,,two,60,P,\n", history=history)
    assert [r[1:6] for r in told(open_book(folder))] == [
        ["01-02", "02-01", "open", None, None],
        ["02-01", "12-31", "open", "one", 50.0],
        ["12-31", None, "open", "two", 60.0],
    ]
    before = open_book(folder, "2025-12-30")
    assert (before.deals["stage"].iloc[0], before.deals["amount"].iloc[0]) == ("one", 50.0)
    assert [r[1:3] for r in told(before)] == [["01-02", "02-01"], ["02-01", None]]
    early = open_book(folder, "2025-01-31").deals.iloc[0]
    assert early[["stage", "amount"]].isna().all(), "what the history gives only later was not known then"
    assert early["partner_id"] == "P", "what it never gives is that of the deals table"
    assert open_book(folder).deals["amount"].iloc[0] == 60.0


def test_as_of_forgets_whatever_came_later(write_book: Write) -> None:
    folder = write_book(
        "deal_id,created_on,status,closed_on,reason,competitor,registered_on,accepted_on,amount,lead_id\n"
        "A,2025-01-02,lost,2025-04-04,price,Rival,2025-01-02,2025-02-02,5,L-1\nB,2025-03-03,open,,,,,,5,\n",
        leads="lead_id,created_on,status,closed_on\nL-1,2025-01-01,lost,2025-04-04\nL-2,2025-02-20,open,\n",
        partners="partner_id,joined_on,left_on\nP,2025-02-01,2025-06-01\nQ,2025-05-01,\nR,,\n",
        spend="channel,month,amount\nweb,2025-01,5\nweb,2025-02,5\n",
        touches="deal_id,channel,touched_at\nA,web,2025-01-31T23:00:00\nA,web,2025-02-01T01:00:00\n",
        history="deal_id,changed_at,stage,recorded_at\nA,2025-01-10,s,2025-01-10\nA,2025-01-20,t,2025-02-20\n",
        rates="currency,date,rate\nUSD,2025-01-01,0.5\nUSD,2025-02-01,0.6\n",
        targets="quarter,amount\n2025Q4,5\n",
    )
    book = open_book(folder, "2025-01-31")
    assert book.deals["deal_id"].tolist() == ["A"]
    deal = book.deals.iloc[0]
    assert (deal["status"], deal["stage"], deal["registered_on"]) == ("open", "s", pd.Timestamp("2025-01-02"))
    assert deal[["closed_on", "reason", "competitor", "accepted_on"]].isna().all()
    assert book.leads[["lead_id", "status"]].to_numpy().tolist() == [["L-1", "open"]]
    assert book.partners["partner_id"].tolist() == ["R"]
    assert [len(t) for t in (book.spend, book.touches, book.history, book.rates, book.targets)] == [1, 1, 1, 1, 1]
    middle = open_book(folder, "2025-02-28")
    assert middle.deals["stage"].tolist() == ["t"]
    assert middle.partners["partner_id"].tolist() == ["P", "R"]
    assert middle.partners["left_on"].isna().all()


VALUE = st.sampled_from(["x", "y", "z", None])
NUMBER = st.sampled_from([1.0, 2.0, 3.0, None])
CHANGE = st.tuples(st.integers(-2, EXPORT), st.sampled_from(["open", "lost", "won", None]), VALUE, NUMBER, VALUE)
DEAL = st.tuples(
    st.integers(0, EXPORT - 2), st.sampled_from(["open", "won", "lost"]), st.integers(-1, 12), VALUE, NUMBER, VALUE,
    st.lists(CHANGE, max_size=5),
)  # fmt: skip
DEALS = st.lists(DEAL, min_size=1, max_size=4)


def frames(deals: list[Any]) -> tuple[pd.DataFrame, pd.DataFrame]:
    rows, changes = [], []
    for i, (created, status, life, stage, amount, partner, history) in enumerate(deals):
        closed = None if status == "open" else on(min(created + life, EXPORT))
        rows.append((f"D{i}", on(created), closed, status, stage, amount, partner))
        changes += [(f"D{i}", on(day), *rest) for day, *rest in history]
    names = ["deal_id", "created_on", "closed_on", "status", "stage", "amount_original", "partner_id"]
    made = pd.DataFrame(rows, columns=names)
    told = pd.DataFrame(changes, columns=["deal_id", "changed_at", "status", "stage", "amount", "partner_id"])
    empty = ("expected_close_on", "recorded_at", "registered_on", "accepted_on", "reason", "competitor")
    for frame in (made, told):
        for name in ("currency", "rep", "unit", "region", "product", "channel", "sourced", "name", "customer", *empty):
            frame[name] = None
        for name in ("created_on", "closed_on", "changed_at", *empty[:4]):
            if name in frame:
                frame[name] = pd.to_datetime(frame[name]).astype("datetime64[s]")
        for name in ("amount_original", "amount"):
            if name in frame:
                frame[name] = frame[name].astype("float64")
        for name in (
            "status",
            "stage",
            "partner_id",
            "currency",
            "rep",
            "unit",
            "region",
            "product",
            "channel",
            "sourced",
        ):
            frame[name] = frame[name].astype("str").astype("category")
        frame["deal_id"] = frame["deal_id"].astype("str")
    return made, told


def with_nothing_else(deals: pd.DataFrame, history: pd.DataFrame) -> Tables:
    days = ["created_on", "closed_on", "joined_on", "left_on", "touched_at", "month", "date"]
    empty = pd.DataFrame(columns=days).astype("datetime64[s]").assign(status=pd.Categorical([]), deal_id="", lead_id="")
    others = dict.fromkeys(["leads", "partners", "touches", "spend", "rates"], empty)
    return {"deals": deals, "history": history, **others}


def by_hand(deals: list[Any], i: int, day: int) -> tuple[Any, ...]:
    """The state of a deal at the end of a day, told from the rules one deal and one day at a time."""
    created, status, life, stage, amount, partner, history = deals[i]
    closed = None if status == "open" else max(created, min(created + life, EXPORT))
    events = sorted((max(d, created), n, d) for n, (d, *_) in enumerate(history))
    events.sort(key=lambda e: (e[0], e[2], e[1]))
    later = closed is not None and any(d > closed for d, _, _ in events)
    final = {"status": status, "stage": stage, "amount": amount, "partner": partner}
    found = []
    for place, name in enumerate(final):
        known: list[tuple[int, Any]] = [(created, "open")] if name == "status" else []
        from_history = False
        for d, n, _ in events:
            over = name == "status" and closed is not None and d > closed
            if history[n][place + 1] is not None and not over:
                known.append((d, history[n][place + 1]))
                from_history = True
        if closed is not None and (name == "status" or not later) and final[name] is not None:
            known.append((closed, final[name]))
            known.sort(key=lambda e: e[0])
        before = [v for d, v in known if d <= day]
        found.append(before[-1] if before else None if from_history else final[name])
    recorded = [any(d[k] is not None for d in deals) for k in (1, 3, 4, 5)]
    if day >= EXPORT:
        found = [v if r else f for r, v, f in zip(recorded, final.values(), found, strict=True)]
    return tuple(found)


def plain(*values: Any) -> tuple[Any, ...]:
    return tuple(None if v is None or (isinstance(v, float) and math.isnan(v)) else v for v in values)


@settings(max_examples=60, deadline=None)
@given(DEALS)
def test_every_day_of_every_deal_is_as_told_by_hand(deals: list[Any]) -> None:
    table, history = frames(deals)
    spells = spells_of(table, history, on(EXPORT))
    assert (spells["to_day"].isna() | (spells["from_day"] < spells["to_day"])).all()
    for i in range(len(deals)):
        own = spells[spells["deal"] == i]
        for day in range(EXPORT + 3):
            now = own[(own["from_day"] <= on(day)) & ~(own["to_day"] <= on(day))]
            assert len(now) == (1 if day >= deals[i][0] else 0)
            if len(now):
                row = now.iloc[0]
                state = plain(row["status"], row["stage"], row["amount"], row["partner_id"])
                assert state == by_hand(deals, i, day)
        same = own.drop(columns=["from_day", "to_day"])
        assert not (same.astype(str) == same.astype(str).shift()).all(axis=1).any()  # each differs from the one before


@settings(max_examples=50, deadline=None)
@given(DEALS, st.integers(0, EXPORT), st.integers(0, EXPORT), st.randoms(use_true_random=False))
def test_as_of_twice_is_as_of_the_earlier_day(deals: list[Any], one: int, other: int, rnd: Any) -> None:
    table, history = frames(deals)
    tables = with_nothing_else(table, history)
    later, early = max(one, other), min(one, other)
    twice = as_known_on(as_known_on(tables, on(later), on(EXPORT)), on(early), on(later))
    once = as_known_on(tables, on(early), on(EXPORT))
    for name in ("deals", "history"):
        pd.testing.assert_frame_equal(twice[name], once[name], check_categorical=False)
    # The spells of the past are those of the whole book, cut off at the day.
    whole = with_deals(spells_of(table, history, on(EXPORT)), table)
    whole = whole[whole["from_day"] <= on(early)]
    part = with_deals(spells_of(once["deals"], once["history"], on(early)), once["deals"])
    cut = whole["to_day"].mask(whole["to_day"] > on(early))
    names = ["deal_id", "from_day", "status", "stage", "amount", "partner_id"]
    pd.testing.assert_frame_equal(
        part[names].reset_index(drop=True), whole[names].reset_index(drop=True), check_categorical=False
    )
    assert part["to_day"].astype(str).tolist() == cut.astype(str).tolist()


@settings(max_examples=100, deadline=None)
@given(DEALS, st.integers(0, EXPORT - 1), st.data())
def test_the_spells_of_an_earlier_day_are_cut_from_those_of_the_whole(deals: list[Any], day: int, data: Any) -> None:
    """Also where changes were entered late: of these deals they are worked out anew."""
    table, history = frames(deals)
    delays = data.draw(st.lists(st.integers(0, EXPORT), min_size=len(history), max_size=len(history)))
    history["recorded_at"] = history["changed_at"] + pd.to_timedelta(delays, unit="D").astype("timedelta64[s]")
    tables = {"deals": table, "history": history, "spells": spells_of(table, history, on(EXPORT))}
    heard = spells_heard(tables, on(day), on(EXPORT))
    known = deals_on(table, history, on(day), on(EXPORT))
    pd.testing.assert_frame_equal(deals_on(table, history, on(day), on(EXPORT), heard), known)
    once = as_known_on(with_nothing_else(table, history), on(day), on(EXPORT))
    right = spells_of(once["deals"], once["history"], on(day))
    cut = spells_until(heard, once["deals"], history, on(day))
    pd.testing.assert_frame_equal(cut, right, check_categorical=False)
    deals_then = once["deals"]
    whole = with_deals(cut, deals_then)
    assert list(whole) == list(spell_columns())
    for name in ("deal_id", "created_on"):
        assert (whole[name].to_numpy() == deals_then[name].to_numpy()[cut["deal"]]).all()


@settings(max_examples=50, deadline=None)
@given(DEALS, st.randoms(use_true_random=False))
def test_the_order_of_deals_does_not_matter(deals: list[Any], rnd: Any) -> None:
    table, history = frames(deals)
    order = list(range(len(table)))
    rnd.shuffle(order)
    other = table.iloc[order].reset_index(drop=True)
    mixed = with_deals(spells_of(other, history, on(EXPORT)), other).drop(columns="deal")
    plainly = with_deals(spells_of(table, history, on(EXPORT)), table).drop(columns="deal")
    again = mixed.sort_values(["deal_id", "from_day"]).reset_index(drop=True)
    pd.testing.assert_frame_equal(again, plainly)


@pytest.mark.parametrize("rows", ["", "A,2025-01-02,open,,s,5,P,\n"])
def test_spells_of_nothing_have_all_columns(write_book: Write, rows: str) -> None:
    book = open_book(write_book(HEAD + rows))
    full = open_book(write_book(HEAD + "A,2025-01-02,won,2025-01-03,s,5,P,2025-01-01\n"))
    assert list(book.spells) == list(full.spells)
    assert [str(t) for t in book.spells.dtypes] == [str(t) for t in full.spells.dtypes]
    assert [str(t) for t in book.prospects.dtypes] == [str(t) for t in full.prospects.dtypes]
