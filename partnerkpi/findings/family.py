"""All signals of a review: every partner by every kind, with one error rate for all that is tested."""

from __future__ import annotations

import numpy as np
import pandas as pd

from partnerkpi.book import Book
from partnerkpi.deals import won_between
from partnerkpi.errors import UsageError
from partnerkpi.findings.chance import family
from partnerkpi.findings.kinds import KINDS
from partnerkpi.findings.signal import COLUMNS
from partnerkpi.own_sales import partners_alone
from partnerkpi.periods import Quarter

#: A signal is looked for at so many quarter ends before, to say since when it stands.
LOOKED_BACK = 4
#: How sure: a fact of the records; a test that holds in the family of all; one that holds alone.
RECORDED, CLEAR, LIKELY = "recorded", "clear", "likely"
NEW, GOING_ON, OVER = "new", "going on", "over"
#: The kinds that may say something of several channels.
OF_CHANNELS = ("spend_without_win", "channels")
#: The columns of the table of signals; see `signals`.
SHOWN = (
    "partner_id",
    "kind",
    "origin",
    "figure",
    "weight",
    "sure",
    "state",
    "since",
    *COLUMNS[:-1],
    "q",
    "tests",
    "rows",
)


def signals(book: Book, quarter: str | Quarter, *, everything: bool = False) -> pd.DataFrame:
    """What there is to say of each partner of a book in a quarter: one line per signal, by partner and weight.

    Columns: `partner_id`; `kind` (see `partnerkpi.findings.kinds`) and `origin` (`recorded`, against its own `past`, as
    a `process` of months, against the `others`); `figure`; `weight` (`act`, `watch`, `good`, `fact`); how `sure` it is
    (`recorded`, `clear`: holds among all tests of the review at a false discovery rate of 10 %, `likely`: alone); its
    `state` (`new`, `going on`, `over`) and `since` which quarter end it stands, by the book as it was known at each of
    these ends, so that what was entered late did not stand then (both empty where nothing tells since when); `value`
    beside what is `usual` for it, of `n` rows; `stake`, the money of a year that hangs on it; `effect` and `label`, as
    the kind says; `z` and `p` of a test, `q` the smallest false discovery rate at which it would be told, among `tests`
    in all; `rows`, the ids of the rows behind it.

    With `everything` also the tests that tell nothing (`weight` empty), to see what was looked at.

    Raises:
        UsageError: the text is no quarter, the quarter has not begun, or the book is a part of a book: a test of one
            partner is one of the family of all.
    """
    this = book.quarter(quarter)
    if book.choices:
        raise UsageError("Signals are those of a whole book: all tests of a review are one family.")
    book = partners_alone(book)
    table = looked_at(book, this)
    shown = table[(table["weight"] != "").to_numpy()]
    earlier = [_keys(then_looked_at(book, q)) for q in _quarter_ends(book, this)]
    undated = shown["kind"].isin([kind.name for kind in KINDS if not kind.dated])
    since = pd.Series([_since(key, this, earlier) for key in _keys(shown)], index=shown.index, dtype="str")
    state = pd.Series(np.where(since == this.label, NEW, GOING_ON), index=shown.index, dtype="str")
    shown = shown.assign(state=state.mask(undated, ""), since=since.mask(undated, ""))
    over = _over(book, this, table, set(_keys(shown)))
    rest = table[(table["weight"] == "").to_numpy()] if everything else table.iloc[:0]
    parts = [part for part in (shown, over, rest) if len(part)]
    whole = pd.concat(parts, ignore_index=True) if parts else shown.assign(state="", since="")
    order = whole["weight"].map({"act": 0, "watch": 1, "good": 2, "fact": 3}).fillna(4)
    whole = whole.assign(_order=order).sort_values(
        ["partner_id", "_order", "stake"], ascending=[True, True, False], kind="stable"
    )
    return whole[list(SHOWN)].reset_index(drop=True)


def looked_at(book: Book, quarter: Quarter) -> pd.DataFrame:
    """Every test and every fact of the quarter, with its weight; empty where there is nothing to say."""
    answer: pd.DataFrame = book.once(("signals", quarter), lambda: _looked_at(book, quarter))
    return answer


