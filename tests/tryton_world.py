"""A small vendor's year in Tryton, clicked day by day through its API. Run by the Python of Tryton's own environment.

    python tryton_world.py CONFIGURATION DATABASE

The clock is moved, so that Tryton itself writes the days: when an opportunity began, was quoted, won, lost.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

PARTNERS = ("North Partners", "South Partners")
CUSTOMERS = ("Alpha", "Beta", "Gamma", "Delta")
RATES = {"EUR": "1", "USD": "1.25"}  # of each currency for one euro

#: Day, opportunity, what is done, and with what.
EVENTS: tuple[tuple[str, str, str, tuple[str, ...]], ...] = (
    ("2025-01-07", "Vault", "lead", ("Alpha", "North Partners", "EUR", "12000", "2025-03-31")),
    ("2025-01-20", "Doors", "lead", ("Beta", "North Partners", "EUR", "8000", "2025-06-30")),
    ("2025-02-03", "Vault", "opportunity", ()),
    ("2025-02-10", "Doors", "opportunity", ()),
    ("2025-02-14", "Safe", "lead", ("Alpha", "South Partners", "EUR", "5000.50", "")),
    ("2025-02-20", "Safe", "opportunity", ()),
    ("2025-03-03", "Alarm", "lead", ("Gamma", "South Partners", "USD", "9000", "2025-05-31")),
    ("2025-03-03", "Alarm", "opportunity", ()),
    ("2025-03-10", "Vault", "quote", ("11500",)),
    ("2025-03-17", "Locks", "lead", ("Beta", "", "EUR", "700", "2025-12-31")),
    ("2025-03-28", "Vault", "confirm", ()),
    ("2025-04-01", "Alarm", "quote", ("10000",)),
    ("2025-04-07", "Camera", "lead", ("Gamma", "North Partners", "EUR", "18000", "2025-09-30")),
    ("2025-04-08", "Camera", "opportunity", ()),
    ("2025-04-15", "Doors", "lost", ("price",)),
    ("2025-04-22", "Gate", "lead", ("Delta", "South Partners", "EUR", "3000", "2025-05-31")),
    ("2025-04-22", "Gate", "opportunity", ()),
    ("2025-05-02", "Safe", "cancel", ()),
    ("2025-05-05", "Fence", "lead", ("Delta", "North Partners", "EUR", "4500", "2025-08-31")),
    ("2025-05-06", "Fence", "opportunity", ()),
    ("2025-05-20", "Alarm", "confirm", ()),
    ("2025-06-02", "Radio", "lead", ("Alpha", "South Partners", "EUR", "6000", "2025-11-30")),
    ("2025-06-02", "Radio", "opportunity", ()),
    ("2025-06-10", "Camera", "quote", ("20000",)),
    ("2025-06-16", "Radio", "lost", ("no answer",)),
    ("2025-06-20", "Fence", "quote", ("4000",)),
    ("2025-06-20", "Fence", "confirm", ()),
    ("2025-06-25", "Gate", "lost", ("rival",)),  # when its end date has passed
    ("2025-07-01", "Radio", "reopen", ("6500", "2025-12-31")),
    ("2025-07-14", "Camera", "refuse", ()),
)


def main(configuration: str, database: str) -> None:
    """Set up the vendor, then do what the year brings."""
    import time_machine
    from proteus import config

    with time_machine.travel(datetime(2025, 1, 2, 10, tzinfo=UTC), tick=True) as clock:
        config.set_trytond(database, config_file=configuration)
        vendor = Vendor(clock)
        for minute, (day, name, verb, facts) in enumerate(EVENTS):
            clock.move_to(datetime.fromisoformat(day).replace(hour=10 + minute // 60, minute=minute % 60, tzinfo=UTC))
            getattr(vendor, verb)(name, *facts)


class Vendor:
    """Its parties, agents and currencies, and the opportunities by name."""

    def __init__(self, clock: Any) -> None:
        from proteus import Model
        from trytond.modules.account.tests.tools import create_chart
        from trytond.modules.company.tests.tools import create_company

        self.clock = clock
        self.model = Model.get
        self.currencies = {code: self._currency(code, rate) for code, rate in RATES.items()}
        create_company(currency=self.currencies["EUR"])
        create_chart()
        self.parties = {name: self._saved("party.party", name=name) for name in (*PARTNERS, *CUSTOMERS, "Seller")}
        self.employee = self._saved("company.employee", party=self.parties["Seller"])
        self.agents = {
            name: self._saved("commission.agent", party=self.parties[name], currency=self.currencies["EUR"])
            for name in PARTNERS
        }
        self.opportunities: dict[str, Any] = {}
        self.sales: dict[str, Any] = {}
        self.partners: dict[str, str] = {}

    def _saved(self, model: str, **values: Any) -> Any:
        record = self.model(model)(**values)
        record.save()
        return record

    def _currency(self, code: str, rate: str) -> Any:
        currency = self.model("currency.currency")(name=code, code=code, symbol=code)
        day = currency.rates.new()
        day.date, day.rate = datetime(2025, 1, 1).date(), Decimal(rate)
        currency.save()
        return currency

    def lead(self, name: str, customer: str, partner: str, currency: str, amount: str, ends: str) -> None:
        self.partners[name] = partner
        self.opportunities[name] = self._saved(
            "sale.opportunity", description=name, party=self.parties[customer], reference=partner or None,
            currency=self.currencies[currency], amount=Decimal(amount), employee=self.employee,
            end_date=datetime.fromisoformat(ends).date() if ends else None,
        )  # fmt: skip

    def opportunity(self, name: str) -> None:
        self.opportunities[name].click("opportunity")

    def quote(self, name: str, amount: str) -> None:
        (sale,) = self.opportunities[name].click("convert")
        self.clock.shift(5)  # seconds: as somebody who clicks
        sale.agent = self.agents.get(self.partners[name])
        line = sale.lines.new()
        line.description, line.quantity, line.unit_price = name, 1, Decimal(amount)
        sale.save()
        self.clock.shift(5)
        sale.click("quote")
        self.sales[name] = sale

    def confirm(self, name: str) -> None:
        self.sales[name].click("confirm")

    def refuse(self, name: str) -> None:
        self.sales[name].click("cancel")

    def lost(self, name: str, reason: str) -> None:
        opportunity = self.opportunities[name]
        opportunity.reload()
        opportunity.lost_reason = reason
        opportunity.save()
        self.clock.shift(5)
        opportunity.click("lost")

    def cancel(self, name: str) -> None:
        self.opportunities[name].click("cancel")

    def reopen(self, name: str, amount: str, ends: str) -> None:
        opportunity = self.opportunities[name]
        opportunity.click("lead")
        self.clock.shift(5)
        opportunity.amount, opportunity.end_date = Decimal(amount), datetime.fromisoformat(ends).date()
        opportunity.save()
        self.clock.shift(5)
        opportunity.click("opportunity")


if __name__ == "__main__":
    main(*sys.argv[1:])
