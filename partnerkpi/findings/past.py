"""A partner against its own past: the last four quarters against the four before, and this quarter's wins.

Full years hold every season once, so none has to be taken out. What makes a partner's paces, customers and rates less
sure than independent deals would be is the network's experience, as everywhere.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from partnerkpi.book import Book
from partnerkpi.compare import entering
from partnerkpi.deals import (
    DECIDED,
    ENDED,
    brought_by_partner,
    closed_between,
    ended_in,
    known_to_vendor,
    priced,
    within,
    won_between,
    won_in,
)
from partnerkpi.experience import Floats, Ints, pace_variance
from partnerkpi.findings.chance import dispersed, of_t, p_of, share_of_counts, two_rates
from partnerkpi.findings.signal import Found, ids_of, kept, nobody
from partnerkpi.intervals import Z, design_effect
from partnerkpi.kpis.deal_velocity import deal_velocity
from partnerkpi.network import paces, places_of
from partnerkpi.periods import Quarter
from partnerkpi.recorded import records_losses

#: Fewer than so many rows on either side of a rate, size or duration are not compared; of a count, together.
FEWEST = 5
#: What is read of deals whose number or size is told.
_COUNTED = ("deal_id", "partner_id", "customer", "status", "created_on", "closed_on", "amount")


def wins_of_year(book: Book, quarter: Quarter) -> Found:
    """Wins of four quarters against those of the four before, of partners that were there in all eight."""
    past = quarter.back(8)
    ids, counts, there = paces(book, past)
    full = (there > 0).all(axis=1)
    before, now = counts[:, :4].sum(axis=1), counts[:, 4:].sum(axis=1)
    return _counts(book, quarter, ids, now, before, np.full(len(ids), 0.5), 8, full & (now + before >= FEWEST))


def wins_of_quarter(book: Book, quarter: Quarter) -> Found:
    """Wins of a complete quarter against eight before, season and days of membership in."""
    if not quarter.complete:
        return nobody()
    past = quarter.back(9)
    ids, counts, there = paces(book, past)
    season = np.array([book.others.experience(quarter).season[q.number - 1] for q in past])
    weight = there * season
    share = np.divide(weight[:, -1], weight.sum(axis=1), out=np.zeros(len(ids)), where=weight.sum(axis=1) > 0)
    now, before = counts[:, -1], (counts * (there > 0))[:, :-1].sum(axis=1)
    told = (there > 0).sum(axis=1) >= FEWEST
    told &= (there[:, -1] > 0) & (now + before >= FEWEST)
    return _counts(book, quarter, ids, now, before, share, 9, told)


def _counts(
    book: Book,
    quarter: Quarter,
    ids: pd.Index,
    now: Floats,
    before: Floats,
    share: Floats,
    quarters: int,
    told: Floats,
) -> Found:
    known = book.others.experience(quarter)
    strength = quarters / known.pace if known.pace > 1e-6 else np.inf
    z = share_of_counts(now, before, share, strength) / np.sqrt(known.orders)
    usual = before * share / np.maximum(1 - share, 1e-9)
    won = won_between(book.deals[list(_COUNTED)], *quarter.year)
    size = float(priced(won)["amount"].median()) if len(won) else 0.0
    rows = ids_of(won_in(won, quarter) if quarters == 9 else won, "deal_id")
    keep, stake = np.asarray(told, dtype=bool), np.abs(usual - now) * size
    return kept(keep, now, now, ids, rows, usual=usual, z=z, p=p_of(z), stake=stake)


def entries_over_time(book: Book, quarter: Quarter) -> Found:
    """Deals entered in each of twelve quarters, as a trend against that of all others: `value` this year's, `effect`
    those of two years before, where all of that year is known.

    The score test of a slope in counts whose expectation follows the others' (Cox & Lewis 1966), over-dispersed.
    """
    past = [q for q in quarter.back(12) if q.complete]
    if not len(book.partners) or len(past) < 8:
        return nobody()
    ids, counts, there = paces(book, past, "created_on")
    others = np.maximum(counts.sum(axis=0) - counts, 0)
    exposure = there * others
    length = exposure.sum(axis=1, keepdims=True)
    present = counts * (there > 0)
    total = present.sum(axis=1, keepdims=True)
    mean = np.divide(total * exposure, length, out=np.zeros_like(exposure), where=length > 0)
    scaled = exposure / max(float(others.mean()), 1.0)
    dispersion = pace_variance(present, scaled, 1.0)
    time = np.arange(len(past), dtype=np.float64)
    variance = mean + dispersion * mean**2
    middle = np.divide(mean @ time, mean.sum(axis=1), out=np.zeros(len(ids)), where=mean.sum(axis=1) > 0)
    lean = time[None, :] - middle[:, None]
    error = np.sqrt((variance * lean**2).sum(axis=1))
    z = np.divide((lean * (present - mean)).sum(axis=1), error, out=np.zeros(len(ids)), where=error > 0)
    keep = ((there > 0).sum(axis=1) >= 8) & (total[:, 0] >= 4 * FEWEST) & (others.sum(axis=1) > 0)
    opened, begin = book.others.first_day, past[0].start
    recorded = len(past) == 12 and opened is not None and opened <= begin
    whole = recorded & ~(book.partners["joined_on"] > begin).to_numpy()  # else the first of three years is part of one
    now, before = counts[:, -4:].sum(axis=1), counts[:, -8:-4].sum(axis=1)
    first = np.where(whole, counts[:, :-8].sum(axis=1), np.nan)
    deals = book.deals[list(_COUNTED)]
    rows = ids_of(deals[within(deals["created_on"], *quarter.year).to_numpy()], "deal_id")
    return kept(keep, total[:, 0], now, ids, rows, usual=before, effect=first, z=z, p=p_of(z))


def close_rate_of_year(book: Book, quarter: Quarter) -> Found:
    """Close rate of four quarters against the four before, moved as what was to be expected of the prospects moved."""
    if not records_losses(book):
        return nobody()
    prospects = book.prospects[["prospect_id", "partner_id", "customer", "status", "closed_on"]]
    rows = [decided(prospects, q) for q in (quarter, quarter.year_before)]
    rows = [part.assign(yes=(part["status"] == "won").to_numpy()) for part in rows]
    expected = [book.others.expected(q)["chance"] for q in (quarter, quarter.year_before)]
    table = _rates(book, quarter, rows, "prospect_id")
    ahead = []
    for part, chance in zip(rows, expected, strict=True):
        each = (
            chance.reindex(pd.Index(part["prospect_id"].array)).groupby(part["partner_id"].array, observed=True).mean()
        )
        ahead.append(each.set_axis(each.index.astype("str")).reindex(table.index))
    moved = np.nan_to_num(np.log((ahead[0] / ahead[1]).to_numpy(dtype=np.float64)))
    # how many deviations the expectation alone would have moved the rate
    n, n_before = table["n"].to_numpy(), table["effect"].to_numpy()
    pooled = (table["value"] * n + table["usual"] * n_before) / (n + n_before)
    error = np.sqrt((1 - pooled) / pooled.clip(lower=0.01) * (1 / n + 1 / n_before)).to_numpy()
    z = table["z"].to_numpy()
    z = np.where(np.sign(moved) == np.sign(z), np.sign(z) * np.maximum(np.abs(z) - np.abs(moved / error), 0), z)
    return table.assign(z=z, p=p_of(z), stake=_worth_of_rate(book, quarter, table))


def identification_of_year(book: Book, quarter: Quarter) -> Found:
    """Share of brought deals that were real opportunities, four quarters against the four before."""
    if "rejected" not in book.others.statuses:
        return nobody()
    rows = [brought_and_ended(book, q) for q in (quarter, quarter.year_before)]
    table = _rates(book, quarter, rows, "deal_id")
    return table.assign(stake=_worth_of_rate(book, quarter, table))


def brought_and_ended(book: Book, quarter: Quarter) -> pd.DataFrame:
    """Deals brought that ended in four quarters, known customers left out; `yes` where they were opportunities."""
    ended = brought_in_year(book, quarter)
    ended = ended[~known_to_vendor(ended).to_numpy()]
    return ended.assign(yes=ended["status"].isin(DECIDED).to_numpy())


def brought_in_year(book: Book, quarter: Quarter) -> pd.DataFrame:
    """Deals brought that ended in four quarters."""
    rows: pd.DataFrame = book.once(("brought in year", quarter), lambda: _brought_in_year(book, quarter))
    return rows


def _brought_in_year(book: Book, quarter: Quarter) -> pd.DataFrame:
    deals = book.deals[["deal_id", "partner_id", "customer", "sourced", "reason", "status", "closed_on"]]
    return pd.concat([brought_by_partner(book, ended_in(deals, q)) for q in quarter.back(4)])


def decided(prospects: pd.DataFrame, quarter: Quarter) -> pd.DataFrame:
    """Prospects decided in four quarters."""
    return closed_between(prospects, *quarter.year, DECIDED)


def _rates(book: Book, quarter: Quarter, rows: Sequence[pd.DataFrame], key: str) -> Found:
    """Two sets of rows with `yes`, this year's first: rates, z; `effect` is how many the year before were."""
    known = book.others.experience(quarter)
    ids = pd.Index(book.partner_ids)
    tables = []
    for part in rows:
        codes, mine = codes_of(part, ids)
        yes = part["yes"].to_numpy(dtype=np.float64)[mine]
        n = np.bincount(codes, minlength=len(ids))
        effect = design_effect(part[mine], codes, len(ids), known.like_outcomes, known.drift / 4)
        tables.append((np.bincount(codes, weights=yes, minlength=len(ids)), n, effect))
    (yes, n, effect), (yes_before, n_before, effect_before) = tables
    z = two_rates(yes, n, yes_before, n_before) / np.sqrt(np.maximum(effect, effect_before))
    keep = (n >= FEWEST) & (n_before >= FEWEST)
    value, usual = yes / np.maximum(n, 1), yes_before / np.maximum(n_before, 1)
    return kept(keep, n, value, ids, ids_of(rows[0], key), usual=usual, effect=n_before, z=z, p=p_of(z))