def then_looked_at(book: Book, quarter: Quarter) -> pd.DataFrame:
    """What `looked_at` told at the end of an earlier quarter, by the book as it was known then.

    A slice of a book, which cannot tell that, is looked at as it is. Kept, unlike the book of that day.
    """

    def told() -> pd.DataFrame:
        return looked_at(book.others.known_at(quarter) or book, quarter)

    answer: pd.DataFrame = book.once(("signals then", quarter), told)
    return answer


def _looked_at(book: Book, quarter: Quarter) -> pd.DataFrame:
    limits = book.thresholds
    year = usual_year(book, quarter)
    tables = []
    for kind in KINDS:
        found = kind.find(book, quarter).reset_index()
        found = found.assign(kind=kind.name, origin=kind.origin, figure=kind.figure.name, state="", since="")
        weights = kind.weigh(found, limits, year) if kind.weigh else np.full(len(found), "", dtype=object)
        tables.append(found.assign(weight=weights, sure=RECORDED if kind.weigh else "", tested=kind.tested))
    table = pd.concat([t for t in tables if len(t)] or tables[:1], ignore_index=True)
    gone = set(table["partner_id"][(table["kind"] == "left").to_numpy()])
    table = table[~(table["tested"].eq(True) & table["partner_id"].isin(gone)).to_numpy()]
    tested = (table["tested"].eq(True) & table["p"].notna()).to_numpy()
    q = np.full(len(table), np.nan)
    q[tested] = family(table["p"].to_numpy()[tested])
    clear = tested & (q <= limits.false_discoveries)
    likely = tested & ~clear & (table["p"].to_numpy() <= limits.likely)
    bad = (table["z"] < 0).to_numpy()
    sure = np.select([clear, likely], [CLEAR, LIKELY], default=table["sure"].to_numpy(dtype=object))
    much = (table["stake"] >= limits.stake_act * year).to_numpy()
    weight = np.select(
        [clear & bad & much, (clear | likely) & bad, clear | likely],
        ["act", "watch", "good"],
        table["weight"].to_numpy(dtype=object),
    )
    return table.assign(q=q, sure=sure, weight=weight, tests=int(tested.sum()))


def usual_year(book: Book, quarter: Quarter) -> float:
    """What a partner that won anything in four quarters won in them, on average: the yardstick of money at stake.

    A share of what the network won would let nobody act where partners are many.
    """
    won = won_between(book.deals, *quarter.year)
    won = won[won["partner_id"].notna()]
    return float(won["amount"].sum()) / max(won["partner_id"].nunique(), 1)


def _keys(table: pd.DataFrame) -> list[tuple[str, str, str, bool]]:
    """What makes a signal the same at two quarter ends: partner, kind, what it is about, and whether it is good."""
    table = table[(table["weight"] != "").to_numpy()]
    about = table["label"].where(table["kind"].isin(OF_CHANNELS), "")
    good = table["weight"] == "good"
    return list(zip(table["partner_id"], table["kind"], about, good, strict=True))


def _quarter_ends(book: Book, quarter: Quarter) -> list[Quarter]:
    """The quarter ends before this one at which the book's records tell of a year, the last one first."""
    first = book.others.first_day
    past = [quarter - back for back in range(1, LOOKED_BACK + 1)]
    return [q for q in past if first is not None and q.start >= first]


def _since(key: tuple[str, str, str, bool], this: Quarter, earlier: list[list[tuple[str, str, str, bool]]]) -> str:
    since = this
    for keys in earlier:
        if key not in keys:
            break
        since = since.before
    return since.label


def _over(book: Book, this: Quarter, table: pd.DataFrame, now: set[tuple[str, str, str, bool]]) -> pd.DataFrame:
    """The signals of the quarter end before that asked for something and are no more."""
    ends = _quarter_ends(book, this)[:1]
    if not ends:
        return table.iloc[:0]
    before = then_looked_at(book, ends[0])
    before = before[before["weight"].isin(["act", "watch"]).to_numpy()]
    gone = [key not in now for key in _keys(before)]
    return before[gone].assign(state=OVER, since=ends[0].label, weight="fact")
