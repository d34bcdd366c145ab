"""Exports in several files, in lines and in snapshots, as no fixture has them: one table, or a sentence why not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from exports_odd import Deal, deals, plain, written
from test_survey_mutations import Rows, looked, rows_of, told, truth

from partnerkpi.cli import run
from partnerkpi.survey.alarms import alarms
from partnerkpi.survey.survey import survey


def halves(rows: Rows) -> tuple[Rows, Rows]:
    """The first and the second 120 deals, each with the header."""
    return [list(r) for r in rows[:121]], [list(rows[0]), *(list(r) for r in rows[121:])]


@pytest.mark.parametrize("how", ["another column", "another order", "both"])
def test_two_files_with_the_columns_of_deals_are_one_table(tmp_path: Path, how: str) -> None:
    first, second = halves(rows_of())
    if how != "another order":
        second = [[*row, "Campaign" if i == 0 else "x"] for i, row in enumerate(second)]
    if how != "another column":
        second = [row[::-1] for row in second]
    (tmp_path / "deals_2024.csv").write_bytes(written(first))
    found, made = looked(tmp_path, second, "deals_2025.csv")
    assert [p.name for p in found.deals] == ["deals_2024.csv", "deals_2025.csv"]
    assert "rows = 240" in made.text
    assert told(tmp_path) == truth()


def test_a_column_that_only_one_of_the_files_has_is_not_read_and_said(tmp_path: Path) -> None:
    first, second = halves(rows_of(Region="EU"))
    (tmp_path / "deals_2024.csv").write_bytes(written([row[:-1] for row in first]))
    found, _ = looked(tmp_path, second, "deals_2025.csv")
    assert "deals_2025.csv has Region, which other files of deals lack: not read." in alarms(found)
    assert told(tmp_path) == truth()


def test_what_only_the_second_file_shows_decides_for_both(tmp_path: Path) -> None:
    rows = rows_of(Created="03/04/2024", Closed=lambda d: "" if d.status == "open" else "05/06/2024")
    first, second = halves(rows)
    second[-1][6] = "25/04/2024"
    (tmp_path / "deals_2024.csv").write_bytes(written(first))
    found, _ = looked(tmp_path, second, "deals_2025.csv")
    assert found.days["deals"].formats["created_on"] == "%d/%m/%Y"


def test_files_that_are_not_written_alike_are_said(tmp_path: Path) -> None:
    first, second = halves(rows_of())
    (tmp_path / "deals_2024.csv").write_bytes(written(first))
    (tmp_path / "deals_2025.csv").write_bytes(written(second, ";"))
    assert (
        "deals_2025.csv is not written like deals_2024.csv (delimiter), and one declaration holds for all files of a "
        "table: save them alike." in alarms(survey([tmp_path]))
    )
    other = halves(plain(lambda day: f"{day:%d/%m/%Y}"))[1]
    assert "The days of Created are not written alike in all files of deals, and one format holds for all." in alarms(
        looked(tmp_path, other, "deals_2025.csv")[0]
    )


def test_a_second_file_of_deals_that_calls_them_otherwise_is_said(tmp_path: Path) -> None:
    first, second = halves(rows_of())
    second[0] = ["Ref", "Title", "Client", "Reseller", "Seller", "Outcome", "Date created", "Date closed",
                 "Forecast date", "Value", "Currency code"]  # fmt: skip
    (tmp_path / "deals_2024.csv").write_bytes(written(first))
    found, _ = looked(tmp_path, second, "other.csv")
    assert [line for line in alarms(found) if "seems to hold deals too (120 rows), but nothing is made of it" in line]


def in_lines(rows: Rows, amount: Callable[[Deal, int, int], str]) -> Rows:
    """Each deal as one to three lines, by product."""
    at = rows[0].index("Amount")
    made = [[*rows[0], "Product"]]
    for deal, row in zip(deals(), rows[1:], strict=True):
        many = deal.number % 3 + 1
        made += [[*row[:at], amount(deal, n, many), *row[at + 1 :], f"Product {n}"] for n in range(many)]
    return made


def share(deal: Deal, line: int, lines: int) -> str:
    """The cents of the deal divided, the rest in the first line."""
    cents = round(deal.amount * 100)
    return f"{(cents // lines + (cents % lines if line == 0 else 0)) / 100:.2f}"


def test_lines_of_deals_are_summed(tmp_path: Path) -> None:
    found, made = looked(tmp_path, in_lines(rows_of(), share))
    assert "Amount is summed" in made.text
    assert "A row is a line of a deal: Amount is summed. Is it so?" in alarms(found)
    assert told(tmp_path) == truth()


def test_an_amount_that_each_line_repeats_is_taken_once(tmp_path: Path) -> None:
    found, _ = looked(tmp_path, in_lines(rows_of(), lambda deal, line, lines: f"{deal.amount:.2f}"))
    assert "A row is a line of a deal: Amount, the same in all its lines, is taken once. Is it so?" in alarms(found)
    assert told(tmp_path) == truth()


def test_snapshots_are_not_summed_but_said(tmp_path: Path) -> None:
    rows = rows_of()
    at = rows[0].index("Status")
    made = [[*rows[0], "Snapshot"]]
    for row in rows[1:]:
        then = ["Open", "Open", row[at]]
        made += [[*row[:at], then[n], *row[at + 1 :], f"2025-1{n}-01"] for n in range(3)]
    found, text = looked(tmp_path, made)
    assert "sql" not in text.text
    assert [
        line for line in alarms(found) if line.startswith("One Deal ID stands in several rows, which differ in Stat")
    ]
    assert run(["init", str(tmp_path), "--write"]) == 0
    assert run(["check", str(tmp_path)]) == 1


def test_one_row_of_another_encoding_does_not_change_all_others(tmp_path: Path) -> None:
    (tmp_path / "deals.csv").write_bytes(written(rows_of()).replace("É".encode(), b"\xc9", 1))
    found = survey([tmp_path])
    assert found.main.sheet.encoding == "utf-8"
    assert [line for line in alarms(found) if "nearly all is UTF-8, but byte 0xC9 on line" in line]
    assert run(["init", str(tmp_path), "--write"]) == 0
    assert run(["check", str(tmp_path)]) == 1


def test_amounts_of_two_files_that_no_way_fits_are_said_so(tmp_path: Path) -> None:
    first, second = halves(rows_of())
    for row in second[1:]:
        row[9] = row[9].replace(".", ",")
    (tmp_path / "deals_2024.csv").write_bytes(written(first))
    _, made = looked(tmp_path, second, "deals_2025.csv")
    assert [line for line in made.needed if "120 of 240 amounts with a mark fit either, none fits all" in line]
