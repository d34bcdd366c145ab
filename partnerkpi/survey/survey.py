"""A survey of exports: what each file is, what each column and value means, what is in doubt and what is missing."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from partnerkpi.errors import UsageError, nearest
from partnerkpi.survey import crm, profiles
from partnerkpi.survey.columns import DOUBT, FOUND, GUESSED, Mapped, Match, has_outcomes, map_columns
from partnerkpi.survey.days import Days, days_in
from partnerkpi.survey.files import read_sheet
from partnerkpi.survey.marks import ISO, Marks, amounts_of, currency_of, days_of, likely_currency, marks_of
from partnerkpi.survey.tables import Join, Part, assign_tables, joins_of, lines_of, part_of
from partnerkpi.survey.values import Flags, Value, classify, flag_status, flags_of


@dataclass
class Status:
    """What tells how a deal ended: a column and its values, or flags, or a constant; and how often they disagree."""

    source: str = ""
    values: list[Value] = field(default_factory=list)
    flags: Flags = field(default_factory=Flags)
    disagree: int = 0
    constant: str = ""
    why: str = ""


@dataclass
class Survey:
    """All that was found out about some files, as the draft, the report and the memory need it.

    `edits` are the findings that stand as a line to decide in the draft; `alarms` what the export lacks or may lack.
    """

    folder: Path
    parts: list[Part]
    deals: list[Part]
    profile: profiles.Profile
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
    extracted_why: str = ""
    key: list[str] | str = ""
    alarms: list[str] = field(default_factory=list)

    @property
    def main(self) -> Part:
        """The first file of deals."""
        return self.deals[0]

    def part(self, table: str) -> Part | None:
        """The file of a table other than the deals."""
        return next((p for p in self.parts if p.table == table), None)

    @property
    def text(self) -> pd.DataFrame:
        """The rows of all files of deals."""
        return pd.concat([p.sheet.text for p in self.deals], ignore_index=True)

    @property
    def mapped(self) -> Mapped:
        """The columns of the deals."""
        return self.main.mapped

    @property
    def money(self) -> pd.Series:
        """The amount of each deal, missing where there is none."""
        source = self.mapped.source("amount")
        text = self.text
        if not source or source not in text:
            return pd.Series(float("nan"), index=text.index)
        return amounts_of(text[source], self.marks["deals"])

    def created(self) -> pd.Series:
        """The day each deal was created, missing where it cannot be told."""
        return self._days("created_on")

    def closed(self) -> pd.Series:
        """The day each deal was closed, or is expected to be where one column says both."""
        return self._days("closed_on")

    def _days(self, column: str) -> pd.Series:
        text, source = self.text, self.mapped.source(column)
        if not source or source not in text:
            return pd.Series(pd.NaT, index=text.index).astype("datetime64[s]")
        days = self.days["deals"]
        form = days.formats.get(column, days.doubts.get(column, (ISO,))[0])
        return days_of(text[source], form)

    def statuses(self) -> pd.Series:
        """What each row's status is taken to mean, empty where that is to be decided."""
        text = self.text
        if self.status.constant:
            return pd.Series(self.status.constant, index=text.index, dtype="object")
        if not self.status.source:
            return flag_status(text, self.status.flags)
        meanings = {v.text: v.status for v in self.status.values}
        said = text[self.status.source].map(meanings).fillna("").astype("object")
        active = self.status.flags.active
        if active:
            away = ~text[active].str.strip().str.casefold().isin({"true", "1", "yes"})
            said[(away & ~said.isin(["won"])).to_numpy(dtype=bool)] = "lost"
        return said


