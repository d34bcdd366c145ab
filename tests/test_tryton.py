"""A real CRM: a year in Tryton (tryton_world.py), read by the preset from its database, equals a hand count."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from postgres import postgres_server
from tryton_crm import postgres_year, sqlite_year

import partnerkpi as pk
from partnerkpi.book.config import preset_called

pytest.importorskip("sqlalchemy")
pytestmark = pytest.mark.slow

HEAD = '[book]\nname = "Vendor"\ncurrency = "EUR"\nextracted_on = 2025-09-30\npreset = "tryton"\n[source]\n'
FILE = 'url = "sqlite:///crm.sqlite"\n'
REFERENCE = '[deals.columns]\npartner_id = "reference"\n'
NORTH, SOUTH = "North Partners", "South Partners"

#: By hand from tryton_world.EVENTS; a dollar is 0.80 euros. By quarter and partner: won deals and their amount; median
#: days from start to end of the won; won of the decided; deals open at its end and their amount.
COUNTED = {
    ("2025Q1", NORTH): (1, 11500, 80, 1 / 1, 1, 8000),  # Vault; Doors is open
    ("2025Q1", SOUTH): (0, 0, None, None, 2, 12200.5),  # Safe, and Alarm at 9,000 dollars, are open
    ("2025Q1", pk.UNASSIGNED): (0, 0, None, None, 1, 700),  # Locks is open, for ever
    ("2025Q1", pk.ALL): (1, 11500, 80, 1 / 1, 4, 20900.5),
    ("2025Q2", NORTH): (1, 4000, 46, 1 / 2, 1, 20000),  # Fence, not Doors; Camera is quoted, so open
    ("2025Q2", SOUTH): (1, 8000, 78, 1 / 3, 0, 0),  # Alarm, for 10,000 dollars; not Safe, Gate. Radio was lost that day
    ("2025Q2", pk.UNASSIGNED): (0, 0, None, None, 1, 700),
    ("2025Q2", pk.ALL): (2, 12000, 62, 2 / 5, 2, 20700),
    ("2025Q3", NORTH): (0, 0, None, 0 / 1, 0, 0),  # the quotation of Camera was refused
    ("2025Q3", SOUTH): (0, 0, None, None, 1, 6500),  # Radio is open again, for more
    ("2025Q3", pk.UNASSIGNED): (0, 0, None, None, 1, 700),
    ("2025Q3", pk.ALL): (0, 0, None, 0 / 1, 2, 7200),
}
#: Without the history what is open now was open then, at its amount of now: Alarm at 10,000 dollars, Radio at 6,500.
WITHOUT_HISTORY = {
    ("2025Q1", SOUTH): (2, 13000.5), ("2025Q1", pk.ALL): (4, 21700.5),
    ("2025Q2", SOUTH): (1, 6500), ("2025Q2", pk.ALL): (3, 27200),
}  # fmt: skip
#: The agents of the sales: what was never quoted has none.
BY_AGENT = {
    ("2025Q2", "2"): (1, 4000, 46, 1 / 1, 1, 20000),
    ("2025Q2", "3"): (1, 8000, 78, 1 / 1, 0, 0),
    ("2025Q2", pk.UNASSIGNED): (0, 0, None, 0 / 3, 1, 700),
    ("2025Q3", "2"): (0, 0, None, 0 / 1, 0, 0),
}
FIGURES = (
    ("number_of_deals", "headline"), ("number_of_deals", "won_amount"), ("deal_velocity", "naive_days"),
    ("close_rate", "headline"), ("opportunity_pipeline", "open_deals"), ("opportunity_pipeline", "headline"),
)  # fmt: skip


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sqlite_year(tmp_path_factory.mktemp("tryton"))


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with postgres_server() as server:
        yield postgres_year(tmp_path_factory.mktemp("tryton"), server)


def book_of(folder: Path, file: Path, more: str) -> Path:
    shutil.copyfile(file, folder / "crm.sqlite")
    (folder / "book.toml").write_text(HEAD + FILE + more, encoding="utf-8")
    return folder


def figures(book: pk.Book, quarter: str, group: object) -> tuple[float | None, ...]:
    score = pk.scorecard(book, quarter)
    of_group = score[score["group"] == group].set_index(["kpi", "figure"])["value"]
    return tuple(None if pd.isna(of_group[figure]) else round(float(of_group[figure]), 9) for figure in FIGURES)


def rounded(counted: tuple[float | None, ...]) -> tuple[float | None, ...]:
    return tuple(None if value is None else round(float(value), 9) for value in counted)


def test_figures_of_a_year_in_tryton_are_those_counted_by_hand(tmp_path: Path, file: Path) -> None:
    book = pk.open_book(book_of(tmp_path, file, REFERENCE + "[history]\n[rates]\n"))
    for (quarter, group), counted in COUNTED.items():
        assert figures(book, quarter, group) == rounded(counted), (quarter, group)
    said = {(fault.column, fault.kind) for fault in book.reading.faults}
    assert said == {("partner_id", "W"), ("currency", "W")}, book.reading.faults  # none for Locks; an old rate
    deals = book.deals.set_index("name")
    assert deals.loc["Camera", "amount"] == 20000  # Tryton itself says nought, since its sale was cancelled
    assert str(deals.loc["Gate", "closed_on"].date()) == "2025-06-25"  # though it was to end on 31 May
    assert deals.loc["Doors", ["customer", "rep", "reason"]].tolist() == ["Beta", "Seller", "price"]
    then = pk.open_book(tmp_path, as_of="2025-06-30")
    assert figures(then, "2025Q2", SOUTH)[3] == 1 / 4  # Radio was lost, as far as one knew that day
    radio = then.deals.set_index("name").loc["Radio"]
    assert (radio["status"], radio["amount"]) == ("lost", 6000)


def test_without_the_history_what_is_open_now_was_open_then(tmp_path: Path, file: Path) -> None:
    book = pk.open_book(book_of(tmp_path, file, REFERENCE + "[rates]\n"))
    for (quarter, group), counted in COUNTED.items():
        expected = (*counted[:4], *WITHOUT_HISTORY.get((quarter, group), counted[4:]))
        assert figures(book, quarter, group) == rounded(expected), (quarter, group)


def test_the_partner_may_be_the_agent_of_the_sale(tmp_path: Path, file: Path) -> None:
    """By the lines that the preset has in its comment."""
    text = (Path(pk.__file__).parent / "book" / "presets" / "tryton.toml").read_text(encoding="utf-8")
    comment = " ".join(line[1:].strip() for line in text.splitlines() if line.startswith("#"))
    agent = "(SELECT p.code" + comment.partition("(SELECT p.code")[2].partition(" AS agent,")[0] + " AS agent,"
    names = comment.partition('[partners] query = """')[2].partition('"""')[0]
    query = preset_called("tryton")["deals"]["query"].replace("SELECT", f"SELECT {agent}", 1)
    more = f'[deals]\nquery = """{query}"""\n[deals.columns]\npartner_id = "agent"\n'
    more += f'[partners]\nquery = """{names}"""\n[history]\n[rates]\n'
    book = pk.open_book(book_of(tmp_path, file, more))
    for (quarter, group), counted in BY_AGENT.items():
        assert figures(book, quarter, group) == rounded(counted), (quarter, group)
    assert book.partners[["partner_id", "name"]].to_numpy().tolist() == [["2", NORTH], ["3", SOUTH]]


def test_on_postgresql_the_figures_are_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    """Its server stamps the history, and its clock is not ours to move: that is read, and not compared."""
    monkeypatch.setenv("CRM_DB_URL", address)
    toml = HEAD + 'url = "${CRM_DB_URL}"\n' + REFERENCE + "[rates]\n"
    (tmp_path / "book.toml").write_text(toml, encoding="utf-8")
    book = pk.open_book(tmp_path)
    for (quarter, group), counted in COUNTED.items():
        expected = (*counted[:4], *WITHOUT_HISTORY.get((quarter, group), counted[4:]))
        assert figures(book, quarter, group) == rounded(expected), (quarter, group)
    assert book.deals.set_index("name").loc["Camera", "amount"] == 20000
    today = pd.Timestamp.now("UTC").date()
    later = toml.replace("2025-09-30", f"{today + pd.Timedelta(days=1)}") + "[history]\n"
    (tmp_path / "book.toml").write_text(later, encoding="utf-8")
    history = pk.open_book(tmp_path).history
    assert history["changed_at"].dt.date.between(today - pd.Timedelta(days=1), today + pd.Timedelta(days=1)).all()
    last = history.drop_duplicates("deal_id", keep="last").set_index("deal_id")["stage"].astype("str")
    states = book.deals.set_index("deal_id")["stage"].astype("str")
    assert last.to_dict() == states.to_dict()
