"""A damaged file never gives a traceback, a hang, or another figure without a word.

A small book is written as delimited files, workbook, Parquet file or database, one of its files is damaged at random
(`corruption.harms_of`), and it is checked as `partnerkpi check` does. Either the book is refused, or a fault is listed,
or every table of the opened book, those made of others too, is what it was: as all figures are made of these tables
alone, none can be another. Where nothing is said and yet a table is another,

- the file must be sound, cell by cell and between the tables, for a reader and a grammar that are not the package's;
- the tables must equal those of a book newly written from the cells that this reader finds.

What is then different from before the damage cannot be seen from inside, because the file is as good as another. These
kinds there are, and no others (`_UNSEEN`):

- rows lost or added as a whole, an amount that became another amount: the control totals `rows` and `amount_total` must
  refuse each of them and name the total, but for amounts whose sum stayed the same, which were exchanged between rows;
- a day that became another valid day, in an order that is possible; an id, a partner or a status that became another
  that there may be; a letter of a name or a label. No total tells these, and nothing in the file does;
- a header that no longer names an optional column, by a word that is like none that is known: the account lists the
  word under "not read". A book.toml that names the column under [deals.columns] refuses that.

PARTNERKPI_CORRUPTIONS says how many are tried (2,000 take some minutes), PARTNERKPI_SEED another word than the usual.
"""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from decimal import Decimal
from functools import cache, partial
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd
import pytest

pytest.importorskip("openpyxl")
pytest.importorskip("python_calamine")
pytest.importorskip("sqlalchemy")

from corruption import harms_of
from sound_book import FORMS, Tables, changes, control_totals, own_reading, sound_tables, unsound, write_book

from partnerkpi.book.loading import load
from partnerkpi.cli import run
from partnerkpi.errors import PartnerKpiError
from partnerkpi.opening import check_book

SEED = os.environ.get("PARTNERKPI_SEED", "weevil")
MANY = int(os.environ.get("PARTNERKPI_CORRUPTIONS", "150"))
SHARES = 3  # of the trials, each a test of its own
WORLDS = 7
SECONDS = 10
COMMANDS = 8
_PLACE = ("_file", "_record", "_line")
_TOTAL = {"rows lost", "rows added", "an amount became another"}
_UNSEEN = _TOTAL | {
    "a day became another",
    "a text became another",
    "a key became another",
    "a partner became another",
    "a status became another",
    "a column is no longer known",
}

Frames = dict[str, pd.DataFrame]
Ask = Callable[[Path, bool], tuple[int, list[dict[str, Any]]]]


@cache
def world(number: int) -> Tables:
    return sound_tables(Random(f"{SEED} {number}"))


def known(folder: Path) -> Frames:
    """All tables of a book that is opened, those made of others too; rows in the order of their cells."""
    frames = {}
    tables = load(folder).tables
    for name, frame in tables.items():
        plain = frame.drop(columns=[c for c in _PLACE if c in frame]).astype("str")
        if name == "spells":  # there a deal is the number of its row
            plain["deal"] = tables["deals"]["deal_id"].to_numpy()[frame["deal"]]
        frames[name] = plain.sort_values(list(plain), ignore_index=True)
    return frames


@cache
def known_before(number: int) -> Frames:
    with TemporaryDirectory() as place:
        write_book(Path(place) / "sound", world(number), "csv")
        return known(Path(place) / "sound")


@pytest.fixture
def ask(capsys: pytest.CaptureFixture[str]) -> Ask:
    """A function that gives the exit code of `check` and the faults it lists; nothing may fall through.

    The command also computes which figures a fault touches, ten times as long as reading: it is asked now and then.
    """

    def check(folder: Path, command: bool) -> tuple[int, list[dict[str, Any]]]:
        begun = time.monotonic()
        if not command:
            try:
                reading = check_book(folder)
            except PartnerKpiError as problem:
                return problem.exit_code, []
            assert time.monotonic() - begun < SECONDS
            return int(reading.refused), [asdict(fault) for fault in reading.faults]
        code = run(["check", str(folder), "--format", "json"])
        out, err = capsys.readouterr()
        assert time.monotonic() - begun < SECONDS
        assert code in (0, 1, 2, 4)
        assert "A fault in partnerkpi itself" not in err
        assert bool(err) == (code in (2, 4))
        return code, json.loads(out)["faults"] if out else []

    return check


def sums(tables: Tables) -> dict[str, tuple[int, Decimal]]:
    """What the control totals of each table are: its rows, and the sum of the amounts it tells."""
    return {
        n: (len(rows), sum((Decimal(r.get("amount") or 0) for r in rows), Decimal(0))) for n, rows in tables.items()
    }


