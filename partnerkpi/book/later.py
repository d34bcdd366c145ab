"""What a book cannot say in this version though one may look for it: each with what to do until it can."""

from __future__ import annotations

_MERGE = (
    "making one partner of two from a day on (a merger, another id) is not in this version: two ids stay two partners. "
    'Until then make them one for all time, [deals.values.partner_id] "P-1" = ["P-2"], and alike in every table that '
    "has partner_id; a new name alone is the column name of the partners table."
)
_CALENDAR = (
    "quarters of weeks (4-4-5 and other retail calendars, with a 53rd week) are not in this version: a quarter is "
    "three calendar months, and weeks are never inferred. Until then say fiscal_year_starts = the month in which your "
    "year begins, and know that such a quarter begins and ends some days beside yours."
)
_YEAR = (
    "another name for the fiscal year is not in this version: it is named by the calendar year it ends in. Until then "
    "read 2026Q1 of a year that begins in April 2025 as what you may call 2025Q1."
)
_SHARE = (
    "sharing a deal among partners is not in this version: a deal is one partner's. Until then name one for each deal "
    'in partner_id; or export one row per deal and partner, with its part of the amount, and say key = ["Deal", '
    '"Partner"] with the names of these columns: the money is right then, but each part counts as a deal.'
)
_WORDS = {
    _MERGE: "merge merges merged merged_into merger mergers rename renames renamed renamed_to alias aliases "
    "predecessor successor same_as partner_merges partner_aliases",
    _CALENDAR: "calendar calendars fiscal_calendar calendar_table retail_calendar week_pattern weeks "
    "fiscal_quarters fiscal_periods 445 4_4_5 454 4_5_4 544 5_4_4 fifty_third_week",
    _YEAR: "fiscal_year_name fiscal_year_named_by fiscal_year_naming fiscal_year_ends fiscal_year_label year_naming "
    "year_named_by named_by",
    _SHARE: "share shares shared split splits split_credit credit_split credit_share deal_split partner_share "
    "partner_split overlay partner_ids partners_shares",
}
#: Each as one sentence or two that say what to do until then.
SENTENCES = tuple(_WORDS)
_SAID = {word: sentence for sentence, words in _WORDS.items() for word in words.split()}


def not_yet(name: str) -> str:
    """Why there is no such name yet, and what to do until there is; empty for a name nobody promises.

    >>> not_yet("split")[:42], not_yet("4-4-5")[:24], not_yet("amount")
    ('sharing a deal among partners is not in th', 'quarters of weeks (4-4-5', '')
    """
    return _SAID.get(name.strip().casefold().replace("-", "_").replace(" ", "_"), "")
