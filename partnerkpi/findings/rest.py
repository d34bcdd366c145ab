"""A partner against the rest: four quarters pooled, adjusted for what the book records, never by its own rows.

Partners differ more than chance lets them; how much more, the network itself tells, and only who stands out of that is
told (`chance.dispersed`).
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from partnerkpi.book import Book
from partnerkpi.deals import DECIDED, closed_between, decided_by, known_to_vendor, priced, won_between
from partnerkpi.expectation import expectation_in_channels
from partnerkpi.experience import Floats, Ints
from partnerkpi.findings.chance import apart, dispersed, p_of, rate_and_expected, two_rates
from partnerkpi.findings.past import FEWEST, brought_and_ended, brought_in_year, codes_of, decided, usual_win
from partnerkpi.findings.signal import Found, found, ids_of, kept, nobody
from partnerkpi.indices import FEWEST_ALIKE
from partnerkpi.intervals import design_effect
from partnerkpi.network import paces
from partnerkpi.periods import Quarter

#: Fewer decided prospects of a partner through a channel are not compared.
FEWEST_IN_CHANNEL = 10
#: What is read of deals that were sold or not.
_SOLD = ("deal_id", "partner_id", "customer", "product", "status", "created_on", "closed_on", "amount")
#: What is read of prospects that are judged by an expectation.
_JUDGED = ("prospect_id", "partner_id", "channel", "customer", "status", "closed_on")


def wins(book: Book, quarter: Quarter) -> Found:
    """Wins per month of membership in four quarters, beside the others'; `effect` says in how many months.

    On the log scale, where partners of all sizes can be alike: beside the mean of the others' logarithms, each weighed
    by what it tells. Adjusted: a month counts by the network's season in it, and by what the others' experience lets
    expect of the partner's prospects. Only of partners of which five or more prospects were decided, and that would win
    five or more at the others' pace: who does nothing at all is no small one of these, and `no_deals` tells of it.
    """
    past = quarter.back(4)
    ids, counts, there = paces(book, past)
    known = book.others.experience(quarter)
    season = np.array([known.season[q.number - 1] for q in past])
    months = there * 3 * season / season.mean()
    ended = decided(book.prospects[["prospect_id", "partner_id", "status", "closed_on"]], quarter)
    codes, mine = codes_of(ended, ids)
    many = np.bincount(codes, minlength=len(ids))
    each = book.others.expected(quarter).reindex(pd.Index(ended["prospect_id"].array))
    place, separate = _place_of((ended["status"] == "won").to_numpy()[mine], each[mine], codes, many)
    told = (months.sum(axis=1) > 0) & (many >= FEWEST) & separate
    if told.sum() < 2:
        return nobody()
    exposure, won = (months * place[:, None])[told], (counts * (there > 0)).sum(axis=1)[told]
    pace, behind = _pace_of_others(won, exposure, known.orders, known.pace)
    expected = pace * exposure.sum(axis=1)
    # half-way between the two counts: nearly what the counts' own distribution says, which is skewed
    between = np.sqrt((won + 0.5) * (expected + 0.5))
    error = np.sqrt(_of_pace(between, exposure, known.orders, known.pace) + behind)
    keep = expected >= FEWEST
    z = dispersed(np.where(keep, np.log((won + 0.5) / (expected + 0.5)) / error, np.nan), error)
    stake = np.abs(won - expected) * usual_win(book, quarter)
    length = there[told].sum(axis=1) * 3
    columns = {"usual": expected / length, "effect": length, "z": z, "p": p_of(z), "stake": stake}
    deals = won_between(book.deals[list(_SOLD)], *quarter.year)
    return kept(keep, won, won / length, ids[told], ids_of(deals, "deal_id"), **columns)


def _place_of(yes: np.ndarray, each: pd.DataFrame, codes: Ints, many: Ints) -> tuple[Floats, np.ndarray]:
    """How much oftener than the others win is to be expected of each partner's prospects; whether that can be told.

    By the others' experience, and beside the others' rate: no win of the partner's own moves either. `yes` says of
    each prospect whether it was won, `each` what was expected of it.
    """
    if not each["chance"].notna().any():
        return np.ones(len(many)), np.ones(len(many), dtype=bool)
    won, chance, alike = (
        np.bincount(codes, weights=np.asarray(values, dtype=np.float64), minlength=len(many))
        for values in (yes, each["chance"], each["alike"])
    )
    rate = (won.sum() - won) / np.maximum(many.sum() - many, 1)
    told = (many > 0) & (rate > 0)
    place = np.divide(chance, many * rate, out=np.ones(len(many)), where=told)
    return place, told & (alike >= FEWEST_ALIKE * many)


def _of_pace(count: Floats, exposure: Floats, orders: float, pace: float) -> Floats:
    """The variance of the logarithm of a count: of chance, and of paces that move from quarter to quarter."""
    whole = np.maximum(exposure.sum(axis=1), 1e-9)
    return orders / np.maximum(count, 0.5) + pace * (exposure**2).sum(axis=1) / whole**2


def _pace_of_others(won: Floats, exposure: Floats, orders: float, pace: float) -> tuple[Floats, Floats]:
    """For each partner the others' usual wins for a month of exposure, and the variance of its logarithm.

    A weighted mean of their logarithms; weights are those of partners that differ (DerSimonian & Laird 1986), by what
    each would win at one common pace, so that who won more has no more weight for it.
    """
    months = exposure.sum(axis=1)
    alike = won.sum() / months.sum() * months
    logs = np.log((won + 0.5) / (alike + 0.5))
    variance = _of_pace(alike, exposure, orders, pace)
    between = apart((logs - np.median(logs)) / np.sqrt(variance), np.sqrt(variance))
    weight = 1 / (variance + between)
    rest = weight.sum() - weight
    return np.exp(((weight * logs).sum() - weight * logs) / rest) * won.sum() / months.sum(), 1 / rest


def rates_beside(book: Book, quarter: Quarter) -> pd.DataFrame:
    """The partners' close rates of four quarters beside what the others' experience lets expect, by partner.

    Columns: `n`, `won`, `chance` (wins expected), `variance` of their difference: of chance, customers, quarters, and
    of the expectation, which is not sure itself; `error`, one standard error of the partner's own effect as a logarithm
    of odds; `alike`, see `expectation`; `z`, missing where nothing can be told, before anything is shrunk. Empty where
    nothing can be expected.
    """
    expected = book.others.expected(quarter)
    rows, each = _of_whom_expected(decided(book.prospects[list(_JUDGED)], quarter), expected)
    ids = pd.Index(book.partner_ids if len(expected) else [], dtype="str", name="partner_id")
    codes, mine = codes_of(rows, ids)
    rows, each = rows[mine], each[mine]
    known = book.others.experience(quarter)
    n = np.bincount(codes, minlength=len(ids))
    won, chance, part, alike, usual = (
        np.bincount(codes, weights=np.asarray(w, dtype=np.float64), minlength=len(ids))
        for w in (
            *(rows["status"] == "won", each["chance"], each["part"], each["alike"]),
            each["chance"] * (1 - each["chance"]),
        )
    )
    effect = design_effect(rows, codes, len(ids), known.like_outcomes, known.drift / 4)
    like = alike / np.maximum(n, 1)
    variance = usual * effect + np.maximum(part, 0)
    keep = (n >= FEWEST) & (like >= FEWEST_ALIKE)
    z = np.where(keep, rate_and_expected(won, n, chance, variance), np.nan)
    columns = {"n": n, "won": won, "chance": chance, "variance": variance, "alike": like, "z": z}
    return pd.DataFrame({**columns, "error": np.sqrt(variance) / np.maximum(usual, 1e-9)}, index=ids)


def _of_whom_expected(prospects: pd.DataFrame, expected: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The prospects of whom something is expected, and for each of these rows what."""
    ids = pd.Index(prospects["prospect_id"].array)
    if ids.equals(expected.index):  # of a whole book nobody has to be looked up
        return prospects, expected
    place = expected.index.get_indexer(ids)
    return prospects[place >= 0], expected.take(place[place >= 0])


