"""A survey of exports: what each file is, what each column and value means, what is in doubt and what is missing."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd

from partnerkpi.book.choosing import by_status, first_filled, settled_status
from partnerkpi.book.declarations import TableConfig
from partnerkpi.book.meaning import Flags, Source
from partnerkpi.book.schema import CLOSED
from partnerkpi.errors import UsageError, nearest
from partnerkpi.survey import crm, joins
from partnerkpi.survey.columns import DOUBT, GUESSED, PRESET, Mapped, Match, has_outcomes, outcome_of
from partnerkpi.survey.days import Days, days_in
from partnerkpi.survey.files import files_of, sheets_of
from partnerkpi.survey.joins import Join
from partnerkpi.survey.marks import ISO, Column, Marks, amounts_of, currency_of, days_of, likely_currency, marks_of
from partnerkpi.survey.profiles import Profile, profiles
from partnerkpi.survey.tables import Part, assign_tables, part_of
from partnerkpi.survey.values import Evidence, Value, classify, disagreeing, flags_among, said_by
from partnerkpi.survey.words import CONVERTED, folded, squeezed

_CHANCE = ("probability", "conversionprobability", "wahrscheinlichkeit", "probabilite", "probabilidad")
_NAMES_PEOPLE = re.compile(
    r"manager|partner|owner|agent|vendor|account|company|office|team|rep\b|sr|sdr|reseller", re.I
)
_NAMES_PARTNERS = re.compile(r"partner|reseller|manager|vendor", re.IGNORECASE)


@dataclass
class Status:
    """What tells how a deal ended: the values of a column, flags, or a constant; and in how many rows they disagree.

    `flags` are those in effect, `beside` those that are there but do not decide.
    """

    source: str = ""
    values: list[Value] = field(default_factory=list)
    flags: Flags = field(default_factory=Flags)
    beside: Flags = field(default_factory=Flags)
    disagree: int = 0
    constant: str = ""
    why: str = ""


@dataclass
class Survey:
    """All that was found out about some files, as the draft, the report and the memory need it."""

    folder: Path
    parts: list[Part]
    deals: list[Part]
    profile: Profile
    found: crm.Recognised
    marks: dict[str, Marks] = field(default_factory=dict)
    days: dict[str, Days] = field(default_factory=dict)
    status: Status = field(default_factory=Status)
    lookups: list[Join] = field(default_factory=list)
    lines: tuple[str, list[str]] = ("", [])
    partners: list[Match] = field(default_factory=list)
    currency: str = ""
    currency_why: str = ""
    foreign: dict[str, int] = field(default_factory=dict)
    extracted_on: str = ""
    currency_also: str = ""
    extracted_why: str = ""
    extracted_sure: bool = False
    strangers: str = ""
    converted: str = ""
    key: list[str] | str = ""

    @property
    def main(self) -> Part:
        """The first file of deals."""
        return self.deals[0]

    @property
    def mapped(self) -> Mapped:
        """The columns of the deals."""
        return self.main.mapped

    def part(self, table: str) -> Part | None:
        """The file of a table other than the deals."""
        return next((p for p in self.parts if p.table == table), None)

    @property
    def text(self) -> pd.DataFrame:
        """The rows of all files of deals."""
        return pd.concat([p.sheet.text for p in self.deals], ignore_index=True)

    def cells(self, column: str) -> pd.Series:
        """The cells that make a column of the deals; missing where there are none."""
        match, text = self.mapped.matches.get(column), self.text
        if match is None:
            return pd.Series(np.nan, index=text.index, dtype="str")
        source = match.reads.within(text.columns)
        if source.by_status:
            return by_status(text, source, self.statuses())
        return first_filled(text, source.names)

    def partner_values(self) -> list[str]:
        """The different partners of the deals, as the files name them."""
        return [str(v) for v in self.cells("partner_id").dropna().unique()]

    def money(self) -> pd.Series:
        """The amount of each deal, missing where there is none."""
        return amounts_of(self.cells("amount"), self.marks["deals"])

    def day(self, column: str) -> pd.Series:
        """The days of a column of the deals; that of closing is the expected one where one column says both."""
        days = self.days["deals"]
        return days_of(self.cells(column), days.formats.get(column, days.doubts.get(column, (ISO,))[0]))

    def statuses(self) -> pd.Series:
        """What each row's status is taken to mean: missing where that is to be decided, `ignore` where out of scope."""
        text = self.text
        if self.status.constant:
            return pd.Series(self.status.constant, index=text.index, dtype="str")
        meanings = {v.text: v.status for v in self.status.values if v.status}
        config = TableConfig("deals", values={"status": meanings}, flags=self.status.flags)
        settled = settled_status(self.cells("status"), text, config)
        return settled.status.mask(settled.ignored, "ignore")

    def ended(self) -> np.ndarray:
        """True for the deals that are closed."""
        return self.statuses().isin(CLOSED).to_numpy(dtype=bool)