def survey(paths: list[Path], profile: str = "") -> Survey:
    """Look at some exports, or at all of a folder.

    Raises:
        UsageError: there is no such file, none of them holds deals, or there is no such profile.
        SystemProblem: a file cannot be read.
    """
    folder, files = _files(paths)
    known = profiles.profiles()
    if profile and profile not in known:
        raise UsageError(f"There is no profile '{profile}'. {nearest(profile, known)}")
    parts = [part_of(read_sheet(path, name)) for path, name in files]
    spellings = crm.spellings_of({name: one.columns.get("deals", {}) for name, one in known.items()})
    for part in parts:
        part.crm = crm.recognise(list(part.columns), spellings) if part.columns else crm.Recognised()
    found = max((p.crm for p in parts), key=lambda r: len(r.labels), default=crm.Recognised())
    if profile:
        own = [h for p in parts for h in p.columns if crm.squeezed(h) in spellings[profile]]
        found = crm.Recognised(profile, tuple(dict.fromkeys(own)))
    chosen = known.get(found.crm, profiles.Profile(found.crm))
    deals = assign_tables(parts, chosen.columns)
    if not deals:
        listed = "; ".join(f"{p.name}: {', '.join(list(p.columns)[:8]) or '; '.join(p.sheet.doubts)}" for p in parts[:6])
        raise UsageError(
            f"None of the files holds deals: a column for the status or stage, a day and an amount are looked for. {listed}."
        )
    made = Survey(folder, parts, deals, chosen, found)
    _look(made)
    return made


def _files(paths: list[Path]) -> tuple[Path, list[tuple[Path, str]]]:
    """The folder of the book, and the files with their names in it."""
    from partnerkpi.survey.files import SUFFIXES

    if len(paths) == 1 and paths[0].is_dir():
        folder = paths[0]
        listed = [p for p in sorted(folder.iterdir()) if p.suffix.lower() in SUFFIXES and p.is_file()]
        if not listed:
            raise UsageError(f"The folder '{folder}' has no {', '.join(SUFFIXES)} file.")
        return folder, [(p, p.name) for p in listed]
    for path in paths:
        if not path.is_file():
            raise UsageError(f"There is no file '{path}'." if not path.exists() else f"'{path}' is no file.")
        if path.suffix.lower() not in SUFFIXES:
            raise UsageError(f"'{path.name}' is no file this package reads ({', '.join(SUFFIXES)}).")
    folders = {p.resolve().parent for p in paths}
    if len(folders) > 1:
        raise UsageError("The files are in several folders. A book is one folder: copy them into one.")
    return paths[0].parent, [(p, p.name) for p in paths]


def _look(made: Survey) -> None:
    """Everything about the deals and the tables beside them."""
    _lookups(made)
    main = made.main
    for part in made.parts:
        if part.table and (part.table != "deals" or part is main):
            columns = part.columns | _added_columns(made) if part is main else part.columns
            made.days[part.table] = days_in(part.table, part.mapped, columns)
            money = [c for n, c in part.columns.items() if c.kind == "number" and n in _sources(part.mapped, "amount")]
            made.marks[part.table] = marks_of(money)
    made.key = _key(made)
    made.lines = lines_of(main)
    _status(made)
    _currency(made)
    _extracted(made)
    _partner(made)


def _sources(mapped: Mapped, column: str) -> set[str]:
    return {m.source for m in mapped.matches.values() if m.column == column}


def _added_columns(made: Survey) -> dict[str, object]:
    return {name: join.part.columns[name] for join in made.lookups for name in join.adds}


def _lookups(made: Survey) -> None:
    """The files whose columns the deals need: a day of creation, a partner, a unit."""
    main = made.main
    by_order = set(lines_of(main)[1])
    lines = bool(by_order)
    for join in joins_of(main, made.parts):
        if lines and join.on not in by_order:
            continue
        if join.part.table == "partners":
            if "partner_id" not in main.mapped.matches:
                main.mapped.add("partner_id", join.on, GUESSED, join.why)
            continue
        extra = {name: join.part.columns[name] for name in join.adds}
        mapped = map_columns("deals", extra, made.profile.columns.get("deals", {}), made.found.title)
        useful = {m.column: m for m in mapped.matches.values()
                  if m.column not in main.mapped.matches and m.column not in ("deal_id", "status", "stage", "amount")}  # fmt: skip
        if join.part.table and join.part.table != "leads":
            continue
        if join.part.table == "leads":
            useful = {c: m for c, m in useful.items() if c == "created_on"}
            if "lead_id" not in main.mapped.matches:
                main.mapped.add("lead_id", join.on, GUESSED, join.why)
        people = [n for n, c in extra.items() if c.kind == "text" and 2 <= c.distinct <= c.rows / 2]
        if useful or (people and "partner_id" not in main.mapped.matches and not join.part.table and _people(join, people)):
            made.lookups.append(join)
            for column, match in useful.items():
                main.mapped.add(column, match.source, match.how, f"{match.why}, in {join.part.name}")


