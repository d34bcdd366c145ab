"""What a CRM would have recorded of those lives by the last day of the book: every change, in order.

The deals table is made from the last change of each deal, so that table and history agree by construction.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from partnerkpi.sample.lives import ACCEPTED, NEVER, OPEN, REJECTED, WON, Lives
from partnerkpi.sample.time_and_chance import Bools, Ints, Record
from partnerkpi.sample.world import World

REGISTERED, QUALIFIED, DEMO, PROPOSAL, NEGOTIATION = range(5)

# The hour of the day of each kind of change, in the order in which changes of one day follow each other.
HOURS = (
    "09:00", "09:30", "10:00", "10:30", "11:00", "11:30", "13:00", "13:30", "14:00", "14:30", "15:00", "15:30", "16:00",
    "16:30", "17:30",
)  # fmt: skip
(
    CREATE, QUALIFY, REOPEN, SLIP_1, SLIP_2, SLIP_3, SHOW, PROPOSE, STEP_BACK, PROPOSE_AGAIN, NEGOTIATE, AMOUNT_1,
    AMOUNT_2, MOVE, CLOSE,
) = range(len(HOURS))  # fmt: skip
_UNCHANGED = -9
STATES = ("stage", "status", "cents", "expected", "partner")


@dataclass(frozen=True, eq=False)
class History(Record):
    """One element per change, ordered by deal and time; every column holds the state after the change."""

    deal: Ints  # position in the chunk
    day: Ints
    hour: Ints
    stage: Ints
    status: Ints
    cents: Ints
    expected: Ints
    partner: Ints
    recorded: Ints  # day on which the change was entered, NEVER when at once


class _Changes:
    """Collects the changes kind by kind; those after the last day of the book have not happened yet."""

    def __init__(self, days: int) -> None:
        self._days = days
        self._columns: dict[str, list[Ints]] = {}

    def add(self, who: Bools, day: Ints, hour: int, **states: Ints | int) -> None:
        """One change of every deal in `who`, on its day: what is not among `states` stays as it was."""
        deal = np.flatnonzero(who & (day < self._days))
        self._columns.setdefault("deal", []).append(deal)
        for name, value in (dict.fromkeys(STATES, _UNCHANGED) | {"day": day, "hour": hour} | states).items():
            column = np.broadcast_to(np.asarray(value, dtype=np.int64), who.shape)[deal]
            self._columns.setdefault(name, []).append(column)

    def ordered(self) -> dict[str, Ints]:
        """All changes by deal and time, each state carried on until it changes."""
        columns = {name: np.concatenate(parts) for name, parts in self._columns.items()}
        order = np.argsort((columns["deal"] << 24) + (columns["day"] << 8) + columns["hour"], kind="stable")
        return {name: _filled(c[order]) if name in STATES else c[order] for name, c in columns.items()}


def _filled(values: Ints) -> Ints:
    """Carry the last recorded value on; the first change of a deal sets every column, so nothing crosses deals."""
    latest = np.where(values == _UNCHANGED, 0, np.arange(len(values)))
    return values[np.maximum.accumulate(latest)] if len(values) else values


def history_of(world: World, lives: Lives) -> History:
    """Every change of these deals up to the last day of the book; the vendor's test entries are only created."""
    changes = _Changes(world.calendar.days)
    real = ~lives.test
    changes.add(
        real | lives.test,
        lives.created,
        CREATE,
        stage=REGISTERED,
        status=OPEN,
        cents=lives.cents,
        expected=lives.planned,
        partner=lives.partner,
    )
    accepted = real & (lives.registration == ACCEPTED)
    refused = real & ~accepted
    changes.add(accepted, lives.answered, QUALIFY, stage=QUALIFIED)
    changes.add(refused, lives.answered, CLOSE, status=REJECTED)
    changes.add(refused & (lives.owner_answered != lives.partner), lives.moved, MOVE, partner=lives.owner_answered)
    changes.add(accepted & (lives.moved != NEVER), lives.moved, MOVE, partner=lives.owner_decided)
    _stages(world, lives, accepted, changes)
    _slips(world, lives, accepted, changes)
    _amounts(world, lives, accepted & ~lives.giant, changes)
    closing = accepted & lives.decides
    changes.add(closing, lives.decided, CLOSE, status=lives.first)
    back = closing & lives.comes_back
    changes.add(back, lives.reopened, REOPEN, status=OPEN, stage=PROPOSAL, expected=lives.reopened + 45)
    changes.add(back, lives.decided_again, CLOSE, status=lives.again)
    return _recorded(world, lives, changes)


