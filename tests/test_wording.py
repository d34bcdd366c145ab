"""Words: every code has its sentence, every text goes through the catalogue, and another language is one file."""

from __future__ import annotations

import ast
import re
import string
from collections.abc import Iterator
from html.parser import HTMLParser
from importlib import import_module
from pathlib import Path

import pandas as pd
import pytest
from babel.messages.catalog import Catalog
from babel.messages.pofile import write_po

import partnerkpi as pk
from partnerkpi import compare, plot, show, wording
from partnerkpi.book.causes import EVERY
from partnerkpi.book.schema import every_column, title_of
from partnerkpi.errors import UsageError
from partnerkpi.estimate import Estimate
from partnerkpi.figures import WHEN
from partnerkpi.findings.verdict import Standing
from partnerkpi.groups import ALL, Key
from partnerkpi.kpis import average_deal_size, number_of_deals
from partnerkpi.lacking import LACKS
from partnerkpi.quality import KINDS
from partnerkpi.show.cards import paragraphs
from partnerkpi.wording import DEALS, DIRECTION, PLAIN_UNITS, Code, Noun, amount_text, say, signed_text, spoken

PACKAGE = Path(wording.__file__).resolve().parent
TREES = {path: ast.parse(path.read_text(encoding="utf-8")) for path in sorted(PACKAGE.rglob("*.py"))}
FIGURES = [figure for kpi in pk.KPIS for figure in (kpi, *kpi.companions)]
QUARTER = "2025Q4"

Message = str | tuple[str, str]


