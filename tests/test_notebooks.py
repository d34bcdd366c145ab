"""The notebooks: one rhythm, thin outside the lesson, lessons that have no way out, stored with current figures."""

from __future__ import annotations

import ast
import contextlib
import io
import math
import re
from collections.abc import Callable
from functools import cache
from importlib import import_module
from pathlib import Path
from statistics import median
from typing import Any

import nbformat
import numpy as np
import pytest

import partnerkpi as pk
from partnerkpi import show
from partnerkpi.batch.page import chapter_html
from partnerkpi.batch.plan import PARAMETERS
from partnerkpi.kpis import number_of_deals
from partnerkpi.opening import book_of
from partnerkpi.shipped import shipped
from partnerkpi.show import END
from partnerkpi.show.html import end_figures

NOTEBOOKS = sorted(shipped("notebooks").glob("*.ipynb"))
CHAPTERS = NOTEBOOKS[1:]
NAMES = ["review", *(kpi.name for kpi in pk.KPIS)]
#: The cells outside the lesson; the lesson stands where `LESSON` does.
LESSON = "lesson"
CELLS = [
    *("question", "parameters", "set-up"),
    *("answer", "trend", "breakdown", "rows"),
    *("what-if", "definition", LESSON, "end", "reading"),
]
COVER = [name for name in CELLS if name not in ("breakdown", "what-if")]
PROSE = {"question", "reading"}
#: What folds behind the answer on a page, and what closes the page: the cover's figures in full and what they rest on.
METHOD = {"question", "bridge", "definition", "reading"}
COVERS_OWN = {"rows": ["method"], "definition": ["foot"]}
#: A lesson computes with these alone; the package's own ways to a figure are what it is compared with.
BY_HAND = {"pandas", "numpy", "scipy", "decimal", "seaborn", "matplotlib"}
#: Of the package's own work a lesson sees the tables of the book, what the whole network is known to record, and, to
#: set deals apart that changed hands, the periods in which a deal was ours.
OURS_TO_USE = {"spells": "03_opportunity_pipeline", "typical": "07_quality_score", "rows": "03_opportunity_pipeline"}


def read(path: Path) -> Any:
    return nbformat.read(path, as_version=4)


def each(paths: list[Path] = NOTEBOOKS) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("path", paths, ids=lambda path: path.stem)


def lesson_of(path: Path, *, code: bool = False) -> list[Any]:
    cells = [cell for cell in read(path).cells if cell["id"].startswith("lesson-")]
    return [cell for cell in cells if cell.cell_type == "code"] if code else cells


def code_of(path: Path) -> list[Any]:
    return [cell for cell in read(path).cells if cell.cell_type == "code"]


def test_one_for_the_cover_and_one_per_kpi_in_reading_order() -> None:
    assert [path.stem for path in NOTEBOOKS] == [f"{i:02d}_{name}" for i, name in enumerate(NAMES)]


#: What a notebook has besides.
MORE = {
    "00_review": ("why", "looked-back"),
    "02_number_of_deals": ("months", "why"),
    "03_opportunity_pipeline": ("waterfall", "movements", "backtest"),
    "05_close_rate": ("bridge",),
    "06_deal_velocity": ("bridge",),
}


@each()
def test_all_have_one_rhythm(path: Path) -> None:
    notebook = read(path)
    names = [LESSON if cell["id"].startswith("lesson-") else cell["id"] for cell in notebook.cells]
    usual = [name for i, name in enumerate(names) if name != LESSON or names[i - 1] != LESSON]
    assert [name for name in usual if name not in MORE.get(path.stem, ())] == (CELLS if path in CHAPTERS else COVER)
    assert set(MORE.get(path.stem, ())) <= set(usual)
    assert len({cell["id"] for cell in notebook.cells}) == len(notebook.cells)
    for cell, name in zip(notebook.cells, names, strict=True):
        wanted = [name] if name in ("parameters", LESSON, "what-if") else ["method"] if name in METHOD else []
        wanted = wanted if path in CHAPTERS else COVERS_OWN.get(name, wanted)
        assert cell.metadata.get("tags", []) == wanted, cell["id"]
        assert name == LESSON or cell.cell_type == ("markdown" if name in PROSE else "code")
    assert notebook.metadata.kernelspec.name == "python3"
    headings = re.findall(r"^# (.+)$", notebook.cells[0].source, re.MULTILINE)
    assert headings == [notebook.metadata.title]
    assert "## How to read it" in notebook.cells[-1].source