def _stages(world: World, lives: Lives, accepted: Bools, changes: _Changes) -> None:
    """Won deals pass every stage (a demonstration may be skipped); the others get stuck in one of them."""
    draws, index = world.draws, lives.index
    furthest = np.where(
        lives.decides & (lives.first == WON), NEGOTIATION,
        np.minimum(QUALIFIED + draws.whole("furthest", index, 4), np.where(lives.decides, NEGOTIATION, PROPOSAL)),
    )  # fmt: skip

    def at(share: float) -> Ints:
        day = world.calendar.to_workday(lives.created + (lives.length * share).astype(np.int64))
        return np.maximum(lives.answered, day)

    skips = draws.uniform("no demo", index) < 0.12
    changes.add(accepted & (furthest >= DEMO) & ~skips, at(0.3), SHOW, stage=DEMO)
    changes.add(accepted & (furthest >= PROPOSAL), at(0.5), PROPOSE, stage=PROPOSAL)
    changes.add(accepted & (furthest >= NEGOTIATION), at(0.8), NEGOTIATE, stage=NEGOTIATION)
    returns = accepted & (furthest >= PROPOSAL) & (lives.length >= 20) & (draws.uniform("step back", index) < 0.06)
    changes.add(returns, at(0.6), STEP_BACK, stage=DEMO)
    changes.add(returns, at(0.7), PROPOSE_AGAIN, stage=PROPOSAL)


def _slips(world: World, lives: Lives, accepted: Bools, changes: _Changes) -> None:
    """As the promised day comes near and the deal is not decided, the promise may be moved, up to three times."""
    promised, going = lives.planned, accepted
    for hour, word in ((SLIP_1, "slip"), (SLIP_2, "second slip"), (SLIP_3, "third slip")):
        day = world.calendar.to_workday(promised - 4)
        moves = world.draws.uniform(word, lives.index) < world.slip[lives.partner]
        going = going & moves & ((day < lives.decided) | ~lives.decides)
        promised = np.where(going, promised + 30 + world.draws.whole(f"{word} by", lives.index, 46), promised)
        changes.add(going, day, hour, expected=promised)


def _amounts(world: World, lives: Lives, accepted: Bools, changes: _Changes) -> None:
    """One deal in five changes its amount on the way, some twice; up and down are equally likely."""
    draws, cents = world.draws, lives.cents
    for hour, word, share, place in ((AMOUNT_1, "change", 0.2, 0.6), (AMOUNT_2, "second change", 0.06, 0.85)):
        changed = accepted & (draws.uniform(word, lives.index) < share)
        factor = 0.7 + 0.6 * draws.uniform(f"{word} by", lives.index)
        cents = np.where(changed, np.rint(cents * factor), cents).astype(np.int64)
        day = np.maximum(lives.answered, lives.created + (lives.length * place).astype(np.int64))
        changes.add(changed, day, hour, cents=cents)


def _recorded(world: World, lives: Lives, changes: _Changes) -> History:
    """The history as the CRM has it: one change in twenty-five was entered days after it happened."""
    columns = changes.ordered()
    index, hour = lives.index[columns["deal"]], columns["hour"]
    late = world.draws.uniform("entered late", index * len(HOURS) + hour) < 0.04
    late &= ~np.isin(hour, (CREATE, REOPEN, MOVE, CLOSE))
    recorded = np.where(late, columns["day"] + 1 + world.draws.whole("entered", index, 9), NEVER)
    return History(**columns, recorded=np.where(recorded < world.calendar.days, recorded, NEVER))