def fields(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def forms(code: Code) -> tuple[str, ...]:
    return (code.value,) if isinstance(code.value, str) else code.value


# Codes


def calls_of_codes() -> Iterator[tuple[Path, ast.Attribute, ast.Call | None]]:
    """Every `Code.NAME` outside the module of codes, with the call if it is called there."""
    for path, tree in TREES.items():
        called: dict[int, ast.Call] = {}
        for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
            either = [call.func.body, call.func.orelse] if isinstance(call.func, ast.IfExp) else [call.func]
            called |= {id(function): call for function in either}
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "Code":
                yield path, node, called.get(id(node))


@pytest.mark.parametrize("code", Code, ids=lambda code: code.name)
def test_every_code_has_a_whole_sentence(code: Code) -> None:
    for text in forms(code):
        assert text == text.strip()
        assert not text.endswith((":", ",", ";", ".")), "a remark may be followed by another one"
        assert text.count("(") == text.count(")")
        assert len(text.split()) > 1 or fields(text), "a word is no sentence"
        assert fields(text) == fields(forms(code)[-1])
    values = {name: wording.DEALS if name == "rows" else 3 for name in fields(code.english)}
    said = str(code(**values))
    assert "{" not in said
    assert said


@pytest.mark.parametrize("code", Code, ids=lambda code: code.name)
def test_a_code_takes_its_own_parameters_only(code: Code) -> None:
    values: dict[str, object] = dict.fromkeys(fields(code.english), 1)
    assert code(**values).code is code
    with pytest.raises(TypeError, match=code.name):
        code(**values, surplus=1)
    for name in values:
        with pytest.raises(TypeError, match=code.name):
            code(**{k: v for k, v in values.items() if k != name})


def test_every_code_is_used_and_called_with_its_parameters() -> None:
    used = set()
    for path, attribute, call in calls_of_codes():
        code = Code[attribute.attr]
        used.add(code)
        said = {keyword.arg for keyword in call.keywords} if call else set()
        assert not call or not call.args, f"{path.name}, line {attribute.lineno}"
        assert said == fields(code.english), f"{path.name}, line {attribute.lineno}: {code.name}"
    assert {code.name for code in Code} == {code.name for code in used}


@pytest.mark.parametrize(
    ("n", "deals", "leads"),
    [
        (0, "0 deals", "0 leads"),
        (1, "1 deal", "1 lead"),
        (2, "2 deals", "2 leads"),
        (1204, "1,204 deals", "1,204 leads"),
    ],
)
def test_a_noun_takes_the_form_of_its_number(n: int, deals: str, leads: str) -> None:
    assert DEALS.counted(n) == deals
    assert amount_text(n, "deals") == deals
    assert amount_text(float(n), "leads") == leads
    assert str(DEALS) == "deals"
    assert f"{DEALS:none_in_quarter}" == "no deals in the quarter"
    assert Estimate(None, None, None, 0, "days", DEALS, Code.NONE(rows=DEALS)).remarks == "no deals"


def test_what_rounds_to_nought_has_no_sign() -> None:
    assert signed_text(-0.0001, "share") == signed_text(0.0, "share") == "0.0 points"
    assert signed_text(-0.0006, "share") == "−0.1 points"
    assert signed_text(-0.2, "EUR") == "−€0.20"


def test_a_fraction_is_more_than_one() -> None:
    assert amount_text(1.0, "days") == "1 day"
    assert amount_text(1.5, "days") == "1.5 days"
    assert amount_text(0.5, "days") == "0.5 days"
    assert amount_text(-1.0, "days") == "−1 day"


# What is said: the list a translator is given


def literal(node: ast.AST) -> list[str]:
    return [n.value for n in ast.walk(node) if isinstance(n, ast.Constant) and isinstance(n.value, str)]


def said_in_code() -> Iterator[Message]:
    for tree in TREES.values():
        for call in ast.walk(tree):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "say":
                first, *rest = call.args
                many = literal(rest[0]) if rest else []
                yield from [(literal(first)[0], many[0])] if many else literal(first)


def said_in_templates() -> Iterator[Message]:
    for path in PACKAGE.rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        for one, many in re.findall(r"""\bsay\("([^"]+)"(?:, "([^"]+)")?""", text):
            yield (one, many) if many else one


def said_by_registries() -> Iterator[Message]:
    """What is a text because it is a fact: of a code, a noun, a figure, a column, a unit, a group."""
    for code in Code:
        yield code.value
    for path in TREES:
        name = ".".join(("partnerkpi", *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__")
        for thing in vars(import_module(name)).values() if path.name != "__main__.py" else ():
            if isinstance(thing, Noun):
                yield from (thing.name, (thing.one, thing.many), thing.none, thing.none_in_quarter)
    for figure in FIGURES:
        yield from (figure.title, figure.question, figure.formula, figure.rose, figure.fell, *paragraphs(figure))
    for column in every_column():
        yield title_of(column.name)
    for cause in EVERY.values():
        yield from (cause.says, cause.cure)
    yield from (*KINDS.values(), *LACKS.values(), "accepted", "accepted with warnings", "refused")
    yield from (*DIRECTION.values(), *WHEN.values(), *PLAIN_UNITS, "group", "quarter", "figure")
    yield from (member.value for kind in (compare.Verdict, Key, Standing) for member in kind)


MESSAGES: list[Message] = list(dict.fromkeys([*said_in_code(), *said_in_templates(), *said_by_registries()]))


def test_the_list_is_long_and_every_text_of_it_is_whole() -> None:
    assert len(MESSAGES) > 300
    for message in MESSAGES:
        for text in (message,) if isinstance(message, str) else message:
            assert text.strip() == text
            assert len(fields(text)) <= 8  # and it can be parsed


@pytest.fixture
def language(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Catalog]]:
    """Catalogues are looked for in a folder of the test's own; nothing of them is left."""
    monkeypatch.setattr(wording, "FOLDER", tmp_path)
    monkeypatch.setattr(wording, "_usual", "en")
    wording._catalogue.cache_clear()
    yield Catalog
    wording._catalogue.cache_clear()


def write(catalog: Catalog, name: str) -> None:
    with (wording.FOLDER / f"{name}.po").open("wb") as file:
        write_po(file, catalog)


def loud(text: str) -> str:
    """The made-up translation: capitals, what stands in braces as it is."""
    return "".join(part if part.startswith("{") else part.upper() for part in re.split(r"(\{[^}]*\})", text))


@pytest.fixture
def capitals(language: type[Catalog]) -> str:
    """A language in which everything said is in capitals."""
    catalog = language(locale="de")
    for message in MESSAGES:
        catalog.add(message, loud(message) if isinstance(message, str) else tuple(map(loud, message)))
    write(catalog, "de")
    return "de"


class Words(HTMLParser):
    """What a reader of a fragment sees or hears."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.hidden = False
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.hidden = tag == "style"
        self.words += [value or "" for name, value in attrs if name in ("alt", "aria-label", "title")]

    def handle_data(self, data: str) -> None:
        self.words += [] if self.hidden else [data]


def english_in(*shown: show.Shown) -> set[str]:
    """The words with a small letter."""
    words = " ".join(word for one in shown for word in (*Words(one.html).words, one.text)).split()
    return {word for word in words if re.search("[a-z]", word)}


def deals() -> str:
    lines = ["deal_id,created_on,status,closed_on,amount,partner_id,region,sourced,channel,expected_close_on,product"]
    number = 0
    for partner in range(7):
        for quarter, day in (("2024Q4", "2024-11-10"), ("2025Q3", "2025-08-10"), ("2025Q4", "2025-11-10")):
            for deal in range(6 + partner):
                number += 1
                status = ("won", "lost", "won", "abandoned", "open", "rejected")[deal % 6]
                closed, amount = "" if status == "open" else day, 100 * (deal + 1) * (4 if quarter == "2025Q4" else 1)
                where = ("NORTH,partner,MAIL", "SOUTH,vendor,FAIR", ",partner,")[deal % 3]
                lines.append(
                    f"D{number},2024-10-0{1 + deal % 9},{status},{closed},{amount},P{partner},{where},2025-01-09,X"
                )
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def full() -> pk.Book:
    """Seven partners with everything there is; their names have no small letters."""
    partners = "partner_id,name\n" + "".join(f"P{n},N{n}\n" for n in range(7))
    leads = "lead_id,created_on,partner_id,channel\nL1,2025-10-02,P1,MAIL\nL2,2025-11-02,P2,FAIR\n"
    targets = "quarter,amount,partner_id\n" + "".join(f"2025Q4,2000,P{n}\n" for n in range(7))
    spend = "channel,month,amount,partner_id\nMAIL,2025-10-01,40,P1\nFAIR,2025-11-01,10,\n"
    channels = "channel,media\nMAIL,owned\nFAIR,paid\n"
    tables = {"partners": partners, "leads": leads, "targets": targets, "spend": spend, "channels": channels}
    return pk.book_of(as_of="2025-12-31", deals=deals(), **tables)


@pytest.fixture(scope="module")
def bare() -> pk.Book:
    """A book that can say little, in a quarter that is still running."""
    return pk.book_of(as_of="2025-11-18", deals="deal_id,created_on,status,partner_id\nD1,2025-10-01,open,P1\n")


@pytest.mark.parametrize("kpi", pk.KPIS, ids=lambda kpi: kpi.name)
def test_a_complete_translation_leaves_no_english_on_a_page(
    kpi: pk.Kpi, full: pk.Book, bare: pk.Book, capitals: str
) -> None:
    import matplotlib.pyplot as plt

    assert english_in(show.headline(kpi, full, QUARTER)), "the search finds English"
    with spoken(capitals):
        for book in (full, full.for_partner("P3"), bare):
            assert english_in(
                show.definition(kpi, book, QUARTER),
                show.headline(kpi, book, QUARTER),
                show.companions(kpi, book, QUARTER),
                show.breakdown(kpi.by(book, QUARTER, "region"), "B"),
                show.breakdown(kpi.trend(book, ["2025Q3", QUARTER]), "B"),
                show.trend(kpi, book, ["2025Q3", QUARTER]),
            ) <= {"bdi"}
            heads = re.findall(r'<th scope="col"[^>]*>([^<]*)<', show.rows(kpi.evidence(book, QUARTER), "R").html)
            assert not re.search("[a-z]", "".join(heads)), heads
        for ax in (
            kpi.plot(full, ["2025Q3", QUARTER]),
            kpi.plot(bare, ["2025Q3", QUARTER]),
            plot.groups(kpi.by(full, QUARTER, "region"), title=say(kpi.title), counts=str(kpi.counts)),
        ):
            texts = [ax.get_title(loc="left"), ax.get_xlabel(), ax.get_ylabel(), *(t.get_text() for t in ax.texts)]
            texts += [t.get_text() for axis in (ax.xaxis, ax.yaxis) for t in axis.get_ticklabels()]
            assert not re.search("[a-z]", " ".join(texts)), texts
            plt.close("all")


def test_the_cover_and_the_tables_have_no_english_either(full: pk.Book, bare: pk.Book, capitals: str) -> None:
    with spoken(capitals):
        for book in (full, full.for_partner("P3"), bare):
            shown = english_in(show.cover(book, QUARTER), show.scores(book, QUARTER))
            assert shown <= {"und", "won"}, "as Germans list, and as the book spells a status"
            changes = (show.waterfall, show.bars, show.why, show.why_groups, show.months)
            assert english_in(*(change(book, QUARTER) for change in changes)) <= {"bdi"}
        assert {"TO", "DATE,", "49"} <= {*str(bare.quarter(QUARTER)).split()}
        assert str(ALL) == "ALL"
        change = compare.change(average_deal_size, full.for_partner("P6"), QUARTER, against="2025Q3")
        assert not re.search("[a-z]", str(change))
        peers = compare.peers(number_of_deals, full.for_partner("P6"), QUARTER)
        assert peers.median is not None
        assert not re.search("[a-z]", str(peers))


def test_numbers_are_written_as_the_language_does(capitals: str) -> None:
    with spoken(capitals):
        assert amount_text(1249.6, "EUR") == "1.250 €"
        assert amount_text(36.254, "EUR") == "36,25 €"
        assert amount_text(0.034, "share") == "3,4 %"
        assert amount_text(12345.0, "days") == "12.345 DAYS"
        assert amount_text(2.345, "ratio") == "2,35 ×" or amount_text(2.345, "ratio") == "2,34 ×"
        assert amount_text(12.5, "EUR/day") == "12,50 € A DAY"
        assert signed_text(0.123, "share") == "+12,3 POINTS"
        assert DEALS.counted(1204) == "1.204 DEALS"
        assert str(Code.SOME_WITHOUT_AMOUNT(blank=3, n=1204)) == "3 OF 1.204 HAVE NO AMOUNT"
        table = show.rows(pd.DataFrame({"value": [1234.5], "n": [1204]}), "T").text
        assert "1.234,5" in table
        assert "1.204" in table
    assert amount_text(1249.6, "EUR") == "€1,250"


# A language with three plural forms, known in part


@pytest.fixture
def polish(language: type[Catalog]) -> str:
    catalog = language(locale="pl")
    catalog.add(("{n} deal", "{n} deals"), ("{n} umowa", "{n} umowy", "{n} umów"))
    catalog.add(("{value} day", "{value} days"), ("{value} dzień", "{value} dni", "{value} dni*"))
    catalog.add("deals", "umowy")
    catalog.add("no deals in the quarter", "żadnych umów w kwartale")
    catalog.add("Number of deals", "Liczba umów")
    catalog.add("{quarter} to date, {n} of {days} days", "{quarter} dotąd, {n} z {days} dni")
    catalog.add(Code.NO_SPEND.english, "bez wydatków")
    write(catalog, "pl")
    return "pl"


def test_a_language_is_one_file_with_plural_forms_of_its_own(polish: str, bare: pk.Book) -> None:
    with spoken(polish):
        assert [DEALS.counted(n) for n in (1, 2, 5, 22, 25)] == ["1 umowa", "2 umowy", "5 umów", "22 umowy", "25 umów"]
        assert amount_text(1, "days") == "1 dzień"
        assert amount_text(3, "days") == "3 dni"
        assert amount_text(6, "days") == "6 dni*"
        assert str(Code.NO_SPEND()) == "bez wydatków"
        assert str(Code.NONE_IN_QUARTER(rows=DEALS)) == "żadnych umów w kwartale"
        assert str(bare.quarter(QUARTER)) == "2025Q4 dotąd, 49 z 92 dni"
        shown = show.headline(number_of_deals, bare, QUARTER)
        assert "Liczba umów" in shown.html
        assert "Quarter before" in shown.html, "what is not translated yet stands in English"
        assert say("") == ""
    assert DEALS.counted(5) == "5 deals"


def test_a_notebook_speaks_the_language_it_was_prepared_in(polish: str) -> None:
    show.prepare("internal", polish)
    assert DEALS.counted(5) == "5 umów"
    with spoken("en"):
        assert DEALS.counted(5) == "5 deals"
    show.prepare("internal", "en")
    assert DEALS.counted(5) == "5 deals"


@pytest.mark.parametrize("name", ["xx", "../../de", "", "pl.po"])
def test_an_unknown_language_is_said_to_be_none(name: str, polish: str) -> None:
    assert wording.languages() == ("en", "pl")
    for ask in (lambda: spoken(name).__enter__(), lambda: wording.speak(name), lambda: show.prepare("internal", name)):
        with pytest.raises(UsageError, match=r"There is no language '.*There is: en, pl"):
            ask()
    assert wording.language() == "en"
