"""The vendor's own sales are reviewed as such: no peer, no partner among partners, and no deal lost in the sums."""

from collections.abc import Callable
from pathlib import Path

import pytest

import partnerkpi as pk
from partnerkpi import portfolio, show
from partnerkpi.batch.plan import NETWORK, planned
from partnerkpi.compare import peers
from partnerkpi.findings.network import attention, network_judgement, standings
from partnerkpi.findings.verdict import Standing
from partnerkpi.kpis import average_deal_size, number_of_deals, quality_score
from partnerkpi.kpis.number_of_deals import deals_per_active_month, won_amount
from partnerkpi.own_sales import partners_alone
from partnerkpi.slices import read_slice

Write = Callable[..., Path]
Q = "2025Q4"
HEAD = '[book]\nname = "Own"\ncurrency = "EUR"\ntime_zone = "UTC"\nextracted_on = 2025-12-31\n'
PARTNERS = ("A", "B", "C", "D", "E")


def rows() -> str:
    """Five partners of three wins each in the quarter and the year before, and Direct with thirty larger ones."""
    lines = ["deal_id,created_on,status,closed_on,amount,partner_id"]
    for place, partner in enumerate(PARTNERS):
        for n in range(3):
            for year in (2024, 2025):
                lines.append(f"{partner}{n}{year},{year}-09-01,won,{year}-11-0{n + 1},{100 * (place + 1)},{partner}")
        lines.append(f"{partner}lost,2025-09-01,lost,2025-11-09,100,{partner}")
    for n in range(30):
        lines.append(f"Direct{n},2025-09-01,won,2025-11-{n % 28 + 1:02},9000,Direct")
    lines.append("open,2025-12-01,open,,50,Direct")
    return "\n".join(lines) + "\n"


@pytest.fixture
def plain(write_book: Write) -> pk.Book:
    return pk.open_book(write_book(rows(), book=HEAD))


@pytest.fixture
def book(write_book: Write) -> pk.Book:
    return pk.open_book(write_book(rows(), book=HEAD + 'direct = ["Direct"]\n'))


def test_the_sums_and_its_own_line_stay(plain: pk.Book, book: pk.Book) -> None:
    for one in (plain, book):
        table = number_of_deals.by(one, Q, "partner").set_index("group")["value"]
        assert table["Direct"] == 30
        assert table[pk.ALL] == 45
        assert table[pk.UNASSIGNED] == 0
        assert won_amount(one, Q).value == 30 * 9000 + 3 * 1500
        assert "Direct" in one.partner_ids


def test_it_is_no_peer_and_has_none(plain: pk.Book, book: pk.Book) -> None:
    of_a, all_of = book.where(partner_id="A"), book.where(partner_id="Direct")
    assert peers(average_deal_size, plain.where(partner_id="A"), Q).n == 5
    assert peers(average_deal_size, of_a, Q).n == 4
    own = peers(average_deal_size, all_of, Q)
    assert own.n == 0
    assert own.median is None
    assert str(own.reason) == "the vendor's own sales are no partner: they are compared with none"


def test_the_typical_partner_and_the_ranks_are_those_of_partners(plain: pk.Book, book: pk.Book) -> None:
    period = book.quarter(Q)
    assert "Direct" in plain.others.ranks(period).index
    assert sorted(book.others.ranks(period).index) == list(PARTNERS)
    assert book.others.typical(period) == (0.75, 220.0)  # of 75, 150 … 375 a quarter the middle three: 225, rounded
    table = quality_score.by(book, Q, "partner").set_index("group")
    assert table["value"].isna()["Direct"]
    assert table["value"].notna()["A"]
    assert str(table["reason"]["Direct"]) == "the vendor's own sales are no partner: they are compared with none"
    assert quality_score(book.where(partner_id="Direct"), Q).value is None


def test_it_is_in_no_finding_and_no_count_of_partners(plain: pk.Book, book: pk.Book) -> None:
    period = book.quarter(Q)
    assert "Direct" in set(pk.signals(plain, Q, everything=True)["partner_id"])
    assert "Direct" not in set(pk.signals(book, Q, everything=True)["partner_id"])
    assert "Of 6 partners" in " ".join(network_judgement(plain, period).because)
    assert "Of 5 partners" in " ".join(network_judgement(book, period).because)
    assert standings(book, period)["Direct"] is Standing.OWN_SALES
    assert "Direct" not in {line.partner for line in attention(book, period)}
    assert "the whole network, 5 partners" in str(show.about(book, Q))


def test_the_networks_tables_are_of_partners(plain: pk.Book, book: pk.Book) -> None:
    top = portfolio.concentration(plain, Q).set_index("part")["quarter"]["top_1"]
    assert top == pytest.approx(270000 / 274500)
    assert portfolio.concentration(book, Q).set_index("part")["quarter"]["top_1"] == pytest.approx(1500 / 274500)
    assert "Direct" in set(portfolio.funnel(plain, Q).table["partner_id"])
    assert "Direct" not in set(portfolio.funnel(book, Q).table["partner_id"])
    assert "Direct" not in set(portfolio.movers(book, Q)["partner_id"])


def test_months_of_membership_are_partners(plain: pk.Book, book: pk.Book) -> None:
    assert deals_per_active_month(plain, Q).value == pytest.approx(45 / 18)
    assert deals_per_active_month(book, Q).value == pytest.approx(45 / 15)


def test_its_page_says_what_it_is(book: pk.Book, tmp_path: Path) -> None:
    mine = book.where(partner_id="Direct")
    told = pk.judgement(mine, Q)
    assert told.standing is Standing.OWN_SALES
    assert told.because == ("These are the vendor's own sales: no partner, and compared with none.",)
    page = str(show.cover(mine, Q))
    assert "OWN SALES: It won €270,000 this quarter." in page
    assert "These are the vendor's own sales: no partner, and compared with none." in page
    plan = planned(book, Q, None, as_of=None, allow_set_aside=False, notebooks=None)
    assert plan.files["Direct"] == "Direct.html"
    assert not plan.is_short("Direct", book.quarter(Q))
    for partner, direct in (("Direct", ("Direct",)), ("A", ()), (NETWORK, ("Direct",))):
        plan.write_slice(partner, tmp_path / f"slice-{partner}")
        assert read_slice(tmp_path / f"slice-{partner}").direct == direct
    again = read_slice(tmp_path / "slice-Direct")
    assert str(show.cover(again, Q)) == page
    network = read_slice(tmp_path / "slice-")
    assert str(show.cover(network, Q)) == str(show.cover(book, Q))


def test_a_book_without_direct_ids_is_itself(plain: pk.Book) -> None:
    assert partners_alone(plain) is plain


def test_an_id_that_is_nobodys_is_said(write_book: Write) -> None:
    reading = pk.open_book(write_book(rows(), book=HEAD + 'direct = "direct"\n')).reading
    (fault,) = [f for f in reading.faults if "[book] direct" in f.rule]
    assert (fault.kind, fault.column, fault.value) == ("W", "partner_id", "direct")
    assert fault.rule == "[book] direct: no deal is of this id: write it exactly as the partner's column has it"


@pytest.mark.parametrize("said", ["3", "[1]", '[""]', "true"])
def test_direct_is_a_list_of_ids(write_book: Write, said: str) -> None:
    with pytest.raises(pk.UsageError, match="a list of partner ids is expected"):
        pk.open_book(write_book(rows(), book=HEAD + f"direct = {said}\n"))
