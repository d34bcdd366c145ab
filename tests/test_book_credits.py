"""Credit notes: what declared amounts below zero do to the account, to every KPI, and to what was known before."""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import duckdb
import pandas as pd
import pytest

import partnerkpi as pk
from partnerkpi.cli import run
from partnerkpi.sample import write_sample

Write = Callable[..., Path]
Text = pytest.CaptureFixture[str]
HEAD = "deal_id,created_on,status,closed_on,amount,partner_id,channel,Credits\n"
SALES = (
    "A,2025-06-01,won,2025-08-15,1000,P,ads,\n"
    "B,2025-07-01,won,2025-10-20,600,P,ads,\n"
    "C,2025-07-01,won,2025-11-20,300.50,Q,,\n"
    "D,2025-07-01,lost,2025-11-21,500,P,ads,\n"
    "E,2025-07-01,open,,700,P,,\n"
)
NOTES = (
    "A-1,2025-11-05,won,2025-11-05,-150,P,,A\n"
    "B-1,2025-10-25,won,2025-10-25,-100,P,,B\n"
    "B-2,2025-11-03,won,2025-11-03,-49.25,P,,B\n"
    "C-1,2025-12-01,won,2025-12-01,-300.5,Q,,C\n"
)
REST = {
    "channels": "channel,media\nads,paid\n",
    "spend": "channel,month,amount\nads,2025-10-01,100\nads,2025-11-01,-30\n",
}
OF_DEALS = '[deals]\ncredit_notes = "Credits"\n'
TOML = f"{OF_DEALS}[spend]\ncredit_notes = true\n"


def scored(folder: Path, capsys: Text, quarter: str, *options: str) -> dict[tuple[str, str], str]:
    """What `score` says by group and figure; headlines by the name of their KPI."""
    assert run(["score", str(folder), "--quarter", quarter, "--format", "csv", *options]) == 0
    rows = csv.DictReader(io.StringIO(capsys.readouterr().out))
    return {(r["group"], r["kpi"] if r["figure"] == "headline" else r["figure"]): r["value"] for r in rows}


def checked(folder: Path, capsys: Text) -> tuple[int, list[str], dict[str, dict[str, object]]]:
    code = run(["check", str(folder)])
    lines = [line for line in capsys.readouterr().out.splitlines() if line[:2] in ("E ", "Q ", "W ")]
    run(["check", str(folder), "--format", "json"])
    return code, lines, json.loads(capsys.readouterr().out)["account"]


def test_credit_notes_are_used_and_said_once(write_book: Write, capsys: Text) -> None:
    code, lines, account = checked(write_book(HEAD + SALES + NOTES, toml=TOML, **REST), capsys)
    assert code == 0
    assert [line for line in lines if "credit note" in line] == [
        "W deals.csv, amount '-150': a credit note: it lowers the amount of the deal it names, and is no deal itself "
        "(4 rows, first: line 7)",
        "W spend.csv, line 3 (record 2), amount '-30': a credit note: it lowers what was spent in its month",
    ]
    assert account["deals"]["rows"] == {"read": 9, "used": 9, "out of scope": 0, "set aside": 0}
    assert account["deals"]["money"]["EUR"] == {  # 3100.50 sold, lost or open, 599.75 taken back
        "read": "2500.75", "used": "2500.75", "out of scope": "0.00", "set aside": "0.00", "unknown": 0
    }  # fmt: skip
    assert account["spend"]["rows"]["used"] == 2


def test_without_a_declaration_they_are_set_aside(write_book: Write, capsys: Text) -> None:
    code, lines, account = checked(write_book(HEAD + SALES + NOTES, **REST), capsys)
    assert code == 1
    assert sum(line.startswith("Q") and "is negative" in line for line in lines) == 5
    assert account["deals"]["rows"]["set aside"] == 4