def _people(join: Join, names: list[str]) -> bool:
    """True where the file groups the people of the deals: what else it says could be a partner."""
    from partnerkpi.survey.words import ALIASES, squeezed

    return squeezed(join.on) in {squeezed(a) for a in (*ALIASES["deals"]["rep"], *ALIASES["deals"]["customer"])} and any(
        re.search(r"manager|partner|reseller|team", n, re.IGNORECASE) for n in names
    )


def _key(made: Survey) -> list[str] | str:
    """The columns that make a key where no single one does; `row` where none do."""
    if made.mapped.source("deal_id"):
        return ""
    text = made.text
    labels = [n for n, c in made.main.columns.items() if c.kind in ("text", "number") and c.filled == c.rows]
    for i, one in enumerate(labels):
        for other in labels[i + 1 :]:
            if re.search(r"id|number|nr|no|line|key|ref", f"{one} {other}", re.IGNORECASE) and not text.duplicated(
                [one, other]
            ).any():
                return [one, other]
    return "row"


def _status(made: Survey) -> None:
    """Which column tells how a deal ended, and what each of its values means."""
    main, mapped = made.main, made.mapped
    flags = flags_of({n: c.kind for n, c in main.columns.items()})
    source = ""
    for column in ("status", "stage"):
        name = mapped.source(column)
        if name and (has_outcomes(main.columns[name]) or _known(made, name)):
            source = name
            break
    if not source and (name := mapped.source("status")):
        source = name
    if not source and not (flags.won or flags.lost) and (name := mapped.source("stage")):
        source = name
    text = made.text
    made.status = Status(source, flags=flags)
    if not source:
        if flags.won or flags.lost:
            made.status.why = "flags say how each deal ended"
            mapped.matches.pop("status", None)
        else:
            mapped.matches.pop("status", None)
            made.status.constant = "won"
            made.status.why = "no column tells lost or open from won: every row is taken as won"
            created = mapped.matches.get("created_on")
            if created is not None and "closed_on" not in mapped.matches:
                mapped.add("closed_on", created.source, GUESSED, "the only day there is")
                made.days["deals"] = days_in("deals", mapped, {**main.columns, **_added_columns(made)})
        return
    if mapped.source("status") != source:
        how = mapped.matches["stage"].how if mapped.source("stage") == source else GUESSED
        mapped.add("status", source, how, "the stage says how a deal ended")
    needed = mapped.source("created_on")
    cells = text[needed] if needed in text else pd.Series("x", index=text.index, dtype="str")
    chance = next((n for n in main.columns if crm.squeezed(n) in ("probability", "wahrscheinlichkeit", "probabilite")), "")
    probability = pd.Series(float("nan"), index=text.index)
    if chance and main.columns[chance].kind in ("number", "flag"):
        probability = amounts_of(text[chance], marks_of([main.columns[chance]]))
        if probability.max() > 1:
            probability = probability / 100
    flagged = flag_status(text, flags)
    made.status.values, made.status.disagree = classify(
        text[source], made.money, made.created(), flagged, probability, made.profile.statuses, made.found.title, cells
    )


def _known(made: Survey, name: str) -> bool:
    """True when the CRM's own values stand in the column, a win or a loss among them."""
    said = {made.profile.statuses.get(crm.squeezed(v), "") for v in made.main.columns[name].values}
    return bool(said & {"won", "lost"})


