"""A book with faults, reviewed: the pages, the manifest and the file of set-aside rows tell the same as `score`."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable
from decimal import Decimal
from html import unescape
from pathlib import Path

import pytest

from partnerkpi.cli import run

HEAD = "deal_id,created_on,status,closed_on,amount,partner_id\n"
PARTNER = "../../x"
GOOD = [
    (
        f"D{n}",
        ("won", "lost", "won")[n % 3],
        f"2025-{10 + n % 3}-1{n % 9}",
        f"{731 * n + 3}.25",
        (PARTNER, "CON", "")[n % 3],
    )
    for n in range(15)
]
BAD = {
    "N0": ("2025-01-01,won,,5,CON", "closed_on", "closed, but no day of closing"),
    "N1": ("2025-01-01,lost,2026-02-01,6,CON", "closed_on", "is after the day of the export, 2025-12-31"),
    "N2": ("2025-01-01,open,,-7,CON", "amount", "is negative"),
    "N3": (
        "2025-01-01,open,,inf,CON",
        "amount",
        'not an amount. If it means nothing, say missing = ["inf"] under [deals]',
    ),
    "N4": ("2025-01-01,open,,1e18,CON", "amount", "an amount beyond 1,000,000,000,000"),
    "N5": ("2025-02-30,open,,8.50,CON", "created_on", "no such day in the calendar"),
}
ACCOUNT = "deals: 21 rows read = 15 used + 0 out of scope + 6 set aside"


@pytest.fixture
def reviewed(write_book: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """The folder of a review, beside the book it was made of; nothing was published before it was allowed."""
    rows = "".join(f"{i},2025-06-01,{s},{c},{a},{p}\n" for i, s, c, a, p in GOOD)
    folder = write_book(HEAD + rows + "".join(f"{name},{cells}\n" for name, (cells, *_) in BAD.items()))
    command = ["review", str(folder), "-q", "2025Q4", "-p", PARTNER, "-o", str(tmp_path / "out")]
    assert run(command) == 1
    assert not (tmp_path / "out").exists()
    assert run([*command, "--allow-set-aside"]) == 0
    capsys.readouterr()
    return tmp_path / "out" / "2025Q4"


@pytest.mark.slow
def test_what_was_set_aside_stands_in_a_file_and_every_page_says_how_much(
    reviewed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    aside = list(csv.DictReader(io.StringIO((reviewed / "set-aside.csv").read_text(encoding="utf-8"))))
    assert {r["row"].split(";")[0].removeprefix("deal_id="): (r["column"], r["rule"]) for r in aside} == {
        name: (column, rule) for name, (_, column, rule) in BAD.items()
    }
    assert [int(r["line"]) for r in sorted(aside, key=lambda r: int(r["line"]))] == list(range(17, 23))
    manifest = json.loads((reviewed / "manifest.json").read_text(encoding="utf-8"))
    (account,) = manifest["conservation"]
    assert account.startswith(ACCOUNT)
    used = sum(Decimal(amount) for _, _, _, amount, _ in GOOD)
    assert f"{used:,} used" in account
    pages = sorted(reviewed.glob("*.html"))
    assert len(pages) == 2
    assert all(re.fullmatch("[a-z0-9-]+", page.stem) for page in pages)  # none is called as its partner is
    assert {path.name for path in tmp_path.iterdir()} == {"book1", "out"}
    texts = {page.stem: unescape(re.sub("<[^>]+>", " ", page.read_text(encoding="utf-8"))) for page in pages}
    assert ACCOUNT in texts["index"]
    assert all("EUR; days in Europe/Paris" in " ".join(text.split()) for text in texts.values())
    (own,) = (text for stem, text in texts.items() if stem != "index")
    assert "deals: 5 rows read = 5 used" in own

    assert run(["score", str(tmp_path / "book1"), "-q", "2025Q4", "--format", "json", "--allow-set-aside"]) == 0
    scores = {(r["group"], r["kpi"], r["figure"]): r["value"] for r in json.loads(capsys.readouterr().out)}
    kept = csv.DictReader(io.StringIO((reviewed / "scorecard.csv").read_text(encoding="utf-8")))
    for row in (row for row in kept if row["by"] == "partner"):
        value = scores[row["group"], row["kpi"], row["figure"]]
        assert (float(row["value"]) if row["value"] else None) == value
    won = [Decimal(amount) for _, status, _, amount, partner in GOOD if status == "won" and partner == PARTNER]
    assert scores[PARTNER, "average_deal_size", "headline"] == float(sum(won) / len(won))
    assert scores[PARTNER, "number_of_deals", "headline"] == len(won)
    assert f"{sum(won) / len(won):,.0f}" in own
