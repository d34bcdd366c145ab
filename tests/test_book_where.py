import numpy as np
import pandas as pd
import pytest

from partnerkpi.book import Book, open_book
from partnerkpi.book.schema import TABLES
from partnerkpi.errors import UsageError
from partnerkpi.periods import Quarter


@pytest.fixture(scope="module")
def sample() -> Book:
    return open_book()


def test_every_table_has_all_its_columns_and_dtypes(sample: Book) -> None:
    for name, table in TABLES.items():
        frame = sample.tables[name]
        for column in table.columns:
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
    assert mine.network is sample
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
    before = {n: t.copy() for n, t in sample.tables.items()}
    one = sample.where(partner_id="P-003").where(region="West")
    two = sample.where(region="West", partner_id="P-003")
    for name in (*TABLES, "spells", "prospects"):
        pd.testing.assert_frame_equal(getattr(one, name), getattr(two, name))
    assert one.network is sample
    assert set(one.deals["region"]) == {"West"}
    for name, table in before.items():
        pd.testing.assert_frame_equal(sample.tables[name], table)


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
        ({"partner_id": "P-03"}, "has no partner 'P-03'. Did you mean .*'P-003'"),
        ({"parner_id": "P-003"}, "cannot be filtered by 'parner_id'. Did you mean 'partner_id'"),
        ({"region": "west"}, "has no region 'west'. Did you mean .*'West'"),
    ],
)
def test_what_does_not_exist_is_refused_with_what_is_near(sample: Book, equals: dict[str, str], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        sample.where(**equals)


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


def test_prospects_are_every_lead_and_every_deal_without_one(sample: Book) -> None:
    leads, deals = sample.leads, sample.deals
    alone = ~deals["lead_id"].isin(leads["lead_id"])
    assert len(sample.prospects) == len(leads) + alone.sum()
    assert sample.prospects["prospect_id"].is_unique
    first = deals[~alone & (deals["status"] == "won")].iloc[0]
    shared = sample.prospects.set_index("lead_id").loc[first["lead_id"]]
    assert (shared["status"], shared["closed_on"]) == ("won", first["closed_on"])
    assert np.isclose(shared["amount"], first["amount"])
