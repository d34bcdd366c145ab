"""Synthetic exports of seven CRMs, each in the shape its own system writes, of deals whose truth is known.

All companies and sales are invented. `EXPORTS` names every shape; each is made of the same deals, said as far as the
system can say it: `Export.deals` is what a book read from it must hold.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from random import Random
from zoneinfo import ZoneInfo

EXTRACTED_ON = date(2025, 6, 30)
ZONE = ZoneInfo("Europe/Paris")
USD = 0.8  # EUR for one, on every day
PARTNERS = ("Brise & Fils", "Eisbär GmbH", "Gelati Sereni", "Northcold Ltd")


@dataclass(frozen=True)
class Deal:
    """One deal as it really is; times are those of the business zone, the amount is in its own currency."""

    number: int
    partner: str
    status: str
    created: datetime
    closed: datetime | None
    expected: date
    amount: float
    step: int
    currency: str = "EUR"

    @property
    def name(self) -> str:
        """What the deal is called."""
        return f"Machine {self.number}"

    @property
    def customer(self) -> str:
        """Who is to buy: a name with a comma, so that cells are quoted."""
        return f"Café {self.number % 7}, Lyon"

    @property
    def ended(self) -> date:
        """The one date of a CRM with one: the day it was closed, or is expected to close."""
        return self.closed.date() if self.closed else self.expected


@dataclass(frozen=True)
class Export:
    """A file as a CRM writes it, the lines of book.toml beside the preset, and what is then to be read."""

    preset: str
    text: str
    deals: list[Deal]
    lines: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    said: Mapping[str, str] = field(default_factory=dict)

    def book(self) -> str:
        """The whole of book.toml."""
        head = f'[book]\nname = "Test"\ncurrency = "EUR"\ntime_zone = "Europe/Paris"\nextracted_on = {EXTRACTED_ON}\n'
        own = "".join(f"{line}\n" for line in self.lines)
        mapped = "".join(f"{line}\n" for line in self.columns)
        return f'{head}preset = "{self.preset}"\n[deals]\n{own}[deals.columns]\n{mapped}'


def deals() -> list[Deal]:
    """Forty deals of four partners in a year and a half: open, won, lost, abandoned; some at midnight of a quarter."""
    chance = Random(20250630)
    made = []
    for number in range(1, 41):
        created = datetime(2024, 1, 2, 9, 30, tzinfo=ZONE) + timedelta(days=chance.randrange(420), minutes=number)
        status = ("won", "won", "lost", "open", "abandoned")[number % 5]
        days = chance.randrange(5, 110)
        closed = None if status == "open" else created + timedelta(days=days)
        amount = float(chance.randrange(20, 400) * 250)
        expected = date(2025, 6, 15) + timedelta(days=chance.randrange(90))
        made.append(Deal(number, PARTNERS[number % 4], status, created, closed, expected, amount, number % 3))
    # Half an hour after midnight of a quarter's first day: still the day before in UTC.
    made[0] = replace(made[0], closed=datetime(2025, 1, 1, 0, 30, tzinfo=ZONE))
    made[1] = replace(made[1], closed=datetime(2025, 4, 1, 0, 45, tzinfo=ZONE))
    return made


def quarter_of(day: date) -> str:
    """The calendar quarter of a day, like 2025Q1."""
    return f"{day.year}Q{(day.month + 2) // 3}"


def truth(known: list[Deal], quarter: str) -> dict[str, float]:
    """Won, lost, abandoned and open deals of a quarter and what was won, in EUR, counted one by one."""
    ended = [d for d in known if d.closed and quarter_of(d.closed.date()) == quarter]
    won = [d for d in ended if d.status == "won"]
    begun = [d for d in known if quarter_of(d.created.date()) <= quarter]
    still = [d for d in begun if not d.closed or quarter_of(d.closed.date()) > quarter]
    worth = sum(d.amount * (USD if d.currency == "USD" else 1) for d in won)
    counts = {status: sum(d.status == status for d in ended) for status in ("lost", "abandoned")}
    return {"won": len(won), **counts, "open": len(still), "won_amount": worth}


def without_abandoned(known: list[Deal]) -> list[Deal]:
    """The deals of a system that can only win and lose."""
    return [replace(d, status="lost") if d.status == "abandoned" else d for d in known]


def in_dollars(known: list[Deal]) -> list[Deal]:
    """Every fifth deal in another currency."""
    return [replace(d, currency="USD") if d.number % 5 == 1 else d for d in known]


def table(header: list[str], rows: list[list[object]], delimiter: str = ",", quoting: int = csv.QUOTE_MINIMAL) -> str:
    """The rows as delimited text."""
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter, quoting=quoting, lineterminator="\r\n")
    writer.writerows([header, *rows])
    return out.getvalue()


def utc(moment: datetime | None, form: str = "%Y-%m-%d %H:%M:%S") -> str:
    """The moment in UTC."""
    return f"{moment.astimezone(ZoneInfo('UTC')):{form}}" if moment else ""


def local(moment: datetime | None, form: str) -> str:
    """The moment in the business zone."""
    return f"{moment:{form}}" if moment else ""


SALESFORCE_OPEN = ("Prospecting", "Needs Analysis", "Our own stage")


def salesforce_stage(deal: Deal) -> str:
    return {"won": "Closed Won", "lost": "Closed Lost"}.get(deal.status, SALESFORCE_OPEN[deal.step])


def salesforce_report() -> Export:
    """A report: labels, US dates, each amount with its currency, flags as 1 and 0, five lines of footer."""
    known = in_dollars(without_abandoned(deals()))
    header = ["Opportunity ID", "Opportunity Name", "Account Name", "Stage", "Close Date", "Created Date",
              "Amount Currency", "Amount", "Closed", "Won", "Lead Source", "Partner Account"]  # fmt: skip
    rows: list[list[object]] = [
        [f"0068d00000{d.number:05}", d.name, d.customer, salesforce_stage(d), f"{d.ended:%m/%d/%Y}",
         f"{d.created:%m/%d/%Y}", d.currency, f"{d.amount:.2f}", int(d.closed is not None), int(d.status == "won"),
         "Web", d.partner]
        for d in known
    ]  # fmt: skip
    text = table(header, rows, quoting=csv.QUOTE_ALL)
    text += '\r\n\r\n"All pipeline"\r\n"Copyright (c) 2000-2025 salesforce.com, inc. All rights reserved."\r\n'
    text += '"Confidential Information - Do Not Distribute"\r\n'
    return Export("salesforce", text, known, ('dates = "%m/%d/%Y"', "footer = 5"), ('partner_id = "Partner Account"',))


def salesforce_objects() -> Export:
    """The object itself: API names, ISO days, times with a literal Z, true and false, a deleted row."""
    known = without_abandoned(deals())
    header = ["Id", "IsDeleted", "AccountId", "Name", "StageName", "Amount", "CloseDate", "IsClosed", "IsWon",
              "CreatedDate", "LeadSource", "OwnerId", "Partner__c"]  # fmt: skip
    rows: list[list[object]] = [
        [f"0068d00000{d.number:05}AAK", "false", "001", d.name, salesforce_stage(d), f"{d.amount:.1f}",
         f"{d.ended:%Y-%m-%d}", str(d.closed is not None).lower(), str(d.status == "won").lower(),
         utc(d.created, "%Y-%m-%dT%H:%M:%S.000Z"), "", "005", d.partner]
        for d in known
    ]  # fmt: skip
    rows.append(["0068d0000099999AAK", "true", *rows[0][2:]])
    return Export("salesforce", table(header, rows), known, (), ('partner_id = "Partner__c"',))


HUBSPOT_OPEN = (("Appointment Scheduled", "appointmentscheduled"), ("Contract Sent", "contractsent"),
                ("Our own stage", "1087465"))  # fmt: skip


def hubspot(*, internal: bool) -> Export:
    """An export of deals with labels, or with internal names and values; times are those of the user."""
    known = without_abandoned(deals())
    labels = ["Record ID", "Deal Name", "Deal Stage", "Pipeline", "Close Date", "Create Date", "Amount", "Deal owner",
              "Is Deal Closed?", "Is Closed Won", "Is closed lost", "Closed Lost Reason", "Reseller"]  # fmt: skip
    names = ["hs_object_id", "dealname", "dealstage", "pipeline", "closedate", "createdate", "amount",
             "hubspot_owner_id", "hs_is_closed", "hs_is_closed_won", "hs_is_closed_lost", "closed_lost_reason",
             "reseller"]  # fmt: skip

    def stage(d: Deal) -> str:
        ended = {"won": ("Closed Won", "closedwon"), "lost": ("Closed Lost", "closedlost")}
        return ended.get(d.status, HUBSPOT_OPEN[d.step])[internal]

    rows: list[list[object]] = [
        [9000000000 + d.number, d.name, stage(d), "default" if internal else "Sales Pipeline",
         local(d.closed, "%Y-%m-%d %H:%M") or f"{d.expected:%Y-%m-%d} 23:59", local(d.created, "%Y-%m-%d %H:%M"),
         f"{d.amount:.2f}", "Ada", str(d.closed is not None).lower(), str(d.status == "won").lower(),
         str(d.status == "lost").lower(), "Price" if d.status == "lost" else "", d.partner]
        for d in known
    ]  # fmt: skip
    header, partner = (names, "reseller") if internal else (labels, "Reseller")
    text = table(header, rows, quoting=csv.QUOTE_ALL)
    return Export("hubspot", text, known, (), (f'partner_id = "{partner}"',))


def pipedrive_list() -> Export:
    """The list of deals: headers with "Deal - ", won and lost times in two columns, names of organisations."""
    known = without_abandoned(deals())
    header = ["Deal - ID", "Deal - Title", "Deal - Value", "Deal - Currency of value", "Deal - Status", "Deal - Stage",
              "Deal - Creation date", "Deal - Won time", "Deal - Lost time", "Deal - Expected close date",
              "Deal - Lost reason", "Deal - Organization", "Deal - Reseller"]  # fmt: skip
    form = "%Y-%m-%d %H:%M:%S"
    rows: list[list[object]] = [
        [d.number, d.name, f"{d.amount:g}", d.currency, d.status.title(), ("Qualified", "Contact Made")[d.step % 2],
         local(d.created, form), local(d.closed, form) if d.status == "won" else "",
         local(d.closed, form) if d.status == "lost" else "", f"{d.expected:%Y-%m-%d}",
         "Price" if d.status == "lost" else "", d.customer, d.partner]
        for d in known
    ]  # fmt: skip
    return Export("pipedrive", table(header, rows), known, (), ('partner_id = "Deal - Reseller"',))


def pipedrive_api() -> Export:
    """Deals of the API: its keys, times in UTC without saying so, and a deleted deal."""
    known = without_abandoned(deals())
    header = ["id", "title", "value", "currency", "status", "stage_id", "add_time", "won_time", "lost_time",
              "close_time", "expected_close_date", "lost_reason", "org_id", "reseller"]  # fmt: skip
    rows: list[list[object]] = [
        [d.number, d.name, f"{d.amount:g}", d.currency, d.status, d.step + 1, utc(d.created),
         utc(d.closed) if d.status == "won" else "", utc(d.closed) if d.status == "lost" else "", utc(d.closed),
         f"{d.expected:%Y-%m-%d}", "", d.number % 7, d.partner]
        for d in known
    ]  # fmt: skip
    rows.append([99, "Gone", "500", "EUR", "deleted", 1, "2025-01-01 10:00:00", "", "", "", "", "", 1, PARTNERS[0]])
    return Export("pipedrive", table(header, rows), known, ('times = "UTC"',), ('partner_id = "reseller"',))


DYNAMICS = {"open": "In Progress", "won": "Won", "lost": "Out-Sold", "abandoned": "Canceled"}
CODES = {"open": 1, "won": 3, "lost": 5, "abandoned": 4}


def dynamics_view() -> Export:
    """A view: labels, US dates and times, actual and estimated revenue, currencies by name, migrated rows."""
    known = in_dollars(deals())
    header = ["(Do Not Modify) Opportunity", "(Do Not Modify) Row Checksum", "(Do Not Modify) Modified On", "Topic",
              "Potential Customer", "Status", "Status Reason", "Created On", "Record Created On", "Actual Close Date",
              "Est. Close Date", "Actual Revenue", "Est. Revenue", "Currency", "Reseller"]  # fmt: skip
    form = "%m/%d/%Y %I:%M %p"
    rows: list[list[object]] = [
        [f"guid-{d.number:04}", "x==", "6/30/2025", d.name, d.customer,
         {"open": "Open", "won": "Won"}.get(d.status, "Lost"), DYNAMICS[d.status],
         "01/15/2025 08:00 AM" if d.number % 4 == 0 else local(d.created, form),
         local(d.created, form) if d.number % 4 == 0 else "", local(d.closed, "%m/%d/%Y"), f"{d.expected:%m/%d/%Y}",
         f"{d.amount:.2f}" if d.status == "won" else "", f"{d.amount * (1 if d.status != 'won' else 1.5):.2f}",
         "US Dollar" if d.currency == "USD" else "Euro", d.partner]
        for d in known
    ]  # fmt: skip
    dates = 'dates = { created_on = "%m/%d/%Y %I:%M %p", closed_on = "%m/%d/%Y", expected_close_on = "%m/%d/%Y" }'
    return Export("dynamics365", table(header, rows), known, (dates,), ('partner_id = "Reseller"',))


def dynamics_table() -> Export:
    """The table itself: names of columns, codes of statecode and statuscode, ISO times with a literal Z."""
    known = deals()
    header = ["opportunityid", "name", "customerid", "statecode", "statuscode", "createdon", "overriddencreatedon",
              "actualclosedate", "estimatedclosedate", "actualvalue", "estimatedvalue", "new_reseller"]  # fmt: skip
    rows: list[list[object]] = [
        [f"guid-{d.number:04}", d.name, "c", {"open": 0, "won": 1}.get(d.status, 2), CODES[d.status],
         utc(d.created, "%Y-%m-%dT%H:%M:%SZ"), "", local(d.closed, "%Y-%m-%d"), f"{d.expected:%Y-%m-%d}",
         f"{d.amount:.4f}" if d.status == "won" else "0", f"{d.amount * (1 if d.status != 'won' else 2):.4f}",
         d.partner]
        for d in known
    ]  # fmt: skip
    return Export("dynamics365", table(header, rows), known, (), ('partner_id = "new_reseller"',))


ZOHO_OPEN = ("Qualification", "Identify Decision Makers", "Negotiation/Review")


def zoho(*, labels: bool) -> Export:
    """Deals with labels and money as `€ 12.500,00`, or with the API's names; no day of closing but the one typed."""
    known = without_abandoned(deals())
    lost = ("Closed Lost", "Closed-Lost to Competition", "Closed Lost to Competition")

    def stage(d: Deal) -> str:
        return {"won": "Closed Won", "lost": lost[d.step]}.get(d.status, ZOHO_OPEN[d.step])

    def money(d: Deal) -> str:
        plain = f"{d.amount:,.2f}"
        return f"€ {plain.translate(str.maketrans(',.', '.,'))}" if labels else plain.replace(",", "")

    header = ["Record Id", "Deal Name", "Account Name", "Stage", "Amount", "Closing Date", "Created Time",
              "Lead Source", "Reseller"]  # fmt: skip
    if not labels:
        header = ["id", "Deal_Name", "Account_Name", "Stage", "Amount", "Closing_Date", "Created_Time", "Lead_Source",
                  "Reseller"]  # fmt: skip
    rows: list[list[object]] = [
        [f"zcrm_{d.number:018}", d.name, d.customer, stage(d), money(d), f"{d.ended:%Y-%m-%d}",
         local(d.created, "%Y-%m-%d %H:%M:%S") if labels else d.created.isoformat(), "", d.partner]
        for d in known
    ]  # fmt: skip
    lines = ('decimal = ","', 'thousands = "."') if labels else ()
    said = {"closed_on": "Zoho records no day of closing"}
    return Export("zoho", table(header, rows), known, lines, ('partner_id = "Reseller"',), said)


