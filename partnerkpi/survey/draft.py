"""The first book.toml: what was found as lines, the evidence of each guess as its comment, each doubt a line to decide."""

from __future__ import annotations

import json
import re
import textwrap
from dataclasses import dataclass, field
from decimal import Decimal

import pandas as pd

from partnerkpi.book.currencies import CODES
from partnerkpi.book.meaning import Flags, Source
from partnerkpi.book.schema import TABLES
from partnerkpi.survey import queries
from partnerkpi.survey.columns import GUESSED, PRESET, Mapped
from partnerkpi.survey.days import early
from partnerkpi.survey.marks import ISO, amounts_of, currency_of
from partnerkpi.survey.sniff import Sheet
from partnerkpi.survey.survey import Survey
from partnerkpi.survey.tables import Part
from partnerkpi.survey.values import Value
from partnerkpi.survey.words import MEDIA, folded

DECIDE = "decide: "
#: What stands in for a currency nobody knows yet, in a preview (ISO 4217: no currency).
NO_CURRENCY = "XXX"
_ORDER = ("history", "leads", "partners", "spend", "targets", "rates", "channels", "touches")
_STATUSES = ("open", "won", "lost", "abandoned", "rejected", "ignore")
_WIDTH, _LONGEST = 34, 118


@dataclass
class Draft:
    """The lines of a book.toml, and how many of them wait for a decision without which the book is refused."""

    lines: list[str] = field(default_factory=list)
    needed: list[str] = field(default_factory=list)

    def say(self, line: str = "", why: str = "") -> None:
        """A line with its comment beside it, or above it where both are long."""
        whole = f"{line:<{_WIDTH}}  # {why}" if why else line
        if why and len(whole) > _LONGEST:
            self.lines += [f"# {part}" for part in textwrap.wrap(why, _LONGEST - 2, break_on_hyphens=False)]
            whole = line
        self.lines.append(whole)

    def ask(self, line: str, why: str, *, needed: bool = False) -> None:
        """A line that is left commented out, for the analyst to decide."""
        self.say(f"# {line}", DECIDE + why)
        if needed:
            self.needed.append(f"{line}: {why}")

    @property
    def text(self) -> str:
        """The whole file."""
        return "\n".join(self.lines).rstrip() + "\n"


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
    _channels(made, found)
    _rates(made, found, trial)
    _unused(made, found)
    return made


