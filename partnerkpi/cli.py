"""The command line, thin: every command is one call of a function an analyst can import.

Exit codes: 0 all good · 1 data refused · 2 usage or configuration · 3 some reviews failed, the others are valid ·
4 system (disk, permission, lock) · 5 a gate refused a file · 130 interrupted. Errors are plain sentences on stderr.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from partnerkpi import __version__
from partnerkpi.errors import PartnerKpiError
from partnerkpi.options import Level, Levels, QuarterLabel
from partnerkpi.printing import CHECKED, STYLES, account, put, put_text, show_everything, style_for

if TYPE_CHECKING:
    from partnerkpi.book import Book

INTERRUPTED = 130
SYSTEM = 4


def _command(example: str) -> Callable[[Callable[..., Any]], click.Command]:
    """Make a function a command of `partnerkpi`, with its example in the help and the option --debug."""

    def declare(function: Callable[..., Any]) -> click.Command:
        # The overview shows the first sentence whole, not cut with dots.
        brief = str(function.__doc__).partition("\n")[0]
        return partnerkpi.command(epilog=f"Example:  {example}", short_help=brief)(_debug(function))

    return declare


# Only declared here: `run` looks for it itself, so that it works before and after the command's name.
_debug = click.option("--debug", is_flag=True, expose_value=False, help="Show the traceback of an error.")
_book = click.argument("book", default="", metavar="[BOOK]")
_quarter = click.option(
    "--quarter",
    "-q",
    multiple=True,
    type=QuarterLabel(),
    metavar="QUARTER",
    help="Like 2025Q4; may be repeated. [default: the last complete]",
)
_one_quarter = click.option(
    "--quarter",
    "-q",
    default="",
    type=QuarterLabel(),
    metavar="QUARTER",
    help="Like 2025Q4. [default: the last complete]",
)
_format = click.option("--format", "style", type=click.Choice(STYLES), help="[default: by the file's name, else table]")
_output = click.option("--output", "-o", metavar="FILE", help="Write here instead of printing.")
_as_of = click.option("--as-of", metavar="DAY", help="Know nothing after this day. [default: the export's day]")
_allow_approximate = click.option(
    "--allow-approximate", is_flag=True, help="Go on though no history tells how things stood on the day of --as-of."
)
_allow_set_aside = click.option(
    "--allow-set-aside", is_flag=True, help="Go on though more than 1 % of the data had to be set aside."
)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, "-V", "--version", message="partnerkpi %(version)s")
@_debug
def partnerkpi() -> None:
    """KPIs for the partners of a sales channel.

    BOOK is a folder with CRM data and a book.toml; without it the sample book that comes with the package is used.
    """


@_command("partnerkpi review data --quarter 2025Q4 --partner P-003")
@_book
@_quarter
@click.option("--partner", "-p", multiple=True, metavar="ID", help="Only these; may be repeated. [default: all]")
@_as_of
@_allow_approximate
@click.option("--out", "-o", default="reports", show_default=True, metavar="FOLDER", help="Where the pages go.")
@click.option("--jobs", "-j", type=click.IntRange(min=1), help="Partners at a time. [default: one per processor]")
@click.option("--timeout", type=click.FloatRange(min=0, min_open=True), metavar="S", help="Seconds a cell may take.")
@click.option("--resume", is_flag=True, help="Leave pages as they stand of which nothing has changed.")
@click.option("--cluster", metavar="ADDRESS", help="Run on the workers of the Dask scheduler there: tcp://host:8786.")
@_allow_set_aside
def review(
    book: str,
    quarter: tuple[str, ...],
    partner: tuple[str, ...],
    out: str,
    **options: Any,
) -> int:
    """Execute the KPI notebooks for every partner and the network, and publish the pages."""
    from partnerkpi.batch import review

    if Path(out).exists() and not Path(out).is_dir():
        raise click.UsageError(f"'{out}' is a file, and a folder is needed there: name one with --out.")
    result = review(book, quarter or None, partner or None, out=out, **_given(options))
    for told in result.account:
        click.echo(told, err=True)
    click.echo(result, err=bool(result.failed))
    return result.exit_code


@_command("partnerkpi score data --quarter 2025Q4 --by region --format csv")
@_book
@_quarter
@click.option("--partner", "-p", metavar="ID", help="Only this partner. [default: all]")
@click.option(
    "--by",
    cls=Levels,
    type=Level(),
    default="partner",
    show_default=True,
    metavar="LEVEL",
    help="One group per value of this: {levels}.",
)
@_format
@_output
@_as_of
@_allow_approximate
@_allow_set_aside
def score(
    book: str,
    quarter: tuple[str, ...],
    partner: str | None,
    by: str,
    style: str | None,
    output: str | None,
    as_of: str | None,
    allow_set_aside: bool,
    allow_approximate: bool,
) -> None:
    """The KPIs and their companion figures as one tidy table."""
    from partnerkpi.export import score_text
    from partnerkpi.figures import refuse_before_records, scorecard

    style = style_for(style, output)
    opened = _opened(book, as_of, allow_set_aside, allow_approximate)
    quarters = [opened.quarter(label) for label in quarter or ("",)]
    refuse_before_records(opened, quarters)
    table = scorecard(opened, quarters, by=by, partner=partner)
    click.echo(opened.reading.line(), err=True)
    text = score_text(table, {period.label: str(period) for period in quarters}) if style == "table" else ""
    put(table, style, output, text)


@_command("partnerkpi signals data --quarter 2025Q4 --partner P-003")
@_book
@_quarter
@click.option("--partner", "-p", metavar="ID", help="Only this partner. [default: all]")
@click.option("--all", "everything", is_flag=True, help="Also the tests that tell nothing.")
@_format
@_output
@_as_of
@_allow_approximate
@_allow_set_aside
def signals(
    book: str,
    quarter: tuple[str, ...],
    partner: str | None,
    everything: bool,
    style: str | None,
    output: str | None,
    as_of: str | None,
    allow_set_aside: bool,
    allow_approximate: bool,
) -> None:
    """What there is to say of each partner: facts and tests, how sure each is, and the rows behind it."""
    import pandas as pd

    from partnerkpi.figures import refuse_before_records
    from partnerkpi.findings import signals as signals_of
    from partnerkpi.findings.sentences import signals_text

    style = style_for(style, output)
    opened = _opened(book, as_of, allow_set_aside, allow_approximate)
    if partner:
        opened.check_partner(partner)
    quarters = [opened.quarter(label) for label in quarter or ("",)]
    refuse_before_records(opened, quarters)
    tables = [signals_of(opened, q, everything=everything).assign(quarter=q.label) for q in quarters]
    lines = [table[table["partner_id"].eq(partner).to_numpy()] if partner else table for table in tables]
    click.echo(opened.reading.line(), err=True)
    if style == "table":
        put(lines[0], style, output, "\n\n".join(signals_text(table, opened.currency) for table in lines))
        return
    plain = [table.assign(rows=[" ".join(ids) for ids in table["rows"]]) for table in lines]
    put(pd.concat(plain, ignore_index=True), style, output, "", sheet="signals")


@_command("partnerkpi bridge data --partner P-003 --quarter 2025Q4")
@_book
@_one_quarter
@click.option("--partner", "-p", metavar="ID", help="Only this partner. [default: all]")
@_format
@_output
@_as_of
@_allow_approximate
@_allow_set_aside
def bridge(
    book: str,
    quarter: str,
    partner: str | None,
    style: str | None,
    output: str | None,
    as_of: str | None,
    allow_set_aside: bool,
    allow_approximate: bool,
) -> None:
    """The way from the close rate and velocity a CRM shows to those defined here, one change at a time."""
    from partnerkpi import show
    from partnerkpi.bridges import BRIDGED
    from partnerkpi.bridges import bridge as bridged

    style = style_for(style, output)
    opened = _opened(book, as_of, allow_set_aside, allow_approximate).for_partner(partner or "")
    table = bridged(opened, quarter)
    text = "\n\n".join(str(show.bridge(kpi, opened, quarter)) for kpi in BRIDGED) if style == "table" else ""
    put(table, style, output, text, sheet="bridge")


@_command("partnerkpi restated data --quarter 2025Q4 --against kept/scorecard.csv")
@_book
@_one_quarter
@click.option("--partner", "-p", metavar="ID", help="Only this partner. [default: all]")
@click.option("--against", metavar="FILE", help="A scorecard.csv kept from a review: its figures that differ today.")
@_format
@_output
@_as_of
@_allow_approximate
@_allow_set_aside
def restated(
    book: str,
    quarter: str,
    partner: str | None,
    against: str | None,
    style: str | None,
    output: str | None,
    as_of: str | None,
    allow_set_aside: bool,
    allow_approximate: bool,
) -> None:
    """What the book tells otherwise than before: deals of the quarter before, or the figures of a kept scorecard."""
    from partnerkpi.kept import restated_figures, restated_text
    from partnerkpi.restatement import restated as deals_changed

    style = style_for(style, output)
    opened = _opened(book, as_of, allow_set_aside, allow_approximate)
    if against:
        table = restated_figures(opened, against, quarter, partner=partner)
    else:
        table = deals_changed(opened.for_partner(partner or ""), quarter)
    put(table, style, output, restated_text(table), sheet="restated")


@_command('partnerkpi note my-book --partner P-003 --action "Stop display advertising" --due 2026-01-31')
@_book
@click.option("--partner", "-p", required=True, metavar="ID", help="The partner it is about.")
@click.option("--action", "-a", required=True, metavar="TEXT", help="What was decided.")
@_one_quarter
@click.option("--owner", default="", metavar="NAME", help="Who does it.")
@click.option("--due", default="", metavar="DAY", help="By when, like 2026-01-31.")
@click.option("--outcome", default="", metavar="TEXT", help="What came of it.")
def note(book: str, partner: str, action: str, quarter: str, **rest: str) -> None:
    """Write down what was decided at a review: a line in the book's notes, which the next review brings back.

    Name no other partner in it, unless deals went from one to the other: the page it stands in would not be published.
    """
    from partnerkpi.notes import add_note

    path = add_note(book, partner, action, quarter, **rest)
    click.echo(f"Written to {path}.", err=True)


@_command("partnerkpi check data --format html -o quality.html")
@_book
@click.option("--format", "style", type=click.Choice(CHECKED), help="[default: by the file's name, else table]")
@_output
def check(book: str, style: str | None, output: str | None) -> int:
    """Read the book and list every fault: where, what, its cure, and the figures it touches."""
    from partnerkpi.quality import as_json, checked
    from partnerkpi.show.quality import quality_page

    style = style_for(style, output, CHECKED)
    quality, unread = checked(book)
    if not unread or style != "table":
        put_text({"html": quality_page, "json": as_json, "table": account}[style](quality), output)
    if unread:
        raise unread
    return 1 if quality.reading.refused else 0


@_command("partnerkpi init opportunities.csv partners.csv --write")
@click.argument("files", nargs=-1, required=True, metavar="FILE…|FOLDER")
@click.option("--profile", default="", metavar="NAME", help="The CRM they come from. [default: recognised]")
@click.option("--write", is_flag=True, help="Keep the draft as book.toml, never over one that is there.")
@click.option("--diff", is_flag=True, help="Only what is otherwise than when book.toml was written.")
def init(files: tuple[str, ...], profile: str, write: bool, diff: bool) -> int:
    """Look at exports: what they are and lack; and draft the book.toml that reads them (keys: data/dictionary.md)."""
    from partnerkpi.survey import init as look

    outcome = look(list(files), profile=profile, write=write, diff=diff)
    click.echo(outcome.text)
    return outcome.exit_code


@_command("partnerkpi kpis close_rate")
@click.argument("name", required=False)
def kpis(name: str | None) -> None:
    """The definitions: all KPIs in brief, or one in full."""
    from partnerkpi.figures import definition, overview

    click.echo(definition(name) if name else overview())


@_command("partnerkpi sample my-sample --partners 12 --quarters 8")
@click.argument("folder")
@click.option("--partners", type=click.IntRange(min=1), help="How many partners. [default: as in the sample book]")
@click.option("--quarters", type=click.IntRange(min=1), help="How many quarters of history.")
@click.option("--deals", type=click.IntRange(min=1), help="How many deals.")
@click.option("--seed", help="Any word; the same word gives the same book.")
def sample(folder: str, **options: Any) -> None:
    """Write a simulated book whose truth is known: tables, book.toml, truth.json."""
    from partnerkpi.sample import write_sample

    written = write_sample(folder, **_given(options))
    click.echo(f"Written to {written}. Look at it with:  partnerkpi check {written}", err=True)


def _opened(book: str, as_of: str | None, allow_set_aside: bool, allow_approximate: bool) -> Book:
    """The book; that it is approximate is said at once, for what carries no notes of its own."""
    from partnerkpi.opening import open_book
    from partnerkpi.recorded import approximation

    opened = open_book(book, as_of=as_of, allow_set_aside=allow_set_aside, allow_approximate=allow_approximate)
    if told := approximation(opened):
        click.echo(f"partnerkpi: {told}.", err=True)
    return opened


def _given(options: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and end the process with its exit code."""
    show_everything()
    sys.exit(run(sys.argv[1:] if arguments is None else arguments))


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code; errors are written to stderr."""
    debug = "--debug" in arguments
    try:
        with partnerkpi.make_context("partnerkpi", list(arguments)) as context:
            code = partnerkpi.invoke(context) or 0
        sys.stdout.flush()
    except click.exceptions.Exit as ended:
        return ended.exit_code
    except click.ClickException as wrong:
        wrong.show()
        return wrong.exit_code
    except (KeyboardInterrupt, click.Abort):
        return _sorry("Interrupted.", INTERRUPTED, debug=False)
    except BrokenPipeError:
        # The reader of a pipe went away. Python flushes stdout once more at exit: let it go nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return INTERRUPTED
    except PartnerKpiError as problem:
        return _sorry(str(problem), problem.exit_code, debug)
    except OSError as problem:
        place = f" ({problem.filename})" if problem.filename else ""
        return _sorry(f"The system refused: {problem.strerror or problem}{place}.", SYSTEM, debug)
    except Exception as fault:  # the last floor: what falls here is a fault of this package
        return _sorry(
            f"A fault in partnerkpi itself ({type(fault).__name__}: {fault}). "
            "Nothing is wrong with your command; run it again with --debug and report what it shows.",
            SYSTEM,
            debug,
        )
    return int(code)


def _sorry(sentence: str, code: int, debug: bool) -> int:
    if debug:
        import traceback

        traceback.print_exc()
    click.echo(f"partnerkpi: {sentence}", err=True)
    return code
