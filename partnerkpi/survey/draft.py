"""The first book.toml: what was found as lines, the evidence of each guess as its comment, each doubt to decide."""

from __future__ import annotations

import re
from decimal import Decimal

import pandas as pd

from partnerkpi.book.choosing import first_filled
from partnerkpi.survey import queries
from partnerkpi.survey.columns import GUESSED
from partnerkpi.survey.days import early
from partnerkpi.survey.lines import Draft, cut, listed, quoted
from partnerkpi.survey.mappings import (
    write_channels,
    write_columns,
    write_currencies,
    write_rates,
    write_statuses,
    write_values,
)
from partnerkpi.survey.marks import ISO, Marks, amounts_of
from partnerkpi.survey.sniff import Sheet
from partnerkpi.survey.survey import Survey
from partnerkpi.survey.tables import Part, nobody_in
from partnerkpi.survey.words import DIRECT, folded

#: What stands in for a currency nobody knows yet, in a preview (ISO 4217: no currency).
NO_CURRENCY = "XXX"
_ORDER = ("history", "leads", "partners", "spend", "targets", "rates", "channels", "touches")


def draft(found: Survey, *, trial: bool = False) -> Draft:
    """The first book.toml for what was found.

    Args:
        found: the survey.
        trial: fill in what is to be decided, so that a preview can be made of the rest.
    """
    made = Draft()
    _head(made, found, trial)
    made.say()
    _deals(made, found, trial)
    for table in _ORDER:
        part = found.part(table)
        if part is not None:
            made.say()
            _table(made, found, part)
    write_channels(made, found)
    write_rates(made, found, trial)
    _unused(made, found)
    return made


def _head(made: Draft, found: Survey, trial: bool) -> None:
    made.say("# A first book.toml, drafted by partnerkpi init from what the files hold; why stands behind each line.")
    made.say("# What nobody but you can know is a line behind '# ', with the word decide beside or above it: take the")
    made.say("# '# ' of the line away, and change what it says where it is not so. data/dictionary.md has every key.")
    made.say("[book]")
    name = found.folder.resolve().name
    made.say(f"name = {quoted(name or 'Book')}")
    if found.found.crm:
        made.say(f"preset = {quoted(found.found.crm)}", f"{found.found.title}: {found.found.evidence}")
    if found.currency:
        made.say(f"currency = {quoted(found.currency)}", found.currency_why)
        if found.currency_also:
            made.open.append(f"currency = {quoted(found.currency)}: {found.currency_also}")
    elif trial:
        made.say(f"currency = {quoted(NO_CURRENCY)}")
        made.taken.append("all amounts are in one currency")
    else:
        made.ask('currency = "EUR"', "nothing in the files says which currency the amounts are in", needed=True)
    if found.extracted_on:
        made.say(f"extracted_on = {found.extracted_on}", found.extracted_why)
        if not found.extracted_sure:
            made.open.append(f"extracted_on = {found.extracted_on}: {found.extracted_why}")
    elif trial:
        made.say("extracted_on = 2199-12-31")
        made.taken.append("the export was made after every day in it")
    else:
        made.ask(
            "extracted_on = 2025-12-31", "the day the export was made; no day of the deals is known yet", needed=True
        )
    direct = [v for v in found.partner_values() if folded(v) in DIRECT]
    if direct:
        rows = int(found.cells("partner_id").isin(direct).sum())
        made.ask(f"direct = {listed(direct)}", f"{rows:,} rows: are these the vendor's own sales, and no partner's?")
    if any(days.timed for days in found.days.values()):
        made.ask('time_zone = "Europe/Paris"', "the zone your quarters end in; without it times are taken to be in UTC")


def _source(made: Draft, sheets: list[Sheet], *, described: str) -> None:
    """How the files of a table are reached."""
    first = sheets[0]
    made.say(f"files = {listed(list(dict.fromkeys(s.file for s in sheets)))}", described)
    if first.sheet:
        others = f"the other sheets: {', '.join(n for n in first.sheets if n != first.sheet)}"
        made.say(f"sheet = {quoted(first.sheet)}", others if len(first.sheets) > 1 else "")
    if first.encoding != "utf-8":
        why = next((e for e in first.evidence if e.startswith(first.encoding)), "").partition(": ")[2]
        made.say(f"encoding = {quoted(first.encoding)}", why)
    usual = "\t" if first.file.lower().endswith(".tsv") else ","
    if not first.typed and first.delimiter != usual:
        why = next((e for e in first.evidence if e.startswith("delimiter")), "").partition(": ")[2]
        made.say(f"delimiter = {quoted(first.delimiter)}", why)
    if first.skip_rows:
        made.say(f"skip_rows = {first.skip_rows}", "lines above the header: " + cut(" / ".join(first.above)))
    if first.footer:
        made.say(f"footer = {first.footer}", "lines below the rows: " + cut(" / ".join(first.below)))


