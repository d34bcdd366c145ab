"""A damaged file never gives a traceback, a hang, or another figure without a word."""

from __future__ import annotations

import os
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

pytest.importorskip("openpyxl")
pytest.importorskip("python_calamine")
pytest.importorskip("sqlalchemy")

from corruption import (
    FORMS, KEYS, NotWhole, Tables, changes, control_totals, harms_of, own_reading, sound_tables, unsound, write_book,
)  # fmt: skip

from partnerkpi.book.loading import load
from partnerkpi.errors import PartnerKpiError
from partnerkpi.opening import check_book

SEED = os.environ.get("PARTNERKPI_SEED", "weevil")
MANY = int(os.environ.get("PARTNERKPI_CORRUPTIONS", "200"))
_PLACE = ["_file", "_record", "_line"]


def known(folder: Path) -> dict[str, pd.DataFrame]:
    """All tables of a book that is opened, those made of others too; rows in the order of their cells."""
    frames = {}
    for name, frame in load(folder).tables.items():
        plain = frame.drop(columns=[c for c in _PLACE if c in frame]).astype("str")
        frames[name] = plain.sort_values(list(plain), ignore_index=True)
    return frames


def differ(one: dict[str, pd.DataFrame], other: dict[str, pd.DataFrame]) -> str:
    for name in one:
        try:
            assert_frame_equal(one[name], other[name])
        except AssertionError as error:
            return f"{name}: {error}"
    return ""


@dataclass
class Census:
    seen: int = 0
    harmless: int = 0
    unseen: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)


def trial(place: Path, number: int, census: Census) -> None:
    chance = Random(f"{SEED} {number}")
    tables = sound_tables(Random(f"{SEED} {number % 7}"))
    form = FORMS[0] if chance.random() < 0.6 else chance.choice(FORMS[1:])
    target = chance.choice(["deals", "deals", "deals", "partners", "history"])
    harms = harms_of(form, target)
    name = chance.choice(sorted(harms))
    told = f"{SEED} {number}: {form}, {target}, {name}"
    folder = place / "damaged"
    write_book(folder, tables, form, harms[name], chance, target)
    started = time.monotonic()
    try:
        reading = check_book(folder)
    except PartnerKpiError:
        census.seen += 1
        return
    except BaseException as error:
        census.wrong.append(f"{told}: {type(error).__name__}: {error}")
        return
    finally:
        if time.monotonic() - started > 5:
            census.wrong.append(f"{told}: takes {time.monotonic() - started:.0f} s")
    if reading.faults:
        census.seen += 1
        return
    try:
        now = {n: own_reading(folder, form, n) for n in tables}
    except NotWhole as error:
        try:
            same = not differ(known(folder), known_sound(place, tables, form))
        except Exception as error2:
            census.wrong.append(f"{told}: {error2}")
            return
        if same:
            census.harmless += 1
            census.unseen[f"own reader fails, same {form} {name} {error}"] += 1
        else:
            census.wrong.append(f"{told}: silent, own reading: {error}")
        return
    if why := unsound(now):
        census.wrong.append(f"{told}: silent, but {why}")
        return
    kinds = changes(tables, now)
    write_book(place / "clean", now, "csv")
    try:
        if why := differ(known(folder), known(place / "clean")):
            census.wrong.append(f"{told}: {why}")
            return
    except Exception as error:
        census.wrong.append(f"{told}: clean {type(error)} {error}")
        return
    if not kinds:
        census.harmless += 1
        return
    census.unseen[", ".join(kinds)] += 1
    write_book(folder, tables, form, harms[name], Random("x"), target, totals=True) if False else None


def known_sound(place: Path, tables: Tables, form: str) -> dict[str, pd.DataFrame]:
    write_book(place / "sound", tables, form)
    return known(place / "sound")


def test_no_damage_goes_unsaid(tmp_path: Path) -> None:
    census = Census()
    for number in range(MANY):
        trial(tmp_path, number, census)
    print(census.seen, census.harmless, census.unseen)
    assert not census.wrong, "\n".join(census.wrong)


@pytest.mark.parametrize("form", FORMS)
def test_the_book_is_sound(tmp_path: Path, form: str) -> None:
    for n in range(7):
        tables = sound_tables(Random(f"{SEED} {n}"))
        write_book(tmp_path / f"{n}", tables, form, totals="x")
        assert not check_book(tmp_path / f"{n}").faults
        now = {n_: own_reading(tmp_path / f"{n}", form, n_) for n_ in tables}
        assert not unsound(now)
        assert not changes(tables, now)