def _worth_of_rate(book: Book, quarter: Quarter, table: Found) -> pd.Series:
    """What the difference of two rates is worth in a year: so many prospects more or fewer, at the median win."""
    return (table["value"] - table["usual"]).abs() * table["n"] * usual_win(book, quarter)


def usual_win(book: Book, quarter: Quarter) -> float:
    """The network's median win of two years."""
    return float(np.nan_to_num(book.others.wins(quarter)[1]))


def sizes_of_year(book: Book, quarter: Quarter) -> Found:
    """Sizes of the wins of four quarters against those of the four before."""
    won = priced(won_between(book.deals[list(_COUNTED)], quarter.year_before.year[0], quarter.last_day))
    return _sizes(book, quarter, won, "closed_on")


def sizes_of_entries(book: Book, quarter: Quarter) -> Found:
    """Sizes of the deals that entered in four quarters against those of the four before, whatever became of them."""
    deals = book.deals[list(_COUNTED)]
    entered = within(deals["created_on"], quarter.year_before.year[0], quarter.last_day)
    found = _sizes(book, quarter, priced(deals[entered.to_numpy()]), "created_on")
    ended = priced(closed_between(deals, *quarter.year, ENDED))
    won = float((ended["status"] == "won").mean()) if len(ended) else 0.0  # only what is won is worth the less
    return found.assign(stake=found["stake"] * won)


