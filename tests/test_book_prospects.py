from collections.abc import Callable
from pathlib import Path

import pytest

from partnerkpi.opening import open_book

Write = Callable[..., Path]
DEALS = "deal_id,created_on,status,closed_on,amount,partner_id,lead_id,rep,channel,region\n"
LEADS = "lead_id,created_on,status,closed_on,partner_id,channel,region\n"


@pytest.mark.parametrize(
    ("deals", "deal", "status", "closed"),
    [
        (["a,2025-02-01,open,,1"], "a", "open", None),
        (
            ["a,2025-02-01,open,,1", "b,2025-02-01,won,2025-03-03,2", "c,2025-02-01,won,2025-03-02,3"],
            "c",
            "won",
            "03-02",
        ),
        (["a,2025-02-01,lost,2025-03-03,1", "b,2025-02-02,open,,2"], "b", "open", None),
        (["a,2025-02-01,lost,2025-03-03,1", "b,2025-02-02,abandoned,2025-04-03,2"], "b", "abandoned", "04-03"),
        (["b,2025-02-01,lost,2025-03-03,1", "a,2025-02-02,rejected,2025-03-03,2"], "a", "rejected", "03-03"),
        ([], None, "rejected", "06-06"),
    ],
)
def test_a_lead_shares_the_outcome_of_its_deal(
    write_book: Write, deals: list[str], deal: str | None, status: str, closed: str | None
) -> None:
    rows = "".join(f"{d},P,L,R,web,North\n" for d in deals)
    book = open_book(write_book(DEALS + rows, leads=LEADS + "L,2025-01-01,rejected,2025-06-06,Q,,South\n"))
    assert len(book.prospects) == 1
    prospect = book.prospects.iloc[0]
    shown = prospect.where(prospect.notna(), None)
    assert (shown["prospect_id"], shown["kind"], shown["deal_id"], shown["lead_id"]) == ("L:L", "lead", deal, "L")
    assert shown["status"] == status
    assert (shown["closed_on"].strftime("%m-%d") if shown["closed_on"] else None) == closed
    assert shown["partner_id"] == ("P" if deals else "Q")
    assert shown["region"] == "South"
    assert shown["channel"] == ("web" if deals else None)
    assert shown["rep"] == ("R" if deals else None)
    assert f"{shown['created_on']:%m-%d}" == "01-01"


def test_a_deal_takes_the_channel_of_its_lead_when_it_has_none(write_book: Write) -> None:
    rows = "a,2025-02-01,open,,1,P,L,R,,\nb,2025-02-01,open,,1,P,M,R,mail,\nc,2025-02-01,open,,1,P,,R,,\n"
    leads = LEADS + "L,2025-01-01,open,,Q,web,\nM,2025-01-01,open,,Q,web,\n"
    book = open_book(write_book(DEALS + rows, leads=leads))
    assert book.deals["channel"].tolist()[:2] == ["web", "mail"]
    assert book.deals["channel"].isna().tolist() == [False, False, True]
    assert book.records("deals.channel")


def test_leads_without_a_status_are_open(write_book: Write) -> None:
    book = open_book(write_book(DEALS, leads="lead_id,created_on\nL,2025-01-01\n"))
    assert book.leads["status"].tolist() == ["open"]
    assert not book.records("leads.status")
