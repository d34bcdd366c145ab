"""The house keeps its plan: imports run downward, names say what things are, nothing public is undocumented."""

from __future__ import annotations

import ast
import inspect
import re
import subprocess
import sys
import tarfile
import zipfile
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import FunctionType

import pytest

import partnerkpi
from partnerkpi.compare import Verdict
from partnerkpi.groups import Key
from partnerkpi.wording import Code

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "partnerkpi"
MODULES = sorted(PACKAGE.rglob("*.py"))

# The plan of the house: a module imports only from those before it, inside rooms too; a room's own name is its door.
PLAN = """
    startup errors shipped wording periods experience
    book.kinds book.schema sample.time_and_chance sample.world sample.lives sample.history sample.truth sample.tables
    sample.package sample
    book.labels book.thresholds book.later book.keys book.meaning book.merging book.declarations book.connections
    book.config book.sources book.cells book.workbooks book.causes book.heads book.plain book.delimited book.sheets
    book.columnar book.postgres book.databases
    book.queries book.currencies book.parse book.values book.choosing book.naming book.examined book.intake book.ledger
    book.reading book.money book.rules book.suspicious book.periods book.past book.credits book.earlier book.events
    book.prospects book.levels book.cuts book.loading book.book book
    deals estimate intervals statistics indices survival network own_sales forecast expectation others slices opening
    recorded groups plot kpi
    KPIS kpis
    lacking uses figures compare waterfalls drivers restatement bridges export quality kept notes
    findings.signal findings.chance findings.facts findings.past findings.process findings.rest findings.kinds
    findings.family findings.subjects findings.sentences findings.advice findings.power findings.verdict
    findings.network findings
    portfolio
    show.html show.tables show.months show.changes show.reviews show.cards show.network show.states show.cover
    show.quality show
    batch.plan batch.page batch.markup batch.pictures batch.disclosure batch.gate batch.files batch.execution
    batch.direct batch.engine batch.kernels batch.template batch.forks batch.anybody batch.pool batch.done batch.report
    batch.progress batch.publish batch.request batch.cluster batch.run batch
    survey.words survey.sniff survey.files survey.marks survey.crm survey.profiles survey.columns survey.days
    survey.values survey.tables survey.joins survey.survey survey.queries survey.lines survey.mappings survey.draft
    survey.preview survey.alarms survey.memory survey.report survey.init survey
    partnerkpi options printing cli __main__
"""
# One module per KPI, in any order: they do not know each other.
ORDER = PLAN.replace("KPIS", " ".join(f"kpis.{p.stem}" for p in (PACKAGE / "kpis").glob("[!_]*.py"))).split()
PLACE = {name: number for number, name in enumerate(ORDER)}
VAGUE = {"utils", "util", "helpers", "helper", "common", "core", "manager", "misc", "tools"}
HEAVY = ("seaborn", "scipy", "matplotlib.pyplot", "statsmodels", "duckdb", "papermill")


def room(path: Path) -> str:
    """The name of a module's room: the first part of its name below the package."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def placed(name: str) -> str:
    """The module's name in the plan: without the package's, which is the door itself."""
    return name.removeprefix("partnerkpi.")


def dotted(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


@cache
def imports(path: Path) -> frozenset[str]:
    """Dotted names of every module a module imports: inside functions, for types only, and through any door."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are written in full"
            module = str(node.module)
            inside = {f"{module}.{alias.name}" for alias in node.names}
            names |= {name if is_module(name) else module for name in inside}
    return frozenset(names)


@cache
def is_module(name: str) -> bool:
    base = ROOT / Path(*name.split("."))
    return base.with_suffix(".py").is_file() or (base / "__init__.py").is_file()


@cache
def tracked() -> tuple[Path, ...]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout")
    names = listed.stdout.decode().split("\0")
    return tuple(ROOT / name for name in names if name and (ROOT / name).is_file())


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", MODULES, ids=named)
def test_imports_run_downward(path: Path) -> None:
    module = placed(dotted(path))
    assert module in PLACE, f"{module} has no place: add it to the plan of the house"
    for name in imports(path):
        if name.split(".")[0] == "partnerkpi":
            assert PLACE[placed(name)] < PLACE[module], f"{named(path)} imports upward: {name}"