def _currency(made: Survey) -> None:
    """The book's currency: what most rows are in, or what the amounts' signs or names say."""
    main, source = made.main, made.mapped.source("currency")
    counts: dict[str, int] = {}
    if source and main.columns[source].filled:
        for value in main.columns[source].values:
            code = currency_of(value)
            counts[code or value] = counts.get(code or value, 0) + int(main.columns[source].counts[value])
        why = f"of the rows by {source}"
    else:
        amount = main.columns.get(made.mapped.source("amount"))
        signs = {s: n for s, n in (amount.signs if amount else {}).items() if s != "%"}
        counts = {currency_of(s) or likely_currency(s) or s: n for s, n in signs.items()}
        why = "of the amounts by their sign"
        if not counts and amount is not None and (named := re.search(r"\b([A-Z]{3})\b", amount.name)):
            code = currency_of(named.group(1))
            counts, why = ({code: amount.filled}, f"of the amounts by the name {amount.name}") if code else ({}, "")
    if counts:
        home = max(counts, key=lambda code: counts[code])
        made.currency = home if re.fullmatch("[A-Z]{3}", home) else ""
        made.currency_why = f"{counts[home]:,} {why}"
        made.foreign = {code: n for code, n in counts.items() if code != home}


def _extracted(made: Survey) -> None:
    """The last day any row speaks of that has come: creation, closing of what is closed, changes."""
    today = pd.Timestamp.now().normalize()
    ended = ~made.statuses().isin(["open", "", "ignore"])
    days = [made.created(), made.closed()[ended]]
    history = made.part("history")
    if history is not None and (source := history.mapped.source("changed_at")):
        form = made.days["history"].formats.get("changed_at", ISO)
        days.append(days_of(history.sheet.text[source], form))
    whole = pd.concat(days)
    whole = whole[whole <= today]
    if not len(whole.dropna()):
        return
    last = whole.max()
    made.extracted_on = f"{last:%Y-%m-%d}"
    made.extracted_why = "the last day any row speaks of; write the day the export was made if it was later"
    stamps = re.findall(r"20[0-9]{2}-[01][0-9]-[0-3][0-9]", " ".join([made.main.name, *made.main.sheet.above, *made.main.sheet.below]))
    for stamp in stamps:
        day = pd.to_datetime(stamp, errors="coerce")
        if pd.notna(day) and last <= day <= today:
            made.extracted_on, made.extracted_why = stamp, "stands in the file's name, above its header or below its rows"


def _partner(made: Survey) -> None:
    """The columns that could name the partner where none does: few values that come again and again."""
    if "partner_id" in made.mapped.matches:
        return
    made.partners = [m for m in made.mapped.doubts if m.column == "partner_id"]
    text_columns: Mapping[str, object] = made.main.columns
    listed: list[tuple[int, Match]] = []
    extra = {n: j.part.columns[n] for j in made.lookups for n in j.adds}
    taken = {m.source for m in made.mapped.matches.values() if m.column in ("status", "stage", "currency", "product", "channel", "deal_id", "name", "reason", "sourced")}  # fmt: skip
    for name, one in {**made.main.columns, **extra}.items():
        if one.kind not in ("text", "number") or name in taken or one.signs:
            continue
        rows = one.rows if name in text_columns else max(one.rows, 2)
        if not 2 <= one.distinct <= max(2, rows / 3) or has_outcomes(one):
            continue
        if re.search(r"manager|partner|owner|agent|vendor|account|company|office|team|rep\b|sr|sdr|reseller", name, re.IGNORECASE):
            rank = 0 if re.search(r"partner|reseller|manager|vendor", name, re.IGNORECASE) else 1
            listed.append((rank, Match("partner_id", name, DOUBT, f"{one.distinct:,} values in {one.filled:,} rows")))
    known = {m.source for m in made.partners}
    made.partners += [m for _, m in sorted(listed, key=lambda item: item[0]) if m.source not in known][:4]
    made.mapped.doubts = [m for m in made.mapped.doubts if m.column != "partner_id"]


__all__ = ["FOUND", "Status", "Survey", "survey"]
