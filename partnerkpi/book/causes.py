"""Every kind of fault once: how its rule is worded, what it is in plain words, what it costs the data, how to cure it.

A rule is a sentence with the values of its place in it. What it is a case of, its `Cause`, has none of them: it can be
counted over rows, said on the page of one partner, and asked for its cure. A cure names the key of book.toml where
there is one; where only the export can be mended it says that.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Literal

#: What a fault takes from the figures: the whole `row`, the `cell` of its column (missing, or perhaps not what was
#: meant), whatever rests on the `table`, or `nothing`.
Costs = Literal["row", "cell", "table", "nothing"]


@dataclass(frozen=True)
class Cause:
    """One kind of fault.

    - `words`: a pattern that the rule of such a fault holds, and no other rule does;
    - `says`: what it is, without any value of a row; `cure`: what to do, of this `{table}` and `{column}`;
    - `costs`: what figures lose by it; a fault that refuses the book costs every figure until it is cured;
    - `beside`: only figures that rest on this column too lose by it;
    - `itself`: its rule is a sentence of book.toml or a preset, and may be said as it is.
    """

    name: str
    words: str
    says: str
    cure: str
    costs: Costs
    beside: str = ""
    itself: bool = False

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """The words, ready to be searched for."""
        return re.compile(self.words)


_MEND = "Mend it in the CRM or in the export"
_EXPORT = "Export the file again"
_ON_PURPOSE = "If it is meant so, nothing is to be done"

#: In this order: the first whose words a rule holds is its cause.
CAUSES: tuple[Cause, ...] = (
    # what forbids reading a file
    Cause("encoding", "cannot be read as |every second byte is|begins like UTF-16|that latin-1 does not print"
          "|in the middle of a character|letter beyond ASCII is one of", "the file is written in another encoding than "
          "declared",
          'Say how it is written: encoding = "cp1252", or what it is, under [{table}]', "table"),
    Cause("too large", "is read unasked|are read unasked", "the file is larger than what is read unasked",
          "Set what the sentence names in the environment, if the size is right", "table"),
    Cause("sheet", "say which is meant, sheet =|has no sheet", "it is not clear which sheet of the file is meant",
          'Say sheet = "…" under [{table}]', "table"),
    Cause("damaged file", "NUL character|no Parquet file|is no workbook|an old .xls|^the file is empty$|has no columns"
          "|no proper delimited text|the file is damaged|the file has a part that|the list of its sheets"
          "|a single row that is larger", "the file is damaged, empty, or of another kind than its name says",
          f"{_EXPORT}, as CSV, .xlsx or Parquet, and name it under [{{table}}] files", "table"),
    Cause("quotes", "quote is opened and never|quote was opened and not|after a closing quote|longer than 131,072",
          "a quotation mark in the file is not closed, so rows run into each other",
          f"{_EXPORT} with quotation marks inside cells doubled, or close it on the line named", "table"),
    Cause("header", "names a column twice|not even a header|the header comes later|no header is left|has one column and"
          "|the first line is no header|is empty, and the names of the columns|^the header has [0-9,]+ cells",
          "the header of the file is not where or what it is declared to be",
          'Say skip_rows = … or delimiter = "…" under [{table}]; give columns of one name names of their own', "table"),
    Cause("kind of value", "which is no plain value", "the column holds lists or other values that are no single one",
          "Write it as plain columns, or CAST it AS TEXT in [{table}] query", "table"),
    Cause("spreadsheet error", "an error instead of a value|a formula without a stored value|are merged, and only",
          "cells of the workbook hold an error, a formula without its value, or are merged",
          'Mend them in the workbook and save it; an error that means nothing: missing = ["#N/A"] under [{table}]',
          "table"),
    # rows and columns of a file
    Cause("ragged", r"^the row has [0-9,]+ cells", "rows with more or fewer cells than the header, so nobody "
          "knows whose", "Mend the line; where it stands below the rows, say footer = … under [{table}]", "row"),
    Cause("footer", "a line of the footer has", "a line left out as footer looks like a row",
          "Say a smaller footer under [{table}] if it is one", "row"),
    Cause("no rows", "^no rows, only a header", "the file has a header and no rows",
          f"{_EXPORT}; look at the filter of the CRM's report", "table"),
    Cause("column missing", "the column '.*' is missing|none of the columns|neither 'deal_id' nor 'lead_id'",
          "a column that is needed, or that book.toml names, is not in the file",
          'Name the column of the file under [{table}.columns]: {column} = "…"', "cell"),
    Cause("column not read", "^not read, though|^not read\\. If it is", "a column is not read, though it is nearly "
          "named like one that could be", 'Map it under [{table}.columns]: {column} = "its name", or leave it unread: '
          '{column} = ""', "cell"),
    Cause("column without a name", "has no name in row", "a column of the sheet has no name, so it is not read",
          "Name it in the first row of the sheet", "nothing"),
    Cause("hidden rows", "hidden in the sheet", "rows that are hidden in the sheet are read like the others",
          "Delete them from the sheet, or leave them out by a column's value under [{table}.leave_out]", "row"),
    Cause("digits cut", "more than 15 digits|written with an exponent", "long numbers, whose digits a spreadsheet may "
          "have cut", f"{_EXPORT} with the column {{column}} as text", "cell"),
    Cause("day among texts", "a day among texts", "days among texts: a spreadsheet may have exchanged day and month",
          f"{_EXPORT} with the column {{column}} as text", "cell"),
    # what is declared and is not so
    Cause("control totals", "is declared, but", "the table does not hold the rows or the sum it is declared to hold",
          f"{_EXPORT}, something is lost or double; or mend rows and amount_total under [{{table}}]", "table"),
    Cause("share set aside", "more than 1 %", "more than one in a hundred rows, or of the money, is set aside",
          "Cure what is set aside; or go on without it: --allow-set-aside", "row"),
    Cause("no such value", "no row has the value", "a value named in [{table}.leave_out] or .only is in no row",
          "Write it exactly as the export does, or take it out", "nothing"),
    Cause("no such own sales", r"^\[book\] direct:", "an id that [book] direct names is that of no deal",
          "Write the id under [book] direct exactly as the export does, or take it out", "nothing"),
    Cause("no such stage", r"^\[deals\.probabilities\]", "a stage with a declared chance is that of no deal",
          "Write the stage under [deals.probabilities] exactly as the export does, or take it out", "nothing"),
    # cells
    Cause("unmapped value", "stands nowhere in|is none of .*: map it under|stands under no value in",
          "a value of the export has no meaning here yet",
          'Say which it is under [{table}.values.{column}]: won = ["Closed Won"], ignore = ["Test"]', "table"),
    Cause("flag", "neither a yes nor a no", "a word in a flag is neither yes nor no",
          'Say yes = ["…"], no = ["…"] under [{table}.flags]', "table"),
    Cause("flags contradict", "the flags contradict", "the flags of a row say two things",
          f"{_MEND}; or leave one flag out of [{{table}}.flags]", "row"),
    Cause("flags and value", "the value says .*the flags say", "flag and value of the status disagree",
          f'{_MEND}; which holds is said by decides = "values" (or "flags") under [{{table}}.flags]', "cell"),
    Cause("empty", "is empty and must not be", "rows without what each row must have",
          f'{_MEND}; or map another column under [{{table}}.columns]: {{column}} = ["first", "else"]', "row"),
    Cause("column unreadable", "cells cannot be read: declare", "most cells of the column cannot be read",
          'Say dates = "…", or decimal = "…", under [{table}]; or leave it unread: {column} = ""', "table"),
    Cause("amount doubtful", "could be thousands or decimals", "amounts that fit two ways of writing: thousands or "
          "decimals", 'Say decimal = "," and thousands = "." (or the other way round) under [{table}]', "table"),
    Cause("day undeclared", "declare the format: without one|no format with %y|times with and without an offset",
          "days or times are written in a way that is not declared", 'Say dates = "%d/%m/%Y", or how they are written, '
          'and times = "UTC" where they have no offset, under [{table}]', "table"),
    Cause("cell lost", "so it counts as empty", "cells that cannot be read, which count as empty",
          'Say how they are written (dates, decimal) or that they mean nothing (missing = ["NA"]) under [{table}]',
          "cell"),
    Cause("amount too large", "an amount beyond", "amounts larger than any can be, infinite ones among them",
          f"{_MEND}; or, where such amounts are right, say largest_amount = … under [book]", "row"),
    Cause("no amount here", "not an amount|not a number|a number beyond all measure",
          "amounts or numbers that cannot be read", 'Say decimal = "," or thousands = "." under [{table}]; a cell that '
          'means nothing: missing = ["NA"]', "row"),
    Cause("no day here", "no such day|not written like|a year before|spreadsheets store days|were changed$",
          "days or times that cannot be read", 'Say dates = "%d/%m/%Y", or how they are written, under [{table}]; a '
          'cell that means nothing: missing = ["NA"]', "row"),
    Cause("no quarter here", "is no quarter", "quarters that cannot be read", "Write them like 2025Q4", "row"),
    Cause("currency sign", "stands beside the amount|which currency is|the sign beside the amount",
          "the sign beside an amount does not fit, or does not tell, the row's currency",
          'Map a column: currency = "…" under [{table}.columns]; or say currency = "USD" under [{table}.constants]',
          "row"),
    Cause("currency not told", "no currency beside it", "amounts without a currency beside others that have one: taken "
          "to be in the book's", 'Map a column: currency = "…" under [{table}.columns]', "cell"),
    # rows
    Cause("same key", "the same key stands in rows that differ", "different rows with the same id", f"{_MEND}; or say "
          'which column tells the latest: latest_by = "…" under [{table}]; or make the id of several columns: '
          'key = ["Order", "Line"]', "row"),
    Cause("older version", "an older version of a row", "older versions of rows that stand in several, of which the "
          "latest counts: out of scope", f"{_ON_PURPOSE}: latest_by under [{{table}}] says so", "nothing"),
    Cause("identical", "an identical row stands above", "rows given twice, of which one is used and the other is out "
          "of scope", f"{_EXPORT} without them. {_ON_PURPOSE}", "nothing"),
    Cause("twins", "^the same as a|a target for whom and when", "rows alike but for their id, or without one: perhaps "
          "one thing twice, and both are used", f"{_EXPORT} without them; or leave them out under "
          "[{table}.leave_out]", "row"),
    Cause("total", "that is a total|reads like a total|the sum of the rows above|exactly the sum of all rows",
          "rows that may be a total of others", "Say footer = 1 under [{table}] where it stands below all rows; "
          "else leave it out by a column's value under [{table}.leave_out]", "row"),
    Cause("negative", "^is negative", "amounts below zero", f"{_MEND}; for credit notes say credit_notes = … under "
          "[{table}], of deals with the column that names the deal of each; or leave them out under "
          "[{table}.leave_out]", "row"),
    Cause("credit note", "^a credit note: it lowers", "credit notes, which lower what they take money back from",
          f"{_ON_PURPOSE}: credit_notes under [{{table}}] says so", "cell"),
    Cause("credit note astray", "^a credit note, and|^a credit note in|^a credit note of a|^credit notes of more",
          "credit notes of which the deal is not known, or which take back more than it is worth",
          f"{_MEND}: each must name a deal that is won, in its currency, not after it; or leave them out under "
          "[{table}.leave_out]", "row"),
    Cause("of a credit note", "^of a credit note, which", "about a credit note, which is no deal: out of scope",
          _ON_PURPOSE, "nothing"),
    Cause("no amount", "^no amount: counted", "missing, so counted without money",
          f'{_MEND}; or map another column: amount = ["Net", "Amount"] under [{{table}}.columns]', "cell"),
    Cause("zero", "the amount is zero", "zero, so counted without money",
          f"{_MEND}. {_ON_PURPOSE}", "cell"),
    Cause("no closing", "closed, but no day of closing", "closed, but without the day of closing",
          f'{_MEND}; or map another column: closed_on = ["Closed", "Last change"] under [{{table}}.columns]', "row"),
    Cause("after the export", "is after the day of the export", "days after the day of the export",
          "Mend extracted_on under [book], or the day in the export", "row"),
    Cause("closed early", "closed before it was created", "closed before the day of creation: left out of durations",
          f"{_MEND}; where the CRM wrote the day of a migration, map the true one: created_on under "
          "[{table}.columns]", "cell", beside="created_on"),
    Cause("open with a closing", "^open, so its day of closing", "open, so the day of closing is what is expected",
          f"{_ON_PURPOSE}: many CRMs keep both in one column", "nothing"),
    Cause("overdue", "the expected closing has passed", "open, though the expected closing has passed",
          "Ask the owner for a new day. The figures of overdue deals are made of it", "cell"),
    Cause("no partner", "no partner: counted as unassigned", "no partner, so nobody's: unassigned",
          'Map the column, partner_id = "…" under [{table}.columns]; the vendor\'s own: direct = ["…"] under [book]',
          "cell"),
    Cause("left early", "left before joining", "left the programme before joining it", _MEND, "cell"),
    Cause("same name", "the same name as another partner", "partners of one name: perhaps one partner with two ids",
          'Make them one: under [deals.values.partner_id], "P-1" = ["P-2"]', "nothing"),
    Cause("share above one", "a share above 1", "shares above 100 %", "Write percent as 12 %, or 0.12", "cell"),
    Cause("letters lost", "a letter that was lost|taken for another encoding", "letters that an earlier program lost "
          "or wrote as two signs each", f"{_EXPORT} in another encoding (UTF-8)", "nothing"),
    Cause("shared deal", "to share a deal among", "deals that name several partners, or are given once for each",
          "Name one partner for each deal; to share a deal among partners is not in this version", "row"),
    Cause("rewritten id", "that a spreadsheet rewrote", "ids that look like a number that a spreadsheet rewrote",
          f"{_EXPORT} with the column {{column}} as text", "cell"),
    Cause("odd id", "begins or ends with a space|is not seen$|letters of two alphabets|differs from another only in",
          "ids that look alike but are not: spaces, capitals, letters that are not seen",
          'Make them one under [{table}.values.{column}]: "right" = ["wrong"]', "cell"),
    Cause("spelt otherwise", "the partners table spells it|two partners, unless", "ids of partners that are spelt "
          "otherwise elsewhere, so they are two partners", 'Make them one under [{table}.values.partner_id]: "right" = '
          '["wrong"]', "cell"),
    # between tables
    Cause("not in use", "that is not in use", "rows about a deal or lead that is not in use: out of scope",
          f"{_EXPORT} with the same filter as the deals. {_ON_PURPOSE}", "row"),
    Cause("no such lead", "there is no such lead", "deals that name a lead which is not there: each stands for itself",
          "Export the leads again without a filter", "cell"),
    Cause("no such partner", "no such partner in the partners table", "partners that the partners table does not name: "
          "kept under their id", "Add them to the partners table", "nothing"),
    Cause("neither deal nor lead", "neither a deal nor a lead", "contacts that name neither a deal nor a lead", _MEND,
          "row"),
    Cause("before creation", "a change before the deal was created", "changes before the deal was created: taken as "
          "its beginning", f"{_MEND}; or map the true day: created_on under [deals.columns]", "row"),
    Cause("created twice", "creates the deal a second time", "changes that say the deal's beginning a second time",
          f"{_EXPORT} without them. {_ON_PURPOSE}", "nothing"),
    Cause("closed before the table", "closes the deal before the deals table", "the history closes the deal before the "
          "deals table does: closed from that change on", _MEND, "cell"),
    Cause("last status", "the last change says another status", "the last change says another status than the deals "
          "table, which holds", "Export both tables again, on one day", "cell"),
    Cause("value before", "differs from what the change before says", "what a change says of the value before differs "
          "from the change before, which holds", "Export the whole history again", "cell"),
    Cause("emptied", "which a history cannot tell", "changes that empty a value: what was before stays",
          f"{_MEND}. {_ON_PURPOSE}", "cell"),
    Cause("one moment", "changes of one deal at one moment", "changes of one deal at one moment that contradict each "
          "other: taken in the order of the file", f"{_EXPORT} with times of day: changed_at under [{{table}}.columns]",
          "row"),
    # rates
    Cause("no rate", "no rate on or before the day|in the rates table, and the book", "amounts in a currency without a "
          "rate", "Add its rates to the rates table: currency, date, rate", "table"),
    Cause("old rate", "within a quarter before the day", "amounts converted at a rate that is more than a quarter old",
          "Add newer rates to the rates table: currency, date, rate", "cell"),
    Cause("rate not positive", "a rate must be above zero", "rates of zero or less", "Mend the rates table", "row"),
    Cause("own currency's rate", "the book's own currency: not used", "rates of the book's own currency, which are not "
          "used", "Take them out of the rates table, or mend currency under [book]", "nothing"),
    Cause("rate turned round", "one divided by the usual rate", "rates that seem to be turned round",
          "Write the book's currency for one unit of the other in the rates table", "cell"),
    Cause("rate far off", "of the usual rate", "rates far from the others of their currency", "Mend the rates table",
          "cell"),
)  # fmt: skip

#: What book.toml or a preset has to say of a column or a status: a sentence of theirs, not of the reader's.
REMARK = Cause("remark", "$^", "book.toml, or its preset, says it of every such book",
               "It is so in every such export: know it when you read the figures. Sentences of your own stand under "
               "[{table}.remarks] and [{table}.expects]", "cell",
               itself=True)  # fmt: skip
#: What forbids reading a book at all: its folder or its book.toml is not as it must be.
SETTING = Cause("setting", "$^", "the folder or its book.toml cannot be read as it is",
                "Do what the sentence says: no file of the data was looked at yet. data/dictionary.md has every key of "
                "book.toml; partnerkpi init FOLDER drafts one", "table", itself=True)  # fmt: skip
EVERY = {cause.name: cause for cause in (*CAUSES, REMARK)}


@cache
def cause_of(rule: str) -> Cause:
    """What a rule is a case of; a sentence that no rule of the reader holds is a remark of book.toml or its preset.

    >>> cause_of("no amount: counted, but adds no money").name, cause_of("is negative").costs
    ('no amount', 'row')
    """
    return next((cause for cause in CAUSES if cause.pattern.search(rule)), REMARK)