@each()
def test_the_parameters_are_the_six(path: Path) -> None:
    tree = ast.parse(next(cell.source for cell in code_of(path) if cell["id"] == "parameters"))
    declared = {ast.unparse(node.target): ast.unparse(node) for node in tree.body if isinstance(node, ast.AnnAssign)}
    assert tuple(declared) == PARAMETERS
    assert all(text.startswith(f"{name}: str = ") for name, text in declared.items())
    assert len(declared) == len(tree.body)


@each()
def test_it_is_thin_outside_the_lesson(path: Path) -> None:
    lines = 0
    for cell in code_of(path):
        if cell["id"].startswith("lesson-"):
            continue
        tree = ast.parse(cell.source)
        lines += sum(1 for line in cell.source.splitlines() if line.strip() and not line.startswith("#"))
        assert all(isinstance(n, (ast.Import, ast.ImportFrom, ast.Assign, ast.AnnAssign, ast.Expr)) for n in tree.body)
        branches = (ast.FunctionDef, ast.Lambda, ast.If, ast.IfExp, ast.For, ast.comprehension)
        assert not [n for n in ast.walk(tree) if isinstance(n, branches)]
        assert "KPIS[" not in cell.source, "a KPI has a name"
    assert lines <= 32


@each()
def test_the_lesson_is_small_cells_with_prose_between_them(path: Path) -> None:
    cells = lesson_of(path)
    code = [cell.source.count("\n") + 1 for cell in cells if cell.cell_type == "code"]
    assert 6 <= len(code) <= 15
    assert max(code) <= 15
    assert median(code) <= 6
    kinds = "".join(cell.cell_type[0] for cell in cells)
    assert kinds.startswith("m"), "prose leads into the lesson"
    assert "ccc" not in kinds, "three cells of code in a row explain nothing"
    assert "mm" not in kinds


@each()
def test_no_assertion_of_a_lesson_has_a_way_out(path: Path) -> None:
    """It is `figure.agrees(by_hand)` or a comparison of two things worked out, and nothing beside it."""
    asserted = [n for cell in lesson_of(path, code=True) for n in ast.walk(ast.parse(cell.source))]
    asserted = [n for n in asserted if isinstance(n, ast.Assert)]
    assert asserted
    for node in asserted:
        agrees = isinstance(node.test, ast.Call) and ast.unparse(node.test.func).endswith(".agrees")
        compared = isinstance(node.test, ast.Compare) and all(isinstance(op, ast.Eq) for op in node.test.ops)
        assert agrees or compared, ast.unparse(node)
        ways_out = (ast.BoolOp, ast.IfExp, ast.NamedExpr, ast.Is, ast.IsNot, ast.In)
        assert not [part for part in ast.walk(node) if isinstance(part, ways_out)], ast.unparse(node)
    last = next(cell for cell in lesson_of(path, code=True) if cell["id"] == "lesson-agree")
    assert "assert estimate.agrees(by_hand)\n" in last.source


@each()
def test_the_lesson_computes_by_hand(path: Path) -> None:
    """Nothing of the package's own ways enters what is compared with it."""
    kpi = path.stem[3:] if path in CHAPTERS else "close_rate"
    before = []
    for cell in lesson_of(path, code=True):
        tree = ast.parse(cell.source)
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom | ast.Import):
                names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [a.name for a in node.names]
                assert {name.split(".")[0] for name in names} <= BY_HAND, ast.unparse(node)
            if isinstance(node, ast.Attribute) and ast.unparse(node.value) in ("mine", "mine.others", kpi):
                assert OURS_TO_USE.get(node.attr, path.stem) == path.stem, ast.unparse(node)
                assert node.attr not in ("in_book_currency", "level", "media", "by", "trend", "evidence")
        if cell["id"] == "lesson-agree":
            break
        before += [n for n in ast.walk(tree) if isinstance(n, ast.Call) and ast.unparse(n.func) == kpi]
    assert not [call for call in before if ast.unparse(call.args[0]) == "mine"], "the figure itself comes last"


