"""Recorded facts: counted, not tested. Each says something of every partner it holds for, with what the others show."""

from __future__ import annotations

import numpy as np
import pandas as pd

from partnerkpi.book import Book
from partnerkpi.book.labels import among
from partnerkpi.book.periods import deal_ids
from partnerkpi.deals import (
    ENDED,
    closed_between,
    decided_by,
    giants_of_partners,
    lasting_open,
    open_at,
    target_rows,
    within,
    won_between,
    won_in,
)
from partnerkpi.findings.signal import Found, found, grouped, ids_of, nobody
from partnerkpi.periods import Quarter

#: A lead older than so many days waits for its answer too long; so many days are a quarter.
QUARTER_DAYS = 92
#: What is read of deals that were won.
_SOLD = ("deal_id", "partner_id", "status", "closed_on", "amount")


def year_target(book: Book, quarter: Quarter) -> Found:
    """Won amount of four quarters against their targets, of partners that have one for each; n deals ended in them."""
    targets = pd.concat([target_rows(book, q) for q in quarter.back(4)])
    if not len(targets) or not book.records("targets.partner_id"):
        return nobody()
    aim = grouped(targets["of"], targets["partner_id"])
    many = grouped(targets["of"] * 0 + 1, targets["partner_id"])
    aim = aim[(many == 4) & (aim > 0)]
    won = won_between(book.deals[list(_SOLD)], *quarter.year)
    reached = grouped(won["amount"], won["partner_id"]).reindex(aim.index, fill_value=0.0)
    ended = within(book.deals["closed_on"], *quarter.year)
    n = book.deals["partner_id"][ended].value_counts().reindex(aim.index, fill_value=0)
    return found(value=reached / aim, usual=aim, n=n, stake=aim - reached, effect=reached)


def quarter_target(book: Book, quarter: Quarter) -> Found:
    """Won amount of a complete quarter against its target, and how often chance alone brings so few wins.

    `p`: the partner's own pace of eight quarters before, season in, brings as few wins or fewer.
    """
    from scipy.stats import nbinom

    targets = target_rows(book, quarter)
    if not len(targets) or not book.records("targets.partner_id") or not quarter.complete:
        return nobody()
    aim = grouped(targets["of"], targets["partner_id"])
    aim = aim[aim > 0]
    deals = book.deals[list(_SOLD)]
    won = won_in(deals, quarter)
    reached = grouped(won["amount"], won["partner_id"]).reindex(aim.index, fill_value=0.0)
    n = won["partner_id"].value_counts().reindex(aim.index, fill_value=0)
    known = book.others.experience(quarter)
    past = quarter.before.back(8)
    before = won_between(deals, past[0].start, past[-1].last_day)
    season = sum(known.season[q.number - 1] for q in past)
    pace = (
        before["partner_id"].value_counts().reindex(aim.index, fill_value=0) * known.season[quarter.number - 1] / season
    )
    shape = 1 / max(known.pace, 1e-6)
    chance = nbinom.cdf(n, shape, shape / (shape + np.maximum(pace, 1e-9)))
    return found(value=reached / aim, usual=aim, n=n, stake=aim - reached, effect=reached, p=chance)


def overdue(book: Book, quarter: Quarter) -> Found:
    """Open deals whose expected close has passed: their share of the pipeline's money, and that of all partners."""
    if not (book.records("deals.expected_close_on") or book.records("history.expected_close_on")):
        return nobody()
    deals = open_at(book, quarter.last_day)
    late = deals[(deals["expected_close_on"] < quarter.last_day).to_numpy()]
    money, late_money = (grouped(d["amount"], d["partner_id"]) for d in (deals, late))
    whole = float(deals["amount"].sum())
    n = late["partner_id"].value_counts()
    n = n[n > 0]
    oldest = (quarter.last_day - late.groupby("partner_id", observed=True)["expected_close_on"].min()).dt.days
    money, late_money = money.reindex(n.index), late_money.reindex(n.index)
    return found(
        value=late_money / money.where(money > 0),
        usual=float(late["amount"].sum()) / whole if whole else np.nan,
        n=n,
        stake=late_money,
        effect=oldest,
        rows=ids_of(late, "deal_id"),
    )


def rivals(book: Book, quarter: Quarter) -> Found:
    """Open deals for which a rival is named."""
    if not book.records("deals.competitor"):
        return nobody()
    deals = book.deals[["deal_id", "partner_id", "amount", "competitor"]]
    deals = deals[deals["competitor"].notna().to_numpy()]
    deals = deals[among(deals["deal_id"], lasting_open(book, quarter.last_day)["deal_id"])]
    n = deals["partner_id"].value_counts()
    n = n[n > 0]
    money = grouped(deals["amount"], deals["partner_id"]).reindex(n.index)
    return found(value=money, n=n, stake=money, rows=ids_of(deals, "deal_id"))


