"""A partner against the rest: four quarters pooled, adjusted for what the book records, never by its own rows.

Partners differ more than chance lets them; how much more, the network itself tells, and only who stands out of that is
told (`chance.dispersed`).
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from partnerkpi.book import Book
from partnerkpi.deals import DECIDED, known_to_vendor, priced, won_between
from partnerkpi.experience import Floats
from partnerkpi.findings.chance import dispersed, p_of, rate_and_expected, two_rates
from partnerkpi.findings.past import FEWEST, brought_and_ended, brought_in_year, codes_of, decided, usual_win
from partnerkpi.findings.signal import Found, ids_of, kept, nobody
from partnerkpi.indices import FEWEST_ALIKE
from partnerkpi.intervals import design_effect
from partnerkpi.periods import Quarter


def close_rate(book: Book, quarter: Quarter) -> Found:
    """Wins of four quarters beside what the others' experience with such prospects lets expect."""
    expected = book.others.expected(quarter)
    if not len(expected):
        return nobody()
    rows = decided(book.prospects, quarter)  # those that something is expected of
    ids = pd.Index(book.partner_ids)
    codes, mine = codes_of(rows, ids)
    rows = rows[mine]
    known = book.others.experience(quarter)
    each = expected.reindex(rows["prospect_id"].to_numpy())
    n = np.bincount(codes, minlength=len(ids))
    won, chance, part, alike, usual = (
        np.bincount(codes, weights=np.asarray(w, dtype=np.float64), minlength=len(ids))
        for w in (
            *(rows["status"] == "won", each["chance"], each["part"], each["alike"]),
            each["chance"] * (1 - each["chance"]),
        )
    )
    effect = design_effect(rows, codes, len(ids), known.like_outcomes, known.drift / 4)
    keep = (n >= FEWEST) & (alike / np.maximum(n, 1) >= FEWEST_ALIKE)
    variance = usual * effect + np.maximum(part, 0)
    z = np.where(keep, rate_and_expected(won, n, chance, variance), np.nan)
    z = dispersed(z, np.sqrt(variance) / np.maximum(n, 1))
    stake = np.abs(won - chance) * usual_win(book, quarter)
    return _told(ids, keep, won / np.maximum(n, 1), chance / np.maximum(n, 1), n, z, stake, ids_of(rows, "prospect_id"))


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
    won = priced(won_between(book.deals, *quarter.year))
    return _logs(book, quarter, won, won["amount"].to_numpy(dtype=np.float64), 1.0, worth=True)


def velocity(book: Book, quarter: Quarter) -> Found:
    """Days from entry to a decision in the year, beside the others' deals of the same products, on the log scale.

    Won or not: who decides late wins late. Of partners that have been there for two years: whose deals are all young
    decides them fast.
    """
    deals = book.deals
    ended = deals[deals["status"].isin(DECIDED) & deals["closed_on"].between(*quarter.year)]
    facts = book.partners
    young = facts["partner_id"][(facts["joined_on"] > quarter.year_before.year[0]).to_numpy()].astype("str")
    ended = ended[~ended["partner_id"].astype("str").isin(set(young)).to_numpy()]
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
