"""A slice: what the kernel of one partner's notebooks is given, as a folder of Arrow files, and nothing else.

It holds the partner's own rows of every table, the periods in which it owned deals, its prospects, the account of its
own rows, and `others.Given`: aggregates of the network. What a kernel never held, a page cannot leak. The network's own
slice is the whole book in this form. Frames are read back as they were, dtypes and all.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, fields, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from partnerkpi.book import Book, Reading, Spread
from partnerkpi.book.levels import Choice
from partnerkpi.book.loading import day_of
from partnerkpi.book.schema import TABLES
from partnerkpi.book.thresholds import thresholds_of
from partnerkpi.errors import SystemProblem, UsageError
from partnerkpi.expectation import COLUMNS
from partnerkpi.experience import Experience
from partnerkpi.forecast import TOLD, Chances
from partnerkpi.indices import RANKS
from partnerkpi.others import SHARED, Given

#: The file that makes a folder a slice.
NAME = "slice.json"
_ACCOUNT = ("ledger", "found", "set_aside", "touched")
_OTHERS = ("references", "ranks", "experience", "chances", "expected", "shared", "judged", "peers", "told")
_FACTS = ("name", "currency", "time_zone", "fiscal_year_starts", "money_digits", "approximate")
_DAYS = ("as_of", "extracted_on")
_STATUSES = ("statuses", "priced")
_OF_BOOK = ("thresholds", "direct", "probabilities")


def write_slice(book: Book, others: Given, folder: Path) -> None:
    """Write one partner's part of a book, or the whole of it; the folder is made, files in it are replaced.

    Args:
        book: a book made by `for_partner`; a whole book gives the network's own slice.
        others: what the slice may know of the network.
        folder: where to write.

    Raises:
        UsageError: the book was narrowed by anything else than a partner.
        SystemProblem: the folder cannot be written.
    """
    if book.choices and (len(book.choices) > 1 or not book.partner):
        raise UsageError("Only a whole book or one partner's part of it can be written as a slice: use for_partner.")
    frames = {name: book.table(name) for name in _tables()}
    frames |= {name: getattr(book.reading, name) for name in _ACCOUNT}
    frames["ledger"] = frames["ledger"].assign(amount=frames["ledger"]["amount"].astype("str"))
    frames |= _frames_of(others)
    facts: dict[str, Any] = {name: getattr(book, name) for name in _FACTS}
    facts |= {name: f"{getattr(book, name):%Y-%m-%d}" for name in _DAYS}
    facts |= {"partner": book.partner, "recorded": sorted(book.recorded), "digits": book.reading.digits}
    facts |= {name: sorted(getattr(others, name)) for name in _STATUSES}
    facts["judged"] = sorted(others._judged)
    facts["thresholds"] = asdict(book.thresholds)
    facts["direct"] = [one for one in book.direct if book.partner in ("", one)]  # of others' ids nobody is told
    facts["probabilities"] = dict(book.probabilities)
    facts["first_day"] = None if others.first_day is None else f"{others.first_day:%Y-%m-%d}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, frame in frames.items():
            frame.to_feather(folder / f"{name}.arrow", compression="uncompressed")
        text = json.dumps(facts, ensure_ascii=False, indent=1)
        (folder / NAME).write_text(text + "\n", encoding="utf-8", errors="surrogatepass", newline="\n")
    except OSError as error:
        raise SystemProblem(f"The slice '{folder}' cannot be written: {error.strerror}.") from error


def is_slice(folder: Path) -> bool:
    """True when the folder holds a slice and not a book of its own."""
    return (folder / NAME).is_file()


def read_slice(folder: Path, as_of: str | None = None) -> Book:
    """The book in the folder of a slice, equal to the part it was written from.

    The notebooks of a partner all open one slice: it is read once, and what one of them asked the next need not.

    Raises:
        UsageError: the slice is damaged, or another as-of day is asked for than it was made for.
    """
    state = [(each.name, each.stat().st_size, each.stat().st_mtime_ns) for each in sorted(folder.iterdir())]
    if _last.get("state") != (folder, state):
        _last.update(state=(folder, state), book=_read(folder))
    book: Book = _last["book"]
    if as_of and day_of(as_of, book.extracted_on, book.name) != book.as_of:
        raise UsageError(f"This slice was made as of {book.as_of:%Y-%m-%d} and cannot tell of another day.")
    account = {name: getattr(book.reading, name).copy(deep=False) for name in _ACCOUNT}
    again = replace(book, reading=replace(book.reading, **account))  # an edit of the account reaches nobody else
    object.__setattr__(again, "_asked", book._asked)
    return again


#: The slice that was read last, and what its files were like then.
_last: dict[str, Any] = {}


def _read(folder: Path) -> Book:
    facts = _facts(folder)
    made_for, extracted_on = (pd.Timestamp(facts[name]).as_unit("s") for name in _DAYS)
    frames = {name: _frame(folder, name) for name in (*_tables(), *_ACCOUNT, *_OTHERS)}
    frames["ledger"] = frames["ledger"].assign(amount=frames["ledger"]["amount"].map(int).astype("object"))
    first = facts["first_day"]
    return Book(
        **{name: facts[name] for name in _FACTS},
        as_of=made_for,
        extracted_on=extracted_on,
        _frames={name: frames[name] for name in _tables()},
        recorded=frozenset(facts["recorded"]),
        thresholds=thresholds_of(facts["thresholds"]),
        direct=tuple(facts["direct"]),
        probabilities=facts["probabilities"],
        reading=Reading(
            ledger=frames["ledger"],
            found=frames["found"],
            set_aside=frames["set_aside"],
            touched=frames["touched"],
            digits=facts["digits"],
        ),
        others=Given(
            first_day=None if first is None else pd.Timestamp(first).as_unit("s"),
            statuses=frozenset(facts["statuses"]),
            priced=frozenset(facts["priced"]),
            **_others_of(frames, facts["judged"]),
        ),
        choices=(Choice("partner_id", (facts["partner"],)),) if facts["partner"] else (),
    )


def _tables() -> tuple[str, ...]:
    return (*TABLES, "spells", "prospects")


def _facts(folder: Path) -> dict[str, Any]:
    """The slice's own file, looked at: whoever wrote one by hand hears what is wrong with it."""
    try:
        facts = json.loads((folder / NAME).read_text(encoding="utf-8", errors="surrogatepass"))
    except (OSError, ValueError) as error:
        raise UsageError(f"The slice '{folder}' is damaged: {NAME} cannot be read ({error}).") from error
    wanted = {*_FACTS, *_DAYS, "partner", "recorded", "digits", "first_day", "judged", *_OF_BOOK, *_STATUSES}
    if not isinstance(facts, dict) or wanted != facts.keys():
        raise UsageError(f"The slice '{folder}' is damaged: {NAME} is not what a review writes. Open the book instead.")
    return facts


