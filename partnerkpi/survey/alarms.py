"""What an export seems to lack: deals that are not in it, rows that were cut, columns that were not asked for.

Each alarm is one sentence on what is seen and one on what to export instead, for the CRM it comes from.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pandas as pd

from partnerkpi.book.schema import TABLES
from partnerkpi.survey.crm import LOST_DEALS, PARTNER_COLUMN, TRAPS
from partnerkpi.survey.days import Days
from partnerkpi.survey.joins import repeated
from partnerkpi.survey.lines import quoted
from partnerkpi.survey.queries import query_note
from partnerkpi.survey.survey import Survey
from partnerkpi.survey.tables import looks_like_deals
from partnerkpi.survey.words import PERIODIC, folded

#: Row counts at which systems are likely to cut an export.
CAPS = (1_000, 2_000, 5_000, 10_000, 50_000, 100_000, 1_048_575)
_GAP = 0.005  # of the rows that may lack a day of closing


def alarms(found: Survey) -> list[str]:
    """Every alarm, the gravest first."""
    said = found.statuses()
    counts = said.value_counts()
    listed = [
        *_outcomes(found, counts),
        *_cut(found),
        *_closing(found, said),
        *_columns(found, said),
        *_files(found),
    ]
    return listed


def traps(found: Survey) -> list[str]:
    """What is known of every export of this CRM."""
    return list(TRAPS.get(found.found.crm, ()))


def _outcomes(found: Survey, counts: pd.Series) -> Iterator[str]:
    ended = sum(int(counts.get(s, 0)) for s in ("lost", "abandoned", "rejected"))
    won, is_open = int(counts.get("won", 0)), int(counts.get("open", 0))
    crm = found.found.crm
    if not ended and not found.status.constant:
        advice = LOST_DEALS.get(crm, "take the filter on the status off the list or report, and export again")
        what = "no lost deal"
        if crm == "odoo" and "active" not in found.status.flags.columns:
            what = "no lost deal, and no column Active: Odoo's lists leave archived deals out"
        yield f"There is {what}: {won:,} won, {is_open:,} open. A close rate cannot be told. {_sentence(advice)}"
    if found.status.constant:
        yield (
            f"Nothing tells won from lost or open, so all {len(found.text):,} rows are taken as won: "
            "close rate and pipeline cannot be told. Export the status or stage too, with all deals."
        )
    elif not is_open:
        yield "There is no open deal: the pipeline cannot be told. Export the open deals too, or all deals at once."
    if none := int((found.cells("status").isna() & found.statuses().isna()).sum()) if found.status.source else 0:
        yield f"{none:,} of {len(found.text):,} rows have no {found.status.source}, and would be set aside."
    if not found.status.source and set(found.status.flags.columns) == {"won"}:
        named = found.status.flags.columns["won"][0]
        yield f"{named} alone does not tell lost from open: export the status or stage too."
    if not won and not found.status.constant:
        yield "There is no won deal. Is the filter of the export right?"
    for status, many in (("won", won), ("lost", ended)):
        match = found.mapped.matches.get("closed_on")
        source = next(iter(match.reads.by_status.get(status, ())), "") if match else ""
        filled = int(found.text[source].notna().sum()) if source in found.text else 0
        if filled and not many:
            yield f"{source} is filled in {filled:,} rows, and none is {status}: export the status too."


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:].rstrip(".") + "."


def _cut(found: Survey) -> Iterator[str]:
    for part in found.parts:
        rows = part.sheet.rows
        if part.table and rows in CAPS:
            yield (
                f"{part.name} has exactly {rows:,} rows: many systems cut an export there. Compare with the number of "
                "records the CRM shows, or export year by year; several files of one shape are read as one."
            )
    created = found.day("created_on").dropna()
    closed = found.day("closed_on")[found.ended()].dropna()
    if len(created) > 20 and len(closed) > 20:
        first, early = created.min(), closed.min()
        if (early - first).days > 400:
            yield f"No deal is closed before {early:%Y-%m-%d}, though deals are created from {first:%Y-%m-%d} on."
        if (first.month, first.day) == (1, 1) or (first.day == 1 and (early - first).days < 10):
            yield (
                f"The first deal is created on {first:%Y-%m-%d}: if the export was filtered by day of creation, older "
                "deals that closed since are missing."
            )


def _closing(found: Survey, said: pd.Series) -> Iterator[str]:
    ended = said.isin(["won", "lost", "abandoned", "rejected"]).to_numpy()
    if "closed_on" not in found.mapped.matches:
        if ended.any():
            many = int(ended.sum())
            yield f"No column holds the day of closing: none of {many:,} closed deals can be placed in a quarter."
        return
    none = found.day("closed_on").isna().to_numpy() & ended
    if none.sum():
        share = none.sum() / max(1, ended.sum())
        what = f"{int(none.sum()):,} of {int(ended.sum()):,} closed deals have no day of closing and would be set aside"
        yield f"{what}{'' if share <= _GAP else ': more than 1 % refuses the book'}. Look at them in the CRM."
    if found.extracted_on:
        late = (found.day("closed_on") > pd.Timestamp(found.extracted_on)).to_numpy() & ended
        if late.any():
            many = int(late.sum())
            yield f"{many:,} closed deals have a day of closing after {found.extracted_on}: is the year right?"


def _columns(found: Survey, said: pd.Series) -> Iterator[str]:
    mapped, crm = found.mapped, found.found.crm
    if "partner_id" not in mapped.matches:
        advice = PARTNER_COLUMN.get(
            crm, "export the field that names the partner, reseller or channel partner of the deal"
        )
        hint = " Or decide below which column stands for it." if found.partners else ""
        yield f"No column names the partner, so every deal is unassigned. {_sentence(advice)}{hint}"
    elif mapped.source("partner_id") in found.text:
        empty = int(found.text[mapped.source("partner_id")].isna().sum())
        if empty > 0.5 * len(found.text):
            yield f"{mapped.source('partner_id')} is empty in {empty:,} of {len(found.text):,} rows: unassigned."
    for name, source in mapped.unfit.items():
        held = found.main.columns[source]
        kind = "days" if TABLES["deals"][name].dated else "numbers" if name == "amount" else "values"
        example = held.exceptions[0] if held.exceptions else repr(held.values[0]) if held.values else "nothing"
        serial = kind == "days" and all(re.fullmatch("[3-5][0-9]{4}", v) for v in held.values[:100])
        hint = f' Numbers of days in a spreadsheet, it seems: {name} = {quoted(source)} with dates = "excel-1900".'
        text = f"{source} is named like {name}, but does not hold {kind} that are read as such: {example}, for one."
        yield text + (hint if serial and held.values else "")
    for name, other in mapped.rivals.items():
        taken = mapped.source(name)
        yield f"{taken} is read as {name}; {other} could be it too, and holds something else. Which is it?"
    if found.strangers:
        yield found.strangers
    status = found.status
    named = ", ".join(n for flags in (status.flags, status.beside) for names in flags.columns.values() for n in names)
    if status.disagree and status.source:
        who = f"{named} decide" if status.flags.columns else f"{status.source} decides"
        many = f"{status.disagree:,} of {len(found.text):,} rows"
        yield f"In {many} {status.source} says otherwise than {named}; {who}."
    if "created_on" not in mapped.matches:
        yield "No column holds the day a deal was created, which the book must have: export it too."
    yield from _money(found, said)
    rep = mapped.source("rep")
    column = found.main.columns.get(rep)
    if column is not None and column.distinct == 1 and column.rows > 20:
        yield (
            f"All {column.rows:,} rows belong to one owner, {column.values[0]}: was the export made from 'my deals'? "
            "Choose all deals, or let an administrator export."
        )
    created = mapped.source("created_on")
    if created in found.text and not found.status.constant:
        none = found.cells("created_on").isna().to_numpy() & ~(said == "ignore").to_numpy()
        if none.any():
            yield f"{int(none.sum()):,} rows have no day of creation and would be set aside."


def _money(found: Survey, said: pd.Series) -> Iterator[str]:
    """What is to be said of the amounts of the deals."""
    mapped = found.mapped
    if "amount" not in mapped.matches:
        doubts = " Look below at what may be it." if any(m.column == "amount" for m in mapped.doubts) else ""
        yield f"No column of amounts is known: deals are counted, but there is no money.{doubts}"
        return
    if PERIODIC.search(folded(source := mapped.source("amount"))):
        yield f"{source} is read as the amount of a deal, and by its name is that of a month or a year. Is it so?"
    if (won := (said == "won").to_numpy()).any():
        lacking = int(found.cells("amount")[won].isna().sum())
        if lacking > 0.2 * won.sum():
            read = " or ".join(mapped.matches["amount"].reads.of("won")) or "none that is there"
            yield f"{lacking:,} of {int(won.sum()):,} won deals have no amount. What is read for won deals: {read}."


def _files(found: Survey) -> Iterator[str]:
    joined = {j.part.name for j in found.lookups}
    if differ := repeated(found.main):
        yield (
            f"One {found.mapped.source('deal_id')} stands in several rows, which differ in {', '.join(differ[:4])}: "
            "snapshots, changes or shares of a deal, it seems. Export each deal once, as it is now; changes of its "
            "stage are a file of their own, the history."
        )
    if found.lines[0]:
        yield f"A row is a line of a deal: {query_note(found)}. Is it so?"
    for part in found.parts:
        for doubt in part.sheet.doubts if part.table or not part.columns else ():
            yield f"{part.name}: {doubt}."
        if part.table:
            days = found.days.get(part.table, Days())
            for names in days.mixed:
                yield f"{part.name}: the days of {names} are not written alike, and one format is declared for them."
            for name, one in part.columns.items():
                if name in part.mapped.used and one.kind == "number" and one.exceptions:
                    yield f"{part.name}, {name}: no amounts: {', '.join(one.exceptions)}."
            for name, cells in days.exceptions.items():
                yield f"{part.name}, {name}: days not written like the rest: {', '.join(cells)}."
    yield from _unlike(found)
    several = [
        p for p in found.parts if not p.table and p.crm.crm and p.sheet.rows > 0 and p.crm.crm == found.found.crm
    ]
    for part in several:
        yield f"{part.name} comes from {found.found.title} too, but nothing is made of it."
    for part in found.parts:
        if not part.table and part not in several and looks_like_deals(part) and part.name not in joined:
            yield f"{part.name} seems to hold deals too ({part.sheet.rows:,} rows), but nothing is made of it."


def _unlike(found: Survey) -> Iterator[str]:
    """Files of one table that are not written alike: one declaration holds for all of them."""
    first = found.main.sheet
    for part in found.deals[1:]:
        own = part.sheet
        ways = ("encoding", "delimiter", "skip_rows", "footer", "typed")
        unlike = [way.replace("_", " ") for way in ways if getattr(own, way) != getattr(first, way)]
        if unlike:
            yield (
                f"{own.name} is not written like {first.name} ({', '.join(unlike)}), and one declaration holds for all "
                "files of a table: save them alike."
            )
    for name in found.main.unlike:
        yield f"The days of {name} are not written alike in all files of deals, and one format holds for all."
    for part in found.deals:
        if part.partial:
            yield f"{part.name} has {', '.join(part.partial.values())}, which other files of deals lack: not read."
    doubled = [p for p in found.deals if p.sheet.sheet and sum(q.sheet.path == p.sheet.path for q in found.deals) > 1]
    if doubled:
        yield (
            f"{doubled[0].sheet.file} has deals in several sheets ({', '.join(p.sheet.sheet for p in doubled)}), and "
            "one sheet of a workbook is read: save each as a file of its own."
        )
