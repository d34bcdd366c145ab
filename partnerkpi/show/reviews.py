"""What a review looks back on: what was decided, what was restated, and the way from a CRM's figure to this one."""

from __future__ import annotations

from typing import Any

import pandas as pd

from partnerkpi.book import Book
from partnerkpi.bridges import BRIDGED
from partnerkpi.bridges import bridge as bridged
from partnerkpi.errors import UsageError
from partnerkpi.kpi import Kpi
from partnerkpi.notes import decided as notes_before
from partnerkpi.periods import Quarter
from partnerkpi.restatement import restated as changed_later
from partnerkpi.show.html import Shown, clean, outside
from partnerkpi.show.tables import Cell, nothing_of, plain_cell, rows, table_of
from partnerkpi.wording import MISSING, amount_text, number_text, say, signed_text


def decided(book: Book, quarter: str | Quarter = "") -> Shown:
    """What was decided at the reviews of the four quarters before, the newest first, and what came of it."""
    table = notes_before(book, quarter)
    caption = say("What was decided before")
    if not len(table):
        return nothing_of(caption, say("nothing is noted"))
    hidden = ["partner_id"] if book.partner else []
    late, told = table["overdue"].astype(bool), table["outcome"].notna()
    stands = (
        pd.Series(say("under way"), index=table.index).mask(late, say("late, nothing noted")).mask(told, say("told"))
    )
    table = table.drop(columns=["overdue", *hidden]).assign(stands=stands)
    return rows(table, caption, limit=100, titles={"stands": say("how it stands")})


def restated(book: Book, quarter: str | Quarter = "") -> Shown:
    """What changed of the quarter before since its own end: from what to what, and what it does to its wins."""
    past = book.quarter(quarter).before
    caption = say("What changed of {quarter} after its end", quarter=past.label)
    if not book.records("history"):
        return nothing_of(caption, say("no history is recorded in this book: it cannot be told"))
    table = changed_later(book, quarter)
    if not len(table):
        return nothing_of(caption, say("nothing changed"))
    head = [(text, False) for text in (say("deal"), say("what changed"), say("from"), say("to"))]
    head += [(text, True) for text in (say("won amount"), say("deals won"))]
    body = [line for record in table.to_dict("records") for line in _restated_lines(book, record)]
    money = signed_text(round(table["won_amount"].sum(), book.money_digits), book.currency)
    wins = signed_text(table["won_deals"].sum(), "deals")
    count = say("{n} deal: {money}, {wins} won", "{n} deals: {money}, {wins} won", n=len(table), money=money, wins=wins)
    return table_of(head, body, caption, count)


def _restated_lines(book: Book, record: dict[Any, Any]) -> list[list[Cell]]:
    """One line for each thing that changed of a deal; what it does to the quarter stands on the first."""
    titles = {
        "partner_id": say("partner"),
        "status": say("outcome"),
        "closed_on": say("day of closing"),
        "amount": say("amount"),
    }
    pairs = {fact: (_fact(book, record, fact, "then"), _fact(book, record, fact, "now")) for fact in titles}
    handed_on = any(pd.isna(record[f"status_{side}"]) for side in ("then", "now"))
    changed = ["partner_id"] if handed_on else [fact for fact, (one, other) in pairs.items() if one.text != other.text]
    effect = [
        plain_cell(signed_text(record["won_amount"], book.currency), number=True),
        plain_cell(signed_text(record["won_deals"], "deals"), number=True),
    ]
    nothing = [plain_cell("", number=True)] * len(effect)
    return [
        [_outside(record["deal_id"]), plain_cell(titles[fact]), *pairs[fact], *(nothing if place else effect)]
        for place, fact in enumerate(changed)
    ]


def _fact(book: Book, record: dict[Any, Any], fact: str, side: str) -> Cell:
    value = record[f"{fact}_{side}"]
    if pd.isna(value):
        elsewhere = say("not this partner") if book.partner else say("nobody")
        return plain_cell(elsewhere if fact == "partner_id" else MISSING)
    if fact == "amount":
        return plain_cell(amount_text(value, record["currency"]))
    return plain_cell(f"{value:%Y-%m-%d}") if fact == "closed_on" else _outside(str(value))


def bridge(kpi: Kpi, book: Book, quarter: str | Quarter = "") -> Shown:
    """The KPI under the usual definitions, each with what was changed from the one it comes from.

    Raises:
        UsageError: there is no bridge to this KPI.
    """
    if kpi not in BRIDGED:
        raise UsageError(f"There is no bridge to {kpi.name}, only to {', '.join(one.name for one in BRIDGED)}.")
    table = bridged(book, quarter)
    table = table[table["figure"] == kpi.name]
    titles = dict(zip(table["step"], table["title"], strict=True))
    head = [(say("definition"), False), (say("formula"), False), (say("value"), True), (say("n"), True)]
    head += [(say("difference"), True), (say("rows in"), True), (say("rows out"), True)]
    head.append((say("what is changed"), False))
    body = []
    for line in table.to_dict("records"):
        missing = pd.isna(line["value"])
        apart, moved = MISSING, [MISSING, MISSING]
        if line["against"]:
            if not pd.isna(line["difference"]):
                apart = signed_text(_seen(line["difference"], line["unit"]), line["unit"])
                apart = say("{difference} from {title}", difference=apart, title=titles[line["against"]])
            moved = [number_text(line[side]) for side in ("rows_in", "rows_out")]
        texts = [amount_text(None if missing else line["value"], line["unit"]), number_text(line["n"]), apart, *moved]
        numbers = [plain_cell(text, number=True) for text in texts]
        why = say("{why} ({reason})", why=line["why"], reason=line["reason"]) if missing else line["why"]
        body.append([plain_cell(line["title"]), plain_cell(line["rule"]), *numbers, plain_cell(why)])
    caption = say("From the figure of a CRM to this one: {title}", title=say(kpi.title))
    return table_of(head, body, caption, "")


def _seen(difference: float, unit: str) -> float:
    """The difference, nothing where it is too small to be seen: no sign before a nought."""
    return round(difference, 3 if unit == "share" else 1)


def _outside(text: str) -> Cell:
    return Cell(clean(text), outside(text))