@each()
def test_no_figure_of_the_book_is_typed_into_prose(path: Path) -> None:
    """Prose is the same for every partner, quarter and seller: the sample's own figures and product stay out."""
    prose = " ".join(cell.source for cell in read(path).cells if cell.cell_type == "markdown")
    assert not re.findall(r"[€$£]|\bP-\d|\b20\d\dQ\d|\d,\d{3}", prose)
    assert not re.findall(r"machine|ice.cream|this partnership|did the partner", prose, re.IGNORECASE)


@each()
def test_the_page_folds_the_lesson_and_shows_the_rest(path: Path) -> None:
    notebook = read(path)
    page = str(chapter_html(notebook))
    head, _, lesson = page.partition('<details class="lesson">')
    assert head.startswith(f"<h2>{notebook.metadata.title}</h2>\n<"), "the answer follows the title"
    assert "<p>" not in head.replace("</p>", "").partition('class="pk')[0], "no prose before it"
    assert '<details class="lesson">' not in lesson, "one fold"
    assert lesson.endswith("</details>")
    for told in ("<h3>How to read it</h3>", *(["pk-definition"] if path in CHAPTERS else [])):
        assert (told in lesson, told in head) == (True, False)
    for cell in lesson_of(path):
        heading = re.findall(r"^## (.+)$", cell.source, re.MULTILINE)
        assert all(f"<h3>{text}</h3>" in lesson for text in heading)
    assert lesson.count('<pre class="code">') == len(lesson_of(path, code=True))
    assert "pk.open_book" not in page
    assert ("What if: " in lesson, "What if: " in head) == (path in CHAPTERS, False)


@each()
def test_what_is_stored_is_what_the_package_says_now(path: Path) -> None:
    notebook = read(path)
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    assert not [output for output in outputs if output.output_type == "error"]
    assert all(cell.execution_count for cell in notebook.cells if cell.cell_type == "code")
    marker = outputs[-1].data[END]
    book = whole_book()
    chapter = next((kpi for kpi in pk.KPIS if kpi.name == marker["chapter"]), "review")
    assert path.stem[3:] == marker["chapter"]
    now = end_figures(chapter, book, book.quarter())
    assert marker["quarter"] == book.quarter().label
    stored, current = ({k: math.nan if v is None else v for k, v in x.items()} for x in (marker["figures"], now))
    assert stored == pytest.approx(current, rel=1e-12, nan_ok=True)


@each()
def test_what_is_stored_reads_as_it_would_now(path: Path) -> None:
    """Outside the lesson, whose draws depend on the version of numpy."""
    texts = run(path, whole_book())
    for cell in code_of(path):
        if not cell["id"].startswith("lesson-"):
            shown = [o.get("text") or o.data.get("text/plain", "") for o in cell.outputs]
            assert "\n".join(shown).split() == texts[cell["id"]].split(), cell["id"]


@cache
def whole_book() -> pk.Book:
    return pk.open_book()


@pytest.fixture(autouse=True)
def opened(monkeypatch: pytest.MonkeyPatch) -> None:
    """Notebooks run here open the book that `run` is given."""
    given = pk.open_book
    monkeypatch.setattr(pk, "open_book", lambda book="", as_of=None: book if isinstance(book, pk.Book) else given(book))


