import numpy as np
import pandas as pd
import pytest

from partnerkpi.book import Book
from partnerkpi.book.schema import TABLES
from partnerkpi.errors import UsageError
from partnerkpi.groups import ALL, UNASSIGNED
from partnerkpi.opening import book_of, open_book
from partnerkpi.periods import Quarter, quarter_of


@pytest.fixture(scope="module")
def sample() -> Book:
    return open_book()


def test_every_table_has_all_its_columns_and_dtypes(sample: Book) -> None:
    for name, table in TABLES.items():
        frame = sample.table(name)
        for column in (c for c in table.columns if not c.before):  # read, and then in rows of their own
            assert str(frame[column.name].dtype) == column.dtype, (name, column.name)
            if column.dtype == "category":
                names = frame[column.name].cat.categories
                assert list(names) == sorted(names)
                assert set(names) == set(frame[column.name].dropna())
            if column.kind in ("day", "month"):
                assert (frame[column.name].dropna().dt.normalize() == frame[column.name].dropna()).all()


def test_the_parts_of_all_partners_and_the_unassigned_are_the_whole(sample: Book) -> None:
    parts = [sample.where(partner_id=p) for p in [*sample.partners["partner_id"], None]]
    for name in ("deals", "leads", "prospects", "spells", "targets", "spend", "partners"):
        assert sum(len(getattr(p, name)) for p in parts) == len(getattr(sample, name)), name
    assert sum(p.reading.rows()["read"] for p in parts[:-1]) < sample.reading.rows()["read"]


def test_one_part_names_no_other_partner(sample: Book) -> None:
    mine = sample.for_partner("P-003")
    others = set(sample.partners["partner_id"]) - {"P-003"}
    for name in (*TABLES, "spells", "prospects"):
        frame = getattr(mine, name)
        for column, dtype in frame.dtypes.items():
            if isinstance(dtype, pd.CategoricalDtype):
                assert not others & set(frame[column].cat.categories), (name, column)
        if "partner_id" in frame:
            assert set(frame["partner_id"].dropna()) <= {"P-003"}, name
    assert set(mine.reading.ledger["partner_id"]) == {"P-003"}
    assert mine.others is sample.others
    assert mine.for_partner("P-003") is mine
    assert mine.for_partner("") is mine
    assert sample.for_partner("") is sample


def test_positions_in_the_spells_are_those_of_the_part(sample: Book) -> None:
    mine = sample.for_partner("P-003")
    here = mine.spells[mine.spells["deal"] >= 0]
    assert (mine.deals["deal_id"].to_numpy()[here["deal"]] == here["deal_id"].to_numpy()).all()
    gone = mine.spells[mine.spells["deal"] < 0]
    assert not set(gone["deal_id"]) & set(mine.deals["deal_id"])


def test_filters_combine_in_any_order_and_leave_the_book_alone(sample: Book) -> None:
    before = {n: sample.table(n).copy(deep=True) for n in (*TABLES, "spells", "prospects")}
    one = sample.where(partner_id="P-003").where(region="West")
    two = sample.where(region="West", partner_id="P-003")
    for name in (*TABLES, "spells", "prospects"):
        pd.testing.assert_frame_equal(getattr(one, name), getattr(two, name))
    assert one.others is sample.others
    assert set(one.deals["region"]) == {"West"}
    for name, table in before.items():
        pd.testing.assert_frame_equal(sample.table(name), table)


def test_a_column_of_partners_chooses_partners(sample: Book) -> None:
    gold = sample.where(tier="gold")
    ids = set(sample.partners.loc[sample.partners["tier"] == "gold", "partner_id"])
    assert set(gold.partners["partner_id"]) == ids
    assert set(gold.deals["partner_id"]) <= ids
    assert len(gold.deals) == sample.deals["partner_id"].isin(ids).sum()
    assert len(gold.prospects) == sample.prospects["partner_id"].isin(ids).sum()


def test_a_rep_has_the_leads_whose_deals_are_his(sample: Book) -> None:
    rep = sample.deals["rep"].dropna().iloc[0]
    part = sample.where(rep=rep)
    assert set(part.leads["lead_id"]) == set(part.prospects["lead_id"].dropna())
    assert set(part.deals["rep"]) == {rep}
    assert set(part.prospects["rep"]) == {rep}


