"""What every KPI and every companion figure keeps, whatever it measures."""

from __future__ import annotations

import json
import math

import numpy as np
import pandas as pd
import pytest

import partnerkpi as pk
from partnerkpi.book.schema import TABLES, levels
from partnerkpi.estimate import Estimate
from partnerkpi.groups import ALL
from partnerkpi.kpi import Kpi
from partnerkpi.opening import book_of
from partnerkpi.shipped import shipped
from partnerkpi.statistics import count, recorded_count, recorded_total, total
from partnerkpi.wording import DEALS, Code

FIGURES = [figure for kpi in pk.KPIS for figure in (kpi, *kpi.companions)]
QUARTER = "2025Q4"

# Σ over the groups is the whole: counts and sums; rates, medians and indices do not add up.
ADDITIVE = [f for f in FIGURES if f.statistic in (count, total, recorded_count, recorded_total)]
# What is counted over four quarters is not a sum of quarters.
FLOWS = [f for f in ADDITIVE if f.kind == "flow" and f.span == "quarter"]


@pytest.fixture(scope="module")
def book() -> pk.Book:
    return pk.open_book()


@pytest.fixture(scope="module")
def partners(book: pk.Book) -> dict[str, pk.Book]:
    return {partner: book.for_partner(partner) for partner in ("P-001", "P-004", "P-012", "P-023")}


@pytest.fixture(scope="module")
def again() -> pk.Book:
    return pk.open_book()


@pytest.fixture(scope="module")
def earlier() -> pk.Book:
    return pk.open_book(as_of="2025-06-30")


def each(figures: list[Kpi] = FIGURES) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("figure", figures, ids=lambda figure: figure.name)


def test_their_names_are_unique() -> None:
    names = [figure.name for figure in FIGURES]
    assert len(set(names)) == len(names)


@each()
def test_it_says_what_it_is(figure: Kpi) -> None:
    assert figure.question.endswith("?")
    assert figure.formula
    assert figure.title
    assert figure.better in ("higher", "lower")
    assert figure.kind in ("flow", "stock")
    assert ">>>" in figure.definition, "the definition has a worked example"


#: Shares of a target or a spend, which are no parts.
MORE_THAN_ALL = ("attainment", "expected_attainment", "return_on_spend", "return_without_largest")


@each()
def test_the_interval_holds_the_value_and_what_is_missing_has_a_reason(figure: Kpi, book: pk.Book) -> None:
    table = figure.by(book, QUARTER, "partner")
    for row in table.itertuples():
        if math.isnan(row.value):
            assert row.reason, f"{row.group} is missing without a reason"
            assert math.isnan(row.low)
            assert math.isnan(row.high)
        elif math.isnan(row.low) or math.isnan(row.high):
            assert row.reason, f"{row.group} has no interval and no reason"
        low, high = (row.value if math.isnan(x) else x for x in (row.low, row.high))
        assert math.isnan(row.value) or low <= row.value <= high
        assert not math.isinf(row.value)
        assert row.n >= 0
    if figure.unit == "share" and figure.name not in (
        "attainment",
        "expected_attainment",
        "return_on_spend",
        "return_without_largest",
    ):
        assert table["value"].dropna().between(0, 1).all()
        assert table["low"].dropna().ge(0).all()
        assert table["high"].dropna().le(1).all()


def test_no_figure_changes_the_book(book: pk.Book) -> None:
    frames = {name: book.table(name) for name in (*TABLES, "spells", "prospects")}
    before = {name: table.copy(deep=True) for name, table in frames.items()}
    for figure in FIGURES:
        figure.by(book, QUARTER, "region")
        figure.evidence(book, QUARTER)
        figure(book, QUARTER)
    for name, table in before.items():
        pd.testing.assert_frame_equal(table, book.table(name))


@each()
def test_its_rows_are_rows_of_the_book(figure: Kpi, book: pk.Book) -> None:
    rows = figure.rows(book, QUARTER)
    assert "value" in rows
    if "deal_id" in rows:
        assert set(rows["deal_id"].dropna()) <= set(book.deals["deal_id"])
    estimate = figure(book, QUARTER)
    counted = rows["counted"] if "counted" in rows else rows.get("now", pd.Series(True, index=rows.index))
    assert estimate.n == int(counted.sum())


@each()
def test_without_any_row_it_is_missing_with_a_reason(figure: Kpi) -> None:
    empty = book_of(as_of="2025-12-31", deals="deal_id,created_on,status\n")
    estimate = figure(empty, QUARTER)
    assert estimate.value is None
    assert estimate.reason
    assert "nan" not in str(estimate).lower()
    assert figure.by(empty, QUARTER, "partner")["value"].isna().all()


@each(ADDITIVE)
@pytest.mark.parametrize("by", ["partner", "region", "product", "channel"])
def test_groups_add_up_to_the_whole(figure: Kpi, by: str, book: pk.Book) -> None:
    for quarter in ("2024Q2", QUARTER):
        table = figure.by(book, quarter, by).set_index("group")["value"]
        parts = table.drop(ALL).fillna(0)
        digits = 10**book.money_digits
        assert round(sum(np.rint(parts * digits))) == round(table[ALL] * digits)


@each(FLOWS)
def test_four_quarters_make_a_year(figure: Kpi, book: pk.Book) -> None:
    quarters = figure.trend(book, pk.quarters("2025Q4", back=4))["value"].sum()
    won = book.deals[(book.deals["status"] == "won") & (book.deals["closed_on"].dt.year == 2025)]
    if figure.name == "number_of_deals":
        assert quarters == len(won)
    if figure.name == "won_amount":
        assert round(quarters, 2) == round(won["amount"].sum(), 2)
    assert quarters > 0


