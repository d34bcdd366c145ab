"""An estimate is a value with its interval, its count and, where something is missing, the reason.

`Estimate` is what every KPI answers; `amount_text` is the one place where a number becomes text. The statistics that
make estimates live in `partnerkpi.statistics` and, for event histories, in `partnerkpi.survival`.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

#: Below this count nothing is compared, ranked, coloured, praised or blamed.
FEW = 5

#: Units that are not an ISO currency code (money is written as its currency).
PLAIN_UNITS = frozenset({"share", "days", "deals", "leads", "index", "ratio", "deals/month"})

COUNTED = frozenset({"days", "deals", "leads"})

MISSING = "—"


def amount_text(value: float | None, unit: str) -> str:
    """Write a value for a reader: `33 %`, `1,250 €`, `41 days`, `—` when it is missing.

    >>> amount_text(0.3333, "share"), amount_text(41.0, "days"), amount_text(None, "EUR")
    ('33 %', '41 days', '—')
    >>> amount_text(1249.6, "EUR"), amount_text(36.254, "EUR"), amount_text(120.4, "index")
    ('€1,250', '€36.25', '120')
    """
    if value is None or not math.isfinite(value):
        return MISSING
    if unit == "share":
        return f"{_plain(100 * value, 1 if 0 < abs(value) < 0.0995 else 0)} %"
    if unit in COUNTED:
        whole = float(value).is_integer()
        noun = unit[:-1] if abs(value) == 1 else unit
        return f"{_plain(value, 0 if whole or abs(value) >= 100 else 1)} {noun}"
    if unit == "deals/month":
        return f"{_plain(value, 1)} deals a month"
    if unit == "index":
        return _plain(value, 0)
    if unit == "ratio":
        return f"{_plain(value, 2)} ×"
    currency, _, per = unit.partition("/")
    money = _money(value, currency)
    return f"{money} a {per}" if per else money


def span_text(low: float, high: float, unit: str) -> str:
    """Two values of one unit as a span; a counted noun stands once: `63 to 74 days`, `22 % to 32 %`.

    >>> span_text(0, 4, "deals"), span_text(1, 2.5, "days"), span_text(0.2, 0.3, "share")
    ('0 to 4 deals', '1 to 2.5 days', '20 % to 30 %')
    """
    first, last = amount_text(low, unit), amount_text(high, unit)
    return f"{first.partition(' ')[0] if unit in COUNTED else first} to {last}"


def _plain(value: float, digits: int) -> str:
    from babel.numbers import format_decimal

    pattern = "#,##0" + ("." + "0" * digits if digits else "")
    return _without_minus_zero(format_decimal(value, format=pattern, locale="en"))


def _money(value: float, currency: str) -> str:
    from babel.numbers import format_currency

    small = abs(value) < 100 and not float(value).is_integer()
    pattern = "¤#,##0.00" if small else "¤#,##0"
    return _without_minus_zero(format_currency(value, currency, format=pattern, locale="en", currency_digits=False))


def _without_minus_zero(text: str) -> str:
    return text.replace("-", "") if "-" in text and not any(c in "123456789" for c in text) else text


@dataclass(frozen=True)
class Estimate:
    """One figure as it may be shown: never a bare number.

    `value`, `low` and `high` are in `unit` (`share` as a fraction, money as its currency code); the interval is 95 %.
    `n` counts the rows behind it, `counts` names them. `reason` says why the value or the interval is missing, or
    what else must be known to read the value.

    >>> print(Estimate(1 / 3, 0.12, 0.65, n=9, unit="share", counts="prospects"))
    33 % (95 % interval 12 % to 65 %, 9 prospects)
    >>> print(Estimate(None, None, None, n=0, unit="days", counts="deals", reason="no won deals"))
    — (no won deals)
    """

    value: float | None
    low: float | None
    high: float | None
    n: int
    unit: str
    counts: str
    reason: str = ""

    @property
    def few(self) -> bool:
        """True when the count is too small to compare, rank or colour."""
        return self.n < FEW

    def agrees(self, by_hand: float | None) -> bool:
        """True when a value worked out by hand is this one (to nine digits), or both are missing."""
        if self.value is None or by_hand is None or math.isnan(by_hand):
            return self.value is None and (by_hand is None or math.isnan(by_hand))
        return math.isclose(self.value, by_hand, rel_tol=1e-9, abs_tol=1e-12)

    @property
    def interval_text(self) -> str:
        """`12 % to 65 %`, `over 41 days` when only one end is known, or an empty text."""
        if self.low is None and self.high is None:
            return ""
        if self.high is None:
            return f"over {amount_text(self.low, self.unit)}"
        if self.low is None:
            return f"under {amount_text(self.high, self.unit)}"
        return span_text(self.low, self.high, self.unit)

    @property
    def n_text(self) -> str:
        """The count with its noun: `9 prospects`, `1 deal`."""
        noun = re.sub(r"s\b", "", self.counts, count=1) if self.n == 1 else self.counts
        return f"{self.n:,} {noun}"

    def __str__(self) -> str:
        if self.value is None:
            return f"{MISSING} ({self.reason})"
        if self.interval_text:
            return f"{amount_text(self.value, self.unit)} (95 % interval {self.interval_text}, {self.n_text})"
        note = f"; {self.reason}" if self.reason else ""
        return f"{amount_text(self.value, self.unit)} ({self.n_text}{note})"
