from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from partnerkpi.book import Book, NetworkFacts, open_book
from partnerkpi.book.labels import trimmed
from partnerkpi.book.schema import TABLES
from partnerkpi.errors import SystemProblem, UsageError

EMPTY = NetworkFacts(pd.DataFrame({"name": pd.Series(dtype="str")}), pd.DataFrame({"x": pd.Series(dtype="float64")}))


@pytest.fixture(scope="module")
def sample() -> Book:
    return open_book(as_of="2025-11-18")


def facts() -> NetworkFacts:
    network = pd.DataFrame(
        {
            "name": pd.Series(["peers", "pooled", None], dtype="str"),
            "quarter": pd.Series(["2025Q4", None, "2025Q3"], dtype="str"),
            "key": pd.Series(["NA", "null", 'a,"b"\nc'], dtype="str"),
            "value": [0.1 + 0.2, np.nan, -1e-300],
            "n": pd.Series([1, 2, 3], dtype="int64"),
            "label": pd.Series(["b", "a", None], dtype="str").astype("category"),
            "day": pd.to_datetime(pd.Series(["2025-01-01", None, "2025-01-02"])).astype("datetime64[s]"),
            "shown": [True, False, True],
        }
    )
    return NetworkFacts(network, pd.DataFrame({"prospect_id": pd.Series(["D:1"], dtype="str"), "expected": [1 / 3]}))


def test_a_slice_reads_back_to_the_same_frames(sample: Book, tmp_path: Path) -> None:
    mine = sample.for_partner("P-003")
    given = facts()
    mine.write_slice(tmp_path / "slice", given)
    back = open_book(tmp_path / "slice")
    for name in (*TABLES, "spells", "prospects"):
        pd.testing.assert_frame_equal(getattr(back, name), getattr(mine, name), check_exact=True)
    assert back.facts is not None
    pd.testing.assert_frame_equal(back.facts.network, given.network, check_exact=True)
    pd.testing.assert_frame_equal(back.facts.expected, given.expected, check_exact=True)
    for name in ("name", "currency", "time_zone", "fiscal_year_starts", "as_of", "extracted_on", "money_digits"):
        assert getattr(back, name) == getattr(mine, name)
    assert back.recorded == mine.recorded
    assert back.network is None
    assert back.reading.lines() == mine.reading.lines()
    assert back.reading.faults == mine.reading.faults
    assert back.quarter() == mine.quarter()
    day = pd.Timestamp("2025-06-30")
    pd.testing.assert_frame_equal(back.in_book_currency(back.spells, day), mine.in_book_currency(mine.spells, day))


def test_a_slice_is_the_partner_and_nobody_else(sample: Book, tmp_path: Path) -> None:
    sample.for_partner("P-003").write_slice(tmp_path, facts())
    back = open_book(tmp_path)
    assert back.for_partner("P-003") is back
    assert back.for_partner("") is back
    with pytest.raises(UsageError, match="one partner only"):
        back.for_partner("P-004")
    with pytest.raises(UsageError, match="one partner only"):
        back.where(region="West")
    with pytest.raises(UsageError, match="made as of 2025-11-18"):
        open_book(tmp_path, "2025-06-30")
    assert open_book(tmp_path, "2025-11-18").as_of == back.as_of
    mine = sample.for_partner("P-003")
    texts = {p.name: p.read_text(encoding="utf-8") for p in tmp_path.iterdir()}
    rest = sample.deals[~sample.deals["deal_id"].isin({*mine.deals["deal_id"], *mine.spells["deal_id"]})]
    for name, text in texts.items():
        assert "\r" not in text
        for secret in [*rest["deal_id"].iloc[::50], *rest["name"].dropna().iloc[::50]]:
            assert secret not in text, name
        for partner in set(sample.partners["partner_id"]) - {"P-003"}:
            assert f"{partner}," not in text, name


def test_the_same_slice_is_written_to_the_same_bytes(sample: Book, tmp_path: Path) -> None:
    for name in ("one", "two"):
        sample.for_partner("P-003").write_slice(tmp_path / name, facts())
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()


def test_only_a_whole_book_or_one_partners_part_can_be_a_slice(sample: Book, tmp_path: Path) -> None:
    for book in (
        sample.where(region="West"),
        sample.where(partner_id="P-003", region="West"),
        sample.where(partner_id=None),
    ):
        with pytest.raises(UsageError, match="Only a whole book or one partner's part"):
            book.write_slice(tmp_path, facts())
    (tmp_path / "file").write_text("")
    with pytest.raises(SystemProblem):
        sample.for_partner("P-003").write_slice(tmp_path / "file" / "x", facts())


def test_a_damaged_slice_says_so(sample: Book, tmp_path: Path) -> None:
    sample.for_partner("P-003").write_slice(tmp_path, facts())
    (tmp_path / "spells.csv").unlink()
    with pytest.raises(UsageError, match=r"damaged: spells\.csv"):
        open_book(tmp_path)


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=8)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25, deadline=None)
@given(TEXT, TEXT, st.floats(0, 1e12))
def test_any_text_and_any_number_survives(tmp_path: Path, sample: Book, partner: str, name: str, amount: float) -> None:
    mine = sample.for_partner("P-003")
    tables = dict(mine.tables)
    deals = tables["deals"].head(2).copy()
    deals["name"] = pd.Series([name, None], dtype="str")
    deals["amount"] = [amount, np.nan]
    deals["partner_id"] = pd.Series([partner] * 2, dtype="str").astype("category")
    tables["deals"] = deals = trimmed(deals)
    whole = Book(**{**vars_of(mine), "tables": tables, "chosen": (("partner_id", partner),), "name": name})
    whole.write_slice(tmp_path, EMPTY)
    back = open_book(tmp_path)
    pd.testing.assert_frame_equal(back.deals, deals, check_exact=True)
    assert back.name == name
    assert back.for_partner(partner) is back


def vars_of(book: Book) -> dict[str, object]:
    return {f: getattr(book, f) for f in book.__dataclass_fields__}