def test_what_they_do_to_every_kpi(write_book: Write, capsys: Text) -> None:
    """Beside a query that joins each deal with what its notes take back; the rest is counted without the notes."""
    folder = write_book(HEAD + SALES + NOTES, toml=TOML, **REST)
    sql = f"""WITH rows AS (SELECT * FROM read_csv('{folder}/deals.csv')),
              back AS (SELECT Credits AS deal_id, sum(amount) AS money FROM rows WHERE Credits IS NOT NULL GROUP BY 1)
              SELECT deal_id, partner_id, quarter(closed_on), amount + coalesce(money, 0)
              FROM rows LEFT JOIN back USING (deal_id) WHERE status = 'won' AND Credits IS NULL"""
    won = duckdb.sql(sql).fetchall()
    for quarter in (3, 4):
        values = scored(folder, capsys, f"2025Q{quarter}")
        plain = scored(
            write_book(HEAD + SALES, **{**REST, "spend": REST["spend"].replace("-30", "0")}), capsys, f"2025Q{quarter}"
        )
        for who in ("P", "Q", "all"):
            own = [float(m) for _, partner, q, m in won if q == quarter and who in (partner, "all")]
            assert float(values[who, "won_amount"] or 0) == pytest.approx(sum(own), abs=1e-9)
            priced = [money for money in own if money > 0]
            size = values[who, "average_deal_size"]
            assert (float(size) if size else None) == (sum(priced) / len(priced) if priced else None)
            for same in ("number_of_deals", "close_rate", "deal_velocity", "deal_success", "naive_days", "narrow"):
                assert values[who, same] == plain[who, same], same
        assert float(values["all", "opportunity_pipeline"]) == float(plain["all", "opportunity_pipeline"])
        ads = sum(float(m) for d, _, q, m in won if q == quarter and d in "AB")
        assert float(values["all", "marketing_channels"]) == ads
    assert float(values["all", "spend"]) == 70
    assert float(values["all", "won_amount"]) == 450.75  # 600 − 149.25 + 300.50 − 300.50
    assert float(values["all", "number_of_deals"]) == 2


def test_before_its_day_nobody_knew_of_it(write_book: Write, capsys: Text) -> None:
    """By hand: B was 600, 500 from 25 October on, 450.75 from 3 November on."""
    folder = write_book(HEAD + SALES + NOTES, toml=TOML, **REST)
    for day, whole in (("2025-10-24", 600), ("2025-10-25", 500), ("2025-11-02", 500), ("2025-11-03", 450.75)):
        values = scored(folder, capsys, "2025Q4", "--as-of", day, "--allow-approximate")
        assert float(values["P", "won_amount"]) == whole
    history = "deal_id,changed_at,status,amount\nB,2025-07-01,open,550\nB,2025-09-01,open,600\nB,2025-10-20,won,600\n"
    told = write_book(HEAD + SALES + NOTES, toml=TOML, history=history + "B-1,2025-10-25,won,-100\n", **REST)
    for day, whole in (("2025-10-24", 600), ("2025-10-26", 500), ("2025-12-31", 450.75)):
        assert float(scored(told, capsys, "2025Q4", "--as-of", day)["P", "won_amount"]) == whole
    assert (
        float(scored(told, capsys, "2025Q3", "--as-of", "2025-08-20")["P", "opportunity_pipeline"]) == 550 + 500 + 700
    )
    _, lines, account = checked(told, capsys)
    assert account["history"]["rows"] == {"read": 4, "used": 3, "out of scope": 1, "set aside": 0}
    assert any("of a credit note, which is no deal: counted out of scope" in line for line in lines)


def test_the_waterfall_balances_and_the_deal_is_said_to_be_restated(write_book: Write) -> None:
    book = pk.open_book(write_book(HEAD + SALES + NOTES, toml=TOML, **REST))
    table = pk.waterfall(book, "2025Q4").set_index("bar")["amount"]
    assert table.drop("closing").sum() == pytest.approx(table["closing"])
    assert table["closing"] == 700
    changed = pk.restated(book, "2025Q4")
    assert changed["deal_id"].tolist() == ["A"]  # of the quarter before, and credited in this one


CASES = [
    ("X,2025-11-05,won,2025-11-05,-10,P,,Z\n", "a credit note, and 'Credits' names no deal that is won and used"),
    ("X,2025-11-05,won,2025-11-05,-10,P,,\n", "a credit note, and 'Credits' names no deal that is won and used"),
    ("X,2025-11-05,won,2025-11-05,-10,P,,D\n", "a credit note, and 'Credits' names no deal that is won and used"),
    ("X,2025-11-05,won,2025-11-05,-10,P,,X\n", "a credit note, and 'Credits' names no deal that is won and used"),
    ("X,2025-10-01,won,2025-10-19,-10,P,,B\n", "a credit note of a day before the deal it names was won"),
    ("X,2025-11-05,won,2025-11-05,-600.01,P,,B\n", "credit notes of more than the amount of the deal they name"),
    ("X,2025-11-05,open,,-10,P,,B\n", "is negative"),
    ("X,2025-11-05,lost,2025-11-05,-10,P,,B\n", "is negative"),
]


@pytest.mark.parametrize(("row", "said"), CASES)
def test_a_note_that_cannot_be_placed_is_set_aside(write_book: Write, capsys: Text, row: str, said: str) -> None:
    code, lines, account = checked(write_book(HEAD + SALES + row, toml=OF_DEALS), capsys)
    assert code == 1
    assert lines[0].startswith("Q deals.csv, line 7 (record 6), amount '-")
    assert said in lines[0]
    assert account["deals"]["rows"] == {"read": 6, "used": 5, "out of scope": 0, "set aside": 1}


