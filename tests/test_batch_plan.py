"""What is settled before anything runs: slices, figures, the notebooks' parameters, the names of the pages."""

from __future__ import annotations

import json
import string
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pathvalidate import is_valid_filename

import partnerkpi as pk
from partnerkpi.batch.plan import LONGEST, NETWORK, PARAMETERS, Plan, chapters, page_names, planned
from partnerkpi.errors import UsageError
from partnerkpi.shipped import shipped
from partnerkpi.show.html import end_figures

SIX = "\n".join(f'{name}: str = ""  # {name}' for name in PARAMETERS)
DEVICES = {"con", "prn", "aux", "nul"} | {f"{port}{i}" for port in ("com", "lpt") for i in range(10)}
AWKWARD = [
    *("a/b", "a b", "A-B", "Müller", "Muller", "株式会社", "有限会社", "P-1", "p-1", "../../x", "CON", "nul.txt"),
    *("{0}", "-rf", "x" * 300, "x" * 299 + "y", "trailing.", "trailing", ".", "..", ".*"),
    *("index", "Index", "\uff21cme", "Acme", "acme ", "e1", "a\nb"),
    *("e\u0301", "\u00e9", "com1", "LPT9", "aux", "prn.txt", "\u00df", "ss", "SS", "\u212a1", "k1", "P\u00ad-1"),
    "\ud800",
]  # fmt: skip


def plan_of(book: Path | str, partners: list[str] | None = None, quarters: str | None = None) -> Plan:
    return planned(book, quarters, partners, as_of=None, allow_set_aside=False, notebooks=None)


@pytest.fixture
def canaries(write_book: Callable[..., Path]) -> Path:
    """A book in which every text of every partner can be told from those of the others."""
    deals, leads, history = [], [], []
    for i in range(8):
        for k in range(3):
            own = f"CANARY{i}-{k}"
            status = ("won", "lost", "open")[k]
            closed = f"2025-11-{10 + i}" if k < 2 else ""
            deals.append(
                f"{own}-deal,2025-10-0{i + 1},{status},{closed},{1000 + i}.5,CANARY{i}-id,{own}-name,{own}-customer"
            )
            leads.append(f"{own}-lead,2025-10-0{i + 1},CANARY{i}-id,web")
            history.append(f"{own}-deal,2025-10-0{i + 2},talk,open,{1000 + i}.5,CANARY{i}-id")
    return write_book(
        "\n".join(["deal_id,created_on,status,closed_on,amount,partner_id,name,customer", *deals]) + "\n",
        leads="\n".join(["lead_id,created_on,partner_id,channel", *leads]) + "\n",
        history="\n".join(["deal_id,changed_at,stage,status,amount,partner_id", *history]) + "\n",
        partners="partner_id,name\n" + "".join(f"CANARY{i}-id,CANARY{i}-partner\n" for i in range(8)),
    )


def test_a_slice_holds_nothing_of_the_others(canaries: Path, tmp_path: Path) -> None:
    plan = plan_of(canaries)
    plan.write_slice("CANARY3-id", tmp_path / "slice")
    for path in (tmp_path / "slice").iterdir():
        content = path.read_bytes()
        assert not [f"CANARY{i}" for i in range(8) if i != 3 and f"CANARY{i}".encode() in content], path.name
    assert b"CANARY3-1-deal" in (tmp_path / "slice" / "deals.arrow").read_bytes()


@pytest.mark.parametrize("partner", [NETWORK, "P-003", "P-007"])
def test_figures_from_a_slice_are_those_of_the_scorecard(partner: str, tmp_path: Path) -> None:
    plan = plan_of("", ["P-003"])
    plan.write_slice(partner, tmp_path / "slice")
    mine = pk.open_book(tmp_path / "slice", as_of="2025-12-31").for_partner(partner)
    period = plan.quarters[0]
    for chapter in plan.chapters:
        kpi = next((k for k in pk.KPIS if k.name == chapter.name), chapter.name)
        assert end_figures(kpi, mine, period) == plan.figures(chapter, partner, period), chapter.name


def test_the_plan_knows_its_pages(canaries: Path) -> None:
    plan = plan_of(canaries, ["CANARY1-id", "CANARY1-id"])
    assert plan.partners == ("CANARY1-id",)
    assert plan.files["CANARY1-id"] == "CANARY1-id-canary1-partner.html"
    assert plan.files[NETWORK] == "index.html"
    assert [q.label for q in plan.quarters] == ["2025Q4"]
    assert len(plan.files) == 9