@each()
def test_one_partner_is_the_same_in_the_table_and_in_its_own_book(
    figure: Kpi, book: pk.Book, partners: dict[str, pk.Book]
) -> None:
    table = figure.by(book, QUARTER, "partner").set_index("group")
    for partner, own in partners.items():
        alone = figure(own, QUARTER)
        assert alone.agrees(table["value"][partner]), f"{partner}: {alone} is not {table.loc[partner].to_dict()}"
        assert alone.n == table["n"][partner]


@each()
def test_nothing_after_the_as_of_day_matters(figure: Kpi, book: pk.Book, earlier: pk.Book) -> None:
    """A quarter that had ended by then reads the same later, if no event later rewrote it."""
    early, late = figure(earlier, "2025Q2"), figure(book, "2025Q2")
    if figure.name in SETTLED:
        assert early.agrees(late.value), f"{early} is not {late}"
    assert earlier.deals["created_on"].max() <= pd.Timestamp("2025-06-30")


# Only what an event after the quarter cannot touch: a win that is reopened, a lead that becomes a deal, and a partner
# who takes over a deal rewrite a past quarter, as they should.
SETTLED = {"opportunity_pipeline", "open_deals", "leads", "spend", "overdue_deals", "pipeline_age"}


@each()
def test_it_says_the_same_twice(figure: Kpi, book: pk.Book, again: pk.Book) -> None:
    assert str(figure(book, QUARTER)) == str(figure(again, QUARTER))


@each()
def test_the_order_of_the_rows_does_not_matter(figure: Kpi, book: pk.Book, shuffled: pk.Book) -> None:
    for by in ("partner", "product"):
        one, other = (figure.by(b, QUARTER, by) for b in (book, shuffled))
        pd.testing.assert_frame_equal(one, other, rtol=1e-12)


@pytest.fixture(scope="module")
def shuffled(tmp_path_factory: pytest.TempPathFactory) -> pk.Book:
    folder = tmp_path_factory.mktemp("shuffled")
    for path in shipped("data").iterdir():
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".csv":
            head, *lines = text.splitlines(keepends=True)
            text = head + "".join(np.random.default_rng(7).permutation(np.array(lines, dtype=object)))
        (folder / path.name).write_text(text, encoding="utf-8")
    return pk.open_book(folder)


@each([k for k in pk.KPIS])
def test_the_picture_has_title_unit_and_n(figure: Kpi, book: pk.Book) -> None:
    import matplotlib.pyplot as plt

    ax = figure.plot(book, pk.quarters(QUARTER, back=8))
    table = figure.trend(book, pk.quarters(QUARTER, back=8))
    assert ax.get_title(loc="left") == figure.title
    assert ax.get_ylabel()
    labels = [t.get_text() for t in ax.get_xticklabels()]
    assert [f"n = {n:,}" in label for label, n in zip(labels, table["n"], strict=True)] == [True] * 8
    drawn = next(line for line in ax.lines if line.get_linestyle() == "-")
    np.testing.assert_array_equal(np.asarray(drawn.get_ydata()), table["value"].to_numpy())
    plt.close("all")


@each([k for k in pk.KPIS])
def test_it_describes_its_picture_in_words(figure: Kpi, book: pk.Book) -> None:
    words = figure.describe(book, pk.quarters(QUARTER, back=3))
    assert "2025Q2" in words
    assert "nan" not in words


@pytest.mark.parametrize("by", levels())
def test_every_level_works_for_every_kpi(by: str, book: pk.Book) -> None:
    card = pk.scorecard(book, QUARTER, by=by)
    assert list(card.columns[:3]) == ["by", "group", "quarter"]
    assert set(card["kpi"]) == {k.name for k in pk.KPIS}
    assert (card.groupby(["kpi", "figure"])["group"].nunique() == card["group"].nunique()).all()


def test_a_scorecard_is_strict_json_without_nan(book: pk.Book) -> None:
    card = pk.scorecard(book, QUARTER, partner="P-023")
    records = card.astype(object).where(card.notna(), None).to_dict("records")
    assert "NaN" not in json.dumps(records, allow_nan=False)


def test_an_unknown_level_names_the_near_ones(book: pk.Book) -> None:
    with pytest.raises(pk.UsageError, match="partner"):
        pk.scorecard(book, QUARTER, by="partnr")


def test_identification_times_conversion_is_deal_success(book: pk.Book) -> None:
    from partnerkpi.kpis.deal_success import conversion, deal_success, identification

    tables = [
        f.by(book, QUARTER, "partner").set_index("group")["value"] for f in (identification, conversion, deal_success)
    ]
    both = tables[0] * tables[1]
    known = both.notna()
    assert known.sum() > 10
    np.testing.assert_allclose(both[known], tables[2][known], rtol=1e-12)


def test_media_and_the_two_drawers_make_the_won_amount(book: pk.Book) -> None:
    card = pk.scorecard(book, pk.quarters(QUARTER, back=4), by="partner")
    card = card[card["figure"] != "headline"].set_index(["quarter", "group", "figure"])["value"]
    money = card.unstack("figure").fillna(0)
    parts = money[["paid", "earned", "owned", "unmapped", "none_recorded"]].sum(axis=1)
    np.testing.assert_allclose(parts, money["won_amount"], atol=0.005)


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [(-0.001, "share", "−0.1 %"), (0.0, "EUR", "€0"), (1.0, "days", "1 day"), (-0.2, "index", "0")],
)
def test_numbers_are_written_plainly(value: float, unit: str, text: str) -> None:
    from partnerkpi.wording import amount_text

    assert amount_text(value, unit).replace("-", "−") == text


def test_an_estimate_without_value_says_only_why() -> None:
    assert str(Estimate(None, None, None, 0, "share", DEALS, Code.NO_SPEND())) == "— (no spend)"
