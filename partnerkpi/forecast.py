"""What the open deals will bring: the chance of each to be won by the end of the next two quarters, by stage and age.

Told by the network's own past: of all deals that stood in a stage at an age at a past quarter end, how many were won by
the end of the two quarters after it. Deals that were then still open count, as not won. Up to eight past quarter ends
whose two quarters are over are taken together, four at least; a stage and age seen rarely is drawn towards its stage, a
stage towards all (ten pseudo-deals each). Where the network has a season, chances are those of quarters without one,
times the season of the two quarters ahead.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import pandas as pd

from partnerkpi.book import Book
from partnerkpi.book.book import Chances as Known
from partnerkpi.deals import lasting_open, with_status, within
from partnerkpi.experience import Floats, Ints, Season, excess_variance
from partnerkpi.indices import predicted
from partnerkpi.periods import Quarter
from partnerkpi.wording import FEW

#: So many quarters a forecast looks ahead, and at so many past quarter ends it looks back.
AHEAD, LANDMARKS = 2, 8
#: Where the classes of age begin, in days.
AGES = (0, 30, 60, 90, 180, 365)
#: By so many deals of its parent's chance each cell is drawn towards it.
PSEUDO_DEALS = 10.0
#: Fewer deals than this, or partners, or past quarter ends, tell no chance.
FEWEST_DEALS, FEWEST_PARTNERS, FEWEST_LANDMARKS = 50, FEW, 4
#: No deal is surer than this, whatever the season.
SUREST = 0.95
KEYS = ("stage", "age")
TOLD = ("open_deals", "expected", "low", "high", "came")


@dataclass(frozen=True)
class Chances:
    """The chance to be won within two quarters, by stage and class of age, and how far what comes strays from it.

    - `table`: column `chance`, indexed by `stage` ("" for none or all) and `age` (the first day of the class);
    - `by_stage`: the chance of a stage whatever the age; `overall` that of any deal; NaN where nothing tells;
    - `season`: by how much more than usual is won in the two quarters ahead;
    - `excess`, `common`: squared coefficients of variation of what comes, beyond chance: of one partner's deals, and of
      all deals together.
    """

    table: pd.Series = field(repr=False)
    by_stage: pd.Series = field(repr=False)
    overall: float
    season: float
    excess: float
    common: float

    def of(self, rows: pd.DataFrame, day: pd.Timestamp) -> Floats:
        """The chance of each open deal, given its `stage` and `created_on`; NaN where nothing tells."""
        cells = _cells(rows, day, staged=len(self.by_stage) > 1 or "" not in self.by_stage.index)
        chance = pd.Series(self.table.reindex(pd.MultiIndex.from_frame(cells)).to_numpy())
        usual = chance.fillna(cells["stage"].map(self.by_stage)).fillna(self.overall).to_numpy(dtype=np.float64)
        return np.minimum(usual * self.season, SUREST)


UNKNOWN = Chances(
    pd.Series([], index=pd.MultiIndex.from_arrays([[], []], names=KEYS), dtype=np.float64),
    pd.Series([], index=pd.Index([], dtype="str"), dtype=np.float64),
    overall=np.nan,
    season=1.0,
    excess=0.0,
    common=0.0,
)


def landmarks(quarter: Quarter) -> list[Quarter]:
    """The past quarters whose two following quarters are over on this one's last day, up to eight, oldest first."""
    since = AHEAD if quarter.complete else AHEAD + 1
    return [quarter - back for back in range(since + LANDMARKS - 1, since - 1, -1)]


def chances_of(book: Book, quarter: Quarter) -> Chances:
    """The chances as the network's past up to the quarter's last day tells them."""
    staged = book.records("history.stage")
    past = landmarks(quarter)
    # what came of a past quarter end whose two quarters are over is the same for every later quarter
    tables = [book.once(("seen", one), partial(_seen, book, one, staged=staged)) for one in past]
    seen = pd.concat(tables, ignore_index=True)
    few = seen["partner_id"].nunique() < FEWEST_PARTNERS or seen["landmark"].nunique() < FEWEST_LANDMARKS
    if few or len(seen) < FEWEST_DEALS or not seen["won"].any():
        return UNKNOWN
    season = book.others.experience(quarter).season
    soon = float(seen["soon"].sum() / seen["won"].sum())
    ahead = {one.label: _ahead(one, season, soon) for one in (*past, quarter)}
    seen = seen.assign(usual=seen["landmark"].map(ahead).astype("float64"))
    overall = float(seen["won"].sum() / seen["usual"].sum())
    stages = seen.groupby("stage")[["won", "usual"]].sum()
    by_stage = (stages["won"] + PSEUDO_DEALS * overall) / (stages["usual"] + PSEUDO_DEALS)
    cells = seen.groupby(list(KEYS))[["won", "usual"]].sum()
    parent = by_stage.reindex(cells.index.get_level_values("stage")).to_numpy()
    table = (cells["won"] + PSEUDO_DEALS * parent) / (cells["usual"] + PSEUDO_DEALS)
    chance = table.reindex(pd.MultiIndex.from_frame(seen[list(KEYS)])).to_numpy() * seen["usual"].to_numpy()
    seen = seen.assign(expected=chance, noise=np.clip(chance * (1 - chance), 0, None))
    return Chances(
        table,
        by_stage,
        overall,
        ahead[quarter.label],
        excess=_strayed(seen, ["partner_id", "landmark"], seen["landmark"].nunique()),
        common=_strayed(seen, ["landmark"], seen["landmark"].nunique()),
    )


