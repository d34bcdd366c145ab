"""Which CRM an export comes from, told by its labels, and what that CRM's exports are known to get wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from partnerkpi.book.meaning import Source
from partnerkpi.book.schema import TABLES
from partnerkpi.survey.words import squeezed

#: Labels and technical names by which a system is told; those of custom fields are the user's own and not here.
LABELS: dict[str, tuple[str, ...]] = {
    "salesforce": (
        "Opportunity ID", "Opportunity Name", "Opportunity Owner", "Owner Role", "Account Name", "Stage", "Close Date",
        "Created Date", "Lead Source", "Probability (%)", "Next Step", "Age", "Fiscal Period", "Amount Currency",
        "Amount (converted) Currency", "Amount (converted)", "Expected Revenue", "Opportunity Currency", "Type",
        "StageName", "CloseDate", "CreatedDate", "IsClosed", "IsWon", "AccountId", "OwnerId", "LeadSource",
        "ForecastCategory", "ForecastCategoryName", "CurrencyIsoCode", "ExpectedRevenue", "SystemModstamp",
        "Pricebook2Id", "CampaignId", "HasOpportunityLineItem", "IsDeleted", "LastModifiedById",
    ),
    "hubspot": (
        "Record ID", "Deal Name", "Deal Stage", "Pipeline", "Close Date", "Create Date", "Deal owner", "Amount",
        "Amount in company currency", "Deal Type", "Is Deal Closed?", "Is Closed Won", "Is closed lost", "Currency",
        "Closed Lost Reason", "Closed Won Reason", "Original Traffic Source", "Original Traffic Source Drill-Down 1",
        "Associated Company", "Associated Company IDs", "Primary Associated Company", "Associated Contact",
        "Number of Deal Registrations", "Last Activity Date", "hs_object_id", "dealname", "dealstage", "closedate",
        "createdate", "hs_is_closed", "hs_is_closed_won", "hs_is_closed_lost", "deal_currency_code",
        "closed_lost_reason", "hs_analytics_source", "hubspot_owner_id",
    ),
    "dynamics365": (
        "(Do Not Modify) Opportunity", "(Do Not Modify) Row Checksum", "(Do Not Modify) Modified On", "Topic",
        "Potential Customer", "Est. close date", "Est. Close Date", "Est. revenue", "Est. Revenue",
        "Actual Close Date", "Actual Revenue", "Status Reason", "Pipeline Phase", "Sales Stage", "Record Created On",
        "Created On", "Status", "Rating", "Source Campaign", "Originating Lead", "Currency", "Owner", "Probability",
        "opportunityid", "statecode", "statuscode", "estimatedclosedate", "actualclosedate", "estimatedvalue",
        "actualvalue", "createdon", "overriddencreatedon", "transactioncurrencyid", "stepname", "parentaccountid",
        "customerid", "salesstage",
    ),
    "pipedrive": (
        "Deal - ID", "Deal - Title", "Deal - Value", "Deal - Currency of Value", "Deal - Status", "Deal - Stage",
        "Deal - Pipeline", "Deal - Won time", "Deal - Lost time", "Deal - Closed on", "Deal - Deal created",
        "Deal - Creation date", "Deal - Expected close date", "Deal - Lost reason", "Deal - Owner",
        "Deal - Organization", "Deal - Contact person", "Deal - Pipedrive System ID", "Deal - Probability",
        "Deal - Update time", "Deal - Label", "add_time", "won_time", "lost_time", "close_time",
        "expected_close_date", "lost_reason", "stage_id", "pipeline_id", "org_id", "person_id", "Won time",
        "Lost time", "Deal closed on", "Currency of Value",
    ),
    "zoho": (
        "Record Id", "Deal Name", "Deal Owner", "Deal Owner Id", "Account Name", "Account Name.id", "Closing Date",
        "Created Time", "Modified Time", "Lead Source", "Campaign Source", "Stage", "Amount", "Expected Revenue",
        "Probability (%)", "Type", "Next Step", "Reason For Loss", "Reason For Loss__s", "Overall Sales Duration",
        "Sales Cycle Duration", "Lead Conversion Time", "Deal_Name", "Closing_Date", "Created_Time", "Lead_Source",
        "Account_Name", "Expected_Revenue",
    ),
    "odoo": (
        "Opportunity", "Expected Revenue", "Prorated Revenue", "Expected Closing", "Closed Date", "Assigned Partner",
        "Partner Assignment Date", "Lost Reason", "Salesperson", "Sales Team", "Created on", "Stage", "Active",
        "Probability", "External ID", "Company Name", "Conversion Date", "Won/Lost", "Is Won", "Medium", "Source",
        "Campaign", "Referred By", "partner_assigned_id", "expected_revenue", "prorated_revenue", "date_deadline",
        "date_closed", "lost_reason_id", "stage_id", "create_date", "date_conversion", "won_status", "team_id",
        "user_id", "probability", "active",
    ),
    "tryton": (
        "Number", "Party", "Contact", "Description", "State", "Start Date", "End Date", "Conversion Probability",
        "Amount", "Currency", "Employee", "Reason for loss", "Payment Term", "Company", "Address", "number", "party",
        "state", "start_date", "end_date", "conversion_probability", "lost_reason", "employee", "payment_term",
    ),
}  # fmt: skip

#: What each system is called.
TITLES = {"salesforce": "Salesforce", "hubspot": "HubSpot", "dynamics365": "Dynamics 365", "pipedrive": "Pipedrive",
          "zoho": "Zoho CRM", "odoo": "Odoo", "tryton": "Tryton"}  # fmt: skip

#: What to know of every export of the system, in a sentence each.
TRAPS: dict[str, tuple[str, ...]] = {
    "salesforce": (
        "Salesforce sets a future Close Date to today in UTC when a deal is won: at a quarter's end a win may stand "
        "one day off.",
    ),
    "hubspot": (
        "HubSpot fills Close Date with the last day of the month of creation: the expected close of open deals is "
        "often nobody's opinion.",
        "Labels follow the language of the export: export again in the same one, or init --diff tells of new columns.",
    ),
    "dynamics365": (
        "Created On is in the exporting user's time zone; migrated records keep their true beginning in "
        "Record Created On.",
    ),
    "pipedrive": (
        "Pipedrive exports the columns and deals its user sees: let an administrator export, with all columns shown.",
    ),
    "zoho": (
        "Zoho records no day of closing: Closing Date is the expected one, so a win stands in the quarter that was "
        "typed last.",
    ),
    "odoo": ("Odoo has no lost stage: a lost deal is an archived one, and lists leave those out unless asked.",),
    "tryton": (
        "Tryton writes the amount of a deal's sales over its own: one lost by cancelling them has the amount 0.",
    ),
}

#: How the partner of a deal is brought into the export.
PARTNER_COLUMN: dict[str, str] = {
    "salesforce": "a standard opportunity names no partner: add 'Partner Account' (or your own lookup) to the report's "
    "columns, or export the report 'Opportunities with Partners' (its Partner, Role and Primary)",
    "hubspot": "HubSpot has no partner field: add the custom property that names the partner, or the company with your "
    "partner's association label, to the columns of the export ('Include all properties')",
    "dynamics365": "add the column of your partner lookup to the view (Edit columns), then export it to a "
    "static worksheet",
    "pipedrive": "show the custom field that names the partner as a column of the list, then export the "
    "filter's results",
    "zoho": "add the lookup that names the partner (or Vendor) to the module's export: Setup, "
    "Data Administration, Export",
    "odoo": "export 'Assigned Partner' (partner_assigned_id, of the app Resellers), not 'Customer'",
    "tryton": "export the party of the agent (commission) or your own field beside 'Party'",
}
#: How lost deals are brought into the export.
LOST_DEALS: dict[str, str] = {
    "odoo": "in the list, open Filters and choose Archived (or 'Lost') as well, then export again "
    "with the field Active",
    "pipedrive": "choose the filter 'All deals', or 'All lost deals' for a second file, and export again",
    "salesforce": "in the report set Opportunity Status to Any, and Show to All opportunities",
    "hubspot": "remove the view's filter on the stage, or use 'All deals', and export again",
    "dynamics365": "export the view 'All Opportunities', not 'My Open Opportunities'",
    "zoho": "export 'All Deals', not a view of open ones",
    "tryton": "clear the tab 'Opportunities' filter on state, and export again",
}

_ENOUGH = 4
_TELLING = 2.0  # labels that no other system has, those of several counted in part


@dataclass(frozen=True)
class Recognised:
    """The CRM an export comes from, and by which of its labels; `also` names another that fits as well."""

    crm: str = ""
    labels: tuple[str, ...] = ()
    also: str = ""

    @property
    def title(self) -> str:
        """What the system is called."""
        return TITLES.get(self.crm, "")

    @property
    def evidence(self) -> str:
        """How many of its labels are there, and some of them."""
        shown = ", ".join(self.labels[:6]) + (" …" if len(self.labels) > 6 else "")
        return f"{len(self.labels)} of its labels: {shown}"


def recognise(header: list[str], spellings: Mapping[str, set[str]]) -> Recognised:
    """The CRM whose labels the header has, at least four of them and more than any other's.

    A column named as in the book itself tells of no CRM.

    Args:
        header: the columns of the file.
        spellings: for each CRM the squeezed labels it is told by.
    """
    own = {squeezed(h): h for h in header if h not in TABLES["deals"]}
    hits = {crm: [own[label] for label in own if label in labels] for crm, labels in spellings.items()}
    many: dict[str, float] = {}
    for crm, labels in hits.items():
        # A label that several systems have tells less.
        weights = [1 / sum(squeezed(label) in others for others in spellings.values()) for label in labels]
        many[crm] = sum(weights) if len(labels) >= _ENOUGH else 0.0
    order = sorted(many, key=lambda crm: (-many[crm], -len(hits[crm]), crm))
    best = order[0]
    if many[best] < _TELLING:
        return Recognised()
    second = order[1]
    also = second if many[second] > 0.8 * many[best] else ""
    return Recognised(best, tuple(sorted(hits[best], key=header.index)), also)


def spellings_of(presets: Mapping[str, Mapping[str, Source]]) -> dict[str, set[str]]:
    """The squeezed labels of every CRM: those listed here and those its preset makes a column of."""
    made = {crm: set(map(squeezed, labels)) for crm, labels in LABELS.items()}
    for crm, columns in presets.items():
        made.setdefault(crm, set()).update(squeezed(n) for source in columns.values() for n in source.names)
    return made