def run(path: Path, book: pk.Book, partner: str = "", quarter: str = "", *, lesson: bool = False) -> dict[str, str]:
    """Run a notebook's code (or its set-up and lesson alone); what each cell showed, as text."""
    shown = io.StringIO()
    space: dict[str, Any] = {"display": lambda *things: print(*map(repr, things), sep="\n")}
    texts = {}
    for cell in code_of(path):
        name = cell["id"]
        if lesson and not name.startswith(("lesson-", "parameters", "set-up")):
            continue
        tree = ast.parse(cell.source)
        last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
        with contextlib.redirect_stdout(shown):
            exec(compile(tree, f"{path.name}:{name}", "exec"), space)
            if isinstance(last, ast.Expr):
                value = eval(compile(ast.Expression(last.value), f"{path.name}:{name}", "eval"), space)
                print("" if value is None else repr(value))
        if name == "parameters":
            space |= {"book": book, "partner": partner, "quarter": quarter}
        texts[name] = shown.getvalue()
        shown.seek(0)
        shown.truncate()
    return texts


@pytest.mark.parametrize(
    ("partner", "quarter"),
    [("P-003", "2025Q4"), ("P-024", ""), ("P-009", "2025Q1"), ("", "2022Q1"), ("P-009", "2022Q1")],
    ids=["a partner", "no deals at all", "deals handed on", "before the records", "a partner before the records"],
)
@each()
def test_it_runs_for(path: Path, partner: str, quarter: str) -> None:
    """The lesson and its assertions hold where there is nothing to count, and nothing false is said of it."""
    texts = run(path, whole_book(), partner, quarter)
    everything = "\n".join(text for name, text in texts.items() if name != "parameters")
    assert not re.search(r"\b(nan|NaT|None)\b(?! recorded)", everything.replace("[None, None]", ""))
    if quarter == "2022Q1":
        own = "\n".join(
            text for name, text in texts.items() if not name.startswith("lesson-") or name == "lesson-agree"
        )
        assert not re.search(r"(?<![\d,.])0 (won |open )?(deals|leads|prospects)\b", own)
        assert "records begin on 2023-01-01" in texts["lesson-agree"]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "quarter"), [("maven", "2017Q3"), ("olist", "2018Q2"), ("adventureworks", "2019Q3")])
def test_lessons_hold_for_real_books(real_book: Callable[[str], Path], name: str, quarter: str) -> None:
    folder = real_book(name)
    book = pk.open_book(folder)  # type: ignore[arg-type]
    for path in NOTEBOOKS:
        for partner in ["", *book.partner_ids[:2]]:
            run(path, book, partner, quarter, lesson=bool(partner))


def test_a_real_book_without_losses_has_no_close_rate_by_hand_either(real_book: Callable[[str], Path]) -> None:
    book = pk.open_book(real_book("olist"))
    for name in ("00_review", "05_close_rate"):
        texts = run(shipped("notebooks") / f"{name}.ipynb", book, quarter="2018Q2", lesson=True)
        assert "losses are not recorded" in texts["lesson-agree"]


HANDED = "deal_id,changed_at,status,amount,partner_id\n" + "\n".join(
    [
        "D1,2025-01-10T09:00:00,open,100,P1",  # away to P2 and back again
        "D1,2025-03-01T09:00:00,open,200,P2",
        "D1,2025-08-01T09:00:00,open,300,P1",
        "D2,2025-01-10T09:00:00,open,400,P2",  # taken over by P1, with a change of amount alone
        "D2,2025-04-01T09:00:00,,450,",
        "D2,2025-07-02T09:00:00,open,,P1",
        "D3,2025-02-01T09:00:00,open,10.05,P1",  # handed on to P3, in another currency
        "D3,2025-09-09T09:00:00,,,P3",
        "D4,2025-05-01T09:00:00,open,,P1",  # its owner is named only later, its amount by the deals table alone
        "D5,2025-02-01T09:00:00,,700,",  # closed, reopened, open in the deals table with another amount
        "D5,2025-03-01T09:00:00,lost,,",
        "D5,2025-06-01T09:00:00,open,,",
    ]
)
HELD = (
    "deal_id,created_on,status,closed_on,amount,currency,partner_id\n"
    "D1,2025-01-10,open,,310,EUR,P1\nD2,2025-01-10,won,2025-12-01,450,EUR,P1\nD3,2025-02-01,open,,20,CHF,P3\n"
    "D4,2025-01-05,open,,50,EUR,P1\nD5,2025-02-01,open,,800,EUR,P1\nD6,2025-06-30,open,,10.50,CHF,P1\n"
    "D7,2025-02-01,lost,2025-06-30,99,EUR,P1\nD8,2025-07-01,open,,77,EUR,P1\n"
)
RATES = "currency,date,rate\nCHF,2025-01-01,0.5\nCHF,2025-06-30,0.49\nCHF,2025-07-01,0.3\n"


