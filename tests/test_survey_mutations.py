"""Exports that no fixture has: own words, files that differ, columns deleted or of another meaning. No silent figure.

Each is a small change of an export that is read right. What comes of it is right too, or it is asked, or said.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from exports_odd import HEADER, Deal, deals, dynamics, odoo, pipedrive, plain, written
from test_survey import edited

import partnerkpi as pk
from partnerkpi.cli import run
from partnerkpi.survey.alarms import alarms
from partnerkpi.survey.columns import outcome_of, unclear
from partnerkpi.survey.draft import Draft, draft
from partnerkpi.survey.survey import Survey, survey

Rows = list[list[str]]
DAY = ("# extracted_on", "")  # 2025-12-31, as it is proposed
Cell = Callable[[Deal], str]


def rows_of(**changed: Cell | str | None) -> Rows:
    """The plain export with columns changed or added; None deletes one. `_` in a name is a space."""
    names, table = list(HEADER), [list(row) for row in plain()[1:]]
    for key, cell in changed.items():
        name = key.replace("_", " ")
        if cell is None:
            at = names.index(name)
            del names[at]
            table = [row[:at] + row[at + 1 :] for row in table]
            continue
        if name not in names:
            names.append(name)
            table = [[*row, ""] for row in table]
        at = names.index(name)
        for deal, row in zip(deals(), table, strict=True):
            row[at] = cell if isinstance(cell, str) else cell(deal)
    return [names, *table]


def looked(folder: Path, rows: Rows, name: str = "deals.csv") -> tuple[Survey, Draft]:
    """The survey of a folder with this file beside what is there, and its draft."""
    (folder / name).write_bytes(written(rows))
    found = survey([folder])
    return found, draft(found)


def told(folder: Path, *edits: tuple[str, str]) -> dict[str, float]:
    """What the book counts after init, these edits and a check that accepts it."""
    assert run(["init", str(folder), "--write"]) == 0
    edited(folder, edits)
    assert run(["check", str(folder)]) == 0
    read = pk.open_book(folder).deals
    counts = {s: int((read["status"] == s).sum()) for s in ("won", "open")}
    ended = int(read["status"].isin(["lost", "abandoned"]).sum())
    return {**counts, "lost": ended, "amount": round(float(read.loc[read["status"] == "won", "amount"].sum()), 2)}


def truth() -> dict[str, float]:
    """The same, counted in the deals themselves."""
    counts = {s: sum(d.status == s for d in deals()) for s in ("won", "open", "lost")}
    return {**counts, "amount": round(sum(d.amount for d in deals() if d.status == "won"), 2)}


@pytest.mark.parametrize(
    "value",
    ["Verbal win", "Not won", "Nicht gewonnen", "Won - pending", "Lost contact", "Win back", "Qualified out",
     "Declined", "Rejected", "Abgelehnt", "Converted", "Test drive"],
)  # fmt: skip
def test_words_that_can_be_taken_both_ways_are_asked(tmp_path: Path, value: str) -> None:
    assert outcome_of(value) == ""
    _, made = looked(tmp_path, rows_of(Status=lambda d: value if d.status == "open" else d.status.capitalize()))
    assert [line for line in made.needed if line.startswith(f'status "{value}" (65 of 240 rows')]
    assert f'# open = ["{value}"]' in made.text


@pytest.mark.parametrize(
    ("value", "status"),
    [("Closed - Won", "won"), ("Lost: not interested", "lost"), ("No decision", "abandoned"), ("Chiusa persa", "lost"),
     ("rejected", "rejected"), ("Disqualified", "rejected"), ("Test", "ignore"), ("Test deal", "ignore"),
     ("Geschlossen und gewonnen", "won"), ("Verloren an Wettbewerber", "lost"), ("Proposal - pending", "open")],
)  # fmt: skip
def test_words_that_are_clear_are_not(value: str, status: str) -> None:
    assert outcome_of(value) == status
    assert unclear(value) == ""


def test_a_word_that_the_flags_contradict_is_asked(tmp_path: Path) -> None:
    rows = rows_of(Stage=lambda d: "Win room" if d.status == "open" else d.status.capitalize(), Status=None,
                   IsClosed=lambda d: str(d.status != "open"), IsWon=lambda d: str(d.status == "won"))  # fmt: skip
    found, _ = looked(tmp_path, rows)
    assert {v.text: v.why for v in found.status.values}["Win room"] == (
        "its word says won, its flags say open in every row"
    )


def test_the_column_that_says_how_a_deal_ended_is_the_status_whatever_it_is_called(tmp_path: Path) -> None:
    rows = rows_of(
        Status=lambda d: "Open" if d.status == "open" else "Closed",
        Closing_result=lambda d: "" if d.status == "open" else d.status.capitalize(),
    )
    _, made = looked(tmp_path, rows)
    assert 'status = ["Closing result", "Status"]' in made.text
    assert told(tmp_path) == truth()


def test_a_column_active_beside_lost_deals_is_about_something_else(tmp_path: Path) -> None:
    found, made = looked(tmp_path, rows_of(Active=lambda d: str(d.number % 3 > 0)))
    assert found.status.flags.columns == {}
    assert "[deals.flags]" not in made.text
    assert told(tmp_path) == truth()


@pytest.mark.parametrize(
    ("name", "also", "said"),
    [
        ("Expected Revenue", {}, "perhaps the amount times its probability"),
        ("Weighted value", {}, "perhaps the amount times its probability"),
        ("Unit price", {}, "the price of one piece"),
        ("Cost value", {}, "something else than what the customer pays"),
        ("Price", {"Quantity": "3"}, "a price beside a quantity"),
        ("Amount (k€)", {}, "in thousands or millions"),
        ("Betrag in TEUR", {}, "in thousands or millions"),
        ("Revenue (thousands)", {}, "in thousands or millions"),
    ],
)
def test_what_is_not_the_amount_of_a_deal_is_asked(tmp_path: Path, name: str, also: dict[str, str], said: str) -> None:
    rows = rows_of(Amount=None, **{name: lambda d: f"{d.amount / 2:.0f}.00"}, **also)
    found, made = looked(tmp_path, rows)
    assert "amount" not in found.mapped.matches
    assert [line for line in made.open if line.startswith(f'amount = "{name}": {said}')]
    assert any(line.startswith("No column of amounts is known") for line in alarms(found))


def test_of_two_amounts_none_is_taken_and_both_are_listed(tmp_path: Path) -> None:
    rows = rows_of(Amount=None, Amount_net=lambda d: f"{d.amount:.2f}", Amount_gross=lambda d: f"{d.amount * 1.2:.2f}")
    _, made = looked(tmp_path, rows)
    assert [line for line in made.open if 'amount = "Amount net"' in line and '"Amount gross"' in line]
    assert told(tmp_path, ('# amount = "Amount net"', "")) == truth()


def test_odoo_keeps_its_expected_revenue_which_is_no_weighted_one(tmp_path: Path) -> None:
    odoo(tmp_path)
    assert survey([tmp_path]).mapped.source("amount") == "Expected Revenue"


def test_won_deals_without_an_amount_are_an_alarm(tmp_path: Path) -> None:
    dynamics(tmp_path)
    path = tmp_path / "All Opportunities.csv"
    text = path.read_text(encoding="utf-8-sig").replace("Actual Revenue", "Something else")
    path.write_text(text, encoding="utf-8-sig")
    assert "91 of 91 won deals have no amount. What is read for won deals: none that is there." in alarms(
        survey([tmp_path])
    )


def test_yes_and_no_are_no_partners(tmp_path: Path) -> None:
    found, _ = looked(tmp_path, rows_of(Partner=lambda d: ("Yes", "No")[d.number % 2]))
    assert "partner_id" not in found.mapped.matches
    rows = rows_of(Partner=lambda d: ("Yes", "No")[d.number % 2], Partner_company=lambda d: d.partner)
    assert looked(tmp_path, rows)[0].mapped.source("partner_id") == "Partner company"


@pytest.mark.parametrize("word", ["N/A", "(none)", "No partner", "-"])
def test_a_text_for_no_partner_is_none(tmp_path: Path, word: str) -> None:
    _, made = looked(tmp_path, rows_of(Partner=lambda d: word if d.number % 4 == 0 else d.partner))
    assert f'missing = ["{word}"]' in made.text
    assert told(tmp_path) == truth()
    partners = pk.open_book(tmp_path).deals["partner_id"]
    assert (partners.isna().sum(), word in set(partners)) == (60, False)


def test_a_text_that_another_column_uses_too_stays(tmp_path: Path) -> None:
    rows = rows_of(
        Partner=lambda d: "NA" if d.number % 4 == 0 else d.partner, Region=lambda d: ("NA", "EU")[d.number % 2]
    )
    assert "missing" not in looked(tmp_path, rows)[1].text


def test_the_vendors_own_sales_are_asked_about(tmp_path: Path) -> None:
    _, made = looked(tmp_path, rows_of(Partner=lambda d: "Direct" if d.number % 4 == 0 else d.partner))
    assert "direct = [\"Direct\"]: 60 rows: are these the vendor's own sales, and no partner's?" in made.open
    assert told(tmp_path, ("# direct", "")) == truth()


def test_a_header_of_two_lines_is_no_broken_draft(tmp_path: Path) -> None:
    rows = rows_of()
    rows[0][rows[0].index("Amount")] = "Amount\n(EUR)"
    looked(tmp_path, rows)
    assert told(tmp_path) == truth()


def test_days_without_a_usual_name_are_listed_to_choose(tmp_path: Path) -> None:
    rows = rows_of()
    rows[0][6:9] = ["Dag A", "Dag B", "Dag C"]
    _, made = looked(tmp_path, rows)
    assert [line.partition(": ")[0] for line in made.needed if "Dag" in line] == [
        'created_on = "Dag A"', 'closed_on = "Dag A"'
    ]  # fmt: skip
    assert told(tmp_path, ('# created_on = "Dag A"', ""), ('# closed_on = "Dag B"', ""), DAY) == truth()


def test_a_known_name_that_holds_something_else_is_said(tmp_path: Path) -> None:
    found, _ = looked(tmp_path, rows_of(Amount=lambda d: f"{d.amount / 1000:.1f}k", Created=lambda d: "5. Mai 2024"))
    said = alarms(found)
    assert any(line.startswith("Amount is named like amount, but does not hold numbers that are read") for line in said)
    assert (
        "Created is named like created_on, but does not hold days that are read as such: '5. Mai 2024', for one."
        in said
    )


def test_a_day_of_winning_and_one_of_losing_are_the_closing_day(tmp_path: Path) -> None:
    rows = rows_of(Closed=None, **{
        "Gewonnen am": lambda d: d.closed.isoformat() if d.status == "won" else "",
        "Verloren am": lambda d: d.closed.isoformat() if d.status == "lost" else "",
    })  # fmt: skip
    _, made = looked(tmp_path, rows)
    assert 'closed_on = { won = "Gewonnen am", other = "Verloren am" }' in made.text
    assert told(tmp_path) == truth()
    closed = pk.open_book(tmp_path).deals.set_index("deal_id")["closed_on"]
    assert all(f"{closed[f'D-{d.number:04d}']:%Y-%m-%d}" == d.closed.isoformat() for d in deals() if d.status != "open")


def test_days_without_marks_are_days(tmp_path: Path) -> None:
    (tmp_path / "deals.csv").write_bytes(written(plain(lambda day: f"{day:%Y%m%d}")))
    assert told(tmp_path) == truth()


def test_the_end_of_a_contract_is_no_closing_day(tmp_path: Path) -> None:
    found, made = looked(tmp_path, rows_of(Closed=None, Expected_close=None, End_date=lambda d: d.closed.isoformat()))
    assert "closed_on" not in found.mapped.matches
    assert [line for line in made.needed if line.startswith('closed_on = "End date": ')]


def test_a_crm_without_its_stage_is_asked_for_it(tmp_path: Path) -> None:
    pipedrive(tmp_path)
    path = tmp_path / "deals-9817236-1.csv"
    text = path.read_text(encoding="utf-8").replace("Deal - Status", "Deal - Colour").replace("Won,", "Red,")
    path.write_text(text.replace("Lost,", "Blue,").replace("Open,", "Green,"), encoding="utf-8")
    assert "Deal - Won time is filled in 91 rows, and none is won: export the status too." in alarms(survey([tmp_path]))
    text = path.read_text(encoding="utf-8").replace("Deal - Stage", "Deal - Size").replace("Deal - Colour", "Deal - C")
    path.write_text(text, encoding="utf-8")
    made = draft(survey([tmp_path]))
    assert "status: no column tells won from lost or open. Export Deal - Status or Status too, and run init again" in (
        made.needed
    )
    assert "[deals.constants]" not in made.text


def test_a_dollar_sign_is_said_to_be_of_several_currencies(tmp_path: Path) -> None:
    (tmp_path / "deals.csv").write_bytes(written([row[:-1] for row in plain(amount="${:,.2f}".format)]))
    made = draft(survey([tmp_path]))
    assert [line for line in made.open if line == (
        'currency = "USD": by the sign $, which other currencies have too: is it this one?'
    )]  # fmt: skip


def test_the_day_of_the_export_is_read_where_it_stands_and_else_asked(tmp_path: Path) -> None:
    _, made = looked(tmp_path, rows_of())
    assert [line for line in made.open if line.startswith("extracted_on = 2025-12-27: the last day any row speaks of")]
    (tmp_path / "deals.csv").write_bytes(written(rows_of(), below="\r\nPrinted 12/31/2025 4:10 PM\r\n"))
    made = draft(survey([tmp_path]))
    assert "extracted_on = 2025-12-31" in made.text
    assert not [line for line in made.open if line.startswith("extracted_on")]


def test_partners_listed_by_id_are_known_by_the_name_the_deals_use(tmp_path: Path) -> None:
    names = sorted({d.partner for d in deals()})
    rows = [["Partner ID", "Partner name", "Tier"], *([f"P{i}", name, "gold"] for i, name in enumerate(names))]
    (tmp_path / "partners.csv").write_bytes(written(rows))
    looked(tmp_path, rows_of())
    assert told(tmp_path) == truth()
    book = pk.open_book(tmp_path)
    assert sorted(book.partners["partner_id"]) == names
    assert set(book.partners["tier"]) == {"gold"}


def test_partners_that_the_deals_do_not_know_are_said(tmp_path: Path) -> None:
    (tmp_path / "partners.csv").write_bytes(written([["Partner ID", "Tier"], ["P1", "gold"], ["P2", "gold"]]))
    found, _ = looked(tmp_path, rows_of())
    assert (
        "0 of the 7 values of Partner stand in Partner ID of partners.csv: what that file says of partners reaches few "
        "deals. Export the same id, or name, in both." in alarms(found)
    )


def test_flags_and_values_that_disagree_are_an_alarm(tmp_path: Path) -> None:
    rows = rows_of(IsClosed=lambda d: str(d.status != "open"), IsWon=lambda d: str(d.status == "won" and d.number > 30))
    found, _ = looked(tmp_path, rows)
    many = sum(d.status == "won" for d in deals() if d.number <= 30)
    assert f"In {many} of 240 rows Status says otherwise than IsClosed, IsWon; Status decides." in alarms(found)


def test_two_columns_with_usual_names_are_said(tmp_path: Path) -> None:
    found, _ = looked(tmp_path, rows_of(Total=lambda d: f"{d.amount * 1.2:.2f}", Created_Date="2025-01-01"))
    said = alarms(found)
    assert "Amount is read as amount; Total could be it too, and holds something else. Which is it?" in said
    assert [line for line in said if line.startswith("Created Date is read as created_on; Created could be it too")]
    assert not looked(tmp_path, rows_of(Total=lambda d: f"{d.amount:.2f}"))[0].mapped.rivals


def test_a_probability_tells_where_no_status_does(tmp_path: Path) -> None:
    looked(tmp_path, rows_of(Status=None, Probability=lambda d: {"won": "100", "lost": "0"}.get(d.status, "40")))
    assert told(tmp_path) == truth()


def test_amounts_that_are_converted_already_are_in_one_currency(tmp_path: Path) -> None:
    rows = rows_of(Amount=None, Currency=lambda d: ("EUR", "USD")[d.number % 2])
    rows[0].append("Amount (converted)")
    for deal, row in zip(deals(), rows[1:], strict=True):
        row.append(f"{deal.amount:.2f}")
    _, made = looked(tmp_path, rows)
    assert 'currency = "" ' in made.text
    assert "[rates]" not in made.text
    assert told(tmp_path, ("# currency", "")) == truth()


def test_numbers_that_nobody_knows_are_listed_to_choose(tmp_path: Path) -> None:
    rows = rows_of(Amount=None, TCV=lambda d: f"{d.amount:.2f}", Size=lambda d: f"{d.amount / 3:.2f}")
    _, made = looked(tmp_path, rows)
    listed = 'amount = "TCV": it holds numbers with decimals; or one of the lines below it: "Size"'
    assert listed in made.open
    assert told(tmp_path, ('# amount = "TCV"', "")) == truth()


def test_rows_without_a_status_and_a_won_alone_are_said(tmp_path: Path) -> None:
    found, _ = looked(tmp_path, rows_of(Status=lambda d: "" if d.status == "open" else d.status))
    assert "65 of 240 rows have no Status, and would be set aside." in alarms(found)
    found, _ = looked(tmp_path, rows_of(Status=None, Won=lambda d: ("No", "Yes")[d.status == "won"]))
    assert "Won alone does not tell lost from open: export the status or stage too." in alarms(found)


def test_an_amount_of_a_month_is_said(tmp_path: Path) -> None:
    rows = rows_of(Amount=None, Monthly_value=lambda d: f"{d.amount / 12:.2f}")
    said = alarms(looked(tmp_path, rows)[0])
    assert (
        "Monthly value is read as the amount of a deal, and by its name is that of a month or a year. Is it so?" in said
    )
