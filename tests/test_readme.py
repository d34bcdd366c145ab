"""The README tells the truth: its examples are executed, its commands, targets, links and table of KPIs exist."""

from __future__ import annotations

import doctest
import re
import shlex
from pathlib import Path

import pytest
from exports_odd import SHAPES

import partnerkpi as pk
from partnerkpi.cli import run

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, flags=re.MULTILINE | re.DOTALL)


def shell_examples() -> list[tuple[str, str]]:
    """Each `$ command` of a console block with the output shown below it."""
    found = []
    for block in blocks("console"):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, output = part.partition("\n")
            found.append((command, output))
    return found


@pytest.mark.parametrize(("command", "output"), shell_examples())
def test_the_shell_example_prints_what_it_says(
    command: str, output: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    program, *arguments = shlex.split(command)
    assert program == "partnerkpi"
    assert run(arguments) == 0
    assert output.strip(), f"show what  {command}  prints"
    printed = capsys.readouterr().out
    assert doctest.OutputChecker().check_output(output, printed, FLAGS), f"{command} prints\n{printed}"


def test_the_python_example_prints_what_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    examples = doctest.DocTestParser().get_doctest("\n".join(blocks("python")), {}, "README.md", "README.md", 0)
    assert len(examples.examples) >= 5
    report: list[str] = []
    runner = doctest.DocTestRunner(optionflags=FLAGS, verbose=False)
    assert not runner.run(examples, out=report.append).failed, "".join(report)


def test_the_sh_blocks_name_targets_and_files_that_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for line in "\n".join(blocks("sh")).splitlines():
        words = shlex.split(line, comments=True) or [""]
        if words[0] == "make":
            assert re.search(rf"^{words[1]}:", makefile, flags=re.MULTILINE), f"no target {words[1]}"
        for word in words:
            if word.endswith((".txt", "05_close_rate.ipynb")):
                assert (ROOT / word).is_file(), f"{word} does not exist"


def test_links_and_pictures_exist() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert "://" in target or (ROOT / target).exists(), f"the README shows {target}, which does not exist"


def test_the_table_of_kpis_is_the_tuple() -> None:
    rows = re.findall(r"^\| \d \| ([^`|]+?) \| ([^|]+?) \|$", README, flags=re.MULTILINE)
    assert rows == [(kpi.title, kpi.question) for kpi in pk.KPIS]


def test_the_way_to_ones_own_data_is_a_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """From an export to its figures by the commands of the page, the review aside, which takes its time."""
    (steps,) = (block for block in blocks("sh") if "init" in block)
    commands = [shlex.split(line, comments=True) for line in steps.splitlines()]
    assert [command[:2] for command in commands] == [["partnerkpi", name] for name in ("init", "check", "review")]
    assert all(command[2] == "my-exports" for command in commands)
    shape = next(shape for shape in SHAPES if shape.name == "french" and not shape.edits)
    (tmp_path / "my-exports").mkdir()
    shape.write(tmp_path / "my-exports")
    monkeypatch.chdir(tmp_path)
    for command in commands[:2]:
        assert run(command[1:]) == 0
        said = capsys.readouterr().out
        last = "The book can be used." if "check" in command else "check my-exports, and partnerkpi review my-exports"
        assert said.rstrip().endswith(last)
    assert pk.open_book("my-exports").reading.rows("deals")["used"] == 240