ODOO_OPEN = ("New", "Qualified", "Our own stage")


def odoo(*, labels: bool, archived: bool = True) -> Export:
    """The pipeline: what is lost is archived in its stage, times in UTC; without what is archived nothing is lost."""
    known = without_abandoned(deals())
    if not archived:
        known = [d for d in known if d.status != "lost"]
    header = ["ID", "Opportunity", "Customer", "Stage", "Active", "Expected Revenue", "Created on", "Closed Date",
              "Expected Closing", "Assigned Partner", "Lost Reason", "Type"]  # fmt: skip
    if not labels:
        header = [".id", "name", "partner_id", "stage_id", "active", "expected_revenue", "create_date", "date_closed",
                  "date_deadline", "partner_assigned_id", "lost_reason_id", "type"]  # fmt: skip
    rows: list[list[object]] = [
        [d.number, d.name, d.customer, "Won" if d.status == "won" else ODOO_OPEN[d.step], str(d.status != "lost"),
         f"{d.amount}", utc(d.created), utc(d.closed), f"{d.expected:%Y-%m-%d}", d.partner,
         "Too expensive" if d.status == "lost" else "", "Opportunity" if labels else "opportunity"]
        for d in known
    ]  # fmt: skip
    rows.append([99, "A lead", "", "New", "True", "0.0", "2025-01-01 10:00:00", "", "", "", "", "Lead"])
    said = {} if archived else {"status": "no deal is lost: Odoo archives what is lost"}
    return Export("odoo", table(header, rows), known, said=said)