def test_the_plan_names_no_module_that_is_not_there() -> None:
    assert set(ORDER) == {placed(dotted(path)) for path in MODULES}


def test_kpis_do_not_know_each_other_nor_who_runs_them() -> None:
    for path in sorted((PACKAGE / "kpis").glob("[!_]*.py")):
        for name in imports(path):
            other = name.removeprefix("partnerkpi.kpis.")
            assert other == name or not is_kpi(other), f"{named(path)} imports the KPI {other}"
            assert not name.startswith("partnerkpi.book."), f"{named(path)} reaches into the book's reader: {name}"


def is_kpi(name: str) -> bool:
    return name in {figure.name for figure in partnerkpi.KPIS}


def test_only_the_review_runs_notebooks() -> None:
    for path in MODULES:
        if room(path) != "batch":
            runners = {name.split(".")[0] for name in imports(path)} & {
                "papermill",
                "nbclient",
                "nbconvert",
                "nbformat",
            }
            assert not runners, f"{named(path)} imports {runners}"


def test_the_plan_is_written_down() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for name in {name.split(".")[0] for name in ORDER} - {"__main__"}:
        assert re.search(rf"\b{name}\b", readme), f"the README does not place {name}"


@pytest.mark.parametrize("path", [*MODULES, *sorted((ROOT / "tests").rglob("*.py"))], ids=named)
def test_files_are_short_and_names_say_something(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").count("\n")
    assert lines <= 400, f"{named(path)} has {lines} lines and is asking to be two"
    assert not VAGUE & set(path.relative_to(ROOT).with_suffix("").parts), f"{named(path)}: the name says nothing"


@pytest.mark.parametrize("path", [p for p in MODULES if p.name != "__main__.py"], ids=named)
def test_everything_public_is_documented(path: Path) -> None:
    module = import_module(dotted(path))
    assert module.__doc__, f"{named(path)} says nothing about itself"
    for name, thing in vars(module).items():
        if name.startswith("_") or getattr(thing, "__module__", None) != module.__name__:
            continue
        if inspect.isclass(thing) or inspect.isfunction(thing):
            assert written(thing), f"{named(path)}: {name} has no docstring"
            for part, member in vars(thing).items() if inspect.isclass(thing) else ():
                if not part.startswith("_") and (inspect.isfunction(member) or isinstance(member, property)):
                    assert member.__doc__, f"{named(path)}: {name}.{part} has no docstring"


def written(thing: type | FunctionType) -> bool:
    """True if somebody wrote the docstring: a dataclass without one gets its signature as one."""
    text = thing.__doc__ or ""
    return isinstance(text, property) or (bool(text.strip()) and not text.startswith(f"{thing.__name__}("))


def test_public_names_are_what_they_say() -> None:
    for name in partnerkpi.__all__:
        assert getattr(partnerkpi, name) is not None
        assert name in dir(partnerkpi)
        assert find_spec(f"partnerkpi.{name}") is None, f"partnerkpi.{name} is a module too"


def test_completion_offers_public_names_and_modules_only() -> None:
    offered = {name for name in dir(partnerkpi) if not name.startswith("__")}
    modules = {placed(dotted(path)).split(".")[0] for path in MODULES}
    assert offered <= {*partnerkpi.__all__} | modules
    assert {*partnerkpi.__all__} - {"__version__"} <= offered


def test_every_kpi_is_read_or_stands_beside_one() -> None:
    figures = {id(one) for kpi in partnerkpi.KPIS for one in (kpi, *kpi.companions)}
    for path in (PACKAGE / "kpis").glob("[!_]*.py"):
        for name, thing in vars(import_module(dotted(path))).items():
            if isinstance(thing, partnerkpi.Kpi):
                assert id(thing) in figures, f"{named(path)}: {name} is in no list"
                assert thing.name == name


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", MODULES, ids=named)
def test_no_trick_stands_for_a_thing(path: Path) -> None:
    """No cache keyed weakly, no function posing as another, no notes in a frame's attrs, no seaborn."""
    roots = {name.split(".")[0] for name in imports(path)}
    assert not roots & {"weakref", "seaborn"}, f"{named(path)} imports {roots & {'weakref', 'seaborn'}}"
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Attribute):
            assert node.attr != "attrs", f"{named(path)}, line {node.lineno}: notes travel as a column or a field"
            posing = isinstance(node.ctx, ast.Store) and node.attr.startswith("__")
            assert not posing, f"{named(path)}, line {node.lineno}: {node.attr} is written over"
        name = getattr(node, "id", getattr(node, "attr", ""))
        assert name not in ("wraps", "update_wrapper", "setattr"), f"{named(path)}, line {node.lineno}: {name}"