def quoted(text: str) -> str:
    """The text as TOML writes it."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007F")


def _listed(values: list[str]) -> str:
    return "[" + ", ".join(map(quoted, values)) + "]"


def _head(made: Draft, found: Survey, trial: bool) -> None:
    made.say("# A first book.toml, drafted by partnerkpi init from what the files hold; why stands behind each line.")
    made.say("# What nobody but you can know is a line after the word decide: take its '# ' away, or leave it.")
    made.say("[book]")
    name = found.folder.resolve().name
    made.say(f"name = {quoted(name or 'Book')}")
    if found.found.crm:
        made.say(f"preset = {quoted(found.found.crm)}", f"{found.found.title}: {found.found.evidence}")
    if found.currency:
        made.say(f"currency = {quoted(found.currency)}", found.currency_why)
    elif trial:
        made.say(f"currency = {quoted(NO_CURRENCY)}")
    else:
        made.ask('currency = "EUR"', "nothing in the files says which currency the amounts are in", needed=True)
    if found.extracted_on:
        made.say(f"extracted_on = {found.extracted_on}", found.extracted_why)
    elif trial:
        made.say("extracted_on = 2199-12-31")
    else:
        made.ask("extracted_on = 2025-12-31", "the day the export was made; no day could be read", needed=True)
    if any(days.timed for days in found.days.values()):
        made.ask('time_zone = "Europe/Paris"', "the zone your quarters end in; without it times are taken to be in UTC")


def _source(made: Draft, sheets: list[Sheet], *, described: str) -> None:
    """How the files of a table are reached."""
    first = sheets[0]
    made.say(f"files = {_listed(list(dict.fromkeys(s.file for s in sheets)))}", described)
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
        made.say(f"skip_rows = {first.skip_rows}", "lines above the header: " + _cut(" / ".join(first.above)))
    if first.footer:
        made.say(f"footer = {first.footer}", "lines below the rows: " + _cut(" / ".join(first.below)))


def _cut(text: str, limit: int = 70) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= limit else flat[:limit] + "…"


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
            key = _listed(found.key) if isinstance(found.key, list) else quoted(found.key)
            made.say(f"key = {key}", "no column names a deal alone: two rows that are equal cannot be told apart")
    _totals(made, found)
    made.say("[deals.columns]")
    _columns(made, "deals", found.mapped, found)
    for match in found.partners:
        made.ask(f"partner_id = {quoted(match.source)}", f"does it name your partners? {match.why}")
    _statuses(made, found, trial)
    _currencies(made, found)
    for column, texts in main.sheet.kept_out.items():
        made.say("[deals.leave_out]")
        made.say(f"{quoted(column)} = {_listed(texts)}", "rows of totals among the others")
    constants = {"status": found.status.constant} if found.status.constant else {}
    if constants:
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
        else:
            made.ask('decimal = "."', marks.evidence, needed=True)
            made.ask('decimal = ","', 'the other way of reading (then thousands = ".", or the other way round)')
    nothing = {text: n for c in part.columns.values() if c.kind in ("day", "number") for text, n in c.nothing.items()}
    used = part.mapped.used
    mine = {t: n for name, c in part.columns.items() if name in used for t, n in c.nothing.items() if t in nothing}
    if mine:
        where = ", ".join(n for n, c in part.columns.items() if n in used and set(c.nothing) & set(mine))
        made.say(f"missing = {_listed(sorted(mine))}", f"{sum(mine.values()):,} cells of {where}")
    _days(made, found, part, trial)


def _days(made: Draft, found: Survey, part: Part, trial: bool) -> None:
    days = found.days[part.table]
    declared = dict(days.declared)
    if trial:
        declared |= {column: forms[0] for column, forms in days.doubts.items()}
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
            made.ask(f"dates = {quoted(form)}", why, needed=form == forms[0])


def _totals(made: Draft, found: Survey) -> None:
    """The control totals: how many rows the files hold, and the sum of their amounts."""
    if found.lines[0]:
        made.say(f"rows = {found.main.columns[found.lines[0]].distinct}", "control totals: orders, and their amounts")
    else:
        rows = sum(p.sheet.rows + p.sheet.totals for p in found.deals)
        made.say(f"rows = {rows}", "control totals: a line or a digit that is lost later is noticed")
    if "amount" in found.mapped.matches and found.marks["deals"].sure:
        made.say(f"amount_total = {quoted(_total(found))}")


def _total(found: Survey) -> str:
    """The exact sum of the amounts as they are written, those of rows of totals too."""
    marks = found.marks["deals"]
    parts = [found.cells("amount")]
    for part in found.deals:
        named = found.mapped.source("amount")
        if named in part.sheet.removed:
            parts.append(part.sheet.removed[named])
    text = pd.concat(parts).dropna()
    values = amounts_of(text, marks)
    after = text.str.extract(rf"{re.escape(marks.decimal)}([0-9]+)[^0-9]*$")[0].str.len().max() if len(text) else 0
    places = 0 if pd.isna(after) else min(6, int(after))
    return str(sum((Decimal(f"{v:.{places}f}") for v in values.dropna()), Decimal(0)))


def _columns(made: Draft, table: str, mapped: Mapped, found: Survey) -> None:
    """One line for every column that is known and no preset reads, in the order of the schema."""
    preset = [m for m in mapped.matches.values() if m.how == PRESET]
    if preset:
        made.say("# The preset reads:")
        texts = [f"{m.column} of {_sources(m.reads)}" for m in preset]
        for line in textwrap.wrap("; ".join(texts), 110, break_on_hyphens=False):
            made.say(f"#   {line}")
    for name in TABLES[table].names:
        match = mapped.matches.get(name)
        if match is None or match.source == name or match.how == PRESET:
            continue
        made.say(f"{name} = {quoted(match.source)}", f"{match.how}: {match.why}")
    for match in mapped.doubts:
        made.ask(f"{match.column} = {quoted(match.source)}", match.why, needed=TABLES[table][match.column].required)


def _sources(source: Source) -> str:
    if source.by_status:
        return ", ".join(f"{' or '.join(names)} ({status})" for status, names in source.by_status.items() if names)
    return " or ".join(source.names)


def _statuses(made: Draft, found: Survey, trial: bool) -> None:
    """What each value of the status means, and the flags where they are needed."""
    status = found.status
    if status.values:
        _values(made, found, "deals", trial)
    rows = len(found.text)
    if status.flags.columns and status.flags.columns == found_flags(found):
        if status.disagree:
            made.say(
                f"# {_flags(status.flags)} decide: in {status.disagree:,} of {rows:,} rows {status.source} says else."
            )
            made.ask("[deals.flags]", f"or let {status.source} decide: take both lines in")
            made.say('# decides = "values"')
    elif status.flags.columns:
        made.say("[deals.flags]")
        for flag, sources in status.flags.columns.items():
            made.say(f"{flag} = {quoted(sources[0])}", status.why or "what is not active and not won is lost")
    elif status.beside.columns and status.disagree:
        made.say(
            f"# {status.source} decides: in {status.disagree:,} of {rows:,} rows {_flags(status.beside)} say else."
        )


def found_flags(found: Survey) -> dict[str, tuple[str, ...]]:
    """The flags of the CRM's preset that the file has."""
    there = set(found.text.columns)
    flags = {f: tuple(n for n in names if n in there) for f, names in found.profile.flags.columns.items()}
    return {flag: names for flag, names in flags.items() if names}