def tryton(*, labels: bool) -> Export:
    """Opportunities: one end date with two meanings, states by label or by key, quotations among what is open."""
    known = deals()
    header = ["Number", "Description", "Party", "State", "Amount", "Currency", "Start Date", "End Date", "Agent"]
    if not labels:
        header = ["number", "description", "party", "state", "amount", "currency", "start_date", "end_date", "agent"]
    states = {"won": "won", "lost": "lost", "abandoned": "cancelled"}

    def state(d: Deal) -> str:
        key = states.get(d.status, ("lead", "opportunity", "converted")[d.step])
        return key.title() if labels else key

    form = "%d/%m/%Y" if labels else "%Y-%m-%d"
    rows: list[list[object]] = [
        [d.number, d.name, d.customer, state(d), f"{d.amount:.2f}", "EUR", local(d.created, form), f"{d.ended:{form}}",
         d.partner]
        for d in known
    ]  # fmt: skip
    lines = ('dates = "%d/%m/%Y"',) if labels else ()
    return Export("tryton", table(header, rows), known, lines, (f'partner_id = "{header[-1]}"',))


EXPORTS: dict[str, Callable[[], Export]] = {
    "salesforce report": salesforce_report,
    "salesforce objects": salesforce_objects,
    "hubspot labels": lambda: hubspot(internal=False),
    "hubspot internal names": lambda: hubspot(internal=True),
    "pipedrive list": pipedrive_list,
    "pipedrive API": pipedrive_api,
    "dynamics view": dynamics_view,
    "dynamics table": dynamics_table,
    "zoho labels": lambda: zoho(labels=True),
    "zoho API": lambda: zoho(labels=False),
    "odoo labels": lambda: odoo(labels=True),
    "odoo names": lambda: odoo(labels=False),
    "odoo without what is archived": lambda: odoo(labels=True, archived=False),
    "tryton labels": lambda: tryton(labels=True),
    "tryton names": lambda: tryton(labels=False),
}
