"""The tables of a book cut by partner, once: what belongs to one of many partners is found without a look at all rows.

Before the rule of `partnerkpi.book.levels` says which rows are a partner's, all that could not be are left out.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import pandas as pd

from partnerkpi.book.labels import places, trimmed
from partnerkpi.book.levels import Choice, Tables, chosen
from partnerkpi.book.periods import with_deals
from partnerkpi.book.schema import TABLES


class _Rows:
    """The rows of a table by whose they are: `owner` has a position among `names` for each row, −1 for nobody."""

    def __init__(self, owner: np.ndarray, names: pd.Index) -> None:
        self._order = np.argsort(owner, kind="stable")
        self._starts = np.searchsorted(owner[self._order], np.arange(len(names) + 1))
        self._place = {str(name): place for place, name in enumerate(names)}

    def of(self, partner: str) -> np.ndarray:
        """The positions of a partner's rows, in the order of the table."""
        place = self._place.get(partner)
        return self._order[:0] if place is None else self._order[self._starts[place] : self._starts[place + 1]]


class Cuts:
    """All tables of a whole book, ready to be cut by partner."""

    def __init__(self, tables: Tables, recorded: Collection[str]) -> None:
        self._tables = tables
        self._recorded = recorded
        self._rows: dict[str, list[_Rows]] = {}
        for name, frame in tables.items():
            if name in TABLES and TABLES[name].looked_up:
                continue
            if name in TABLES and TABLES[name].about:  # what follows deals and leads is theirs whom those belong to
                keys = [(of, key) for of, key in (("deals", "deal_id"), ("leads", "lead_id")) if key in frame]
                self._rows[name] = [self._followed(frame, of, key) for of, key in keys]
            elif "partner_id" in frame:
                self._rows[name] = [_Rows(*_owners(frame))]

    def _followed(self, frame: pd.DataFrame, of: str, key: str) -> _Rows:
        owner, names = _owners(self._tables[of])
        return _Rows(np.append(owner, -1)[places(frame[key], self._tables[of][key])], names)

    def of(self, choice: Choice) -> dict[str, pd.DataFrame]:
        """All tables with only the rows of the one partner that is chosen."""
        (partner,) = choice.values
        cut = dict(self._tables)
        for name, each in self._rows.items():
            rows = [one.of(str(partner)) for one in each]
            taken = cut[name].take(rows[0] if len(rows) == 1 else np.union1d(*rows))
            cut[name] = trimmed(with_deals(taken, self._tables["deals"]) if name == "spells" else taken)
        return chosen(cut, self._recorded, [choice])


def _owners(frame: pd.DataFrame) -> tuple[np.ndarray, pd.Index]:
    owner = frame["partner_id"].astype("category")
    return owner.cat.codes.to_numpy(dtype=np.int64), owner.cat.categories