def waiting_leads(book: Book, quarter: Quarter) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Leads without an answer for a quarter and longer, as prospects; and those beside which they stand.

    A lead that became a deal has its answer. Beside them stand the leads of the year, and the older ones that wait.
    """
    prospects = book.prospects
    leads = prospects[(prospects["kind"] == "lead").to_numpy() & prospects["deal_id"].isna().to_numpy()]
    edge = quarter.last_day - pd.Timedelta(days=QUARTER_DAYS)
    then_open = leads["closed_on"].isna() | (leads["closed_on"] > quarter.last_day)
    waiting = leads[(then_open & (leads["created_on"] <= edge)).to_numpy()]
    taken = book.leads[within(book.leads["created_on"], *quarter.year)]
    return waiting, pd.concat([taken, waiting[waiting["created_on"] < quarter.year[0]]])


def leads_waiting(book: Book, quarter: Quarter) -> Found:
    """Leads that wait for an answer: their share of the partner's leads, and that of all; see `waiting_leads`."""
    prospects = book.prospects
    waiting, beside = waiting_leads(book, quarter)
    n = waiting["partner_id"].value_counts()
    n = n[n > 0]
    of = beside["partner_id"].astype("str").value_counts().reindex(n.index.astype("str"), fill_value=0)
    of = of.set_axis(n.index)
    ended = closed_between(prospects[["status", "closed_on", "amount"]], *quarter.year, ENDED)
    won = ended[(ended["status"] == "won").to_numpy()]
    worth = float(won["amount"].mean()) * len(won) / max(len(ended), 1) if len(won) else 0.0
    usual = len(waiting) / max(len(beside), 1)
    return found(value=n / of.clip(lower=1), usual=usual, n=n, stake=n * worth, rows=ids_of(waiting, "prospect_id"))


def spend_without_win(book: Book, quarter: Quarter) -> Found:
    """A paid channel that cost money in the last year and never won, of all its decided prospects so far.

    Of several such channels the one with the most decided; `label` names it, `usual` is its close rate elsewhere.
    """
    spend, prospects = book.spend, book.prospects[["prospect_id", "partner_id", "channel", "status", "closed_on"]]
    spend = spend[spend["month"].between(quarter.year[0], quarter.last_day)]
    cost = spend.groupby(["partner_id", "channel"], observed=True)["amount"].sum()
    cost = cost[cost > 0]
    if not len(cost) or not book.records("spend.partner_id"):
        return nobody()
    decided = decided_by(prospects, quarter.last_day)
    won = decided["status"] == "won"
    each = won.groupby([decided["partner_id"], decided["channel"]], observed=True).agg(["size", "sum"])
    each.index = pd.MultiIndex.from_arrays([each.index.get_level_values(side).astype("str") for side in (0, 1)])
    names = pd.MultiIndex.from_tuples([(str(p), str(c)) for p, c in cost.index])
    each = each.reindex(names, fill_value=0).assign(cost=cost.to_numpy())
    dead = each[(each["sum"] == 0) & (each["size"] > 0)].sort_values("size", ascending=False, kind="stable")
    dead = dead[~dead.index.get_level_values(0).duplicated()]
    channel = dead.index.get_level_values(1)
    dead.index = dead.index.get_level_values(0)
    label = pd.Series(channel, index=dead.index, dtype="str")
    whole = won.groupby(decided["channel"].array, observed=True).agg(["size", "sum"])
    whole = whole.set_axis(whole.index.astype("str")).reindex(channel)
    rest = (whole["size"].to_numpy() - dead["size"].to_numpy()).astype(np.float64)
    elsewhere = np.divide(whole["sum"].to_numpy(), rest, out=np.full(len(rest), np.nan), where=rest > 0)
    partners, channels = decided["partner_id"].cat, decided["channel"].cat
    place = channels.categories.get_indexer(pd.Index(label.reindex(partners.categories.astype("str"))))
    place = np.append(place, -1)[partners.codes]  # of each row the channel in which its partner never won
    mine = decided[(place >= 0) & (place == channels.codes.to_numpy())]
    usual = pd.Series(elsewhere, index=dead.index, dtype="float64")
    stake = dead["cost"].astype("float64")
    return found(
        value=stake * 0, usual=usual, n=dead["size"], stake=stake, label=label, rows=ids_of(mine, "prospect_id")
    )


def giants(book: Book, quarter: Quarter) -> Found:
    """One deal that carries the partner's quarter: its share, and the won amount without it."""
    won = won_in(book.deals[list(_SOLD)], quarter)
    rows = giants_of_partners(book, quarter)
    size = rows.set_index(rows["partner_id"].astype("str"))["amount"]
    whole = grouped(won["amount"], won["partner_id"]).reindex(size.index)
    label = rows.set_index(size.index)["deal_id"]
    return found(
        value=size / whole, usual=whole - size, n=size * 0 + 1, stake=size, label=label, rows=ids_of(rows, "deal_id")
    )


