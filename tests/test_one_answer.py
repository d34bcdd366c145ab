"""One definition, one answer: a partner's figures are the same in the network's table and in the partner's own book.

What a book does not record is a fact of the whole book; no rule may tell it from the rows that are left of one partner.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import product
from pathlib import Path

import pandas as pd
import pytest

import partnerkpi as pk

NAMES = ["group", "quarter", "kpi", "figure"]
CELLS = ["value", "low", "high", "n", "unit", "reason"]


def differences(book: pk.Book, pairs: Iterable[tuple[str, str]]) -> pd.DataFrame:
    """The cells in which the line of a partner in the scorecard of all differs from its own scorecard."""
    chosen = list(pairs)
    quarters = sorted({quarter for _, quarter in chosen})
    whole = pk.scorecard(book, quarters).set_index(NAMES)[CELLS]
    alone = [pk.scorecard(book, [q for p, q in chosen if p == one], partner=one) for one in sorted({*dict(chosen)})]
    mine = pd.concat(alone).set_index(NAMES)[CELLS]
    assert mine.index.is_unique
    same = whole.loc[mine.index]
    return mine.compare(same, result_names=("alone", "in the table")) if not mine.equals(same) else pd.DataFrame()


# Each of these partners lacks something that the book records elsewhere.
HEAD = (
    "deal_id,created_on,status,closed_on,amount,partner_id,sourced,channel,expected_close_on,competitor,reason,region"
)
DEALS = {
    "full": [
        "won,2025-10-20,100,partner,mail,,,,North",
        "won,2025-11-20,300,vendor,fair,,,,North",
        "lost,2025-11-22,80,partner,mail,,Rival,,South",
        "rejected,2025-12-01,70,partner,mail,,,no fit,South",
        "rejected,2025-12-02,70,partner,mail,,,conflict,South",
        "open,,60,partner,fair,2025-12-15,,,North",
        "abandoned,2025-12-03,,partner,,,,,",
    ],
    "only won": ["won,2025-10-20,100,,,,,,"],
    "only lost": ["lost,2025-10-21,,,,,,,"],
    "only open": ["open,,,,,,,,"],
    "only refused": ["rejected,2025-10-22,50,partner,,,,conflict,"],
    "unpriced": ["won,2025-10-20,,partner,mail,,,,", "lost,2025-10-20,,partner,mail,,,,", "open,,,partner,mail,,,,"],
    "vendor's": ["won,2025-10-20,10,vendor,unheard,,,,", "lost,2025-11-20,20,vendor,unheard,,,,"],
    "long ago": ["won,2024-02-20,10,partner,mail,,,,", "lost,2024-02-21,20,partner,mail,,,,"],
}
TABLES = {
    "leads": "lead_id,created_on,partner_id,channel\nL1,2025-10-02,only leads,mail\nL2,2025-11-02,full,fair\n",
    "targets": "quarter,amount,partner_id\n2025Q4,500,full\n2025Q4,100,only a target\n",
    "spend": "channel,month,amount,partner_id\nmail,2025-10-01,40,full\nfair,2025-11-01,10,only spend\n"
    "fair,2025-12-01,5,\n",
    "channels": "channel,media\nmail,owned\nfair,paid\n",
    "partners": "partner_id,joined_on,left_on\nfull,2023-01-01,\nonly won,2025-11-01,\nlong ago,2020-01-01,2024-06-30\n"
    "nothing,2025-12-30,\n",
}
HISTORY = (
    "deal_id,changed_at,stage,amount,partner_id\nfull5,2024-01-05,first,90,only won\nfull5,2025-11-01,second,60,full\n"
    "full0,2025-10-10,first,,\nfull2,2025-10-11,first,,\n"
)


def rows(deals: dict[str, list[str]], without: Sequence[str] = ()) -> str:
    """The deals as CSV, without those of some statuses."""
    lines = [HEAD]
    for partner, texts in deals.items():
        for number, text in enumerate(texts):
            status, closed, amount, *rest = text.split(",")
            if status not in without:
                created = "2024-01-02" if partner == "long ago" or number > 3 else "2025-09-15"
                lines.append(",".join([f"{partner}{number}", created, status, closed, amount, partner, *rest]))
    return "\n".join(lines) + "\n"


def made(*, without: Sequence[str] = (), lacking: Sequence[str] = (), unpriced: bool = False) -> pk.Book:
    """The odd book without some statuses, tables, and where asked without any amount."""
    tables = {**TABLES, "history": HISTORY}
    deals = rows(DEALS, without)
    if unpriced:
        frame = [line.split(",") for line in deals.splitlines()]
        deals = "\n".join(",".join(["" if i == 4 and n else c for i, c in enumerate(r)]) for n, r in enumerate(frame))
    kept = {name: text for name, text in tables.items() if name not in lacking}
    return pk.book_of(as_of="2025-12-31", deals=deals + "\n", **kept)


@pytest.mark.parametrize(
    ("quarter", "lack"),
    [
        ("2025Q4", {}),
        ("2024Q1", {}),
        ("2025Q4", {"without": ["won"], "lacking": ["leads"]}),
        ("2025Q4", {"without": ["lost", "abandoned", "open"]}),
        ("2025Q4", {"unpriced": True, "lacking": ["spend", "history"]}),
        ("2025Q4", {"without": ["rejected"], "lacking": ["targets", "channels", "partners"]}),
    ],
    ids=str,
)
def test_what_a_partner_lacks_is_not_what_the_book_lacks(quarter: str, lack: dict[str, Sequence[str]]) -> None:
    book = made(**lack)  # type: ignore[arg-type]
    assert {"full", "only open", "only a target"} & {*book.partner_ids}
    assert differences(book, product(book.partner_ids, [quarter])).empty


def test_every_partner_of_the_sample_in_every_quarter() -> None:
    """Each partner in every fourth quarter and each quarter for every fourth partner: the whole takes minutes."""
    book = pk.open_book()
    quarters = pk.quarters("2025Q4", back=13)
    pairs = [
        (partner, quarter)
        for (i, partner), (j, quarter) in product(enumerate(book.partner_ids), enumerate(quarters))
        if (i + j) % 4 == 0
    ]
    assert {p for p, _ in pairs} == {*book.partner_ids}
    assert {q for _, q in pairs} == {*quarters}
    assert differences(book, pairs).empty


@pytest.mark.slow
def test_every_partner_of_a_real_book(real_book: Callable[[str], Path]) -> None:
    book = pk.open_book(real_book("maven"))
    assert differences(book, product(book.partner_ids, pk.quarters(book.quarter().label, back=3))).empty
