import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from partnerkpi.errors import UsageError
from partnerkpi.periods import Quarter, last_complete, quarter_of, quarters


def day(text: str) -> pd.Timestamp:
    return pd.Timestamp(text)


@pytest.mark.parametrize(
    ("starts", "label", "first", "last"),
    [
        (1, "2025Q4", "2025-10-01", "2025-12-31"),
        (1, "2024Q1", "2024-01-01", "2024-03-31"),
        (2, "2025Q1", "2024-02-01", "2024-04-30"),  # the fiscal year is named by the year it ends in
        (2, "2025Q4", "2024-11-01", "2025-01-31"),
        (7, "2025Q3", "2025-01-01", "2025-03-31"),
        (12, "2025Q1", "2024-12-01", "2025-02-28"),
    ],
)
def test_a_quarter_has_its_days(starts: int, label: str, first: str, last: str) -> None:
    quarter = quarter_of(label, fiscal_year_starts=starts)
    assert (quarter.start, quarter.end, quarter.last_day) == (day(first), day(last), day(last))
    assert quarter.complete
    assert quarter.days == (day(last) - day(first)).days + 1


def test_a_running_quarter_is_cut_and_marked() -> None:
    quarter = quarter_of("2025Q4", as_of=day("2025-11-18"))
    assert not quarter.complete
    assert quarter.last_day == day("2025-11-18")
    assert str(quarter) == "2025Q4 to date, 49 of 92 days"


def test_a_quarter_is_complete_from_its_last_day_on() -> None:
    assert [last_complete(day(d)) for d in ("2025-12-30", "2025-12-31", "2026-01-01")] == ["2025Q3", "2025Q4", "2025Q4"]
    assert last_complete(day("2025-01-31"), 2) == "2025Q4"
    assert last_complete(day("2025-01-30"), 2) == "2025Q3"


def test_a_quarter_that_has_not_begun_is_refused() -> None:
    with pytest.raises(UsageError, match="begins on 2026-01-01"):
        quarter_of("2026Q1", as_of=day("2025-12-31"))
    assert quarter_of("2025Q4", as_of=day("2025-10-01")).days_so_far == 1


@pytest.mark.parametrize("label", ["", "2025", "2025Q5", "2025q1", "Q1 2025", "0025Q1", "2025Q1 "])
def test_what_is_no_quarter_is_refused(label: str) -> None:
    with pytest.raises(UsageError, match="Write it like 2025Q4"):
        quarter_of(label)


def test_quarters_counts_back_and_includes_the_last() -> None:
    assert quarters("2025Q2", back=3) == ["2024Q4", "2025Q1", "2025Q2"]
    assert len(quarters("2025Q4")) == 8
    with pytest.raises(UsageError):
        quarters("2025Q4", back=0)


@given(st.dates(pd.Timestamp("2000-01-01").date(), pd.Timestamp("2040-12-31").date()), st.integers(1, 12))
def test_every_day_lies_in_exactly_the_quarter_of_its_label(when: object, starts: int) -> None:
    moment = pd.Timestamp(str(when))
    done = quarter_of(last_complete(moment, starts), fiscal_year_starts=starts)
    assert isinstance(done, Quarter)
    assert done.end <= moment < done.end + pd.Timedelta(days=92)
    before = done - 1
    assert before.end + pd.Timedelta(days=1) == done.start
    assert done.before == before
    assert done.year_before == done - 4 == before - 3
    assert done.back(3) == [done - 2, before, done]
    assert done.year == ((done - 3).start, done.end)
    assert (done - 4).start.month == done.start.month