@pytest.mark.parametrize("path", MODULES, ids=named)
def test_no_text_is_a_key(path: Path) -> None:
    """Groups, reasons and verdicts are compared as what they are, never by what is said of them."""
    said = {key.value for key in Key} | {"all partners", "the network", "headline"}
    said |= {verdict.value for verdict in Verdict} - {"better", "worse"}  # words of their own, too
    said |= {code.english for code in Code} | {str(code()) for code in Code if "{" not in code.english}
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Compare):
            texts = {c.value for c in ast.walk(node) if isinstance(c, ast.Constant) and isinstance(c.value, str)}
            assert not texts & said, f"{named(path)}, line {node.lineno}: compares with {texts & said}"


def test_importing_the_package_is_quick() -> None:
    code = (
        f"import sys, partnerkpi, partnerkpi.book, partnerkpi.kpis; print([m for m in {HEAVY!r} if m in sys.modules])"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "[]"


def test_tracked_files_name_no_host_of_a_registry_and_no_machine() -> None:
    assert "uv.lock" not in {path.name for path in tracked()}
    hosts = "|".join([r"pypi\.org", r"pythonhosted", r"files\.python", r"npmjs", r"conda\.anaconda", r"index-url"])
    places = "|".join(re.escape(f"{place}/") for place in (ROOT, Path.home()) if place != Path("/"))
    forbidden = re.compile(rf"{hosts}|{places}", re.IGNORECASE)
    for path in tracked():
        if path != Path(__file__).resolve() and path.suffix not in (".png", ".xlsx", ".parquet"):
            hit = forbidden.search(path.read_text(encoding="utf-8"))
            assert not hit, f"{named(path)} holds {hit and hit.group()!r}"


def test_what_is_made_is_not_tracked() -> None:
    kept = {"reports/README.md", "reports/example.png"}
    assert {p for p in map(named, tracked()) if p.startswith("reports/")} <= kept
    assert [p for p in map(named, tracked()) if p.startswith("notebooks/scratch/")] == ["notebooks/scratch/.gitignore"]


@pytest.mark.slow
@pytest.mark.skipif(find_spec("hatchling") is None, reason="hatchling, the build backend, is not installed here")
def test_the_distributions_hold_notebooks_and_sample(tmp_path: Path) -> None:
    build = "import sys, hatchling.build as b; b.build_wheel(sys.argv[1]); b.build_sdist(sys.argv[1])"
    subprocess.run([sys.executable, "-c", build, str(tmp_path)], cwd=ROOT, check=True, capture_output=True)
    notebooks = sorted(path.name for path in (ROOT / "notebooks").glob("*.ipynb"))
    sample = sorted(path.name for path in (ROOT / "data").iterdir() if path.is_file())
    (wheel,), (sdist,) = tmp_path.glob("*.whl"), tmp_path.glob("*.tar.gz")

    with zipfile.ZipFile(wheel) as packed:
        names = packed.namelist()
    assert {f"partnerkpi/_notebooks/{name}" for name in notebooks} <= set(names)
    assert {f"partnerkpi/_data/{name}" for name in sample} <= set(names)
    assert not [name for name in names if "scratch" in name or name.startswith(("tests/", "notebooks/", "data/"))]
    assert "partnerkpi/py.typed" in names

    with tarfile.open(sdist) as packed_source:
        inside = {name.partition("/")[2] for name in packed_source.getnames()}
    assert {f"notebooks/{name}" for name in notebooks} | {f"data/{name}" for name in sample} <= inside
    assert {"LICENSE", "Makefile", "constraints.txt", "tests/test_house.py"} <= inside