def survey(paths: list[Path], profile: str = "") -> Survey:
    """Look at some exports, or at all of a folder.

    Raises:
        UsageError: there is no such file, none of them holds deals, or there is no such profile.
        SystemProblem: a file cannot be read.
    """
    folder, files = files_of(paths)
    known = profiles()
    if profile and profile not in known:
        raise UsageError(f"There is no profile '{profile}'. {nearest(profile, known)}")
    parts = [part_of(sheet) for path in files for sheet in sheets_of(path)]
    spellings = crm.spellings_of({name: one.of("deals") for name, one in known.items()})
    for part in parts:
        part.crm = crm.recognise(list(part.columns), spellings) if part.columns else crm.Recognised()
    found = max((p.crm for p in parts), key=lambda r: len(r.labels), default=crm.Recognised())
    if profile:
        own = [h for p in parts for h in p.columns if squeezed(h) in spellings[profile]]
        found = crm.Recognised(profile, tuple(dict.fromkeys(own)))
        for part in parts:
            part.crm = found
    chosen = known.get(found.crm, Profile())
    deals = assign_tables(parts, chosen, found.title)
    if not deals:
        listed = "; ".join(
            f"{p.name}: {', '.join(list(p.columns)[:8]) or '; '.join(p.sheet.doubts)}" for p in parts[:6]
        )
        raise UsageError(
            f"None of the files holds deals: a status or stage, a day and an amount are looked for. {listed}."
        )
    made = Survey(folder, parts, deals, chosen, found)
    made.lines, made.lookups = joins.settle(made.main, made.parts, chosen, found.title)
    made.strangers = joins.same_partners(made.main, made.parts)
    _written(made)
    made.key = _key(made)
    _status(made)
    _expected(made)
    _currency(made)
    _extracted(made)
    _partner(made)
    return made


def _written(made: Survey) -> None:
    """How days and amounts are written in every table."""
    for part in made.parts:
        if part.table and (part.table != "deals" or part is made.main):
            made.days[part.table] = days_in(part.table, part.mapped, _columns(made, part))
            named = (part.mapped.matches.get(name) for name in ("amount", "rate", "commission_rate"))
            amount = next(filter(None, named), None)
            names = amount.reads.names if amount else ()
            plain = [n for n in names if n in part.columns and n not in part.sheet.kinds]
            money = [part.columns[n] for n in plain if part.columns[n].kind == "number"]
            made.marks[part.table] = marks_of(money)


def _columns(made: Survey, part: Part) -> dict[str, Column]:
    """The columns of a file, and those that other files add to the deals."""
    if part is not made.main:
        return part.columns
    return part.columns | {name: join.part.columns[name] for join in made.lookups for name in join.adds}


def _key(made: Survey) -> list[str] | str:
    """The columns that make a key where no single one does; `row` where none do; empty where one does."""
    if "deal_id" in made.mapped.matches:
        return ""
    if made.mapped.doubts and any(m.column == "deal_id" for m in made.mapped.doubts):
        return ""
    text = made.text
    labels = [n for n, c in made.main.columns.items() if c.kind in ("text", "number") and c.filled == c.rows]
    for i, one in enumerate(labels):
        for other in labels[i + 1 :]:
            named = re.search(r"\b(id|number|nr|no|line|key|ref)\b", f"{one} {other}", re.IGNORECASE)
            if named and not text.duplicated([one, other]).any():
                return [one, other]
    return "row"