def test_an_unknown_partner_is_told_of_near_ones(canaries: Path) -> None:
    with pytest.raises(UsageError, match="CANARY1-id"):
        plan_of(canaries, ["CANARY1"])


def write_notebook(folder: Path, *sources: str, name: str = "01_one.ipynb", tag: str = "parameters") -> Path:
    cells = [{"cell_type": "code", "metadata": {"tags": [tag]}, "source": s.splitlines(True)} for s in sources]
    (folder / name).write_text(json.dumps({"cells": cells}))
    return folder


def test_the_notebooks_that_come_along_take_the_six() -> None:
    shipped_chapters = chapters(shipped("notebooks"))
    assert [c.name for c in shipped_chapters][:2] == ["review", "average_deal_size"]
    assert [c.name for c in shipped_chapters if c.is_cover] == ["review"]
    assert len(shipped_chapters) == 9


def test_order_is_that_of_the_numbers(tmp_path: Path) -> None:
    write_notebook(tmp_path, SIX, name="02_b.ipynb")
    write_notebook(tmp_path, SIX, name="01_z.ipynb")
    (tmp_path / "notes.ipynb").write_text("not one of them")
    assert [c.name for c in chapters(tmp_path)] == ["z", "b"]


@pytest.mark.parametrize(
    ("sources", "said"),
    [
        ((SIX.replace("partner:", "partnr:"),), "parameters not declared: partner"),
        ((SIX + '\nextra = ""',), "unknown parameters: extra"),
        ((SIX.replace('quarter: str = ""', "quarter = 4"),), "not text: quarter"),
        ((SIX.replace('quarter: str = ""', "quarter = str()"),), "not text: quarter"),
        ((), "0 cells are tagged"),
        ((SIX, SIX), "2 cells are tagged"),
        (("book = (",), "not Python"),
    ],
)
def test_other_parameters_are_refused(tmp_path: Path, sources: tuple[str, ...], said: str) -> None:
    with pytest.raises(UsageError, match="nothing was run") as caught:
        chapters(write_notebook(tmp_path, *sources))
    assert said in str(caught.value)
    assert "01_one.ipynb" in str(caught.value)


def test_a_file_that_is_no_notebook_and_a_folder_without_any(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no notebooks"):
        chapters(tmp_path)
    (tmp_path / "01_one.ipynb").write_text("{")
    with pytest.raises(UsageError, match="not a notebook"):
        chapters(tmp_path)


def as_stored(name: str) -> str:
    """How a file system that ignores case and composes accents sees a name."""
    return unicodedata.normalize("NFC", name).casefold()


def assert_safe(names: dict[str, str]) -> None:
    files = [f"{stem}.html" for stem in names.values()]
    assert len({as_stored(f) for f in files} | {"index.html"}) == len(names) + 1
    for file in files:
        assert set(file) <= set(string.ascii_letters + string.digits + "-_.")
        assert len(file.encode()) <= LONGEST
        assert is_valid_filename(file, platform="universal")
        assert file.split(".")[0].lower() not in DEVICES
        assert file[0] not in "-."
        assert file.count(".") == 1


def test_awkward_ids_get_different_safe_names() -> None:
    assert_safe(page_names(dict.fromkeys(AWKWARD, "Same name")))
    assert_safe(page_names({i: i for i in AWKWARD}))


def test_a_plain_id_and_its_name_are_readable() -> None:
    assert page_names({"P-003": "Rheinwerk GmbH"}) == {"P-003": "P-003-rheinwerk-gmbh"}


def test_ids_that_differ_in_case_are_told_apart_by_more_than_the_names_of_the_partners() -> None:
    alike = page_names({"P-1": "Alpha", "p-1": "Beta"})
    assert alike == {"P-1": "p-1-82988760-alpha", "p-1": "p-1-1dee6e3e-beta"}


def test_the_name_of_one_page_does_not_depend_on_the_order() -> None:
    there = page_names({i: "N" for i in AWKWARD})
    back = page_names({i: "N" for i in reversed(AWKWARD)})
    assert there == back


@given(st.dictionaries(st.text(min_size=1, max_size=40), st.text(max_size=200), max_size=8))
def test_any_ids_and_names(partners: dict[str, str]) -> None:
    assert_safe(page_names(partners))


@given(
    st.lists(st.text(alphabet="aAáÁ-_ 1", min_size=1, max_size=4), unique=True, max_size=12),
    st.sampled_from(["", "x", "a-1"]),
)
def test_ids_that_differ_little(ids: list[str], name: str) -> None:
    assert_safe(page_names(dict.fromkeys(ids, name)))
