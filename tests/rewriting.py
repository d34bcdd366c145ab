"""A book's files as they might look had everything after a day gone otherwise: the same past, another later.

What was known at the end of the day stays to be read: the states of a deal by then stand in its history, or in the
deals table where nothing about it changed before or after. All that happened, or was entered, after the day is dropped,
altered or invented, and the columns that an export overwrites (status, closing, stage, amount, owner, expected close,
reason, rival) take their values from the new course of events.

Two things an export cannot keep, so that no rewriting here asks for them: the reason and the rival of an outcome that
was later undone (they have no history), and the day on which an undated fact (a seller, a region, a target) was set.
"""

from __future__ import annotations

import csv
import random
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

Row = dict[str, str]
CLOSED = ("won", "lost", "abandoned", "rejected")
CHANGING = ("stage", "amount", "expected_close_on", "partner_id")


@dataclass(frozen=True)
class How:
    """What else may happen after the day, or had been entered only then; each a different way to be wrong about before.

    Without any: deals, leads, spend, touches and rates after the day are dropped, altered and invented, deals of before
    go on otherwise, partners leave on other days.
    """

    joiners: bool = False  # partners who join after the day are dropped and invented, not only moved
    strangers: bool = False  # partners who stand in no list turn up
    given: bool = False  # an owner, amount, stage or promise for deals that had none
    closed_unheard: bool = False  # closings by the day that nobody had entered yet
    leads_told: bool = False  # a lead that was entered after the deal it had led to
    cut: bool = False  # nothing: the files an export made on the day would have given