def _deals(made: Draft, found: Survey, trial: bool) -> None:
    main = found.main
    made.say("[deals]")
    sheets = [p.sheet for p in found.deals]
    many = sum(s.rows for s in sheets)
    _source(made, [*sheets, *(j.part.sheet for j in found.lookups)], described=f"{many:,} rows; {main.why}")
    _written(made, found, main, trial)
    if sql := queries.deals_query(found):
        made.say('sql = """')
        for line in sql:
            made.say(line)
        made.say('"""')
    else:
        if found.key:
            key = listed(found.key) if isinstance(found.key, list) else quoted(found.key)
            made.say(f"key = {key}", "no column names a deal alone: two rows that are equal cannot be told apart")
    _totals(made, found)
    made.say("[deals.columns]")
    write_columns(made, "deals", found.mapped, found)
    for match in found.partners:
        others = ", ".join(quoted(m.source) for m in found.partners[1:])
        also = f"; or one of the lines below it: {others}" if others else ""
        why = f"does it name your partners? {match.why}"
        made.ask(f"partner_id = {quoted(match.source)}", why, further=match is not found.partners[0], also=also)
    write_statuses(made, found, trial)
    write_currencies(made, found)
    for column, texts in main.sheet.kept_out.items():
        made.say("[deals.leave_out]")
        made.say(f"{quoted(column)} = {listed(texts)}", "rows of totals among the others")
    if found.status.constant and found.found.crm:
        title = " or ".join(found.profile.of("deals")["status"].names[:2])
        made.needed.append(f"status: no column tells won from lost or open. Export {title} too, and run init again")
    elif found.status.constant:
        made.say("[deals.constants]")
        made.say(f"status = {quoted(found.status.constant)}", found.status.why)


def _written(made: Draft, found: Survey, part: Part, trial: bool) -> None:
    """How days and amounts of a table are written, and the texts that mean nothing."""
    table = part.table
    marks = found.marks[table]
    if marks.needed and marks.sure:
        made.say(f"decimal = {quoted(marks.decimal)}", f"{marks.evidence}")
        if marks.thousands:
            made.say(f"thousands = {quoted(marks.thousands)}")
    elif marks.needed:
        if trial:
            made.say(f"decimal = {quoted(marks.decimal)}")
            made.taken.append(f"decimals of {table} stand after {quoted(marks.decimal)}")
        else:
            made.ask('decimal = "."', marks.evidence, needed=True)
            other = 'the other way of reading (then thousands = ".", or the other way round)'
            made.ask('decimal = ","', other, further=True)
    used = part.mapped.used
    nobody = nobody_in(part)
    named = {n: {**(nobody if n == part.mapped.source("partner_id") else {}), **part.columns[n].nothing}
             for n in part.columns if n in used}  # fmt: skip
    mine: dict[str, int] = {}
    for texts in named.values():
        for text, many in texts.items():
            mine[text] = mine.get(text, 0) + many
    if mine:
        where = ", ".join(n for n, texts in named.items() if texts)
        made.say(f"missing = {listed(sorted(mine))}", f"{sum(mine.values()):,} cells of {where}")
    _days(made, found, part, trial)