def _status(made: Survey) -> None:
    """Which column tells how a deal ended, and what each of its values means."""
    main, mapped, text = made.main, made.mapped, made.text
    there = flags_among({n: c.kind for n, c in main.columns.items()})
    flags = {f: tuple(n for n in names if n in text) for f, names in made.profile.flags.columns.items()}
    preset = replace(made.profile.flags, columns={f: names for f, names in flags.items() if names})
    source = _status_source(made)
    told = {"won", "lost"} & (preset.columns.keys() | there.columns.keys())
    if not source and not told:
        mapped.matches.pop("status", None)
        made.status = Status(constant="won", why="no column tells lost or open from won: every row is taken as won")
        created = mapped.matches.get("created_on")
        if created is not None and "closed_on" not in mapped.matches:
            mapped.add("closed_on", created.source, GUESSED, "the only day there is")
            made.days["deals"] = days_in("deals", mapped, _columns(made, main))
        return
    if not source:
        mapped.matches.pop("status", None)
        made.status = Status(flags=preset if preset.columns else there, why="flags say how each deal ended")
        return
    if mapped.source("status") != source:
        _take_status(made, source)
    # Where a value says lost, a column Active is about something else, like the account.
    loses = any(outcome_of(v) == "lost" for v in main.columns[source].values)
    active = Flags({f: n for f, n in there.columns.items() if f == "active" and not loses})
    made.status = Status(
        source, flags=preset if preset.columns else active, beside=Flags() if preset.columns else there
    )
    cells, created = made.cells("status"), mapped.matches.get("created_on")
    dated = np.ones(len(text), dtype=bool)
    if created is not None and set(created.reads.names) & set(text.columns):
        dated = made.cells("created_on").notna().to_numpy()
    flagged = said_by(preset if preset.columns else there, text)
    seen = Evidence(pd.Series(np.nan, index=text.index), made.day("created_on"), dated, flagged, _chance(made))
    defaults = made.profile.meaning("deals", "status")
    made.status.values = classify(cells, seen, defaults, made.found.title)
    made.status.values = classify(cells, replace(seen, money=made.money()), defaults, made.found.title)
    made.status.disagree = disagreeing(cells, made.status.values, flagged)


def _status_source(made: Survey) -> str:
    """The column of the status, or of the stage where that tells how a deal ended; empty where neither is there."""
    mapped = made.mapped
    if (match := mapped.matches.get("status")) and match.how == PRESET:
        return match.source
    names = [n for n in (mapped.source("status"), mapped.source("stage")) if n]
    telling = [n for n in names if has_outcomes(made.main.columns[n])]
    others = [n for n, c in made.main.columns.items() if n not in mapped.used and c.distinct <= 12 and has_outcomes(c)]
    if names and not telling and len(others) == 1:
        return others[0]
    chance = next((n for n in made.main.columns if squeezed(n) in _CHANCE), "")
    if not names and chance and 1 < made.main.columns[chance].distinct <= 40 and (_chance(made) == 1).any():
        return chance
    return next(iter(telling or names), "")


def _take_status(made: Survey, source: str) -> None:
    """Make the status of a column that tells how deals ended; where it is empty, of the one that was named so."""
    mapped, column = made.mapped, made.main.columns[source]
    named = mapped.source("status")
    if source == mapped.source("stage"):
        mapped.add("status", source, GUESSED, "the stage says how a deal ended")
        return
    whole = Source((source, named)) if named and column.filled < column.rows else None
    why = f"its values say how a deal ended{f', where it is empty {named} does' if whole else ''}"
    mapped.matches["status"] = Match("status", source, GUESSED, why, whole)
    mapped.ignored = [n for n in made.main.columns if n not in mapped.used]


def _chance(made: Survey) -> pd.Series:
    """The probability of each row as a share, missing without."""
    name = next((n for n in made.main.columns if squeezed(n) in _CHANCE), "")
    if not name or made.main.columns[name].kind not in ("number", "flag"):
        return pd.Series(np.nan, index=made.text.index)
    chance = amounts_of(made.text[name], marks_of([made.main.columns[name]]))
    return chance / 100 if chance.max() > 1 else chance


def _expected(made: Survey) -> None:
    """Where open deals have a day of closing too, it is the expected one."""
    closed = made.mapped.matches.get("closed_on")
    if closed is None or closed.how == PRESET or "expected_close_on" in made.mapped.matches or made.status.constant:
        return
    still = (made.statuses() == "open").to_numpy(dtype=bool)
    many = int(made.cells("closed_on")[still].notna().sum())
    if many and many >= 0.5 * still.sum():
        made.mapped.add("expected_close_on", closed.source, GUESSED, f"{many:,} open deals have a day there too")
        made.days["deals"] = days_in("deals", made.mapped, _columns(made, made.main))