def _frame(folder: Path, name: str) -> pd.DataFrame:
    path = folder / f"{name}.arrow"
    try:
        frame = pd.read_feather(path)
    except (OSError, ValueError) as error:
        raise UsageError(f"The slice '{folder}' is damaged: {path.name} cannot be read ({error}).") from error
    # Arrow cannot tell of what kind the labels are where there are none.
    empty = [c for c, t in frame.dtypes.items() if isinstance(t, pd.CategoricalDtype) and not len(t.categories)]
    return frame.assign(**{str(c): frame[c].astype("str").astype("category") for c in empty})


def _frames_of(others: Given) -> dict[str, pd.DataFrame]:
    references = [(q, *pair, *others._wins[q]) for q, pair in others._typical.items()]
    chances = [line for q, known in others._chances.items() for line in _lines(q, known)]
    peers: list[tuple[Any, ...]] = [(*key, s.n, s.median, s.lower, s.upper) for key, s in others._peers.items()]
    judged = [rows.assign(quarter=q) for q, rows in others._judged.items()]
    return {
        "judged": pd.concat(judged, ignore_index=True) if judged else pd.DataFrame({"quarter": pd.Series(dtype="str")}),
        "references": _typed(references, _REFERENCES),
        "ranks": _stacked(others._ranks, _RANKED),
        "experience": pd.DataFrame({q: _numbers(e) for q, e in others._experience.items()}, dtype="float64"),
        "chances": _typed(chances, _CHANCES),
        "expected": _stacked(others._expected, _EXPECTED),
        "shared": _stacked(others._shared, _SHARED),
        "peers": _typed(peers, _PEERS),
        "told": _typed([(*key, *line) for key, line in others._told.items()], _TOLD),
    }


_EXPECTED = {"quarter": "str", "prospect_id": "str", **dict.fromkeys(COLUMNS, "float64")}
_RANKED = {"quarter": "str", "partner_id": "str", **dict.fromkeys(RANKS, "float64")}
_REFERENCES = {"quarter": "str", **dict.fromkeys(("deals", "amount", "won", "usual_win"), "float64")}
_SHARED = {"quarter": "str", "channel": "str", **dict.fromkeys(SHARED, "float64")}
_OF_ALL = ("overall", "season", "excess", "common")
_CHANCES = {"quarter": "str", "stage": "str", "age": "int64", "chance": "float64"}
_PEERS = {"figure": "str", "quarter": "str", "n": "int64", **dict.fromkeys(("median", "lower", "upper"), "float64")}

