"""What init sees in a file, and what it leaves to decide: every doubt is said, nothing is guessed by majority."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from exports_odd import deals, odoo, plain, salesforce, written, zoho

import partnerkpi as pk
from partnerkpi.cli import run
from partnerkpi.survey.alarms import alarms
from partnerkpi.survey.draft import draft
from partnerkpi.survey.survey import Survey, survey

Rows = list[list[str]]


def looked(folder: Path, rows: Rows | bytes, name: str = "deals.csv") -> Survey:
    """The survey of a folder with one file."""
    (folder / name).write_bytes(rows if isinstance(rows, bytes) else written(rows))
    return survey([folder])


def short(days: list[tuple[str, str]], amounts: list[str] | None = None, statuses: list[str] | None = None) -> Rows:
    """Deals of which only days, amounts and statuses matter."""
    rows = [["Deal ID", "Partner", "Status", "Created", "Closed", "Amount"]]
    for i, (created, closed) in enumerate(days):
        amount = amounts[i % len(amounts)] if amounts else "100"
        status = statuses[i % len(statuses)] if statuses else ("Won", "Lost")[i % 2]
        rows.append([f"D{i}", f"P{i % 3}", status, created, closed, amount])
    return rows


def test_days_that_fit_both_orders_are_a_doubt_with_its_count(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    days = [("03/04/2024", "05/04/2024"), ("01/02/2024", "03/02/2024"), ("02/12/2024", "03/11/2024")] * 4
    found = looked(tmp_path, short(days, ["12.50"]))
    assert found.days["deals"].formats == {}
    made = draft(found)
    lines = [line for line in made.text.split("\n") if "dates = " in line]
    assert [line[:20] for line in lines] == ['# dates = "%d/%m/%Y"', '# dates = "%m/%d/%Y"']
    assert "all 12 cells fit both orders, 0 decide" in made.text
    assert "4 rows would close before they were created" in made.text  # read day first: 2 December, 3 November
    assert run(["init", str(tmp_path), "--write"]) == 0
    path = tmp_path / "book.toml"
    path.write_text(path.read_text().replace("# currency", "currency").replace("= 2199", "= 2024"))
    assert run(["check", str(tmp_path)]) == 1
    assert "not written like" in (said := capsys.readouterr().out) or "declare the format" in said
    path.write_text(path.read_text().replace('# dates = "%d', 'dates = "%d', 1))
    assert run(["check", str(tmp_path)]) == 0


def test_one_column_of_the_file_can_decide_for_the_others(tmp_path: Path) -> None:
    found = looked(tmp_path, short([("03/04/2024", "25/04/2024"), ("01/02/2024", "13/02/2024")] * 5))
    assert found.days["deals"].formats == {"created_on": "%d/%m/%Y", "closed_on": "%d/%m/%Y"}
    assert found.days["deals"].why["created_on"] == "both orders fit; Closed in the same file decides (10 cells)"


def test_the_deciding_day_may_stand_in_the_last_row_of_many(tmp_path: Path) -> None:
    days = [("03/04/2024", "05/04/2024")] * 30_000 + [("03/04/2024", "13/04/2024")]
    found = looked(tmp_path, short(days))
    assert found.days["deals"].formats["closed_on"] == "%d/%m/%Y"


def test_days_written_otherwise_are_listed_with_their_line(tmp_path: Path) -> None:
    found = looked(tmp_path, short([("2024-01-05", "2024-02-05")] * 99 + [("2024-01-05", "soon")]))
    assert found.days["deals"].formats == {"created_on": "", "closed_on": ""}
    assert found.days["deals"].exceptions == {"Closed": ["'soon' (line 101)"]}
    assert "deals.csv, Closed: days not written like the rest: 'soon' (line 101)." in alarms(found)


@pytest.mark.parametrize(
    ("amounts", "decimal", "thousands"),
    [
        (["€ 12.500,00", "€ 5,50"], ",", "."),
        (["1 234,50 €", "2\u00a0345,00 €"], ",", " "),
        (["$1,234.50", "($5.00)"], ".", ","),
        (["1.234.567", "2.500"], ",", "."),
        (["1'234.50", "99.00"], ".", "'"),
        (["1.5", "2.25"], ".", ""),
    ],
)
def test_marks_of_amounts(tmp_path: Path, amounts: list[str], decimal: str, thousands: str) -> None:
    found = looked(tmp_path, short([("2024-01-05", "2024-02-05")] * 10, amounts))
    marks = found.marks["deals"]
    assert (marks.decimal, marks.thousands, marks.sure) == (decimal, thousands, True)


def test_amounts_that_could_be_thousands_or_decimals_are_a_doubt(tmp_path: Path) -> None:
    found = looked(tmp_path, short([("2024-01-05", "2024-02-05")] * 10, ["1.234", "12"]))
    assert not found.marks["deals"].sure
    text = draft(found).text
    assert '# decimal = "."' in text
    assert '# decimal = ","' in text
    assert "0 decide" in text


def test_texts_that_stand_for_nothing_are_named(tmp_path: Path) -> None:
    found = looked(tmp_path, short([("2024-01-05", "2024-02-05")] * 10, ["12.50", "NA"]))
    assert 'missing = ["NA"]' in draft(found).text


def test_a_status_nobody_knows_is_left_to_decide(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = short([("2024-01-05", "2024-02-05")] * 12, ["10.50"], ["Won", "Lost", "Zorp"])
    made = draft(looked(tmp_path, rows))
    assert [line for line in made.needed if "Zorp" in line] == [
        'status "Zorp" (4 of 12 rows, 42 of amount, created 2024-01-05 to 2024-01-05): '
        "no word, flag or probability tells"
    ]
    assert '# open = ["Zorp"]' in made.text


@pytest.mark.parametrize(
    ("column", "cells", "status"),
    [("Probability", ["100", "0", "35"], "open"), ("IsWon", ["true", "false", "true"], "won")],
)
def test_flags_and_probabilities_tell_what_a_status_means(
    tmp_path: Path, column: str, cells: list[str], status: str
) -> None:
    rows = short([("2024-01-05", "2024-02-05")] * 12, ["10.50"], ["Won", "Lost", "Zorp"])
    whole = [[*rows[0], column], *([*row, cells[i % 3]] for i, row in enumerate(rows[1:]))]
    found = looked(tmp_path, whole)
    assert {v.text: v.status for v in found.status.values}["Zorp"] == status


def test_nothing_is_mapped_by_a_name_that_merely_looks_alike(tmp_path: Path) -> None:
    rows = [[*row, *extra] for row, extra in zip(
        short([("2024-01-05", "2024-02-05")] * 12),
        [["Partnership fee paid", "Statuses seen", "Amounts due note"], *([["yes", "a", "none"]] * 12)],
        strict=True,
    )]  # fmt: skip
    mapped = looked(tmp_path, rows).mapped
    assert {"Partnership fee paid", "Statuses seen", "Amounts due note"} <= set(mapped.ignored)


def test_odoo_without_archived_deals_is_told_to_export_again(tmp_path: Path) -> None:
    odoo(tmp_path)
    path = tmp_path / "crm.lead.csv"
    lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join(line for line in lines if '"False"' not in line) + "\n", encoding="utf-8")
    said = alarms(survey([tmp_path]))
    assert said[0].startswith("There is no lost deal: ")
    assert "choose Archived" in said[0]


def test_what_an_export_lacks_is_said_with_what_to_export(tmp_path: Path) -> None:
    rows = [["Deal Name", "Stage", "Created Time", "Closing Date", "Amount", "Deal Owner", "Record Id", "Account Name"]]
    for i in range(2_000):
        rows.append([f"n{i}", "Closed Won", "2024-01-02 10:00", "2024-03-04", "10.00", "Ida", f"z{i}", "Kunde"])
    found = looked(tmp_path, rows)
    said = "\n".join(alarms(found))
    assert found.found.crm == "zoho"
    assert "There is no lost deal: 2,000 won, 0 open." in said
    assert "There is no open deal" in said
    assert "exactly 2,000 rows" in said
    assert "All 2,000 rows belong to one owner, Ida" in said
    assert "No column names the partner" in said
    assert "Setup, Data Administration, Export" in said


def test_closed_deals_without_a_day_are_counted(tmp_path: Path) -> None:
    found = looked(tmp_path, short([("2024-01-05", "2024-02-05")] * 40 + [("2024-01-05", "")] * 4))
    assert "4 of 44 closed deals have no day of closing and would be set aside: more than 1 % refuses the book." in [
        line.removesuffix(" Look at them in the CRM.") for line in alarms(found)
    ]


def test_files_of_one_shape_are_one_table(tmp_path: Path) -> None:
    rows = plain()
    (tmp_path / "deals_2023.csv").write_bytes(written(rows[:121]))
    (tmp_path / "deals_2024.csv").write_bytes(written([rows[0], *rows[121:]]))
    found = survey([tmp_path])
    assert [p.name for p in found.deals] == ["deals_2023.csv", "deals_2024.csv"]
    assert "rows = 240" in draft(found).text
    assert run(["init", str(tmp_path), "--write"]) == 0
    assert len(pk.open_book(tmp_path).deals) == 240


def test_a_book_that_is_there_is_never_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    zoho(tmp_path)
    (tmp_path / "book.toml").write_text('[book]\nname = "Mine"\n', encoding="utf-8")
    assert run(["init", str(tmp_path), "--write"]) == 2
    assert '-name = "Mine"' in capsys.readouterr().out
    assert (tmp_path / "book.toml").read_text(encoding="utf-8") == '[book]\nname = "Mine"\n'
    assert not (tmp_path / ".partnerkpi.json").exists()


def test_without_write_nothing_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    zoho(tmp_path)
    before = sorted(p.name for p in tmp_path.iterdir())
    assert run(["init", str(tmp_path)]) == 0
    once = capsys.readouterr().out
    assert sorted(p.name for p in tmp_path.iterdir()) == before
    assert run(["init", str(tmp_path)]) == 0
    assert capsys.readouterr().out == once
    assert "The draft is accepted by check as it stands." in once
    assert "KPIs there will be: Average deal size" in once
    assert "deals: 240 rows read = 240 used + 0 out of scope + 0 set aside" in once


def test_next_quarters_export_is_compared_with_this_ones(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    zoho(tmp_path)
    assert run(["init", str(tmp_path), "--write"]) == 0
    capsys.readouterr()
    assert run(["init", str(tmp_path), "--diff"]) == 0
    assert "it holds for them" in capsys.readouterr().out
    path = tmp_path / "Deals_001.csv"
    text = path.read_text(encoding="utf-8")
    text = text.replace("Reason For Loss", "Why lost").replace("Negotiation/Review", "Haggling").replace(" 10:15", "")
    (tmp_path / "Deals_002.csv").write_text(text, encoding="utf-8")
    path.unlink()
    kept = json.loads((tmp_path / ".partnerkpi.json").read_text(encoding="utf-8"))
    kept["files"]["Deals_002.csv"] = kept["files"].pop("Deals_001.csv")
    (tmp_path / ".partnerkpi.json").write_text(json.dumps(kept), encoding="utf-8")
    assert run(["init", str(tmp_path), "--diff"]) == 0
    many = sum(d.status == "open" and d.stage == "Negotiation" for d in deals())
    assert capsys.readouterr().out.splitlines() == [
        "What is otherwise than when book.toml was made:",
        "- Deals_002.csv: new columns: Why lost",
        "- Deals_002.csv: columns that are gone: Reason For Loss",
        "- Deals_002.csv: Created Time is written as %d/%m/%Y, was %d/%m/%Y %H:%M",
        f"- Deals_002.csv: new in Stage: 'Haggling' ({many} rows)",
        "- Deals_002.csv: no longer in Stage: 'Negotiation/Review'",
    ]


def test_another_name_with_the_same_columns_is_the_same_export(tmp_path: Path) -> None:
    zoho(tmp_path)
    assert run(["init", str(tmp_path), "--write"]) == 0
    (tmp_path / "Deals_001.csv").rename(tmp_path / "Deals_next.csv")
    from partnerkpi.survey.memory import differences, recall

    assert differences(survey([tmp_path]), recall(tmp_path)) == []


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["nowhere.csv"], "There is no file 'nowhere.csv'."),
        (["."], "has no .csv, .tsv, .txt, .xlsx, .parquet file."),
        (["deals.csv", "--diff"], "Nothing is remembered in"),
        (["deals.csv", "--profile", "sap"], "There is no profile 'sap'. There is: dynamics365, hubspot,"),
        (["words.csv"], "None of the files holds deals"),
        (["empty.csv"], "None of the files holds deals"),
        (["photo.png"], "'photo.png' is no file this package reads"),
    ],
)
def test_what_cannot_be_looked_at_is_said_in_a_sentence(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    sentence: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, data in (
        ("deals.csv", written(plain())),
        ("words.csv", b"a,b\n1,2\n"),
        ("empty.csv", b""),
        ("photo.png", b"x"),
    ):
        if name in arguments:
            (tmp_path / name).write_bytes(data)
    assert run(["init", *arguments]) == 2
    assert sentence in capsys.readouterr().err


@pytest.mark.parametrize("data", [b"\xff\xfe\x00", b"\x81\x8d,\x90\n", b'"', b"\n\n\n", b"a\0b,c\n", b"id,id\n1,2\n"])
def test_damaged_files_are_no_faults_of_ours(tmp_path: Path, data: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "deals.csv").write_bytes(data)
    assert run(["init", str(tmp_path)]) == 2
    assert "fault in partnerkpi" not in capsys.readouterr().err


def test_what_is_to_be_decided_is_listed_and_what_the_preview_takes_for_granted_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    salesforce(tmp_path)
    place = str(tmp_path)
    assert run(["init", place]) == 0
    said = capsys.readouterr().out
    title, _, to_decide = said.partition("To decide\n---------\n")
    assert "1 line to decide" in title
    assert " 0 " not in title.splitlines()[1], "what is none is not said"
    assert to_decide.partition("\n\n")[0].startswith("! [rates]: ")
    assert "it is shown as if: 1 USD = 1 EUR, which is wrong until you write the rate." in said
    assert said.splitlines()[-1] == f"Next: partnerkpi init {place} --write"
    assert run(["init", place, "--write"]) == 0
    last = f"Next: decide 1 line there, then  partnerkpi check {place}, and partnerkpi review {place}"
    assert capsys.readouterr().out.splitlines()[-1] == last


def test_lines_that_may_be_decided_are_listed_beside_those_that_must(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [["Deal ID", "Reseller Team", "Status", "Created", "Closed", "Amount"]]
    rows += [[f"D{i}", f"T{i % 3}", ("Won", "Lost")[i % 2], "2024-01-05", "2024-02-05", "100"] for i in range(12)]
    found = looked(tmp_path, rows)
    made = draft(found)
    assert made.needed == ['currency = "EUR": nothing in the files says which currency the amounts are in']
    assert run(["init", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert all(f"  {line}\n" in said for line in made.open)
    assert "it is shown as if: all amounts are in one currency." in said


def test_a_book_in_which_nothing_is_decided_yet_says_what_to_decide(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    odoo(tmp_path)
    assert run(["init", str(tmp_path), "--write"]) == 0
    assert run(["check", str(tmp_path)]) == 2
    assert "[book] currency: the currency of the sums is not said" in capsys.readouterr().err