@dataclass
class Rewriter:
    """Rewrites the tables of one book after one day."""

    day: date
    export: date
    draw: random.Random
    how: How
    tables: dict[str, list[Row]]
    headers: dict[str, list[str]]
    history: dict[str, list[Row]] = field(default_factory=lambda: defaultdict(list))
    owners: list[str] = field(default_factory=list)

    def rewrite(self) -> None:
        """All tables."""
        self.owners = [*sorted({row["partner_id"] for row in self.tables["deals"]} - {""})]
        self.owners += ["P-new"] * (self.how.joiners or self.how.strangers)
        for row in self.tables["history"]:
            self.history[row["deal_id"]].append(row)
        self.leads()
        self.deals()
        for table, column in (("touches", "touched_at"), ("spend", "month"), ("rates", "date")):
            if table in self.tables:
                self.tables[table] = self.dated(self.tables[table], column)
        self.partners()

    def later(self, text: str) -> bool:
        """True for a day or moment after the day."""
        return text[:10] > self.day.isoformat()

    def some_later_day(self, not_before: str = "") -> str:
        """Any day after the day and up to the export, and not before another."""
        first = max(self.day + timedelta(days=1), date.fromisoformat(not_before[:10] or "1900-01-01"))
        return (first + timedelta(days=self.draw.randint(0, max((self.export - first).days, 0)))).isoformat()

    def price(self) -> str:
        return f"{self.draw.lognormvariate(8.5, 1.5):.2f}"

    def dated(self, rows: list[Row], column: str) -> list[Row]:
        """Rows of events: later ones are dropped, moved or changed; some of an earlier kind happen again later."""
        kept = [row for row in rows if not self.later(row[column])]
        if self.how.cut or not kept:
            return kept
        moved = [dict(row) for row in rows if self.later(row[column]) and self.draw.random() < 0.6]
        again = [dict(row) for row in self.draw.sample(kept, len(kept) // 4)]
        taken = {tuple(row[c] for c in row if c in ("currency", "date")) for row in kept if column == "date"}
        for row in moved + again:
            row[column] = self.some_later_day() + ("T08:15:00" if column == "touched_at" else "")
            if column == "month":
                row["month"] = row["month"][:8] + "01"
            row |= {name: self.price() for name in ("amount",) if name in row}
            row |= {name: f"{self.draw.uniform(0.2, 5):.4f}" for name in ("rate",) if name in row}
            if self.later(row[column]) and (column != "date" or (key := (row["currency"], row["date"])) not in taken):
                taken |= {key} if column == "date" else set()
                kept.append(row)
        return kept

    def partners(self) -> None:
        """Whoever joined later does so on another day; whoever was still there leaves on another day, or not."""
        rows = []
        for row in self.tables.get("partners", []):
            if self.later(row["joined_on"]):
                if self.how.joiners or self.how.cut:
                    continue
                row["joined_on"] = self.some_later_day()
            if not row["left_on"] or self.later(row["left_on"]):
                leaves = self.draw.random() < 0.4 and not self.how.cut
                row["left_on"] = self.some_later_day(row["joined_on"]) if leaves else ""
            rows.append(row)
        if self.how.joiners and rows:
            new = {"partner_id": "P-new", "joined_on": self.some_later_day(), "left_on": ""}
            rows.append(dict(rows[0]) | new | {name: "Newcomer" for name in ("name",) if name in rows[0]})
        if "partners" in self.tables:
            self.tables["partners"] = rows

    def leads(self) -> None:
        """Later leads are dropped, changed or invented; an outcome after the day becomes another one."""
        kept = []
        taken = {row.get("lead_id") for row in self.tables["deals"] if not self.later(row["created_on"])}
        for row in self.tables.get("leads", []):
            if self.later(row["created_on"]) and row["lead_id"] in taken and not (self.how.leads_told or self.how.cut):
                kept.append(row)
                continue
            if self.later(row["created_on"]):
                if self.how.cut or self.draw.random() < 0.5:
                    continue
                row["partner_id"] = self.someone()
            if self.later(row["created_on"]) or not row["closed_on"] or self.later(row["closed_on"]):
                ends = self.draw.random() < 0.5 and not self.how.cut
                row["status"] = self.draw.choice(CLOSED[1:]) if ends else "open"
                row["closed_on"] = self.some_later_day(row["created_on"]) if ends else ""
            kept.append(row)
        if kept and not self.how.cut:
            for number in range(40):
                new = dict(self.draw.choice(kept)) | {"lead_id": f"L-new-{number}", "partner_id": self.someone()}
                kept.append(new | {"created_on": self.some_later_day(), "status": "open", "closed_on": ""})
        if "leads" in self.tables:
            self.tables["leads"] = kept

    def someone(self) -> str:
        """A partner of the book; perhaps one that nobody had heard of by the day."""
        return self.draw.choice(self.owners)

    def deals(self) -> None:
        """Deals of the time before get another later; later ones are dropped, changed or invented."""
        rows, changes = [], []
        taken = {row.get("lead_id") for row in self.tables["deals"] if not self.later(row["created_on"])}
        leads = [row["lead_id"] for row in self.tables.get("leads", []) if row["status"] == "open"]
        free = ["", "", *(name for name in leads if name not in taken)]
        for row in self.tables["deals"]:
            own = self.history[row["deal_id"]]
            if row["status"] not in ("open", *CLOSED):
                changes += own  # out of scope, and stays so
            elif not self.later(row["created_on"]):
                changes += self.another_later(row, own)
            elif self.how.cut or self.draw.random() < 0.4:
                continue
            else:
                changes += self.life(row, free)
            rows.append(row)
        if not self.how.cut:
            for number in range(60):
                row = dict(self.draw.choice(self.tables["deals"]))
                row |= {"deal_id": f"D-new-{number}", "created_on": self.some_later_day()}
                rows.append(row)
                changes += self.life(row, free)
        self.tables["deals"], self.tables["history"] = rows, changes

    def life(self, row: Row, free: list[str]) -> list[Row]:
        """A deal created after the day, from its first change on; it may come from a lead of before."""
        row |= {"partner_id": self.someone(), "amount": self.price()}
        row |= {name: "" for name in ("registered_on", "accepted_on") if name in row}
        row |= {name: self.draw.choice(free) for name in ("lead_id",) if name in row}
        return self.events(row, {name: row[name] for name in CHANGING}, row["created_on"])

    def another_later(self, row: Row, own: list[Row]) -> list[Row]:
        """The deal row overwritten with another course of events after the day; its history, old rows and new."""
        known = [c for c in own if not self.later(c["changed_at"]) and not self.later(c.get("recorded_at", ""))]
        known.sort(key=lambda change: change["changed_at"])
        unknown = [c for c in own if c not in known]
        for name in ("registered_on", "accepted_on"):
            if name in row and (not row[name] or self.later(row[name])):
                row[name] = self.some_later_day() if self.draw.random() < 0.3 and not self.how.cut else ""
        if row["status"] in CLOSED and not self.later(row["closed_on"]):
            return self.reopened(row, known, unknown)
        values, untold, vague = self.values_then(row, known, unknown)
        statuses = [(c["status"], c["changed_at"][:10]) for c in known if c["status"]]
        told = statuses[-1][0] if statuses else "open"
        if self.how.cut or (not vague and self.draw.random() < 0.25):  # nothing happens after the day
            row |= values | dict.fromkeys(vague, "") | {"status": told, "closed_on": ""}
            if told in CLOSED:  # on the first day of the run it ends with
                row["closed_on"] = statuses[-1][1]
                for status, moment in reversed(statuses):
                    if status != told:
                        break
                    row["closed_on"] = moment
            self.outcome(row, {"reason": "", "competitor": ""} if told in CLOSED else {})
            return known
        return [*untold, *known, *self.events(row, values, "", reopens=told in CLOSED)]

    def reopened(self, row: Row, known: list[Row], unknown: list[Row]) -> list[Row]:
        """A deal that had closed by the day: some are opened again, if their reason and rival count for nothing."""
        matters = row.get("competitor", "") != "" or row.get("reason", "").lower() == "conflict"
        matters |= row["closed_on"] < row["created_on"]  # a mistyped day, which no history could tell in order
        if self.how.cut:  # what the deals table leaves empty today, its history knew
            row |= {n: self.values_then(row, known, [])[0][n] for n in CHANGING if not row[n]}
            return known
        if matters or unknown or self.draw.random() < 0.8:
            return [*known, *unknown]
        values = {name: row[name] for name in CHANGING}
        untold = {name: value for name, value in values.items() if value and not any(c[name] for c in known)}
        told = self.born(row, untold)
        if not (known and known[-1]["status"] == row["status"] and known[-1]["changed_at"][:10] == row["closed_on"]):
            known = [*known, self.change(row, row["closed_on"] + "T23:00:00", row["status"], values)]
        return [*told, *known, *self.events(row, values, "", reopens=True)]

    def values_then(self, row: Row, known: list[Row], unknown: list[Row]) -> tuple[Row, list[Row], list[str]]:
        """The values on the day; the row that must tell of those that only the deals table tells; what nobody knew.

        A column of which the history tells only after the day was unknown on it, and stays so: its value here is one
        that a new row brings.
        """
        values, untold, vague = {}, {}, []
        for name in CHANGING:
            before = [c[name] for c in known if c[name]]
            after = [c[name] for c in unknown if c[name]]
            values[name] = before[-1] if before else self.draw.choice(after) if after else row[name]
            if after and not before:
                vague.append(name)
            elif not before:
                untold[name] = row[name]
        return values, self.born(row, untold), vague

    def born(self, row: Row, values: Row) -> list[Row]:
        """The row that tells what the deal was like from the beginning; none if there is nothing to tell."""
        blank = dict.fromkeys(CHANGING, "")
        return [self.change(row, row["created_on"], "open", blank | values)] if any(values.values()) else []

    def change(self, row: Row, moment: str, status: str, values: Row) -> Row:
        """A row of the history."""
        empty = dict.fromkeys(self.headers["history"], "")
        return empty | {"deal_id": row["deal_id"], "changed_at": moment, "status": status} | values

    def events(self, row: Row, values: Row, born: str, *, reopens: bool = False) -> list[Row]:
        """Some changes after the day; the last state overwrites the deal row."""
        moments = sorted({self.some_later_day(born) for _ in range(self.draw.randint(1, 3))})
        moments = sorted({born, *moments}) if born else moments
        closes = self.draw.random() < 0.6 and len(moments) > (1 if reopens else 0)
        if not born and not reopens and self.how.closed_unheard and self.draw.random() < 0.3:
            return self.entered_late(row, values)
        rows, state, status = [], dict(values), "open"
        if not born and not reopens and "recorded_at" in self.headers["history"] and self.draw.random() < 0.2:
            state |= self.altered(state)
            late = self.change(row, f"{self.day}T22:30:00", "open", state)
            rows.append(late | {"recorded_at": self.some_later_day() + "T07:00:00"})
        for number, moment in enumerate(moments):
            if number or not born:
                state |= self.altered(state)
            status = "open" if number < len(moments) - 1 or not closes else self.draw.choice(CLOSED)
            rows.append(self.change(row, f"{moment}T09:{self.draw.randrange(60):02}:00", status, state))
            if "recorded_at" in self.headers["history"] and self.draw.random() < 0.2:
                rows[-1]["recorded_at"] = self.some_later_day(moment) + "T20:00:00"
        row |= state | {"status": status, "closed_on": moments[-1] if status != "open" else ""}
        self.outcome(row, {})
        return rows

    def altered(self, state: Row) -> Row:
        """Another value in some of the columns."""
        new = {
            "stage": self.draw.choice(["Registered", "Demo", "one", "two", "Signed"]),
            "amount": self.price(),
            "expected_close_on": self.some_later_day(),
            "partner_id": self.someone(),
        }
        return {n: v for n, v in new.items() if self.draw.random() < 0.6 and (self.how.given or state[n] != "")}

    def entered_late(self, row: Row, values: Row) -> list[Row]:
        """Instead: the deal had closed by the day, which was entered only after it."""
        row |= values | {"status": self.draw.choice(CLOSED), "closed_on": self.day.isoformat()}
        self.outcome(row, {})
        late = self.change(row, f"{self.day}T23:30:00", row["status"], values)
        return [late | {"recorded_at": self.some_later_day() + "T10:00:00"}]

    def outcome(self, row: Row, given: Row) -> None:
        """Reason and rival of the row's last outcome."""
        new = {
            "reason": {"lost": "price", "abandoned": "no budget"}.get(row["status"], ""),
            "competitor": self.draw.choice(["Gelora", "Rimini", ""]),
        }
        if row["status"] == "rejected":
            new["reason"] = self.draw.choice(["conflict", "no fit"])
        row |= {name: value for name, value in (new | given).items() if name in row}


def rewritten(source: Path, target: Path, day: str, seed: str, how: How = How()) -> Path:
    """The book in `source` with another later, as CSV files in `target`; the same seed gives the same bytes."""
    tables, headers = {}, {}
    for path in sorted(source.glob("*.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            tables[path.stem] = list(reader)
            headers[path.stem] = list(reader.fieldnames or [])
    toml = (source / "book.toml").read_text(encoding="utf-8")
    export = next(line.split("=")[1].strip() for line in toml.splitlines() if line.startswith("extracted_on"))
    draw = random.Random(f"{seed} {day}")
    Rewriter(date.fromisoformat(day), date.fromisoformat(export), draw, how, tables, headers).rewrite()
    target.mkdir(parents=True, exist_ok=True)
    for name, rows in tables.items():
        with (target / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, headers[name])
            writer.writeheader()
            writer.writerows(rows)
    if how.cut:
        toml = toml.replace(f"extracted_on = {export}", f"extracted_on = {day}")
    (target / "book.toml").write_text(toml, encoding="utf-8")
    return target
