"""What a partner's notebooks are given: its own rows and aggregates, and figures that agree with the scorecard."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import partnerkpi as pk
from partnerkpi.batch.plan import NETWORK, Plan, planned
from partnerkpi.errors import UsageError
from partnerkpi.show.marker import figures


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
        text = path.read_text(encoding="utf-8")
        assert not [f"CANARY{i}" for i in range(8) if i != 3 and f"CANARY{i}" in text], path.name
    assert "CANARY3-1-deal" in (tmp_path / "slice" / "deals.csv").read_text(encoding="utf-8")


@pytest.mark.parametrize("partner", [NETWORK, "P-003", "P-007"])
def test_figures_from_a_slice_are_those_of_the_scorecard(partner: str, tmp_path: Path) -> None:
    plan = plan_of("", ["P-003"])
    plan.write_slice(partner, tmp_path / "slice")
    mine = pk.open_book(tmp_path / "slice", as_of="2025-12-31").for_partner(partner)
    period = plan.quarters[0]
    for chapter in plan.chapters:
        kpi = next((k for k in pk.KPIS if k.name == chapter.name), chapter.name)
        assert figures(kpi, mine, period) == plan.figures(chapter, partner, period), chapter.name


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