def _currency(made: Survey) -> None:
    """The book's currency: what most rows are in, or what the amounts' signs or names say."""
    _in_one_currency(made)
    match, known = made.mapped.matches.get("currency"), made.profile.meaning("deals", "currency")
    counts: dict[str, int] = {}
    several: dict[str, str] = {}
    why = ""
    if match is not None and made.cells("currency").notna().any():
        for value, rows in made.cells("currency").value_counts().items():
            code = known.get(str(value)) or currency_of(str(value)) or str(value)
            counts[code] = counts.get(code, 0) + int(rows)
        why = f"of the rows by {match.source}"
    elif amount := made.mapped.matches.get("amount"):
        columns = [made.main.columns[n] for n in amount.reads.names if n in made.main.columns]
        for sign, rows in ((s, n) for c in columns for s, n in c.signs.items() if s != "%"):
            code = currency_of(sign) or likely_currency(sign) or sign
            counts[code] = counts.get(code, 0) + rows
        several = {likely_currency(s): s for c in columns for s in c.signs if s != "%" and not currency_of(s)}
        why = "of the amounts by their sign"
        named = re.search(r"\b([A-Z]{3})\b", amount.source)
        if not counts and named and currency_of(named.group(1)):
            counts, why = {named.group(1): len(made.text)}, f"of the rows by the name {amount.source}"
    if counts:
        home = max(counts, key=lambda code: counts[code])
        made.currency = home if re.fullmatch("[A-Z]{3}", home) else ""
        made.currency_why = f"{counts[home]:,} {why}"
        if sign := several.get(home, ""):
            made.currency_also = f"by the sign {sign}, which other currencies have too: is it this one?"
        made.foreign = {code: n for code, n in counts.items() if code != home}


def _in_one_currency(made: Survey) -> None:
    """Where amounts are converted already, the currency of each deal is not theirs, and is not read."""
    amount = made.mapped.source("amount")
    if CONVERTED.search(folded(amount)) and "currency" in made.mapped.matches:
        made.converted = amount
        del made.mapped.matches["currency"]
        own = made.main.columns.get(f"{amount} Currency")
        if own is not None and own.distinct == 1:
            made.mapped.add("currency", own.name, GUESSED, f"that of {amount}")


def _extracted(made: Survey) -> None:
    """The last day any row speaks of that has come: creation, closing of what is closed, changes."""
    today = pd.Timestamp.now().normalize()
    ended = made.ended()
    if made.status.values:  # where flags decide, what the value says has ended was closed on some day, too
        meant = made.cells("status").map({v.text: v.status for v in made.status.values})
        ended = ended | meant.isin(CLOSED).to_numpy(dtype=bool)
    days = [made.day("created_on"), made.day("closed_on")[ended]]
    history = made.part("history")
    if history is not None and (source := history.mapped.source("changed_at")):
        form = made.days["history"].formats.get("changed_at", ISO)
        days.append(days_of(history.sheet.text[source], form))
    whole = pd.concat(days)
    last = whole[whole <= today].max()
    if pd.isna(last):
        return
    made.extracted_on = f"{last:%Y-%m-%d}"
    made.extracted_why = "the last day any row speaks of; write the day the export was made if it was later"
    spoken = " ".join([made.main.name, *made.main.sheet.above, *made.main.sheet.below])
    stamps = [pd.to_datetime(t, errors="coerce") for t in re.findall(r"20[0-9]{2}-[01][0-9]-[0-3][0-9]", spoken)]
    for one, other, year in re.findall(r"\b([0-9]{1,2})[./-]([0-9]{1,2})[./-](20[0-9]{2})\b", spoken):
        orders = {(int(m), int(d)) for d, m in ((one, other), (other, one)) if int(m) <= 12}
        if len(orders) == 1:  # only where day and month cannot be mistaken
            month, day = orders.pop()
            stamps.append(pd.to_datetime(f"{year}-{month:02}-{day:02}", errors="coerce"))
    for stamp in stamps:
        if pd.notna(stamp) and last <= stamp <= today:
            made.extracted_on, made.extracted_sure = f"{stamp:%Y-%m-%d}", True
            made.extracted_why = "so says the file's name, or what stands around its rows"


def _partner(made: Survey) -> None:
    """The columns that could name the partner where none does: few values that come again and again."""
    doubts = [m for m in made.mapped.doubts if m.column == "partner_id"]
    made.mapped.doubts = [m for m in made.mapped.doubts if m.column != "partner_id"]
    if "partner_id" in made.mapped.matches:
        return
    settled = {n for c in ("status", "stage", "currency", "product", "channel", "deal_id", "name", "reason", "sourced")
               if (m := made.mapped.matches.get(c)) for n in m.reads.names}  # fmt: skip
    listed = []
    for name, one in _columns(made, made.main).items():
        if one.kind not in ("text", "number") or name in settled or one.signs or has_outcomes(one):
            continue
        if 2 <= one.distinct <= max(2, one.rows / 3) and _NAMES_PEOPLE.search(name):
            why = f"{one.distinct:,} values in {one.filled:,} rows"
            listed.append(Match("partner_id", name, DOUBT, why))
    known = {m.source for m in doubts}
    listed.sort(key=lambda m: not _NAMES_PARTNERS.search(m.source))
    made.partners = [*doubts, *(m for m in listed if m.source not in known)][:4]