def with_chances(rows: pd.DataFrame, known: Known, day: pd.Timestamp) -> pd.DataFrame:
    """Deals open on the day, each with its `chance`, and how far what comes of them may stray."""
    return rows.assign(chance=known.of(rows, day), excess=known.excess, common=known.common)


def with_declared(rows: pd.DataFrame, declared: Mapping[str, float]) -> pd.DataFrame:
    """Open deals, each with the `chance` that is declared for its `stage`; missing where none is.

    It is the chance of ever being won and nobody's experience, so no interval is drawn from it (`declared`).
    """
    chance = rows["stage"].astype("str").map(dict(declared)).to_numpy(dtype=np.float64)
    return rows.assign(chance=chance, excess=0.0, common=0.0, declared=True)


def told_on(book: Book, past: Quarter, whole: Book) -> pd.DataFrame:
    """The forecasts that the book of a past quarter's last day makes, and what came of them in the whole, later book.

    By partner ("" for all), columns `TOLD`. Empty where nothing can be forecast.
    """
    known = book.others.chances(past)
    if np.isnan(known.overall):
        return pd.DataFrame(columns=list(TOLD))
    there = with_chances(lasting_open(book, past.end), known, past.end)
    won = whole.deals.loc[_won_after(whole.deals, past, AHEAD), "deal_id"]
    rows = there.assign(value=there["chance"], came=there["deal_id"].isin(won).to_numpy(dtype=np.float64))

    def lines(codes: Ints, names: list[str]) -> pd.DataFrame:
        table = predicted(rows[codes >= 0], codes[codes >= 0], len(names))
        came = np.bincount(codes[codes >= 0], weights=rows["came"][codes >= 0], minlength=len(names))
        table = table.assign(open_deals=table["n"], expected=table["value"], came=came.astype(np.int64))
        return table[list(TOLD)].set_axis(names)

    owner = rows["partner_id"]
    each = lines(owner.cat.codes.to_numpy(dtype=np.int64), list(map(str, owner.cat.categories)))
    return pd.concat([each, lines(np.zeros(len(rows), dtype=np.int64), [""])])


def _ahead(quarter: Quarter, season: Season, soon: float) -> float:
    """By how much more than usual is won in the two quarters after this one, of which the first brings more."""
    first, second = (season[(quarter + ahead).number - 1] for ahead in (1, AHEAD))
    return soon * first + (1 - soon) * second


def _seen(book: Book, past: Quarter, *, staged: bool) -> pd.DataFrame:
    """The deals open at a past quarter end: `partner_id`, `landmark`, `stage`, `age`, and whether each was `won`.

    `soon` are those won in the first of the two quarters.
    """
    there = lasting_open(book, past.end)
    cells = _cells(there, past.end, staged=staged)
    place = there["deal"].to_numpy()  # −1 where the deal is no longer among the book's
    won, soon = (
        np.append(_won_after(book.deals, past, ahead), False)[place].astype(np.float64) for ahead in (AHEAD, 1)
    )
    partner = there["partner_id"].astype("str").to_numpy()
    return cells.assign(partner_id=partner, landmark=past.label, won=won, soon=soon)


def _won_after(deals: pd.DataFrame, past: Quarter, ahead: int) -> np.ndarray:
    """True for the deals that were won in so many quarters after the past one."""
    came = within(deals["closed_on"], past.end + pd.Timedelta(days=1), (past + ahead).end)
    return (came & with_status(deals, ("won",))).to_numpy(dtype=bool)


def _cells(rows: pd.DataFrame, day: pd.Timestamp, *, staged: bool) -> pd.DataFrame:
    age = (day - rows["created_on"]).dt.days.to_numpy()
    classes = np.asarray(AGES)[np.clip(np.searchsorted(AGES, age, side="right") - 1, 0, None)]
    stage = rows["stage"].astype("str").fillna("").to_numpy() if staged else np.full(len(rows), "")
    return pd.DataFrame({"stage": pd.Series(stage, dtype="str"), "age": classes.astype(np.int64)})


def _strayed(seen: pd.DataFrame, by: list[str], looks: int) -> float:
    """How far what came strayed from what was expected, beyond chance; the chances were told by the same looks."""
    each = seen.groupby(by)[["won", "expected", "noise"]].sum()
    left = np.full(len(each), 1 - 1 / looks)
    gaps = (each["won"] - each["expected"]).to_numpy() ** 2 / left
    return excess_variance(gaps, each["noise"].to_numpy(), each["expected"].to_numpy(), left)