def joined(book: Book, quarter: Quarter) -> Found:
    """Partners that joined in the four quarters: `value` days ago."""
    partners = book.partners
    rows = partners[partners["joined_on"].between(quarter.year[0], quarter.last_day).to_numpy()]
    return _of_day(rows, "joined_on", quarter)


def left(book: Book, quarter: Quarter) -> Found:
    """Partners that have left the programme by the quarter's end."""
    partners = book.partners
    return _of_day(partners[(partners["left_on"] <= quarter.last_day).to_numpy()], "left_on", quarter)


def took_over(book: Book, quarter: Quarter) -> Found:
    """Partners to which at least three open deals came from one other within the year; `label` names that one."""
    return _moved(book, quarter, "to", "from")


def handed_over(book: Book, quarter: Quarter) -> Found:
    """Partners of which at least three open deals went to one other within the year; `label` names that one."""
    return _moved(book, quarter, "from", "to")


def _moved(book: Book, quarter: Quarter, of: str, other: str) -> Found:
    moved = book.once(("moved", quarter), lambda: _moves(book, quarter))
    moved = moved.assign(partner_id=moved[of])
    pairs = (
        moved.groupby(["partner_id", other]).size().sort_values(ascending=False, kind="stable").reset_index(name="n")
    )
    pairs = pairs[(pairs["n"] >= 3) & ~pairs["partner_id"].duplicated()].set_index("partner_id")
    mine = moved[moved["partner_id"].isin(pairs.index)]
    return found(value=pairs["n"].astype("float64"), n=pairs["n"], label=pairs[other], rows=ids_of(mine, "deal_id"))


def _moves(book: Book, quarter: Quarter) -> pd.DataFrame:
    """Each open deal that came `to` one partner `from` another in the four quarters."""
    spells = book.periods
    there = np.flatnonzero((spells["from_day"] <= quarter.last_day).to_numpy())
    names = spells["partner_id"].cat.categories.astype("str")
    owner, deal = spells["partner_id"].cat.codes.to_numpy()[there], spells["deal"].to_numpy()[there]
    late = ((spells["status"] == "open") & (spells["from_day"] >= quarter.year[0])).to_numpy()[there]
    came = late[1:] & (deal[1:] == deal[:-1]) & (owner[1:] != owner[:-1]) & (owner[1:] >= 0) & (owner[:-1] >= 0)
    at = np.flatnonzero(came) + 1
    to, origin = (names.take(owner[place]).to_numpy(dtype=object) for place in (at, at - 1))
    return pd.DataFrame({"to": to, "from": origin, "deal_id": deal_ids(spells.take(there[at]), book.deals).to_numpy()})


def no_deals(book: Book, quarter: Quarter) -> Found:
    """Partners that are there and have had no deal and no lead for a year: open, entered or ended."""
    first = quarter.year[0]
    partners = book.partners
    there = partners[~(partners["left_on"] <= quarter.last_day) & ~(partners["joined_on"] >= first)]
    seen = book.prospects
    alive = (seen["created_on"] <= quarter.last_day) & (
        (seen["created_on"] >= first) | seen["closed_on"].isna() | (seen["closed_on"] >= first)
    )
    active = set(map(str, seen["partner_id"][alive.to_numpy()].dropna().unique()))
    ids = pd.Index([p for p in there["partner_id"].astype("str") if p not in active])
    known = seen[["partner_id", "created_on"]][(seen["created_on"] <= quarter.last_day).to_numpy()]
    last = known.groupby("partner_id", observed=True)["created_on"].max()
    days = (quarter.last_day - last.reindex(ids)).dt.days
    return found(value=days, n=pd.Series(0, index=ids))


def slow_answers(book: Book, quarter: Quarter) -> Found:
    """Registrations of the quarter: median days until the vendor accepted them, and that of all."""
    deals = book.deals[["partner_id", "registered_on", "accepted_on"]]
    taken = deals[within(deals["accepted_on"], quarter.start, quarter.last_day).to_numpy()]
    days = (taken["accepted_on"] - taken["registered_on"]).dt.days.astype("float64")
    each = days.groupby(taken["partner_id"].array, observed=True).agg(["median", "size"])
    return found(value=each["median"], usual=float(days.median()) if len(days) else np.nan, n=each["size"])


def _of_day(rows: pd.DataFrame, column: str, quarter: Quarter) -> Found:
    day = rows.set_index(rows["partner_id"].astype("str"))[column]
    return found(value=(quarter.last_day - day).dt.days, n=(day - day).dt.days + 1, label=day.dt.strftime("%Y-%m-%d"))