def test_notes_that_together_take_back_too_much_and_those_in_another_currency(write_book: Write, capsys: Text) -> None:
    many = "".join(f"X{n},2025-11-05,won,2025-11-05,-250,P,,B\n" for n in range(3))
    _, lines, account = checked(write_book(HEAD + SALES + many, toml=OF_DEALS), capsys)
    assert sum("credit notes of more than" in line for line in lines) == 1
    assert account["deals"]["rows"]["set aside"] == 3
    head = HEAD.replace("channel", "currency")
    rows = "B,2025-07-01,won,2025-10-20,600,P,USD,\nX,2025-11-05,won,2025-11-05,-10,P,,B\n"
    rates = "currency,date,rate\nUSD,2025-01-01,0.5\n"
    _, lines, _ = checked(write_book(head + rows, toml=OF_DEALS, rates=rates), capsys)
    assert any("a credit note in another currency than the deal it names" in line for line in lines)
    folder = write_book(head + rows.replace("P,,B", "P,USD,B"), toml=OF_DEALS, rates=rates)
    assert float(scored(folder, capsys, "2025Q4")["all", "won_amount"]) == 295


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        ("[deals]\ncredit_notes = true\n", "which deal does each take money back from? Name the column"),
        ('[spend]\ncredit_notes = "Credits"\n', "[spend] credit_notes: true is expected"),
        ("[partners]\ncredit_notes = true\n", "only [deals] and [spend] have credit notes"),
    ],
)
def test_a_declaration_that_cannot_be(write_book: Write, capsys: Text, toml: str, said: str) -> None:
    assert run(["check", str(write_book(HEAD + SALES, toml=toml, partners="partner_id\nP\n", **REST))]) == 2
    assert said in capsys.readouterr().err


#: What is made of the amounts of won deals; credit notes move nothing else.
OF_MONEY = {
    *("average_deal_size", "median_deal_size", "largest_deal_share", "without_largest", "commission_earned"),
    *("won_amount", "won_amount_without_largest", "attainment", "to_go_coverage", "by_amount", "sales_velocity"),
    *("marketing_channels", "paid", "earned", "owned", "unmapped", "none_recorded", "return_on_spend"),
    *("return_without_largest", "quality_score", "score_without_largest", "score_rank", "own_past"),
}


def test_in_a_whole_network_they_move_money_and_nothing_else(tmp_path: Path) -> None:
    """A simulated book with a history, once with a quarter taken back of every tenth win of two quarters."""
    plain = Path(write_sample(tmp_path / "plain", partners=8, quarters=6, deals=500))
    credited = tmp_path / "credited"
    shutil.copytree(plain, credited)
    deals = pd.read_csv(plain / "deals.csv", dtype="str", keep_default_na=False).assign(credits="")
    won = deals[deals["closed_on"].between("2025-04-01", "2025-09-30") & (deals["status"] == "won")]
    won = won[pd.to_numeric(won["amount"]) > 0].iloc[::10]
    back = (pd.to_numeric(won["amount"]) / 4).round(2)
    notes = won.assign(credits=won["deal_id"], deal_id="N-" + won["deal_id"], created_on="2025-11-10",
                       closed_on="2025-11-10", amount=(-back).astype("str"))  # fmt: skip
    pd.concat([deals, notes]).to_csv(credited / "deals.csv", index=False)
    toml = (plain / "book.toml").read_text(encoding="utf-8")
    (credited / "book.toml").write_text(f'{toml}\n[deals]\ncredit_notes = "credits"\n', encoding="utf-8")
    for as_of in ("2025-12-31", "2025-11-09"):
        books = [pk.open_book(folder, as_of) for folder in (plain, credited)]
        moved: set[str] = set()
        for quarter in ("2025Q2", "2025Q3"):
            tables = [pk.scorecard(book, quarter).set_index(["group", "kpi", "figure"])["value"] for book in books]
            other = (tables[0] != tables[1]) & tables[0].notna()
            moved |= {kpi if figure == "headline" else figure for _, kpi, figure in tables[0][other].index}
        if as_of == "2025-11-09":
            assert not moved
        else:
            assert {"won_amount", "average_deal_size", "quality_score"} <= moved <= OF_MONEY
    total = [float(book.deals["amount_original"].sum()) for book in (pk.open_book(plain), pk.open_book(credited))]
    assert total[0] - total[1] == pytest.approx(back.sum(), abs=0.005)