def _sizes(book: Book, quarter: Quarter, deals: pd.DataFrame, dated: str) -> Found:
    """Amounts of this year's deals beside the year before's, by their ranks (Mann & Whitney 1947)."""
    deals = deals[deals["partner_id"].notna()]
    now = (deals[dated] >= quarter.year[0]).to_numpy()
    who = deals["partner_id"].array
    rank = deals["amount"].groupby(who, observed=True).rank().to_numpy()
    table = pd.DataFrame(
        {"who": who, "now": now, "rank": np.where(now, rank, 0.0), "amount": deals["amount"].to_numpy()}
    )
    each = table.groupby("who", observed=True).agg(n=("now", "sum"), whole=("now", "size"), ranks=("rank", "sum"))
    n, m = each["n"].to_numpy(dtype=float), (each["whole"] - each["n"]).to_numpy(dtype=float)
    medians = table.groupby(["who", "now"], observed=True)["amount"].median().unstack()
    medians = medians.reindex(index=each.index, columns=[False, True])
    ids = pd.Index(each.index.astype("str"))
    gap = each["ranks"].to_numpy() - n * (n + m + 1) / 2
    gap = np.sign(gap) * np.maximum(np.abs(gap) - 0.5, 0)
    codes, mine = codes_of(deals, ids)
    known = book.others.experience(quarter)
    effect = design_effect(deals[mine], codes, len(each), known.like_sizes)
    z = gap / np.sqrt(np.maximum(n * m * (n + m + 1) / 12 * effect, 1e-9))
    keep = (n >= FEWEST) & (m >= FEWEST)
    before, after = medians[False].to_numpy(), medians[True].to_numpy()
    columns = {"usual": before, "effect": m, "z": z, "p": p_of(z), "stake": np.abs(before - after) * n}
    return kept(keep, n, after, ids, ids_of(deals[now], "deal_id"), **columns)


