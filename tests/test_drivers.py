"""Why the won amount changed: the parts are exact, add up to the cent, and are what one works out by hand."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import duckdb
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import partnerkpi as pk
from partnerkpi.drivers import PARTS, drivers_of
from partnerkpi.kpis import average_deal_size
from partnerkpi.kpis.number_of_deals import won_amount
from partnerkpi.shipped import shipped

HEAD = "deal_id,created_on,status,closed_on,amount,product,region\n"
SIDE = st.lists(st.tuples(st.integers(0, 6), st.integers(1, 10**7)), min_size=1, max_size=6)


def parts(book: pk.Book, quarter: str = "2025Q4", by: str = "") -> dict[str, float]:
    table = pk.why(book, quarter, by)
    assert list(table["part"]) == list(PARTS)
    told = dict(zip(table["part"], table["amount"], strict=True))
    assert round(sum(told[part] for part in PARTS[:-1]), 6) == told["now"]
    return told


@settings(max_examples=300, deadline=None)
@given(SIDE, st.data())
def test_the_parts_are_the_difference_exactly_and_as_defined(
    before: list[tuple[int, int]], data: st.DataObject
) -> None:
    now = data.draw(
        st.lists(st.tuples(st.integers(0, 6), st.integers(1, 10**7)), min_size=len(before), max_size=len(before))
    )
    old, new = ([(n, n * each) for n, each in side] for side in (before, now))
    found = drivers_of(old, new)
    amount = [sum(money for _, money in side) for side in (old, new)]
    assert found.volume + sum(found.mix) + sum(found.size) == amount[1] - amount[0]
    deals = [sum(n for n, _ in side) for side in (old, new)]
    if not all(deals):
        assert (found.volume, sum(found.mix), sum(found.size)) == (amount[1] - amount[0], 0, 0)
        return
    # Word for word: ΔW·Ā, W̄·ΣΔs·Ā_g, W̄·Σs̄·ΔA_g; a group absent in one period takes the other's mean.
    mean = [Fraction(m, n) for m, n in zip(amount, deals, strict=True)]
    mix = size = Fraction(0)
    for (n0, m0), (n1, m1) in zip(old, new, strict=True):
        a0 = Fraction(m0, n0) if n0 else Fraction(m1, n1) if n1 else Fraction(0)
        a1 = Fraction(m1, n1) if n1 else a0
        s0, s1 = Fraction(n0, deals[0]), Fraction(n1, deals[1])
        mix += (s1 - s0) * (a0 + a1) / 2
        size += (s0 + s1) / 2 * (a1 - a0)
    usual = Fraction(sum(deals), 2)
    assert found.volume == (deals[1] - deals[0]) * (mean[0] + mean[1]) / 2
    assert sum(found.mix) == usual * mix
    assert sum(found.size) == usual * size


@settings(max_examples=100, deadline=None)
@given(SIDE)
def test_backwards_it_is_the_opposite_and_without_change_nothing(side: list[tuple[int, int]]) -> None:
    one, other = [(n, n * each) for n, each in side], [(n + 1, (n + 1) * (each + 7)) for n, each in side]
    there, back = drivers_of(one, other), drivers_of(other, one)
    assert there.volume == -back.volume
    assert there.mix == tuple(-part for part in back.mix)
    assert there.size == tuple(-part for part in back.size)
    assert not any([drivers_of(one, one).volume, *drivers_of(one, one).mix, *drivers_of(one, one).size])


def test_by_hand() -> None:
    """Two small for 100 and 300 before; three for 100, 400 and 400 now: more deals, dearer ones, and larger ones."""
    rows = (
        "A,2024-10-01,won,2024-10-09,100.00,small,N\nB,2024-10-01,won,2024-11-09,300.00,large,N\n"
        "C,2025-10-01,won,2025-10-09,100.00,small,N\nD,2025-10-01,won,2025-11-09,400.00,large,S\n"
        "E,2025-10-01,won,2025-12-09,400.00,large,S\n"
    )
    book = pk.book_of(as_of="2025-12-31", deals=HEAD + rows)
    # Ā = (200 + 300) / 2; W̄ = 2.5. Mix: 2.5 × (350 − 100) / 6. Size: 2.5 × 7/12 × 100.
    assert parts(book) == {"before": 400.0, "volume": 250.0, "mix": 104.17, "size": 145.83, "now": 900.0}
    groups = pk.why_groups(book, "2025Q4").set_index("group")
    # Less of the small, which bring 150 less than the mean, and more of the large, which bring 100 more.
    assert groups["mix"].to_dict() == {"large": 41.67, "small": 62.5}
    assert groups["size"].to_dict() == {"large": 145.83, "small": 0.0}
    assert groups.loc["large", ["deals_before", "amount_before", "deals_now", "amount_now"]].tolist() == [
        1,
        300,
        2,
        800,
    ]
    assert parts(book, by="region")["mix"] == 416.67, "2.5 × (400 − 150) × 2/3"
    assert set(pk.why(book, "2025Q4", by="region")["by"]) == {"", "region"}


def test_all_is_volume_where_one_side_has_no_priced_win() -> None:
    book = pk.book_of(as_of="2025-12-31", deals=HEAD + "A,2025-10-01,won,2025-10-09,100.00,small,N\n"
                      "B,2024-10-01,won,2024-10-09,,small,N\nC,2024-10-01,lost,2024-10-09,5.00,large,N\n")  # fmt: skip
    assert parts(book) == {"before": 0.0, "volume": 100.0, "mix": 0.0, "size": 0.0, "now": 100.0}
    table = pk.why(book, "2025Q4").set_index("part")
    assert table["unpriced"].to_dict() == {"before": 1, "volume": 0, "mix": 0, "size": 0, "now": 0}
    assert table["deals"].to_dict() == {"before": 0, "volume": 1, "mix": 0, "size": 0, "now": 1}


def test_wins_of_nought_are_counted_beside() -> None:
    rows = "A,2024-10-01,won,2024-10-09,100.00,x,N\nB,2025-10-01,won,2025-10-09,100.00,x,N\n"
    book = pk.book_of(as_of="2025-12-31", deals=HEAD + rows + "C,2025-10-01,won,2025-10-09,0,x,N\n")
    assert parts(book) == {"before": 100.0, "volume": 0.0, "mix": 0.0, "size": 0.0, "now": 100.0}
    assert pk.why(book, "2025Q4")["unpriced"].tolist() == [0, 0, 0, 0, 1]


def test_without_products_and_regions_all_is_volume_and_size() -> None:
    rows = "A,2024-10-01,won,2024-10-09,100.00,,\nB,2025-10-01,won,2025-10-09,300.00,,\n"
    book = pk.book_of(as_of="2025-12-31", deals=HEAD + rows)
    assert parts(book) == {"before": 100.0, "volume": 0.0, "mix": 0.0, "size": 200.0, "now": 300.0}
    assert set(pk.why(book, "2025Q4")["by"]) == {""}


def test_a_running_quarter_is_set_beside_as_many_days() -> None:
    rows = "A,2024-10-01,won,2024-11-18,100.00,x,N\nB,2024-10-01,won,2024-11-19,900.00,x,N\n"
    book = pk.book_of(as_of="2025-11-18", deals=HEAD + rows + "C,2025-10-01,won,2025-10-09,100.00,x,N\n")
    assert parts(book)["before"] == 100.0


def test_where_a_period_is_not_known_the_reason_stands() -> None:
    book = pk.book_of(as_of="2025-12-31", deals=HEAD + "A,2025-10-01,won,2025-10-09,100.00,x,N\n")
    table = pk.why(book, "2025Q4")
    assert table["amount"].isna().all()
    assert {str(note) for note in table["note"]} == {"the book's records begin on 2025-10-01"}
    assert pk.why_groups(book, "2025Q4").empty
    assert list(pk.why_groups(book, "2025Q4")) == [
        *("group", "deals_before", "amount_before", "deals_now", "amount_now", "mix", "size")
    ]


@pytest.mark.parametrize("by", ["", "region", "partner"])
def test_on_the_sample_the_ends_are_the_won_amounts_and_the_middle_what_sql_says(by: str) -> None:
    book = pk.open_book()
    column = {"": "product", "partner": "partner_id"}.get(by, by)
    for partner in ["", *book.partner_ids[::3]]:
        mine = book.for_partner(partner)
        for quarter in ("2024Q4", "2025Q1", "2025Q4"):
            told = parts(mine, quarter, by)
            for part, when in (("now", mine.quarter(quarter)), ("before", mine.quarter(quarter).year_before)):
                assert told[part] == round(won_amount(mine, when).value or 0.0, 2)
            expected = by_sql(mine, quarter, column)
            for part, value in expected.items():
                assert told[part] == pytest.approx(value, abs=0.011)
            groups = pk.why_groups(mine, quarter, by)
            for part in ("mix", "size"):
                assert round(groups[part].sum(), 6) == told[part]


def by_sql(book: pk.Book, quarter: str, column: str) -> dict[str, float]:
    """The three parts in plain SQL over the deals table."""
    deals = book.deals[["status", "closed_on", "amount", column]].astype({"status": str, column: str})
    deals = deals.rename(columns={column: "grp"})
    period = book.quarter(quarter)
    with duckdb.connect() as sql:
        sql.register("deals", deals)
        row = sql.execute(
            """
            WITH wins AS (
                SELECT coalesce(grp, '') AS grp, amount, closed_on >= $start AS now FROM deals
                WHERE status = 'won' AND amount > 0
                  AND (closed_on BETWEEN $start AND $until OR closed_on BETWEEN $then AND $last)
            ),
            total AS (
                SELECT count(*) FILTER (now) AS w1, count(*) FILTER (NOT now) AS w0,
                       avg(amount) FILTER (now) AS a1, avg(amount) FILTER (NOT now) AS a0 FROM wins
            ),
            each AS (
                SELECT count(*) FILTER (now) / any_value(w1) AS s1, count(*) FILTER (NOT now) / any_value(w0) AS s0,
                       coalesce(avg(amount) FILTER (now), avg(amount) FILTER (NOT now)) AS a1,
                       coalesce(avg(amount) FILTER (NOT now), avg(amount) FILTER (now)) AS a0
                FROM wins, total GROUP BY grp
            )
            SELECT (w1 - w0) * (total.a0 + total.a1) / 2,
                   (w0 + w1) / 2 * (SELECT sum((s1 - s0) * (a0 + a1) / 2) FROM each),
                   (w0 + w1) / 2 * (SELECT sum((s0 + s1) / 2 * (a1 - a0)) FROM each)
            FROM total WHERE w0 > 0 AND w1 > 0
            """,
            {
                "start": period.start.date(),
                "until": period.last_day.date(),
                "then": period.year_before.start.date(),
                "last": period.year_before.last_day.date(),
            },
        ).fetchone()
    return dict(zip(("volume", "mix", "size"), row, strict=True)) if row else {}


def test_on_real_data_the_parts_add_up(real_book: Callable[[str], Path]) -> None:
    book = pk.open_book(real_book("adventureworks"))
    for quarter in ("2018Q4", "2019Q4"):
        told = parts(book, quarter)
        assert told["now"] == round(won_amount(book, quarter).value or 0.0, 2) > 0
    assert average_deal_size(book, "2019Q4").value is not None


def test_the_sample_comes_along() -> None:
    assert pd.notna(parts(pk.open_book(shipped("data")))["mix"])
