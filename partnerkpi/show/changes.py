"""Where amounts went: the pipeline's waterfall with the deals behind it, and why the won amount changed.

Tables of this room write amounts to the last decimal, so that a reader who adds them up finds nothing missing.
"""

from __future__ import annotations

import pandas as pd

from partnerkpi import drivers, plot, waterfalls
from partnerkpi.book import Book
from partnerkpi.book.schema import title_of
from partnerkpi.groups import UNASSIGNED, group_text
from partnerkpi.periods import Quarter
from partnerkpi.show.html import Shown, clean, outside, picture
from partnerkpi.show.tables import Cell, plain_cell, rows, table_of
from partnerkpi.waterfalls import CLOSING, OPENING
from partnerkpi.wording import MISSING, amount_text, number_text, say, signed_text


def names_of_bars() -> dict[str, str]:
    """What the bars of a waterfall are called."""
    return {
        "opening": say("open before"),
        "created": say("created"),
        "reopened": say("reopened"),
        "amount_up": say("amount up"),
        "transferred_in": say("transferred in"),
        "amount_down": say("amount down"),
        "transferred_out": say("transferred out"),
        "won": say("won"),
        "lost": say("lost"),
        "abandoned": say("abandoned"),
        "rejected": say("rejected"),
        "currency": say("currency"),
        "closing": say("open at the end"),
    }


def waterfall(book: Book, quarter: str | Quarter) -> Shown:
    """The waterfall of the quarter as a picture with its description; the reason in words where there is none."""
    period = book.quarter(quarter)
    table = waterfalls.waterfall(book, period)
    title = _title(book, period)
    if bool(table["amount"].isna().any()):
        return _reason(table, title)
    names = names_of_bars()
    ax = plot.waterfall(table, title=title, names=names, unit=book.currency)
    points = [
        say("{bar} {amount} ({deals})", bar=names[bar], amount=_amount(bar, amount, book), deals=_deals(behind))
        for bar, amount, behind in zip(table["bar"], table["amount"], table["behind"], strict=True)
        if behind or bar in (OPENING, CLOSING)
    ]
    return picture(ax, alt=say("{title}: {points}.", title=title, points="; ".join(points)))


def bars(book: Book, quarter: str | Quarter) -> Shown:
    """The waterfall as a table: month by month and for the quarter, in deals and in money."""
    period = book.quarter(quarter)
    whole = waterfalls.waterfall(book, period)
    title = _title(book, period)
    if bool(whole["amount"].isna().any()):
        return _reason(whole, title)
    months = waterfalls.waterfall(book, period, months=True)
    spans = {f"{month:%Y-%m}": part for month, part in months.groupby("month")} | {period.label: whole}
    head = [(say("bar"), False)]
    for name in spans:
        head += [(say("{span}: deals", span=name), True), (say("{span}: amount", span=name), True)]
    names = names_of_bars()
    body = []
    for place, bar in enumerate(waterfalls.LINES):
        line = [plain_cell(names[bar])]
        for part in spans.values():
            deals, amount = int(part["deals"].iloc[place]), float(part["amount"].iloc[place])
            stock = bar in (OPENING, CLOSING)
            line += [_count(deals, stock, waterfalls.COUNTED[bar]), _money(amount, stock, book)]
        body.append(line)
    notes = list(dict.fromkeys(str(note) for note in whole["note"] if note))
    return table_of(head, body, say("{title}, in {currency}", title=title, currency=book.currency), "; ".join(notes))


def movements(book: Book, quarter: str | Quarter, bar: str = "", limit: int = 20) -> Shown:
    """The deals behind the bars, or behind one of them, the largest first."""
    period = book.quarter(quarter)
    table = waterfalls.movements(book, period, bar)
    names = names_of_bars()
    order = table["amount"].abs().sort_values(ascending=False, kind="stable", na_position="last").index
    elsewhere = say("elsewhere") if book.choices else str(UNASSIGNED)
    handed_on = table["bar"].isin(["transferred_in", "transferred_out"])
    owners = {name: table[name].mask(handed_on & table[name].isna(), elsewhere) for name in ("was", "became")}
    table = table.assign(**owners).loc[order]
    table = table.assign(bar=[names[one] for one in table["bar"]])
    units = dict.fromkeys(("from", "to", "amount"), book.currency)
    titles = {"became": say("became"), "was": say("was"), "from": say("from"), "to": say("to"), "bar": say("bar")}
    kept = table.drop(columns="partner_id") if book.partner else table
    return rows(kept, say("The deals behind the bars"), limit=limit, units=units, titles=titles)