def velocity_of_cohorts(book: Book, quarter: Quarter) -> Found:
    """Velocity of the deals that entered in four quarters beside those of the four before, both followed to its end."""
    cohort = entering(deal_velocity, quarter)
    now, before = (cohort.by(book, q, "partner").set_index("group") for q in (quarter, quarter.year_before))
    ids = [p for p in book.partner_ids if p in now.index and p in before.index]
    now, before = now.loc[ids], before.loc[ids]
    widths = (np.log((t["high"] / t["low"]).to_numpy(dtype=np.float64)) for t in (now, before))
    error = np.hypot(*widths) / (2 * Z)
    z = -np.log((now["value"] / before["value"]).to_numpy(dtype=np.float64)) / error  # longer is worse
    wins = [_wins_of_entries(book, q, ids) for q in (quarter, quarter.year_before)]
    z = dispersed(of_t(z, np.minimum(*wins) - 1), error)
    keep = np.isfinite(z) & (now["n"] >= FEWEST).to_numpy() & (before["n"] >= FEWEST).to_numpy()
    columns = {"z": z, "p": p_of(z), "usual": before["value"], "effect": before["n"]}
    rows = ids_of(won_in(book.deals[list(_COUNTED)], quarter), "deal_id")
    return kept(keep, now["n"], now["value"], pd.Index(ids), rows, **columns)


def _wins_of_entries(book: Book, quarter: Quarter, ids: Sequence[str]) -> Floats:
    """How many of the deals that entered in four quarters were won by their end."""
    deals = won_between(book.deals[list(_COUNTED)], *quarter.year)
    deals = deals[(deals["created_on"] >= quarter.year[0]).to_numpy()]
    return deals["partner_id"].value_counts().reindex(pd.Index(ids), fill_value=0).to_numpy(dtype=np.float64)


def codes_of(rows: pd.DataFrame, ids: pd.Index) -> tuple[Ints, Ints]:
    """The place of each row's partner among `ids`, of the rows that have one there; and which rows these are."""
    codes = places_of(rows["partner_id"], ids)
    return codes[codes >= 0], codes >= 0