@dataclass(frozen=True)
class Damage:
    """One damage of the many, wholly told by its number."""

    number: int

    @property
    def before(self) -> Tables:
        return world(self.number % WORLDS)

    def chosen(self) -> tuple[Random, str, str, str]:
        """The chance that goes on, the form of the book, the table whose file is damaged, and how."""
        chance = Random(f"{SEED} {self.number}")
        form = "csv" if chance.random() < 0.6 else chance.choice(FORMS[1:])
        target = chance.choice(["deals", "deals", "deals", "partners", "history"])
        return chance, form, target, chance.choice(sorted(harms_of(form, target)))

    def write(self, folder: Path) -> Path:
        chance, form, target, name = self.chosen()
        write_book(folder, self.before, form, target=target, harm=partial(harms_of(form, target)[name], chance))
        return folder

    def declare_totals(self, folder: Path) -> None:
        """Add to the book.toml of the damaged book what the sound one held."""
        path = folder / "book.toml"
        text = path.read_text(encoding="utf-8")
        for table, rows in self.before.items():
            text = text.replace(f"[{table}]\n", f"[{table}]\n" + "\n".join(control_totals(rows)) + "\n")
        path.write_text(text, encoding="utf-8")


@pytest.mark.parametrize("share", range(SHARES))
def test_no_damage_goes_unsaid(tmp_path: Path, ask: Ask, share: int) -> None:
    seen: Counter[str] = Counter()
    wrong = []
    damages = [Damage(number) for number in range(share, MANY, SHARES)]
    for damage in damages:
        try:
            seen[outcome(damage, tmp_path, ask)] += 1
        except Exception as error:  # all are tried, and all that go wrong are told
            wrong.append(f"{SEED} {damage.number}, {damage.chosen()[1:]}: {type(error).__name__}: {error}")
    print(f"{len(damages)} tried:", *(f"{n} {what}" for what, n in seen.most_common()), sep="\n  ")
    assert not wrong, "\n".join(wrong)
    assert seen["said"] > 0.6 * len(damages)


def outcome(damage: Damage, place: Path, ask: Ask) -> str:
    """What became of a damage: said, no difference, or what nobody can see; the totals must see their part of it."""
    folder, before = damage.write(place / "damaged"), damage.before
    command = damage.number % COMMANDS == 0
    code, faults = ask(folder, command)
    if code or faults:
        return "said"
    opened = known(folder)
    if equal(opened, known_before(damage.number % WORLDS)):
        damage.declare_totals(folder)
        assert ask(folder, command) == (0, [])
        return "no difference"
    now = {name: own_reading(folder, damage.chosen()[1], name) for name in before}
    why = unsound(now)
    assert not why, f"nothing is said, but {why}"
    write_book(place / "clean", now, "csv")
    assert equal(opened, known(place / "clean")), "other cells than the own reader's"
    kinds = set(changes(before, now))
    assert kinds
    assert kinds <= _UNSEEN
    assert "a column is no longer known" not in kinds or check_book(folder).unread
    damage.declare_totals(folder)
    code, faults = ask(folder, command)
    for name, (rows, amount) in sums(now).items():
        lines = [str(f["rule"]) for f in faults if f["kind"] == "E" and f["table"] == name]
        missed = [any(f"[{name}] {total} = " in line for line in lines) for total in ("rows", "amount_total")]
        assert missed[0] == (rows != sums(before)[name][0])
        assert missed[1] == (amount != sums(before)[name][1]) or (now[name] and "amount" not in now[name][0])
    if code:
        return f"seen by a total alone: {', '.join(sorted(kinds))}"
    assert not kinds & {"rows lost", "rows added"}
    return f"not seen: {', '.join(sorted(kinds))}"


def equal(one: Frames, other: Frames) -> bool:
    return all(one[name].equals(other[name]) for name in one)


@pytest.mark.parametrize("form", FORMS)
def test_the_book_is_sound_in_every_form_and_for_both_readers(tmp_path: Path, ask: Ask, form: str) -> None:
    for number in range(WORLDS):
        totals = {name: control_totals(rows) for name, rows in world(number).items()}
        write_book(tmp_path / "book", world(number), form, totals=totals)
        assert ask(tmp_path / "book", number == 0) == (0, [])
        now = {name: own_reading(tmp_path / "book", form, name) for name in world(number)}
        assert not unsound(now)
        assert not changes(world(number), now)