@pytest.mark.parametrize(
    ("equals", "said"),
    [
        ({"partner_id": "P-03"}, "has no partner 'P-03'. Did you mean 'P-003'"),
        ({"parner_id": "P-003"}, "cannot be filtered by 'parner_id'. Did you mean 'partner_id'"),
        ({"region": "west"}, "has no region 'west'. Did you mean .*'West'"),
    ],
)
def test_what_does_not_exist_is_refused_with_what_is_near(sample: Book, equals: dict[str, str], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        sample.where(**equals)


def test_one_may_choose_several_values_and_ranges(sample: Book) -> None:
    two = sample.where(region=["North", "South"])
    assert set(two.deals["region"]) == {"North", "South"}
    parts = [sample.where(region=r) for r in ("North", "South")]
    assert len(two.prospects) == sum(len(p.prospects) for p in parts)
    some = sample.where(amount=(1000, 5000), created_on=("2025-01-01", None))
    assert some.deals["amount"].between(1000, 5000).all()
    assert some.deals["created_on"].min() >= pd.Timestamp("2025-01-01")
    assert set(some.history["deal_id"]) <= set(some.deals["deal_id"])
    assert len(some.spend) == len(sample.spend), "spend has an amount too, but not that of a deal"
    none = sample.where(partner_id=["P-001", None])
    assert set(none.deals["partner_id"].dropna()) == {"P-001"}
    assert none.deals["partner_id"].isna().any()


def test_without_this_deal(sample: Book) -> None:
    won = sample.deals[(sample.deals["status"] == "won") & sample.deals["lead_id"].notna()]
    deal = won["deal_id"].iloc[0]
    rest = sample.without(deal_id=deal)
    for name in ("deals", "spells", "prospects", "history"):
        assert deal not in set(rest.table(name)["deal_id"]), name
        assert len(rest.table(name)) < len(sample.table(name))
    assert len(rest.deals) == len(sample.deals) - 1
    assert len(sample.without(region="North", product="Care").deals) == len(
        sample.deals[(sample.deals["region"] != "North") & (sample.deals["product"] != "Care")]
    )
    assert sample.without(partner_id="P-003").partner == ""


def test_one_chooses_deals_by_what_they_are_now_with_their_whole_past() -> None:
    book = book_of(
        as_of="2025-12-31",
        deals="deal_id,created_on,status,closed_on,amount\nA,2025-10-01,won,2025-12-01,500\nB,2025-10-01,open,,500\n",
        history="deal_id,changed_at,amount\nA,2025-10-01,100\nA,2025-11-01,500\nB,2025-10-01,500\n",
    )
    assert list(book.spells["amount"]) == [100, 500, 500, 500]
    for part in (book.where(amount=(400, None)), book.where(status=["won", "open"]), book.without(amount=(100, 100))):
        assert list(part.spells["deal_id"]) == ["A", "A", "A", "B"]
    assert list(book.where(status="won").spells["status"]) == ["open", "open", "won"]
    assert list(book.without(status="won").spells["deal_id"]) == ["B"]


def test_editing_a_frame_changes_nothing_in_the_book(sample: Book) -> None:
    from partnerkpi.kpis import average_deal_size, number_of_deals

    mine = sample.where(partner_id="P-003")
    before = [str(figure(mine, "2025Q4")) for figure in (number_of_deals, average_deal_size)]
    frame = mine.deals
    frame["status"] = "won"
    frame.loc[:, "amount"] = 1.0
    names = mine.partners
    names["name"] = "X"
    assert [str(figure(mine, "2025Q4")) for figure in (number_of_deals, average_deal_size)] == before
    assert set(mine.deals["status"]) > {"won"}


def test_a_region_known_of_partners_only_is_one_for_where_and_by() -> None:
    from partnerkpi.kpis import number_of_deals

    book = book_of(
        as_of="2025-12-31",
        deals="deal_id,created_on,status,closed_on,partner_id\nA,2025-10-01,won,2025-10-02,P\n"
        "B,2025-10-01,won,2025-10-02,Q\nC,2025-10-01,won,2025-10-02,\n",
        partners="partner_id,region\nP,North\nQ,South\n",
    )
    by = number_of_deals.by(book, "2025Q4", "region").set_index("group")["value"]
    assert by.to_dict() == {"North": 1.0, "South": 1.0, UNASSIGNED: 1.0, ALL: 3.0}
    for region in ("North", "South"):
        assert number_of_deals(book.where(region=region), "2025Q4").value == 1.0


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ({"region": ["North", 5]}, "a text, None, or a list of texts is expected"),
        ({"region": []}, "a text, None, or a list of texts is expected"),
        ({"region": ["North", "west"]}, "has no region 'west'"),
        ({"amount": "many"}, "a pair"),
        ({"amount": (1, 2, 3)}, "a pair"),
        ({"created_on": ("2025-01-01", "soon")}, "a pair"),
        ({"created_on": 5}, "a pair"),
        ({"value": (1, 2)}, "cannot be filtered by 'value'"),
        ({"partner_id": "Kältehaus Brandström"}, "That is the name of 'P-001'"),
        ({"partner_id": "P-3"}, "Did you mean 'P-003'"),
    ],
)
def test_what_cannot_be_chosen_is_said(sample: Book, wanted: dict[str, object], said: str) -> None:
    for choose in (sample.where, sample.without):
        if "partner_id" in wanted and choose == sample.without:
            continue
        with pytest.raises(UsageError, match=said):
            choose(**wanted)


def test_records_and_quarters(sample: Book) -> None:
    assert sample.records("deals.sourced")
    assert sample.records("leads")
    with pytest.raises(KeyError):
        sample.records("deals.sauced")
    last = sample.quarter()
    assert isinstance(last, Quarter)
    assert last.end <= sample.as_of
    assert sample.quarter(last) == last
    with pytest.raises(UsageError, match="begins on"):
        sample.quarter("2199Q1")
    with pytest.raises(UsageError, match="of a year that begins in month 4"):
        sample.quarter(quarter_of("2025Q1", fiscal_year_starts=4))
    with pytest.raises(UsageError, match="A quarter like '2025Q4' is expected, not a Book"):
        sample.quarter(sample)  # type: ignore[arg-type]


def test_prospects_are_every_lead_and_every_deal_without_one(sample: Book) -> None:
    leads, deals = sample.leads, sample.deals
    alone = ~deals["lead_id"].isin(leads["lead_id"])
    assert len(sample.prospects) == len(leads) + alone.sum()
    assert sample.prospects["prospect_id"].is_unique
    first = deals[~alone & (deals["status"] == "won")].iloc[0]
    shared = sample.prospects.set_index("lead_id").loc[first["lead_id"]]
    assert (shared["status"], shared["closed_on"]) == ("won", first["closed_on"])
    assert np.isclose(shared["amount"], first["amount"])