def why(book: Book, quarter: str | Quarter, by: str = "") -> Shown:
    """Why the won amount is another than a year before, in parts that add up."""
    period = book.quarter(quarter)
    told = drivers.why(book, period, by)
    caption = say("Why the won amount changed, against {quarter}", quarter=period.year_before.label)
    if bool(told["amount"].isna().any()):
        return _reason(told, caption)
    amount, deals = (dict(zip(told["part"], told[name], strict=True)) for name in ("amount", "deals"))
    unpriced, level = int(told["unpriced"].sum()), max(told["by"])
    then = period.year_before.label
    if not period.complete:
        then = say("{quarter}, as many days", quarter=then)
    labels = {
        "before": then,
        "volume": _more_or_fewer(int(deals["before"]), int(deals["now"])),
        "mix": _others(level),
        "size": say("deal sizes"),
        "now": str(period),
    }
    body = [
        [plain_cell(label), _money(amount[part], part in ("before", "now"), book)]
        for part, label in labels.items()
        if level or part != "mix"  # nothing to mix
    ]
    count = say("and {n} win without an amount", "and {n} wins without an amount", n=unpriced) if unpriced else ""
    return table_of(
        [(say("part"), False), (say("amount, {currency}", currency=book.currency), True)], body, caption, count
    )


def why_groups(book: Book, quarter: str | Quarter, by: str = "") -> Shown:
    """What each product (or region, or whatever it is told by) added to the change of the won amount."""
    period = book.quarter(quarter)
    table = drivers.why_groups(book, period, by)
    money = ("amount_before", "amount_now", "mix", "size")
    body = []
    for record in table.to_dict("records"):
        name = group_text(record["group"])
        line = [Cell(clean(name), outside(name))]
        for side in ("before", "now"):
            line += [_count(record[f"deals_{side}"], True, 1), _money(record[f"amount_{side}"], True, book)]
        body.append([*line, *(_money(record[part], False, book) for part in money[2:])])
    head = [
        (say("group"), False),
        (say("won a year before"), True),
        (say("their amount"), True),
        (say("won now"), True),
        (say("their amount"), True),
        (say("added by its share"), True),
        (say("added by its sizes"), True),
    ]
    return table_of(head, body, say("Of this, by what was sold"), say("in {currency}", currency=book.currency))


def _title(book: Book, period: Quarter) -> str:
    first = period.start - pd.Timedelta(days=1)
    return say("Pipeline, from {first} to {last}", first=first, last=period.last_day)


def _reason(table: pd.DataFrame, caption: str) -> Shown:
    """In place of figures the reason why there are none."""
    return table_of([(say("note"), False)], [[plain_cell(str(table["note"].iloc[0]))]], caption, "")


def _amount(bar: str, amount: float, book: Book) -> str:
    stock = bar in (OPENING, CLOSING)
    return amount_text(amount, book.currency) if stock else signed_text(amount, book.currency)


def _deals(count: int) -> str:
    return say("{n} deal", "{n} deals", n=int(count))


def _count(deals: int, stock: bool, counts: int) -> Cell:
    if not counts:
        return plain_cell(MISSING, number=True)
    return plain_cell(number_text(deals) if stock else _signed(deals, number_text(abs(deals))), number=True)


def _money(amount: float, stock: bool, book: Book) -> Cell:
    text = number_text(abs(amount), book.money_digits)
    sign = "−" if amount < 0 else ""
    return plain_cell(sign + text if stock else _signed(amount, text), number=True)


def _signed(value: float, text: str) -> str:
    return text if value == 0 else ("+" if value > 0 else "−") + text


def _more_or_fewer(before: int, now: int) -> str:
    if now == before:
        return say("as many deals: {n}", n=now)
    if now > before:
        return say("more deals: {now} after {before}", now=now, before=before)
    return say("fewer deals: {now} after {before}", now=now, before=before)


def _others(level: str) -> str:
    if level == "product":
        return say("other products")
    return say("other regions") if level == "region" else say("other shares by {level}", level=say(title_of(level)))
