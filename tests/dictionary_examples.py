"""One example for each key of book.toml: what stands in the file, the files it reads, and what one then sees.

All of it is invented. `refresh_dictionary.py` puts them into data/dictionary.md, and test_dictionary.py executes them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

#: The first lines of every example's book.toml; what an example says of [book] itself stands in its place.
HEAD = {"currency": '"EUR"', "extracted_on": "2025-03-31"}
#: The file of every example that has none of its own.
DEALS = """\
deal_id,created_on,status,closed_on,amount,partner_id
D-1,2025-01-07,won,2025-02-03,1200,Alba
D-2,2025-02-10,lost,2025-03-28,800,Borealis
D-3,2025-03-05,open,,500,Alba
"""


@dataclass(frozen=True)
class Example:
    """An example of one key: `section.key`, or a section alone.

    `files` are text by name; "deals.xlsx#Export" is that sheet of a workbook, "crm.db#deals" that table of a SQLite
    database, and a Parquet file holds the columns of its text. `shown` is a session of Python on the opened book.
    """

    of: str
    toml: str
    shown: str
    files: Mapping[str, str] = field(default_factory=lambda: {"deals.csv": DEALS})

    @property
    def key(self) -> str:
        """The key alone."""
        return self.of.rpartition(".")[2]


def _one(of: str, toml: str, shown: str, **files: str) -> Example:
    """An example; files are named with `_` for the point, so `deals_csv` is deals.csv."""
    named = {name.replace("__", "#").replace("_", "."): text for name, text in files.items()}
    return Example(of, toml, shown, named) if named else Example(of, toml, shown)


EXAMPLES = (
    _one("book.name", '[book]\nname = "Ice cream, Europe"', ">>> book.name\n'Ice cream, Europe'"),
    _one(
        "book.currency",
        '[book]\ncurrency = "CHF"',
        '>>> print(pk.KPIS[0](book, "2025Q1"))\nCHF1,200 (1 won deal with an amount; fewer than 5: no interval)',
    ),
    _one(
        "book.time_zone",
        '[book]\ntime_zone = "Europe/Paris"',
        '>>> str(book.deals["created_on"].dt.date[0])      # 23:30 in Greenwich is the next day in Paris\n'
        "'2025-01-07'",
        deals_csv="deal_id,created_on,status\nD-1,2025-01-06T23:30:00Z,open\n",
    ),
    _one(
        "book.fiscal_year_starts",
        "[book]\nfiscal_year_starts = 4",
        ">>> str(book.quarter(\"2025Q4\").start.date())\n'2025-01-01'",
    ),
    _one("book.extracted_on", "[book]\nextracted_on = 2025-03-31", ">>> str(book.as_of.date())\n'2025-03-31'"),
    _one(
        "book.preset",
        '[book]\npreset = "pipedrive"\n[deals]\nfiles = ["deals.csv"]',
        '>>> book.deals[["status", "closed_on"]].astype("str").values.tolist()\n'
        "[['won', '2025-02-03'], ['lost', '2025-03-28']]",
        deals_csv="ID,Deal created,Status,Won time,Lost time,Value\n"
        "17,2025-01-07,Won,2025-02-03 10:00:00,,1200\n18,2025-02-10,Lost,,2025-03-28 09:00:00,800\n",
    ),
    _one(
        "book.direct",
        '[book]\ndirect = ["Borealis"]',
        ">>> book.direct\n('Borealis',)",
    ),
    _one(
        "book.largest_amount",
        '[book]\ncurrency = "IDR"\nlargest_amount = 5e12',
        '>>> book.deals["amount"].tolist()\n[2000000000000.0]',
        deals_csv="deal_id,created_on,status,amount\nD-1,2025-01-07,open,2000000000000\n",
    ),
    _one(
        "source.url",
        '[source]\nurl = "sqlite:///crm.db"\n[deals]\nrelation = "deals"',
        ">>> book.deals[\"deal_id\"].tolist()\n['D-1', 'D-2', 'D-3']",
        crm_db__deals=DEALS,
    ),
    _one(
        "source.seconds",
        '[source]\nurl = "sqlite:///crm.db"\nseconds = 300\n[deals]\nrelation = "deals"',
        ">>> len(book.deals)\n3",
        crm_db__deals=DEALS,
    ),
    _one(
        "table.files",
        '[deals]\nfiles = ["old.csv", "new.csv"]',
        ">>> book.deals[\"deal_id\"].tolist()\n['D-1', 'D-2']",
        old_csv="deal_id,created_on,status\nD-1,2025-01-07,open\n",
        new_csv="deal_id,created_on,status\nD-2,2025-02-10,open\n",
    ),
    _one(
        "table.sheet",
        '[deals]\nfiles = ["deals.xlsx"]\nsheet = "Export"',
        '>>> book.deals["amount"].tolist()\n[1200.0, 800.0, 500.0]',
        deals_xlsx__Export=DEALS,
        deals_xlsx__Notes="asked for by\nIda\n",
    ),
    _one(
        "table.sql",
        '[deals]\nsql = """\nSELECT o.*, a.team AS partner_id\n'
        'FROM opportunities o LEFT JOIN accounts a USING (account)\n"""',
        ">>> book.deals[\"partner_id\"].tolist()\n['Alba', 'Borealis']",
        opportunities_csv="deal_id,created_on,status,account\nD-1,2025-01-07,open,A\nD-2,2025-02-10,open,B\n",
        accounts_csv="account,team\nA,Alba\nB,Borealis\n",
    ),
    _one(
        "table.query",
        '[source]\nurl = "sqlite:///crm.db"\n[deals]\nquery = "SELECT * FROM deals WHERE deleted = \'0\'"',
        ">>> book.deals[\"deal_id\"].tolist()\n['D-1']",
        crm_db__deals="deal_id,created_on,status,deleted\nD-1,2025-01-07,open,0\nD-2,2025-02-10,open,1\n",
    ),
    _one(
        "table.relation",
        '[source]\nurl = "sqlite:///crm.db"\n[deals]\nrelation = "opportunities"\n[deals.columns]\ndeal_id = "id"',
        ">>> book.deals[\"deal_id\"].tolist()\n['17']",
        crm_db__opportunities="id,created_on,status\n17,2025-01-07,open\n",
    ),
    _one(
        "table.encoding",
        '[deals]\nencoding = "utf-16"',
        ">>> book.deals[\"customer\"].tolist()\n['Café']",
        deals_csv="deal_id,created_on,status,customer\nD-1,2025-01-07,open,Café\n",
    ),
    _one(
        "table.delimiter",
        '[deals]\ndelimiter = ";"',
        ">>> book.deals[\"deal_id\"].tolist()\n['D-1']",
        deals_csv="deal_id;created_on;status\nD-1;2025-01-07;open\n",
    ),
    _one(
        "table.decimal",
        '[deals]\ndelimiter = ";"\ndecimal = ","',
        '>>> book.deals["amount"].tolist()\n[1234.5]',
        deals_csv="deal_id;created_on;status;amount\nD-1;2025-01-07;open;1234,50\n",
    ),
    _one(
        "table.thousands",
        '[deals]\ndelimiter = ";"\ndecimal = ","\nthousands = " "',
        '>>> book.deals["amount"].tolist()\n[1234.5]',
        deals_csv="deal_id;created_on;status;amount\nD-1;2025-01-07;open;1 234,50 €\n",
    ),
    _one(
        "table.dates",
        '[deals]\ndates = "%d/%m/%Y"        # or by column: { created_on = "%d/%m/%Y", closed_on = "%Y-%m-%d" }',
        ">>> str(book.deals[\"created_on\"].dt.date[0])\n'2025-01-07'",
        deals_csv="deal_id,created_on,status\nD-1,07/01/2025,open\n",
    ),
    _one(
        "table.times",
        '[book]\ntime_zone = "Europe/Paris"\n[deals]\ntimes = "UTC"',
        ">>> str(book.deals[\"created_on\"].dt.date[0])\n'2025-01-07'",
        deals_csv="deal_id,created_on,status\nD-1,2025-01-06 23:30:00,open\n",
    ),
    _one(
        "table.missing",
        '[deals]\nmissing = ["NA", "-"]',
        '>>> book.deals["amount"].tolist()\n[nan, 800.0]',
        deals_csv="deal_id,created_on,status,amount\nD-1,2025-01-07,open,NA\nD-2,2025-02-10,open,800\n",
    ),
    _one(
        "table.skip_rows",
        "[deals]\nskip_rows = 2",
        ">>> book.reading.rows()\n{'read': 1, 'used': 1, 'out of scope': 0, 'set aside': 0}",
        deals_csv="Pipeline report\nas of 31 March 2025\ndeal_id,created_on,status\nD-1,2025-01-07,open\n",
    ),
    _one(
        "table.footer",
        "[deals]\nfooter = 2",
        ">>> book.reading.rows()\n{'read': 3, 'used': 1, 'out of scope': 2, 'set aside': 0}",
        deals_csv="deal_id,created_on,status\nD-1,2025-01-07,open\nTotal: 1\nConfidential\n",
    ),
    _one(
        "table.rows",
        "[deals]\nrows = 3",
        ">>> book.reading.rows()\n{'read': 3, 'used': 3, 'out of scope': 0, 'set aside': 0}",
    ),
    _one("table.amount_total", '[deals]\namount_total = "2500"', '>>> float(book.deals["amount"].sum())\n2500.0'),
    _one(
        "table.columns",
        '[deals.columns]\ndeal_id = "Opportunity ID"\ncreated_on = "Created"\nstatus = "State"\n'
        'amount = ["Net", "Gross"]\nclosed_on = { won = "Won time", lost = "Lost time" }\nregion = ""',
        '>>> book.deals["amount"].tolist()\n'
        "[1000.0, 800.0]\n"
        '>>> book.deals["closed_on"].astype("str").tolist()\n'
        "['2025-02-03', '2025-03-28']\n"
        '>>> book.records("deals.region")\n'
        "False",
        deals_csv="Opportunity ID,Created,State,Net,Gross,Won time,Lost time,region\n"
        "D-1,2025-01-07,won,1000,1200,2025-02-03,,North\nD-2,2025-02-10,lost,,800,,2025-03-28,South\n",
    ),
    _one(
        "table.values",
        '[deals.values.status]\nwon = ["Closed Won"]\nopen = ["Demo", "Proposal"]\nignore = ["Test"]',
        '>>> book.deals["status"].tolist()\n'
        "['won', 'open']\n"
        ">>> book.reading.rows()\n"
        "{'read': 3, 'used': 2, 'out of scope': 1, 'set aside': 0}",
        deals_csv="deal_id,created_on,status,closed_on\nD-1,2025-01-07,Closed Won,2025-02-03\n"
        "D-2,2025-02-10,Demo,\nD-3,2025-03-05,Test,\n",
    ),
    _one(
        "table.constants",
        '[deals.constants]\nsourced = "partner"',
        ">>> book.deals[\"sourced\"].tolist()\n['partner', 'partner', 'partner']",
    ),
    _one(
        "table.flags",
        '[deals.flags]\nclosed = "IsClosed"\nwon = "IsWon"',
        ">>> book.deals[\"status\"].tolist()\n['won', 'lost', 'open']",
        deals_csv="deal_id,created_on,closed_on,IsClosed,IsWon\nD-1,2025-01-07,2025-02-03,TRUE,TRUE\n"
        "D-2,2025-02-10,2025-03-28,TRUE,FALSE\nD-3,2025-03-05,,FALSE,FALSE\n",
    ),
    _one(
        "table.key",
        '[deals]\nkey = ["Order", "Line"]',
        ">>> book.deals[\"deal_id\"].tolist()\n['7/1', '7/2']",
        deals_csv="Order,Line,created_on,status\n7,1,2025-01-07,open\n7,2,2025-01-07,open\n",
    ),
    _one(
        "table.latest_by",
        '[deals]\nlatest_by = "Modified"',
        '>>> book.deals["amount"].tolist()\n'
        "[900.0]\n"
        ">>> book.reading.rows()\n"
        "{'read': 2, 'used': 1, 'out of scope': 1, 'set aside': 0}",
        deals_csv="deal_id,created_on,status,amount,Modified\n"
        "D-1,2025-01-07,open,900,2025-03-01 17:30\nD-1,2025-01-07,open,800,2025-02-10 09:00\n",
    ),
    _one(
        "table.credit_notes",
        '[deals]\ncredit_notes = "Credits"',
        '>>> book.deals[["deal_id", "amount"]].values.tolist()\n'
        "[['D-1', 1050.0]]\n"
        ">>> book.reading.rows()\n"
        "{'read': 2, 'used': 2, 'out of scope': 0, 'set aside': 0}",
        deals_csv="deal_id,created_on,status,closed_on,amount,Credits\n"
        "D-1,2025-01-07,won,2025-02-03,1200,\nD-2,2025-03-10,won,2025-03-10,-150,D-1\n",
    ),
    _one(
        "table.leave_out",
        '[deals.leave_out]\nType = ["Renewal", ""]',
        '>>> book.deals["deal_id"].tolist()\n'
        "['D-1']\n"
        ">>> book.reading.rows()\n"
        "{'read': 3, 'used': 1, 'out of scope': 2, 'set aside': 0}",
        deals_csv="deal_id,created_on,status,Type\nD-1,2025-01-07,open,New\nD-2,2025-02-10,open,Renewal\n"
        "D-3,2025-03-05,open,\n",
    ),
    _one(
        "table.only",
        '[deals.only]\nArea = ["EMEA"]',
        ">>> book.deals[\"deal_id\"].tolist()\n['D-1']",
        deals_csv="deal_id,created_on,status,Area\nD-1,2025-01-07,open,EMEA\nD-2,2025-02-10,open,APAC\n",
    ),
    _one(
        "table.probabilities",
        "[deals.probabilities]\nDemo = 0.2\nProposal = 0.5",
        ">>> from partnerkpi.kpis.opportunity_pipeline import weighted_pipeline\n"
        '>>> weighted_pipeline(book, "2025Q1").value         # 0.2 × 1000 + 0.5 × 400\n'
        "400.0",
        deals_csv="deal_id,created_on,status,stage,amount\nD-1,2025-01-07,open,Demo,1000\n"
        "D-2,2025-02-10,open,Proposal,400\n",
    ),
    _one(
        "table.remarks",
        '[deals.remarks]\nclosed_on = "This CRM writes here the day of the last edit."',
        ">>> print(book.reading.faults[0])\n"
        "W deals.csv, closed_on '2025-02-03': This CRM writes here the day of the last edit. (2 rows, first: line 2)",
    ),
    _one(
        "table.expects",
        '[deals.expects]\nabandoned = "Given-up deals are archived: export them too."',
        ">>> print(book.reading.faults[0])\nW [deals], status: Given-up deals are archived: export them too.",
    ),
    _one(
        "flags.closed",
        '[deals.flags]\nclosed = "Ended"\nwon = "Bought"',
        ">>> book.deals[\"status\"].tolist()\n['lost', 'open']",
        deals_csv="deal_id,created_on,closed_on,Ended,Bought\nD-1,2025-01-07,2025-02-03,Yes,No\nD-2,2025-02-10,,No,No\n",
    ),
    _one(
        "flags.won",
        '[deals.flags]\nwon = "Bought"\nlost = "Dead"',
        ">>> book.deals[\"status\"].tolist()\n['won', 'open']",
        deals_csv="deal_id,created_on,closed_on,Bought,Dead\nD-1,2025-01-07,2025-02-03,1,0\nD-2,2025-02-10,,0,0\n",
    ),
    _one(
        "flags.lost",
        '[deals.flags]\nwon = "Bought"\nlost = ["Dead", "Gone"]    # of two columns the first that is filled',
        ">>> book.deals[\"status\"].tolist()\n['lost', 'open']",
        deals_csv="deal_id,created_on,closed_on,Bought,Dead,Gone\nD-1,2025-01-07,2025-02-03,0,,1\nD-2,2025-02-10,,0,0,\n",
    ),
    _one(
        "flags.active",
        '[deals.flags]\nactive = "Active"',
        ">>> book.deals[\"status\"].tolist()\n['lost', 'open']",
        deals_csv="deal_id,created_on,closed_on,Active\nD-1,2025-01-07,2025-02-03,False\nD-2,2025-02-10,,True\n",
    ),
    _one(
        "flags.yes",
        '[deals.flags]\nclosed = "Beendet"\nwon = "Gewonnen"\nyes = "ja"\nno = "nein"',
        ">>> book.deals[\"status\"].tolist()\n['won', 'open']",
        deals_csv="deal_id,created_on,closed_on,Beendet,Gewonnen\nD-1,2025-01-07,2025-02-03,ja,ja\n"
        "D-2,2025-02-10,,nein,nein\n",
    ),
    _one(
        "flags.no",
        '[deals.flags]\nclosed = "Ended"\nwon = "Bought"\nno = ["No", "not yet"]',
        ">>> book.deals[\"status\"].tolist()\n['won', 'open']",
        deals_csv="deal_id,created_on,closed_on,Ended,Bought\nD-1,2025-01-07,2025-02-03,Yes,Yes\n"
        "D-2,2025-02-10,,not yet,No\n",
    ),
    _one(
        "flags.decides",
        '[deals.flags]\nclosed = "IsClosed"\nwon = "IsWon"\ndecides = "values"',
        '>>> book.deals["status"].tolist()\n'
        "['won', 'open']\n"
        ">>> print(book.reading.faults[0])\n"
        "W deals.csv, line 2 (record 1), status 'won': the value says won, the flags say lost: the values hold",
        deals_csv="deal_id,created_on,status,closed_on,IsClosed,IsWon\n"
        "D-1,2025-01-07,won,2025-02-03,TRUE,FALSE\nD-2,2025-02-10,open,,FALSE,FALSE\n",
    ),
    _one(
        "thresholds",
        "[thresholds]\noverdue_deals = 10\nyear_act = 0.6",
        ">>> book.thresholds.overdue_deals, book.thresholds.year_act, book.thresholds.year_watch\n(10.0, 0.6, 0.9)",
    ),
)