def close_rate(book: Book, quarter: Quarter) -> Found:
    """Wins of four quarters beside what the others' experience with such prospects lets expect.

    How far partners differ is told on the scale of the odds, on which what is expected is put together: where little
    is won, a difference of few points is as much as one of many where much is won.
    """
    table = rates_beside(book, quarter)
    if not len(table):
        return nobody()
    n, won, chance, z, error = (table[c].to_numpy() for c in ("n", "won", "chance", "z", "error"))
    keep, many = ~np.isnan(z), np.maximum(n, 1)
    there, _ = _of_whom_expected(decided(book.prospects[list(_JUDGED)], quarter), book.others.expected(quarter))
    rows = ids_of(there[there["partner_id"].notna().to_numpy()], "prospect_id")
    stake = np.abs(won - chance) * usual_win(book, quarter)
    return _told(table.index, keep, won / many, chance / many, n, dispersed(z, error), stake, rows)


def channels(book: Book, quarter: Quarter) -> Found:
    """The close rate through each channel, all quarters together, beside the others' there: a line for each.

    What was to be expected is the others' experience in the channel, moved to the partner's years, seasons, regions and
    products; its errors are taken to be the same for all prospects of the channel. `label` is the channel, `effect` its
    media type's place among `levels.MEDIA`.
    """
    expected = expectation_in_channels(book, quarter)
    if not len(expected):
        return nobody()
    prospects = decided_by(book.prospects[list(_JUDGED)], quarter.last_day)
    rows, each = _of_whom_expected(prospects, expected)
    told = (rows["partner_id"].notna() & rows["channel"].notna()).to_numpy()
    rows, each = rows[told], each[told]
    sides = [rows[name].cat for name in ("partner_id", "channel")]  # their categories are sorted
    many = len(sides[1].categories)
    pairs, codes = np.unique(
        sides[0].codes.to_numpy(dtype=np.int64) * many + sides[1].codes.to_numpy(), return_inverse=True
    )
    places = (pairs // many, pairs % many)
    names = pd.MultiIndex.from_arrays(
        [side.categories.astype("str").take(at) for side, at in zip(sides, places, strict=True)],
        names=["partner_id", "channel"],
    )
    n = np.bincount(codes, minlength=len(names))
    chances = each["chance"].to_numpy()
    won, chance, error, alike, usual = (
        np.bincount(codes, weights=np.asarray(w, dtype=np.float64), minlength=len(names))
        for w in (rows["status"] == "won", chances, each["error"], each["alike"], chances * (1 - chances))
    )
    known = book.others.experience(quarter)
    first = book.others.first_day
    quarters = 1 if first is None else max(4, round((quarter.last_day - first).days / 91.3))
    effect = design_effect(rows, codes, len(names), known.like_outcomes, known.drift / quarters)
    keep = (n >= FEWEST_IN_CHANNEL) & (alike / n >= FEWEST_ALIKE)
    variance = usual * effect + error**2
    z = np.where(keep, rate_and_expected(won, n, chance, variance), np.nan)
    z = dispersed(z, np.sqrt(variance) / np.maximum(usual, 1e-9))
    stake = np.abs(won - chance) * usual_win(book, quarter) * 4 / quarters
    partner, channel = names.get_level_values(0), names.get_level_values(1)
    media = book.media(pd.Series(channel)).cat.codes
    evidence = ids_of(rows.assign(partner_id=codes), "prospect_id").reindex(np.arange(len(names)).astype("str"))
    columns = {"value": won / n, "usual": chance / n, "n": n, "stake": stake, "effect": media, "z": z, "p": p_of(z)}
    columns |= {"label": channel, "rows": evidence}
    table = {name: pd.Series(np.asarray(one)[keep], index=partner[keep]) for name, one in columns.items()}
    return found(table.pop("value"), table.pop("n"), **table)


def identification(book: Book, quarter: Quarter) -> Found:
    """Share of brought deals that were real opportunities, beside that of the others."""
    if "rejected" not in book.others.statuses:
        return nobody()
    return _rate(book, quarter, brought_and_ended(book, quarter), 1.0)


def conflicts(book: Book, quarter: Quarter) -> Found:
    """Share of the registrations that ended whose customer the vendor knew already, beside that of the others."""
    if "rejected" not in book.others.statuses:
        return nobody()
    ended = brought_in_year(book, quarter)
    known = known_to_vendor(ended)
    return _rate(book, quarter, ended.assign(yes=known.to_numpy()), -1.0, evidence=ended[known.to_numpy()])


def _rate(book: Book, quarter: Quarter, rows: pd.DataFrame, good: float, evidence: pd.DataFrame | None = None) -> Found:
    """The share of rows with `yes` beside the rest's; `good` is 1 where more is better, −1 where less is."""
    ids = pd.Index(book.partner_ids)
    codes, mine = codes_of(rows, ids)
    rows = rows[mine]
    known = book.others.experience(quarter)
    n = np.bincount(codes, minlength=len(ids))
    yes = np.bincount(codes, weights=rows["yes"].to_numpy(dtype=np.float64), minlength=len(ids))
    effect = design_effect(rows, codes, len(ids), known.like_outcomes, known.drift / 4)
    rest_n, rest_yes = n.sum() - n, yes.sum() - yes
    keep = (n >= FEWEST) & (rest_n >= FEWEST_ALIKE)
    z = np.where(keep, good * two_rates(yes, n, rest_yes, rest_n) / np.sqrt(effect), np.nan)
    value, usual = yes / np.maximum(n, 1), rest_yes / np.maximum(rest_n, 1)
    stake = np.abs(value - usual) * n * usual_win(book, quarter)
    z = dispersed(z, np.sqrt(usual * (1 - usual) * effect / np.maximum(n, 1)))
    no = evidence if evidence is not None else rows[~rows["yes"].to_numpy(dtype=bool)]
    return _told(ids, keep, value, usual, n, z, stake, ids_of(no, "deal_id"))


def sizes(book: Book, quarter: Quarter) -> Found:
    """The size of the year's wins beside the others' wins of the same products, by the means of their logarithms."""
    won = priced(won_between(book.deals[list(_SOLD)], *quarter.year))
    return _logs(book, quarter, won, won["amount"].to_numpy(dtype=np.float64), 1.0, worth=True)


def velocity(book: Book, quarter: Quarter) -> Found:
    """Days from entry to a decision in the year, beside the others' deals of the same products, on the log scale.

    Won or not: who decides late wins late. Of partners that have been there for two years: whose deals are all young
    decides them fast.
    """
    ended = closed_between(book.deals[list(_SOLD)], *quarter.year, DECIDED)
    facts = book.partners
    young = facts["partner_id"][(facts["joined_on"] > quarter.year_before.year[0]).to_numpy()].astype("str")
    ended = ended[~ended["partner_id"].isin(set(young)).to_numpy()]
    days = (ended["closed_on"] - ended["created_on"]).dt.days.to_numpy(dtype=np.float64) + 1
    return _logs(book, quarter, ended, days, -1.0)


def _logs(
    book: Book, quarter: Quarter, rows: pd.DataFrame, values: Floats, good: float, *, worth: bool = False
) -> Found:
    """The mean of a partner's logarithms beside that of the others' rows of the same product."""
    ids = pd.Index(book.partner_ids)
    codes, mine = codes_of(rows, ids)
    rows, logs = rows[mine], np.log(np.maximum(values[mine], 0.01))
    if not len(rows):
        return nobody()
    cell = pd.factorize(rows["product"])[0] + 1
    cells = int(cell.max()) + 1
    pair = codes * cells + cell
    size, total = (np.bincount(pair, weights=w, minlength=len(ids) * cells).reshape(-1, cells) for w in (None, logs))
    rest = size.sum(axis=0) - size
    mean = np.divide(total.sum(axis=0) - total, rest, out=np.full(rest.shape, np.nan), where=rest >= FEWEST)
    gap = logs - mean[codes, cell]
    known = ~np.isnan(gap)
    codes, gap, cell, rows = codes[known], gap[known], cell[known], rows[known]
    n = np.bincount(codes, minlength=len(ids)).astype(np.float64)
    average = np.bincount(codes, weights=gap, minlength=len(ids)) / np.maximum(n, 1)
    within = gap - average[codes]
    variance = float((within**2).sum() / max(len(gap) - (n > 0).sum(), 1))
    known_of = book.others.experience(quarter)
    effect = design_effect(rows, codes, len(ids), known_of.like_sizes if worth else 0.0)
    behind = np.bincount(codes, weights=1 / np.maximum(rest[codes, cell], 1), minlength=len(ids)) / np.maximum(n, 1)
    error = np.sqrt(variance * (effect / np.maximum(n, 1) + behind))
    keep = n >= FEWEST
    z = dispersed(np.where(keep, good * average / np.maximum(error, 1e-9), np.nan), error)
    own = np.exp(np.bincount(codes, weights=logs[known], minlength=len(ids)) / np.maximum(n, 1))
    usual = own / np.exp(average)
    stake = np.abs(own - usual) * n if worth else np.full(len(ids), np.nan)
    return _told(ids, keep, own, usual, n, z, stake, ids_of(rows, "deal_id"))


def _told(
    ids: pd.Index, keep: Floats, value: Floats, usual: Floats, n: Floats, z: Floats, stake: Floats, rows: pd.Series
) -> Found:
    return kept(keep, n, value, ids, rows, usual=usual, z=z, p=p_of(z), stake=stake)