def _flags(flags: Flags) -> str:
    return ", ".join(n for names in flags.columns.values() for n in names)


def _values(made: Draft, found: Survey, table: str, trial: bool) -> None:
    """What each value of a status means, but for those the preset knows, or that say so in the book's own words."""
    values, rows = found.status.values, len(found.text)
    known = found.profile.meaning(table, "status")
    flagged = bool({"won", "lost"} & found.status.flags.columns.keys()) or "active" in found.status.flags.columns
    lines = []
    for name in _STATUSES:
        mine = [v for v in values if v.status == name or (trial and not v.status and name == "ignore" and not flagged)]
        if name in known.values() or name == "ignore":
            mine = [v for v in mine if known.get(v.text) != v.status]
        if not mine or (all(v.text == name for v in mine) and len(mine) == 1 and not known):
            continue
        whys = list(dict.fromkeys(v.why for v in mine if v.why))
        lines.append(
            (f"{name} = {_listed([v.text for v in mine])}", f"{sum(v.rows for v in mine):,} rows; {'; '.join(whys)}")
        )
    if all(v.text == v.status for v in values) and not known:
        return
    unknown = [v for v in values if not v.status and not trial]
    if lines or unknown:
        made.say(f"[{table}.values.status]")
    if known and (preset := [v for v in values if known.get(v.text) == v.status]):
        texts = [f"{v.text} {v.status} ({v.rows:,})" for v in preset]
        for line in textwrap.wrap(f"{found.found.title}'s own: {'; '.join(texts)}", 112, break_on_hyphens=False):
            made.say(f"# {line}")
    for line, why in lines:
        made.say(line, why)
    for value in unknown:
        _decide(made, value, rows, flagged)


def _decide(made: Draft, value: Value, rows: int, flagged: bool) -> None:
    """A value that nobody knows: what it has, and what could be said of it."""
    money = f", {value.money:,.0f} of amount" if value.money else ""
    span = f", created {value.first} to {value.last}" if value.first else ""
    line = f"{quoted(value.text)} ({value.rows:,} of {rows:,} rows{money}{span})"
    if flagged:
        made.say(f"# {line}: {value.why}; its flags decide.")
        return
    made.say(f"# decide: {line}: {value.why}. Put it into one of the lists, or else:")
    made.say(f"# open = {_listed([value.text])}")
    made.needed.append(f"status {line}: {value.why}")


