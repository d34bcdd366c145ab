"""Leads: one in four deals began as one (half of the vendor's), and others never became a deal."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from partnerkpi.sample.draws import Bools, Floats, Ints
from partnerkpi.sample.lives import ABANDONED, LOST, OPEN, REJECTED, Life, Lives
from partnerkpi.sample.world import LEAD_BESIDE_DEAL, LEAD_OUTCOMES, PRODUCT_SHARE


@dataclass(frozen=True)
class Leads:
    """One element per lead that became no deal. `number` is its place in the numbering all leads share."""

    number: Ints
    created: Ints
    partner: Ints
    region: Ints
    product: Ints
    channel: Ints
    status: Ints  # as it will end
    closed: Ints  # the day it will end, if it does
    decides: Floats  # probability of lost or abandoned, the outcomes a close rate counts


def number_of_deals_lead(index: Ints) -> Ints:
    """Leads that became deals have the odd numbers."""
    return 2 * index + 1


def first_heard(life: Life, lives: Lives) -> Ints:
    """The day on which a deal's lead came in: up to three weeks before the deal."""
    return np.maximum(lives.created - life.world.draws.whole("heard", lives.index, 21), 0)


def leads_beside(life: Life, lives: Lives) -> Leads:
    """The leads without a deal that come in while these deals do."""
    world, draws, calendar = life.world, life.world.draws, life.world.calendar
    here: Bools = draws.uniform("lead", lives.index) < LEAD_BESIDE_DEAL
    index = lives.index[here]
    created = np.minimum(
        calendar.to_workday(lives.created[here] + draws.whole("lead day", index, 5)), calendar.days - 1
    )
    partner = draws.pick_by_row("lead partner", index, calendar.month_of(created), life.activity)
    stay = world.lead_open[partner]
    gone = (1 - stay) / (1 - LEAD_OUTCOMES["open"])
    lost, refused, abandoned = (LEAD_OUTCOMES[word] * gone for word in ("lost", "rejected", "abandoned"))
    u = draws.uniform("lead outcome", index)
    status = np.where(
        u < lost,
        LOST,
        np.where(u < lost + refused, REJECTED, np.where(u < lost + refused + abandoned, ABANDONED, OPEN)),
    )
    wait = np.ceil(25 * draws.lognormal("lead pace", index, 0.7, mean_one=False)).astype(np.int64)
    return Leads(
        2 * index + 2, created, partner, draws.pick_by_row("lead region", index, partner, life.regions),
        draws.pick("lead product", index, PRODUCT_SHARE), life.channel("lead", index, partner), status,
        calendar.to_workday(created + wait + 1), lost + abandoned,
    )  # fmt: skip