_TOLD = {"quarter": "str", "partner": "str", **dict(zip(TOLD, ("int64", *["float64"] * 3, "int64"), strict=True))}


def _stacked(tables: Mapping[str, pd.DataFrame], dtypes: Mapping[str, str]) -> pd.DataFrame:
    """The tables of several quarters as one, with the quarter and their index as columns."""
    key = list(dtypes)[1]
    each = [rows.rename_axis(key).reset_index().assign(quarter=q) for q, rows in tables.items()]
    whole = pd.concat(each, ignore_index=True) if each else pd.DataFrame()
    return whole.reindex(columns=list(dtypes)).astype(dict(dtypes))


def _unstacked(frame: pd.DataFrame, dtypes: Mapping[str, str]) -> dict[str, pd.DataFrame]:
    key, *columns = list(dtypes)[1:]
    return {str(q): rows.set_index(key)[columns] for q, rows in frame.groupby("quarter", sort=False)}


def _lines(quarter: str, known: Chances) -> list[tuple[Any, ...]]:
    """The chances as lines: those of a stage and age, of a stage whatever the age (−1), and what holds for all."""
    cells = [(quarter, *cell, chance) for cell, chance in zip(known.table.index, known.table, strict=True)]
    stages = [(quarter, stage, -1, chance) for stage, chance in known.by_stage.items()]
    rest = [(quarter, "", -2 - place, getattr(known, name)) for place, name in enumerate(_OF_ALL)]
    return [*cells, *stages, *rest]


def _chances(lines: pd.DataFrame) -> Chances:
    by = lines.set_index(["stage", "age"])["chance"]
    age = lines["age"].to_numpy()
    of_stage = lines[age == -1].set_index("stage")["chance"]
    rest = {name: float(by[("", -2 - place)]) for place, name in enumerate(_OF_ALL)}
    return Chances(by[age >= 0], of_stage, **rest)


#: The numbers of an experience that are more than one.
_SEVERAL = {"season": 4, "months": 12}


def _numbers(known: Experience) -> list[float]:
    """All its numbers in the order of its fields, the season's four and the months' twelve among them."""
    values = [getattr(known, one.name) for one in fields(Experience)]
    return [number for value in values for number in (value if isinstance(value, tuple) else (value,))]


def _experience(numbers: list[float]) -> Experience:
    left = iter(numbers)
    values: dict[str, Any] = {}
    for one in fields(Experience):
        several = _SEVERAL.get(one.name)
        values[one.name] = tuple(islice(left, several)) if several else next(left)
    return Experience(**values)


def _lines_of(rows: pd.DataFrame) -> pd.DataFrame:
    """What a judge said, as it was: Arrow gives lists back as arrays."""
    own = rows.drop(columns="quarter").reset_index(drop=True)
    if "rows" not in own:
        return own
    return own.assign(rows=pd.Series(map(tuple, own["rows"]), index=own.index, dtype=object))


def _typed(rows: list[tuple[Any, ...]], dtypes: Mapping[str, str]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=list(dtypes)).astype(dict(dtypes))


def _others_of(frames: Mapping[str, pd.DataFrame], judged: list[str]) -> dict[str, Any]:
    references, peers = (list(frames[n].itertuples(index=False, name=None)) for n in ("references", "peers"))
    return {
        "_typical": {quarter: (deals, amount) for quarter, deals, amount, _, _ in references},
        "_wins": {quarter: (won, usual) for quarter, _, _, won, usual in references},
        "_judged": {q: _lines_of(frames["judged"][frames["judged"]["quarter"] == q]) for q in judged},
        "_ranks": _unstacked(frames["ranks"], _RANKED),
        "_experience": {q: _experience(frames["experience"][q].tolist()) for q in frames["experience"]},
        "_chances": {str(q): _chances(rows) for q, rows in frames["chances"].groupby("quarter", sort=False)},
        "_expected": _unstacked(frames["expected"], _EXPECTED),
        "_shared": _unstacked(frames["shared"], _SHARED),
        "_peers": {
            (figure, quarter): Spread(n, *(None if np.isnan(v) else v for v in three))
            for figure, quarter, n, *three in peers
        },
        "_told": {(q, partner): line for q, partner, *line in frames["told"].itertuples(index=False, name=None)},
    }