def _currencies(made: Draft, found: Survey) -> None:
    """Names of currencies as their codes."""
    by_code: dict[str, list[str]] = {}
    if "currency" in found.mapped.matches:
        known = found.profile.meaning("deals", "currency")
        for value in map(str, found.cells("currency").dropna().unique()):
            if value not in CODES and value not in known:
                by_code.setdefault(currency_of(value), []).append(value)
    if any(code for code in by_code):
        made.say("[deals.values.currency]")
        for code, names in by_code.items():
            if code:
                made.say(f"{code} = {_listed(names)}")
    for name in by_code.get("", []):
        made.say(f"# decide: {quoted(name)} is no currency that is known: map it under [deals.values.currency].")


def _table(made: Draft, found: Survey, part: Part) -> None:
    made.say(f"[{part.table}]")
    _source(made, [part.sheet], described=f"{part.sheet.rows:,} rows; {part.why}")
    _written(made, found, part, trial=False)
    source = part.mapped.source("status") or part.mapped.source("stage")
    values = {v.text for v in found.status.values if v.status}
    told = part.table == "history" and source and set(part.columns[source].values) <= values
    if told and "status" not in part.mapped.matches:
        part.mapped.add("status", source, GUESSED, "its values are those of the deals' status")
    if any(m.source != m.column for m in part.mapped.matches.values()) or part.mapped.doubts:
        made.say(f"[{part.table}.columns]")
        _columns(made, part.table, part.mapped, found)
    if told:
        _values(made, found, "history", trial=False)


def _channels(made: Draft, found: Survey) -> None:
    """What kind of media each channel is, by its word; a channel without one is left to decide."""
    if found.part("channels") is not None:
        return
    names: list[str] = []
    for part in [found.main, *(p for p in found.parts if p.table in ("leads", "spend", "touches"))]:
        source = part.mapped.source("channel")
        if source and source in part.columns and part.columns[source].distinct <= 60:
            names += [v for v in part.columns[source].values if v not in names]
    if not names:
        return
    known = {n: media for n in names for media, words in MEDIA.items() if folded(n) in words}
    rest = [n for n in names if n not in known]
    made.say()
    made.say("[channels]", "guessed by their words: paid, earned or owned")
    made.say('sql = """')
    made.say("SELECT * FROM (VALUES")
    rows = [(n, media, "") for n, media in known.items()]
    texts = [f"  ({_sql(n)}, {_sql(media)})" for n, media, _ in rows]
    if not texts:
        made.lines[-3:] = []
        made.say(f"# channels: which are paid, earned or owned is not known: {_cut(', '.join(rest))}")
        return
    for i, text in enumerate(texts):
        made.say(text + ("," if i + 1 < len(texts) else ""))
    made.say(") AS map(channel, media)")
    made.say('"""')
    if rest:
        made.say(f"# decide: not among the usual ones: {_cut(', '.join(rest), 200)}")


def _sql(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _rates(made: Draft, found: Survey, trial: bool) -> None:
    """A line for the rates that amounts in other currencies need."""
    foreign = {code: n for code, n in found.foreign.items() if re.fullmatch("[A-Z]{3}", code)}
    if not foreign or found.part("rates") is not None:
        return
    made.say()
    rows = ", ".join(f"({_sql(code)}, '1900-01-01', 1.0)" for code in foreign)
    sql = f'sql = "SELECT * FROM (VALUES {rows}) AS r(currency, date, rate)"'
    many = ", ".join(f"{n:,} rows in {code}" for code, n in foreign.items())
    if trial:
        made.say("[rates]")
        made.say(sql)
        return
    made.ask(
        "[rates]",
        f"{many}, and no file has rates: one unit of each in {found.currency or 'the book’s currency'}",
        needed=True,
    )
    made.ask(sql, "write the rate in the place of 1.0; several days are several rows")


def _unused(made: Draft, found: Survey) -> None:
    joined = {j.part.name for j in found.lookups}
    rest = [p for p in found.parts if not p.table and p.name not in joined]
    if rest:
        made.say()
    for part in rest:
        holds = ", ".join(list(part.columns)[:6])
        made.say(f"# not used: {part.name} ({part.sheet.rows:,} rows: {_cut(holds, 80)})")
