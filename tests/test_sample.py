"""The sample book: the same bytes for the same seed, one story in every table, and a truth that the data agree with."""

from __future__ import annotations

import csv
import json
import re
import shutil
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from partnerkpi.errors import SystemProblem, UsageError
from partnerkpi.sample import write_sample

DATA = Path(__file__).parents[1] / "data"
TABLES = ("deals", "partners", "leads", "history", "spend", "channels", "touches", "targets", "rates", "notes")
LAST_DAY = "2025-12-31"


def content(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir() if file.suffix != ".md"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_sample(tmp_path_factory.mktemp("sample") / "book")


@pytest.fixture(scope="module")
def tables(folder: Path) -> dict[str, pd.DataFrame]:
    frames = {name: pd.read_csv(folder / f"{name}.csv", dtype=str, keep_default_na=False) for name in TABLES}
    for name in ("deals", "history", "spend", "targets"):
        frames[name]["amount"] = frames[name]["amount"].astype(float)
    return frames


@pytest.fixture(scope="module")
def deals(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """The deals in scope."""
    return tables["deals"].query("status != 'Test'").set_index("deal_id")


@pytest.fixture(scope="module")
def history(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Every change with the state before it (empty before the first)."""
    rows = tables["history"]
    before = rows.groupby("deal_id")[["status", "stage", "amount", "expected_close_on", "partner_id"]].shift()
    return rows.join(before.add_prefix("was_"))


@pytest.fixture(scope="module")
def truth(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "truth.json").read_text(encoding="utf-8"))
    return content


# The same book every time


def test_the_book_in_data_is_what_the_defaults_write(folder: Path) -> None:
    assert content(DATA) == content(folder)


def test_the_seed_decides_and_a_number_is_a_word(folder: Path, tmp_path: Path) -> None:
    words = content(write_sample(tmp_path / "word", partners=6, quarters=4, seed="7"))
    number = content(write_sample(tmp_path / "number", partners=6, quarters=4, seed=7))
    other = content(write_sample(tmp_path / "other", partners=6, quarters=4, seed=8))
    assert words == number
    assert words["deals.csv"] != other["deals.csv"]


@pytest.mark.parametrize("chunk", [1, 301, 997])
def test_the_book_does_not_depend_on_how_many_deals_are_made_at_a_time(tmp_path: Path, chunk: int) -> None:
    whole = write_sample(tmp_path / "whole", partners=26, quarters=5, deals=1000)
    assert content(write_sample(tmp_path / "chunks", partners=26, quarters=5, deals=1000, _chunk=chunk)) == content(
        whole
    )


def test_the_book_is_small_and_plain_text(folder: Path) -> None:
    assert sum(len(data) for data in content(DATA).values()) < 4_000_000
    for name, data in content(folder).items():
        assert b"\r" not in data, name
        assert data.endswith(b"\n"), name
        if name.endswith(".csv"):
            rows = list(csv.reader(data.decode("utf-8").splitlines()))
            assert {len(row) for row in rows} == {len(rows[0])}, name


def test_the_data_dictionary_tells_every_table_and_column(tables: dict[str, pd.DataFrame]) -> None:
    parts = (DATA / "README.md").read_text(encoding="utf-8").split("### ")[1:]
    sections = {part.partition(".csv")[0]: part.partition("truth.json")[0] for part in parts}
    assert set(sections) == set(TABLES)
    for name, frame in tables.items():
        assert f"{len(frame):,}" in sections[name].splitlines()[0], name
        for column in frame.columns:
            assert re.search(rf"\b{column}\b", sections[name]), (name, column)


def test_memory_does_not_grow_with_the_number_of_deals(tmp_path: Path) -> None:
    peaks = []
    for deals in (2_000, 2_000, 12_000):  # the first fills what is kept for good
        tracemalloc.start()
        write_sample(tmp_path / "book", partners=3, quarters=4, deals=deals, _chunk=500)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[2] < 1.15 * peaks[1]


def test_any_size_can_be_asked_for(tmp_path: Path) -> None:
    for number, (partners, quarters, count) in enumerate([(1, 1, 1), (1, 1, None), (5, 2, 40), (40, 20, 700)]):
        book = write_sample(tmp_path / str(number), partners=partners, quarters=quarters, deals=count)
        rows = pd.read_csv(book / "deals.csv")
        assert len(rows) == (count or 12)
        assert len(pd.read_csv(book / "partners.csv")) == partners
        assert rows["created_on"].max() <= LAST_DAY


# Where it may be written


def test_a_sample_book_nobody_changed_is_replaced_and_what_lies_beside_it_stays(tmp_path: Path) -> None:
    write_sample(tmp_path, partners=3, quarters=2, seed="first")
    (tmp_path / "README.md").write_text("mine", encoding="utf-8")
    write_sample(tmp_path, partners=4, quarters=3, deals=90, seed=2)
    assert content(tmp_path) == content(write_sample(tmp_path.parent / "new", partners=4, quarters=3, deals=90, seed=2))
    assert (tmp_path / "README.md").read_text(encoding="utf-8") == "mine"
    write_sample(tmp_path, partners=4, quarters=3, deals=90, seed=2)
    assert len(pd.read_csv(tmp_path / "deals.csv")) == 90


def test_the_book_in_data_can_be_written_again(tmp_path: Path) -> None:
    copy = shutil.copytree(DATA, tmp_path / "data")
    write_sample(copy, partners=2, quarters=2)
    assert len(pd.read_csv(copy / "partners.csv")) == 2
    assert (copy / "README.md").read_bytes() == (DATA / "README.md").read_bytes()


def appended(file: Path) -> None:
    file.write_bytes(file.read_bytes() + b"\n")


def one_character_less(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-1])


def one_character_changed(file: Path) -> None:
    data = file.read_bytes()
    file.write_bytes(data[:-2] + bytes([data[-2] ^ 1]) + data[-1:])


def made_a_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


@pytest.mark.parametrize("edit", [appended, one_character_less, one_character_changed, Path.unlink, made_a_folder])
@pytest.mark.parametrize("name", [*(f"{table}.csv" for table in TABLES), "book.toml", "datapackage.json", "truth.json"])
def test_a_sample_book_somebody_changed_is_refused_and_left_as_it_is(
    tmp_path: Path, name: str, edit: Callable[[Path], None]
) -> None:
    book = write_sample(tmp_path / "book", partners=2, quarters=2)
    edit(book / name)
    before = {file.name: file.read_bytes() for file in book.iterdir() if file.is_file()}
    with pytest.raises(UsageError, match=f"{name} is not what was written|not a sample book"):
        write_sample(book, partners=2, quarters=2)
    assert {file.name: file.read_bytes() for file in book.iterdir() if file.is_file()} == before
    assert list(tmp_path.iterdir()) == [book]


def test_a_change_deep_in_a_large_table_is_found(tmp_path: Path) -> None:
    book = write_sample(tmp_path / "book", partners=2, quarters=2, deals=25_000)
    lines = (book / "deals.csv").read_text(encoding="utf-8").splitlines()
    lines[24_000] = lines[24_000].replace(",vendor,", ",partner,") + "!"
    (book / "deals.csv").write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")
    with pytest.raises(UsageError, match=r"deals\.csv is not what was written"):
        write_sample(book)


@pytest.mark.parametrize(
    "truth",
    [
        "[]", "{}", "not JSON", '{"made_by": "somebody"}', '{"made_by": "partnerkpi sample"}',
        '{"made_by": "partnerkpi sample", "asked": {"partners": 2}}',
        '{"made_by": "partnerkpi sample", "asked": {"partners": 0, "quarters": 1, "deals": 1, "seed": "x"}}',
    ],
)  # fmt: skip
def test_a_truth_that_tells_of_no_sample_book_does_not_open_the_folder(tmp_path: Path, truth: str) -> None:
    (tmp_path / "truth.json").write_text(truth, encoding="utf-8")
    with pytest.raises(UsageError, match="not a sample book"):
        write_sample(tmp_path)
    assert [(file.name, file.read_text(encoding="utf-8")) for file in tmp_path.iterdir()] == [("truth.json", truth)]


def test_a_folder_with_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "deals.csv").write_text("precious", encoding="utf-8")
    with pytest.raises(UsageError, match="not a sample book"):
        write_sample(tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["deals.csv"]


@pytest.mark.parametrize("below", ["", "below", "far/below"])
def test_a_file_is_no_folder(tmp_path: Path, below: str) -> None:
    (tmp_path / "deals.csv").write_text("precious", encoding="utf-8")
    with pytest.raises(UsageError, match=r"deals\.csv is a file"):
        write_sample(tmp_path / "deals.csv" / below)
    assert (tmp_path / "deals.csv").read_text(encoding="utf-8") == "precious"


def test_a_failed_write_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("partnerkpi.sample.tables.rates", full)
    with pytest.raises(SystemProblem, match="No space left"):
        write_sample(tmp_path / "book", partners=2, quarters=1)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "wrong", [{"partners": 0}, {"quarters": 0}, {"deals": -1}, {"partners": 2.5}, {"seed": 1.5}, {"seed": "\udc80"}]
)
def test_impossible_arguments_are_refused(tmp_path: Path, wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=next(iter(wrong))):
        write_sample(tmp_path / "book", **wrong)
    assert not (tmp_path / "book").exists()


# One story in every table


def test_the_last_change_of_a_deal_is_its_row(deals: pd.DataFrame, history: pd.DataFrame) -> None:
    last = history.groupby("deal_id").tail(1).set_index("deal_id")
    assert set(last.index) == set(deals.index)
    last = last.loc[deals.index]
    for column in ("stage", "status", "amount", "expected_close_on", "partner_id"):
        assert (last[column] == deals[column]).all(), column
    closed = deals["status"] != "open"
    assert (deals["closed_on"] == last["changed_at"].str[:10].where(closed, "")).all()
    assert (last.loc[closed, "was_status"] == "open").all()


def test_the_first_change_of_a_deal_is_its_creation(deals: pd.DataFrame, history: pd.DataFrame) -> None:
    first = history.groupby("deal_id").head(1).set_index("deal_id").loc[deals.index]
    assert (first["changed_at"].str[:10] == deals["created_on"]).all()
    assert (first["status"] == "open").all()


def test_changes_follow_each_other_and_nothing_happens_after_the_export(tables: dict[str, pd.DataFrame]) -> None:
    rows = tables["history"]
    assert rows["deal_id"].is_monotonic_increasing
    later = rows["deal_id"] == rows["deal_id"].shift()
    assert (rows["changed_at"] > rows["changed_at"].shift())[later].all()
    recorded = rows.loc[rows["recorded_at"] != ""]
    assert (recorded["recorded_at"] > recorded["changed_at"]).all()
    assert 100 < len(recorded) < 1000
    for table, columns in {
        "deals": ["created_on", "closed_on", "registered_on", "accepted_on"], "leads": ["created_on", "closed_on"],
        "history": ["changed_at", "recorded_at"], "touches": ["touched_at"], "spend": ["month"], "rates": ["date"],
        "partners": ["joined_on", "left_on"],
    }.items():  # fmt: skip
        for column in columns:
            assert tables[table][column].str[:10].max() <= LAST_DAY, (table, column)


def test_keys_are_unique_and_every_reference_is_known(tables: dict[str, pd.DataFrame]) -> None:
    for table, key in (("deals", "deal_id"), ("partners", "partner_id"), ("leads", "lead_id"), ("channels", "channel")):
        assert tables[table][key].is_unique
    partners = {"", *tables["partners"]["partner_id"]}
    for table in ("deals", "leads", "history", "spend", "targets"):
        assert set(tables[table]["partner_id"]) <= partners, table
    leads = tables["deals"]["lead_id"]
    assert leads[leads != ""].is_unique
    assert set(leads) <= {"", *tables["leads"]["lead_id"]}
    assert set(tables["touches"]["deal_id"]) <= {"", *tables["deals"]["deal_id"]}
    assert ((tables["touches"]["deal_id"] == "") != (tables["touches"]["lead_id"] == "")).all()


def test_dates_of_a_deal_are_in_order(deals: pd.DataFrame) -> None:
    for earlier, later in (("created_on", "closed_on"), ("registered_on", "accepted_on"), ("accepted_on", "closed_on")):
        both = deals[(deals[earlier] != "") & (deals[later] != "")]
        assert (both[earlier] <= both[later]).all(), (earlier, later)
    assert (deals["amount"] > 0).all()


def test_partners_sell_only_while_they_belong(tables: dict[str, pd.DataFrame]) -> None:
    rows = tables["history"].merge(tables["partners"], on="partner_id")
    assert (rows["changed_at"].str[:10] >= rows["joined_on"]).all()
    created = rows.groupby("deal_id").head(1)
    assert ((created["left_on"] == "") | (created["changed_at"].str[:10] <= created["left_on"])).all()
    held = tables["deals"].query("status == 'open'").merge(tables["partners"], on="partner_id")
    assert (held["left_on"] == "").all()


def test_a_lead_that_became_a_deal_shares_its_outcome(tables: dict[str, pd.DataFrame]) -> None:
    both = tables["deals"].merge(tables["leads"], on="lead_id", suffixes=("", "_lead"))
    assert len(both) > 800
    assert (both["status"] == both["status_lead"]).all()
    assert (both["closed_on"] == both["closed_on_lead"]).all()
    assert (both["created_on_lead"] <= both["created_on"]).all()
    recorded = both["channel"] != ""
    assert (both["channel"] == both["channel_lead"])[recorded].all()


def test_every_amount_can_be_converted(tables: dict[str, pd.DataFrame], truth: dict[str, Any]) -> None:
    assert set(tables["deals"]["currency"]) == {"EUR", "CHF", "GBP"}
    for _, rates in tables["rates"].groupby("currency"):
        days = pd.to_datetime(rates["date"])
        assert days.iloc[0] == pd.Timestamp(truth["first_day"])
        assert days.diff().dt.days.max() <= 7
        assert days.iloc[-1] >= pd.Timestamp(LAST_DAY) - pd.Timedelta(days=7)
        assert rates["rate"].astype(float).between(0.9, 1.3).all()


def test_the_data_package_names_every_column_of_every_table_and_its_type(folder: Path) -> None:
    package = json.loads((folder / "datapackage.json").read_text(encoding="utf-8"))
    assert {r["name"] for r in package["resources"]} == set(TABLES)
    for resource in package["resources"]:
        table = pd.read_csv(folder / resource["path"], dtype=str)
        fields = {field["name"]: field for field in resource["schema"]["fields"]}
        assert list(fields) == list(table)
        for name, field in fields.items():
            assert not (field.get("constraints", {}).get("required") and table[name].isna().any()), name
            if field["type"] == "number":
                pd.to_numeric(table[name])
            elif field["type"] == "date":
                pd.to_datetime(table[name], format="%Y-%m-%d")
            elif field["type"] == "datetime":
                pd.to_datetime(table[name], format="%Y-%m-%dT%H:%M:%S")
        if key := resource["schema"].get("primaryKey"):
            assert not table.duplicated(key).any(), resource["name"]
        for foreign in resource["schema"].get("foreignKeys", []):
            (own,), reference = foreign["fields"], foreign["reference"]
            there = pd.read_csv(folder / f"{reference['resource']}.csv", dtype=str)[reference["fields"][0]]
            assert set(table[own].dropna()) <= set(there), (resource["name"], own)