@pytest.fixture(scope="module")
def handed() -> pk.Book:
    return book_of(deals=HELD, history=HANDED, rates=RATES, as_of="2025-12-31")


@pytest.mark.parametrize("quarter", ["2025Q1", "2025Q2", "2025Q3", "2025Q4"])
@pytest.mark.parametrize("partner", ["", "P1", "P2", "P3"])
def test_the_evening_is_rebuilt_whoever_had_the_deals(handed: pk.Book, partner: str, quarter: str) -> None:
    """Deals that went away and came back, were taken over or handed on; amounts told in part, another currency."""
    run(CHAPTERS[2], handed, partner, quarter, lesson=True)


def test_what_changed_hands_is_set_apart_and_nothing_else(handed: pk.Book) -> None:
    texts = run(CHAPTERS[2], handed, "P1", "2025Q3", lesson=True)
    assert {row.split()[0] for row in texts["lesson-others"].strip().splitlines()[2:]} == {"D1", "D2", "D4"}
    assert "no rows" in run(CHAPTERS[2], handed, "", "2025Q3", lesson=True)["lesson-others"]


#: A rule of the package made wrong: where it stands, and what stands in its place.
WRONG: dict[str, tuple[str, str, Any]] = {
    "03: the next evening": ("partnerkpi.deals", "lasts_on", lambda given: lambda s, day: given(s, day + DAY)),
    "07: the plain median": ("partnerkpi.others", "smoothed", lambda _: lambda values, share: float(np.median(values))),
    "07: not rounded": ("partnerkpi.others", "rounded", lambda _: lambda value: value),
    "07: no minimum": ("partnerkpi.others", "FEWEST_PARTNERS", lambda _: 1),
    "06: losses are censored": ("partnerkpi.deals", "histories", lambda given: lambda *a: _censored(given(*a))),
    "05: no abandoned": ("partnerkpi.deals", "DECIDED", lambda _: ("won", "lost")),
}
DAY = np.timedelta64(1, "D")


def _censored(rows: Any) -> Any:
    return rows.assign(outcome=rows["outcome"].astype("str").replace("other", "open"))


@pytest.mark.parametrize("fault", WRONG)
def test_a_lesson_notices_when_the_package_is_wrong(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module, name, wrong = WRONG[fault]
    path = CHAPTERS[int(fault[:2]) - 1]
    given = getattr(import_module(module), name)
    for user in (module, f"partnerkpi.kpis.{path.stem[3:]}"):
        if hasattr(import_module(user), name):
            monkeypatch.setattr(import_module(user), name, wrong(given))
    with pytest.raises(AssertionError):
        run(path, pk.open_book(), "P-003" if fault != "03: the next evening" else "", "2025Q3", lesson=True)


def test_what_if_sets_books_below_each_other() -> None:
    book = whole_book().for_partner("P-003")
    largest = number_of_deals.evidence(book, "2025Q4")["deal_id"].head(2).tolist()
    shown = show.what_if(number_of_deals, {"all <b>": book, "less": book.without(deal_id=largest)}, "2025Q4")
    lines = repr(shown).splitlines()
    assert [line.split("  ")[0] for line in lines[2:]] == ["all <b>", "less"]
    assert "5 deals" in lines[2]
    assert "3 deals" in lines[3]
    assert "<bdi>all &lt;b&gt;</bdi>" in shown.html
