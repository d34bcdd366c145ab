"""What cannot be seen inside a file, lines that are gone and digits that changed, the totals `init` writes down see."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from partnerkpi.cli import run

HEAD = "deal_id;partner_id;customer;status;created_on;closed_on;amount\n"
FILES = {
    "deals-2024.csv": HEAD
    + "D1;P1;Bäckerei Ey;won;02.03.2024;30.04.2024;1.250,00 €\n"
    + "D2;P2;Café Zoë;lost;14.03.2024;15.05.2024;980,50 €\n"
    + "D3;P1;Konditorei Au;won;15.05.2024;28.08.2024;12.400,75 €\n",
    "deals-2025.csv": HEAD
    + "D4;P3;Hotel Post;open;17.01.2025;;700,00 €\n"
    + "D5;P2;Gasthof Ost;won;20.02.2025;25.06.2025;3.333,33 €\n",
    "history.csv": "deal_id,changed_at,stage,amount\n"
    + "D1,2024-03-02 09:00:00,Demo,1100.00\n"
    + "D1,2024-04-10 10:30:00,Offer,1250.00\n"
    + "D3,2024-05-15 09:00:00,Demo,12400.75\n",
    "partners.csv": "partner_id,name,tier\nP1,Nordwind,gold\nP2,Südwind,silver\nP3,Ostwind,silver\n",
    "spend.csv": "channel,month,amount\nwebsite,2025-01-01,1200.50\nfair,2025-01-01,800.25\nwebsite,2025-02-01,99.75\n",
}
TABLE = {name: re.split(r"[-.]", name)[0] for name in FILES}

Refused = Callable[[str, str], list[str]]


@pytest.fixture
def refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Refused:
    """A function that gives which totals `check` says differ when a file holds another text: table and total."""
    for name, text in FILES.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    assert run(["init", str(tmp_path), "--write"]) == 0
    assert run(["check", str(tmp_path)]) == 0
    capsys.readouterr()

    def check(name: str, text: str) -> list[str]:
        (tmp_path / name).write_text(text, encoding="utf-8")
        code = run(["check", str(tmp_path), "--format", "json"])
        (tmp_path / name).write_text(FILES[name], encoding="utf-8")
        faults = json.loads(capsys.readouterr().out)["faults"]
        assert code == 1, text
        found = [re.match(r"(\[\w+\] (?:rows|amount_total)) = \S+ is declared, but", f["rule"]) for f in faults]
        return [match[1] for match in found if match]

    return check


@pytest.mark.parametrize("name", FILES)
def test_every_line_that_is_gone_is_missed(refused: Refused, name: str) -> None:
    lines = FILES[name].splitlines(keepends=True)
    expected = {f"[{TABLE[name]}] rows"} | ({f"[{TABLE[name]}] amount_total"} if "amount" in lines[0] else set())
    for gone in range(1, len(lines)):
        assert set(refused(name, "".join(lines[:gone] + lines[gone + 1 :]))) == expected


@pytest.mark.parametrize("name", [name for name, text in FILES.items() if "amount" in text])
def test_every_digit_of_an_amount_that_changed_is_missed(refused: Refused, name: str) -> None:
    text = FILES[name]
    last = re.finditer("[^;\n]+$" if ";" in text else "[^,\n]+$", text, re.MULTILINE)
    places = [at for cell in last for at in range(*cell.span())]
    for at in (at for at in places if text[at].isdigit()):
        other = str((int(text[at]) + 1 + at % 9) % 10)
        assert refused(name, text[:at] + other + text[at + 1 :]) == [f"[{TABLE[name]}] amount_total"], text[at - 5 : at]
