"""What a draft says of columns, values, currencies, channels and rates, beside what a preset says already."""

from __future__ import annotations

import re
import textwrap

from partnerkpi.book.currencies import CODES
from partnerkpi.book.meaning import Flags, Source
from partnerkpi.book.schema import TABLES
from partnerkpi.survey.columns import PRESET, Mapped
from partnerkpi.survey.lines import Draft, cut, listed, quoted
from partnerkpi.survey.marks import currency_of
from partnerkpi.survey.survey import Survey
from partnerkpi.survey.values import Value
from partnerkpi.survey.words import MEDIA, folded

_STATUSES = ("open", "won", "lost", "abandoned", "rejected", "ignore")


def write_columns(made: Draft, table: str, mapped: Mapped, found: Survey) -> None:
    """One line for every column that is known and no preset reads, in the order of the schema."""
    preset = [m for m in mapped.matches.values() if m.how == PRESET]
    if preset:
        made.say("# The preset reads:")
        texts = [f"{m.column} from {_sources(m.reads)}" for m in preset]
        for line in textwrap.wrap("; ".join(texts), 110, break_on_hyphens=False):
            made.say(f"#   {line}")
    for name in TABLES[table].names:
        match = mapped.matches.get(name)
        if match is None or match.source == name or match.how == PRESET:
            continue
        made.say(f"{name} = {_reads(match.reads)}", f"{match.how}: {match.why}")
    if table == "deals" and found.converted and "currency" not in mapped.matches:
        made.say('currency = ""', f"{found.converted} is converted already, whatever the currency of the deal")
    if table == "deals":
        for part in found.deals:
            for name in part.partial.keys() - mapped.matches.keys():
                made.say(f'{name} = ""', f"only {part.name} has {part.partial[name]}")
    for column in dict.fromkeys(m.column for m in mapped.doubts):
        first, *others = [m for m in mapped.doubts if m.column == column]
        needed = TABLES[table][column].required or (column == "closed_on" and bool(found.ended().any()))
        also = f"; or one of the lines below it: {', '.join(quoted(m.source) for m in others)}" if others else ""
        made.ask(f"{column} = {quoted(first.source)}", first.why, needed=needed, also=also)
        for match in others:
            made.ask(f"{column} = {quoted(match.source)}", match.why, further=True)


def _reads(source: Source) -> str:
    """The columns of the export as TOML says them."""
    if source.by_status:
        return "{ " + ", ".join(f"{status} = {quoted(names[0])}" for status, names in source.by_status.items()) + " }"
    return quoted(source.names[0]) if len(source.names) == 1 else listed(list(source.names))


def _sources(source: Source) -> str:
    if source.by_status:
        return ", ".join(f"{' or '.join(names)} ({status})" for status, names in source.by_status.items() if names)
    return " or ".join(source.names)


def write_statuses(made: Draft, found: Survey, trial: bool) -> None:
    """What each value of the status means, and the flags where they are needed."""
    status = found.status
    if status.values:
        write_values(made, found, "deals", trial)
    rows = len(found.text)
    if status.flags.columns and status.flags.columns == found_flags(found):
        if status.disagree:
            many = f"{status.disagree:,} of {rows:,} rows"
            made.say(f"# {_flags(status.flags)} decide: in {many} {status.source} says otherwise.")
            made.ask("[deals.flags]", f"if {status.source} is to decide instead, take both lines in")
            made.say('# decides = "values"')
    elif status.flags.columns:
        made.say("[deals.flags]")
        for flag, sources in status.flags.columns.items():
            made.say(f"{flag} = {quoted(sources[0])}", status.why or "what is not active and not won is lost")
    elif status.beside.columns and status.disagree:
        made.say(
            f"# {status.source} decides: in {status.disagree:,} of {rows:,} rows {_flags(status.beside)} say otherwise."
        )


def found_flags(found: Survey) -> dict[str, tuple[str, ...]]:
    """The flags of the CRM's preset that the file has."""
    there = set(found.text.columns)
    flags = {f: tuple(n for n in names if n in there) for f, names in found.profile.flags.columns.items()}
    return {flag: names for flag, names in flags.items() if names}


def _flags(flags: Flags) -> str:
    return ", ".join(n for names in flags.columns.values() for n in names)


def write_values(made: Draft, found: Survey, table: str, trial: bool) -> None:
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
            (f"{name} = {listed([v.text for v in mine])}", f"{sum(v.rows for v in mine):,} rows; {'; '.join(whys)}")
        )
    if all(v.text == v.status for v in values) and not known:
        return
    unknown = [v for v in values if not v.status and not trial]
    if lines or (unknown and not flagged):
        made.say(f"[{table}.values.status]")
    if known and (preset := [v for v in values if known.get(v.text) == v.status]):
        texts = [f"{v.text} = {v.status} ({v.rows:,})" for v in preset]
        for line in textwrap.wrap(f"{found.found.title}'s own: {'; '.join(texts)}", 112, break_on_hyphens=False):
            made.say(f"# {line}")
    for line, why in lines:
        made.say(line, why)
    for value in unknown:
        _decide(made, value, rows, flagged)
    if trial and not flagged and (left := [v for v in values if not v.status]):
        made.taken.append(f"rows whose status is {' or '.join(quoted(v.text) for v in left)} are left out")


def _decide(made: Draft, value: Value, rows: int, flagged: bool) -> None:
    """A value that nobody knows: what it has, and what could be said of it."""
    money = f", {value.money:,.0f} of amount" if value.money else ""
    span = f", created {value.first} to {value.last}" if value.first else ""
    line = f"{quoted(value.text)} ({value.rows:,} of {rows:,} rows{money}{span})"
    if flagged:
        made.say(f"# {line}: its flags decide.")
        return
    made.say(f"# decide: {line}: {value.why}. Put it into one of the lists, or else:")
    made.say(f"# open = {listed([value.text])}")
    made.needed.append(f"status {line}: {value.why}")


def write_currencies(made: Draft, found: Survey) -> None:
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
                made.say(f"{code} = {listed(names)}")
    for name in by_code.get("", []):
        made.say(f"# decide: {quoted(name)} is no currency that is known: map it under [deals.values.currency].")


def write_channels(made: Draft, found: Survey) -> None:
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
        made.say(f"# channels: which are paid, earned or owned is not known: {cut(', '.join(rest))}")
        made.say("# A table channels with the columns channel and media would say it.")
        return
    for i, text in enumerate(texts):
        made.say(text + ("," if i + 1 < len(texts) else ""))
    made.say(") AS map(channel, media)")
    made.say('"""')
    if rest:
        made.say(f"# decide: not among the usual ones: {cut(', '.join(rest), 200)}")
        made.say(f"# Each would be a row above, like ({_sql(rest[0])}, 'paid').")


def _sql(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def write_rates(made: Draft, found: Survey, trial: bool) -> None:
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
        home = found.currency or "of the book’s currency"
        made.taken += [f"1 {code} = 1 {home}, which is wrong until you write the rate" for code in foreign]
        return
    made.ask(
        "[rates]",
        f"{many}, and no file has rates: say what one unit is worth in {found.currency or 'the book’s currency'}",
        needed=True,
    )
    made.ask(sql, "write the rate in the place of 1.0; several days are several rows", further=True)