def _days(made: Draft, found: Survey, part: Part, trial: bool) -> None:
    days = found.days[part.table]
    declared = dict(days.declared)
    if trial:
        declared |= {column: forms[0] for column, forms in days.doubts.items()}
        made.taken += [f"{column} is written {forms[0]}" for column, forms in days.doubts.items()]
    shown = set(days.formats.values()) | set(declared.values())
    if declared and len(shown) == 1:
        only = next(iter(declared))
        made.say(f"dates = {quoted(declared[only])}", days.why.get(only, ""))
    elif declared:
        pairs = ", ".join(f"{name} = {quoted(form)}" for name, form in declared.items() if form != ISO)
        made.say(f"dates = {{ {pairs} }}", "; ".join(f"{n}: {days.why[n]}" for n in declared if n in days.why))
    for source, cells in days.exceptions.items():
        made.say(f"# {source}: not written like the rest: {', '.join(cells)}")
    if days.doubts and not trial:
        column, forms = next(iter(days.doubts.items()))
        rows = part.columns[part.mapped.source(column)].filled
        for form in forms:
            note = ""
            created, closed = part.mapped.source("created_on"), part.mapped.source("closed_on")
            if part.table == "deals" and created in part.columns and closed in part.columns:
                backwards = early(part.sheet.text, created, closed, form)
                note = f"; {backwards:,} rows would close before they were created"
            why = f"{', '.join(days.doubts)}: all {rows:,} cells fit both orders, 0 decide{note}"
            made.ask(f"dates = {quoted(form)}", why, needed=form == forms[0], further=form != forms[0])


def _totals(made: Draft, found: Survey) -> None:
    """The control totals: how many rows the files hold, and the sum of their amounts."""
    if found.lines[0]:
        made.say(f"rows = {found.main.columns[found.lines[0]].distinct}", "control totals: orders, and their amounts")
    else:
        rows = sum(p.sheet.rows + p.sheet.totals for p in found.deals)
        made.say(f"rows = {rows}", "control totals: a line or a digit that is lost later is noticed")
    if "amount" in found.mapped.matches and found.marks["deals"].sure:
        named, amounts = found.mapped.source("amount"), found.cells("amount")
        if found.lines[0] and named in found.lines[1]:  # each line of a deal repeats it
            amounts = amounts[~found.text[found.lines[0]].duplicated()]
        removed = [p.sheet.removed[named] for p in found.deals if named in p.sheet.removed]
        made.say(f"amount_total = {quoted(_total([amounts, *removed], found.marks['deals']))}")


def _total(parts: list[pd.Series], marks: Marks) -> str:
    """The exact sum of the amounts as they are written, those of rows of totals too."""
    text = pd.concat(parts).dropna()
    values = amounts_of(text, marks)
    after = text.str.extract(rf"{re.escape(marks.decimal)}([0-9]+)[^0-9]*$")[0].str.len().max() if len(text) else 0
    places = 0 if pd.isna(after) else min(6, int(after))
    return str(sum((Decimal(f"{v:.{places}f}") for v in values.dropna()), Decimal(0)))


def _totals_beside(made: Draft, found: Survey, part: Part) -> None:
    """The control totals of a table other than the deals."""
    made.say(f"rows = {part.sheet.rows + part.sheet.totals}")
    match, marks = part.mapped.matches.get("amount"), found.marks[part.table]
    if match is None or not marks.sure:
        return
    cells = first_filled(part.sheet.text, match.reads.within(part.sheet.text.columns).names)
    removed = [part.sheet.removed[match.source]] if match.source in part.sheet.removed else []
    made.say(f"amount_total = {quoted(_total([cells, *removed], marks))}")


def _table(made: Draft, found: Survey, part: Part) -> None:
    made.say(f"[{part.table}]")
    _source(made, [part.sheet], described=f"{part.sheet.rows:,} rows; {part.why}")
    _written(made, found, part, trial=False)
    _totals_beside(made, found, part)
    source = part.mapped.source("status") or part.mapped.source("stage")
    values = {v.text for v in found.status.values if v.status}
    told = part.table == "history" and source and set(part.columns[source].values) <= values
    if told and "status" not in part.mapped.matches:
        part.mapped.add("status", source, GUESSED, "its values are those of the deals' status")
    if any(m.source != m.column for m in part.mapped.matches.values()) or part.mapped.doubts:
        made.say(f"[{part.table}.columns]")
        write_columns(made, part.table, part.mapped, found)
    if told:
        write_values(made, found, "history", trial=False)


def _unused(made: Draft, found: Survey) -> None:
    joined = {j.part.name for j in found.lookups}
    rest = [p for p in found.parts if not p.table and p.name not in joined]
    if rest:
        made.say()
    for part in rest:
        holds = ", ".join(list(part.columns)[:6])
        made.say(f"# not used: {part.name} ({part.sheet.rows:,} rows: {cut(holds, 80)})")
