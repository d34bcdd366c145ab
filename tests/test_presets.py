"""Each CRM's preset reads an export of exactly its shape with at most three lines more, and without a silent error."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pandas as pd
import pytest
from exports import EXPORTS, USD, Export, deals, odoo, quarter_of, truth

import partnerkpi as pk
from partnerkpi.book.config import preset_called, preset_names
from partnerkpi.book.declarations import table_config
from partnerkpi.book.schema import TABLES
from partnerkpi.errors import DataRefused, UsageError
from partnerkpi.kpis import number_of_deals
from partnerkpi.kpis.number_of_deals import won_amount
from partnerkpi.kpis.opportunity_pipeline import open_deals

QUARTERS = ("2024Q2", "2024Q3", "2024Q4", "2025Q1", "2025Q2")
NAMES = ("dynamics365", "hubspot", "odoo", "pipedrive", "salesforce", "tryton", "zoho")


def written(folder: Path, export: Export) -> Path:
    (folder / "book.toml").write_text(export.book(), encoding="utf-8")
    (folder / "deals.csv").write_bytes(export.text.encode())
    if any(d.currency == "USD" for d in export.deals):
        (folder / "rates.csv").write_text(f"currency,date,rate\nUSD,2020-01-01,{USD}\n", encoding="utf-8")
    return folder


def counted(book: pk.Book, quarter: str) -> dict[str, float]:
    ended = book.deals[[not pd.isna(d) and quarter_of(d.date()) == quarter for d in book.deals["closed_on"]]]
    lost = {status: int((ended["status"] == status).sum()) for status in ("lost", "abandoned")}
    figures = {"won": number_of_deals, "open": open_deals, "won_amount": won_amount}
    return lost | {name: figure(book, quarter).value or 0.0 for name, figure in figures.items()}


@pytest.mark.parametrize("name", EXPORTS)
def test_an_export_of_each_shape_is_read_right(tmp_path: Path, name: str) -> None:
    export = EXPORTS[name]()
    assert len(export.lines) + len(export.columns) <= 3
    book = pk.open_book(written(tmp_path, export))
    for quarter in QUARTERS:
        assert counted(book, quarter) == truth(export.deals, quarter), quarter
    assert sum(truth(export.deals, q)["won"] for q in QUARTERS) >= 10
    partners = dict(zip(book.deals["name"], book.deals["partner_id"], strict=True))
    assert partners == {d.name: d.partner for d in export.deals}
    assert dict(zip(book.deals["name"], book.deals["customer"], strict=True)).keys() == partners.keys()
    hoped = {d.name: d.expected for d in export.deals if not d.closed}
    still = book.deals[(book.deals["status"] == "open").to_numpy()]
    assert {n: day.date() for n, day in zip(still["name"], still["expected_close_on"], strict=True)} == hoped
    assert set(book.reading.faults) == {f for f in book.reading.faults if f.kind == "W"}
    for column, words in export.said.items():
        assert any(f.column == column and words in f.rule for f in book.reading.faults), (column, words)
    assert not [f for f in book.reading.faults if "the flags hold" in f.rule]


def test_the_truth_is_a_hard_one() -> None:
    """A quarter end at which UTC and the business zone differ, every status, and each partner."""
    known = deals()
    assert {d.status for d in known} == {"open", "won", "lost", "abandoned"}
    assert len({d.partner for d in known}) == 4
    assert known[0].closed is not None
    assert known[0].status == "won"
    assert quarter_of(known[0].closed.date()) == "2025Q1"


def test_there_are_seven_presets_and_each_is_a_book_toml(tmp_path: Path) -> None:
    assert preset_names() == NAMES
    for name in NAMES:
        for table, section in preset_called(name).items():
            (tmp_path / f"{table}.csv").write_text("x\n", encoding="utf-8")
            config = table_config(TABLES[table], None, tmp_path, section)
            assert config.columns or config.query
            assert config.query or {key for key in config.offered if key.startswith("columns.")}


@pytest.mark.parametrize("name", NAMES)
def test_no_preset_names_one_column_of_the_export_for_two_things_unless_it_means_to(name: str) -> None:
    meant = {("closed_on", "expected_close_on"), ("stage", "status")}
    columns = preset_called(name)["deals"]["columns"]
    users: dict[str, list[str]] = {}
    for column, source in columns.items():
        parts = source.values() if isinstance(source, dict) else [source]
        listed = [text for part in parts for text in ([part] if isinstance(part, str) else part)]
        for text in set(listed):
            users.setdefault(text, []).append(column)
    assert {tuple(sorted(two)) for two in users.values() if len(two) > 1} <= meant


def test_an_odoo_list_without_what_is_archived_says_so(tmp_path: Path) -> None:
    book = pk.open_book(written(tmp_path, odoo(labels=True, archived=False)))
    (fault,) = [f for f in book.reading.faults if f.column == "status"]
    assert fault.kind == "W"
    assert fault.rule == (
        "no deal is lost: Odoo archives what is lost, and its list hides it. Export again with the filter Archived"
    )


def test_odoos_partner_id_is_the_customer_and_never_the_partner(tmp_path: Path) -> None:
    export = odoo(labels=False)
    text = export.text.replace("partner_assigned_id", "partner_assigned")
    book = pk.open_book(written(tmp_path, Export("odoo", text, export.deals)))
    assert book.deals["partner_id"].isna().all()
    assert book.deals["customer"].notna().all()


HEAD = '[book]\ncurrency = "EUR"\nextracted_on = 2025-12-31\npreset = "salesforce"\n'
SHORT = "Opportunity ID,Created Date,Close Date,Stage,Amount,Extra\nA,2025-01-01,2025-02-01,Signed,5,7\n"


def test_what_book_toml_says_itself_wins_key_by_key_and_value_by_value(tmp_path: Path) -> None:
    def read(toml: str) -> pk.Book:
        (tmp_path / "book.toml").write_text(HEAD + toml, encoding="utf-8")
        (tmp_path / "deals.csv").write_text(
            SHORT + SHORT.splitlines()[1].replace("A", "B", 1).replace("Signed", "Closed Won")
        )
        return pk.open_book(tmp_path)

    with pytest.raises(DataRefused, match=r"'Signed': stands under no value in \[deals.values.status\]"):
        read("")
    assert read('[deals.values.status]\nwon = ["Signed"]\n').deals["status"].tolist() == ["won", "won"]
    book = read('[deals.values.status]\nwon = ["Signed"]\nlost = "Closed Won"\n[deals.columns]\namount = "Extra"\n')
    assert book.deals["status"].tolist() == ["won", "lost"]
    assert book.deals["amount"].tolist() == [7.0, 7.0]
    book = read('[deals.values.status]\nwon = ["Signed"]\n[deals.constants]\namount = "3"\n')
    assert book.deals["amount"].tolist() == [3.0, 3.0]
    with pytest.raises(DataRefused, match="the column 'Sum' is missing"):
        read('[deals.columns]\namount = "Sum"\n')


def test_a_column_that_must_be_there_is_missed_by_the_names_the_preset_looks_for(tmp_path: Path) -> None:
    (tmp_path / "book.toml").write_text(HEAD, encoding="utf-8")
    (tmp_path / "deals.csv").write_text(SHORT.replace("Created Date", "Created"), encoding="utf-8")
    with pytest.raises(DataRefused, match="The preset looks for 'Created Date' or 'CreatedDate'"):
        pk.open_book(tmp_path)


def test_there_is_no_other_preset(tmp_path: Path) -> None:
    (tmp_path / "book.toml").write_text(HEAD.replace("salesforce", "../salesforce"), encoding="utf-8")
    with pytest.raises(UsageError, match="is not one of 'dynamics365', 'hubspot', 'odoo'"):
        pk.open_book(tmp_path)


def test_presets_are_readable() -> None:
    folder = Path(pk.__file__).parent / "book" / "presets"
    for path in sorted(folder.glob("*.toml")):
        text = path.read_text(encoding="utf-8")
        assert max(map(len, text.splitlines())) <= 120, path
        assert "general knowledge" in text, path
        assert tomllib.loads(text).keys() <= TABLES.keys(), path
