"""Every fault has a cause with its cure, and every figure the columns it rests on."""

from __future__ import annotations

import ast
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

import partnerkpi as pk
from partnerkpi.book import causes
from partnerkpi.book.causes import CAUSES, EVERY, REMARK, cause_of
from partnerkpi.book.config import read_config
from partnerkpi.book.schema import TABLES
from partnerkpi.sample import write_sample
from partnerkpi.uses import KEPT, found_out, touched_by, uses

BOOK = Path(causes.__file__).parent
FIGURES = {one.name: one for kpi in pk.KPIS for one in (kpi, *kpi.companions)}


# Every fault has a cause


def scopes(tree: ast.Module) -> Iterator[ast.AST]:
    yield from (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))


class Texts:
    """The sentences that may stand in place of an expression, "7" in place of what is not written there."""

    def __init__(self, tree: ast.Module, scope: ast.AST) -> None:
        self.functions = {f.name: f for f in tree.body if isinstance(f, ast.FunctionDef)}
        self.names: dict[str, list[ast.expr]] = {}
        for node in (*tree.body, *ast.walk(scope)):
            if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                for target in targets:
                    if isinstance(target, ast.Name):
                        self.names.setdefault(target.id, []).append(node.value)

            if isinstance(node, ast.For) and isinstance(node.target, ast.Tuple) and isinstance(node.iter, ast.Tuple):
                for line in (line.elts for line in node.iter.elts if isinstance(line, ast.Tuple)):
                    for one, value in zip(node.target.elts, line, strict=True):
                        self.names.setdefault(getattr(one, "id", ""), []).append(value)

    def of(self, node: ast.expr, depth: int = 0) -> list[str]:
        if isinstance(node, ast.Constant):
            return [node.value] if isinstance(node.value, str) else []
        if isinstance(node, ast.IfExp):
            return [*self.of(node.body, depth), *self.of(node.orelse, depth)]
        if depth > 3:
            return []
        if isinstance(node, ast.JoinedStr):
            whole = [""]
            for part in node.values:
                inner = part.value if isinstance(part, ast.FormattedValue) else part
                texts = (self.of(inner, depth + 1) if isinstance(inner, ast.Name | ast.Constant) else []) or ["7"]
                whole = [f"{start}{text}" for start in whole for text in texts]
            return whole
        if isinstance(node, ast.Name):
            return [t for value in self.names.get(node.id, []) for t in self.of(value, depth + 1)]
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in self.functions:
            returns = [n.value for n in ast.walk(self.functions[node.func.id]) if isinstance(n, ast.Return) and n.value]
            return [t for value in returns for t in self.of(value, depth + 1)]
        return []


def rules() -> set[str]:
    """Every rule that stands in the reader's code, as far as it stands there."""
    found: set[str] = set()
    for path in sorted(BOOK.glob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for scope in scopes(tree):
            texts = Texts(tree, scope)
            for call in (node for node in ast.walk(scope) if isinstance(node, ast.Call)):
                name = getattr(call.func, "attr", getattr(call.func, "id", ""))
                place = {"warn": 1, "aside": 1, "refuse": 1, "lose_cells": 1, "blame": 0, "Damaged": 0, "Problem": 4}
                if name in place and len(call.args) > place[name]:
                    found |= set(texts.of(call.args[place[name]]))
            for line in (node.elts for node in ast.walk(scope) if isinstance(node, ast.Tuple)):
                if len(line) == 3 and isinstance(line[0], ast.Constant) and line[0].value in ("E", "Q", "W", "cell"):
                    found |= set(texts.of(line[1]))
            if path.stem == "parse":  # there a rule is the name of the rows that break it
                keys = [key for node in ast.walk(scope) if isinstance(node, ast.Dict) for key in node.keys if key]
                keys += [node.slice for node in ast.walk(scope) if isinstance(node, ast.Subscript)]
                found |= {text for key in keys for text in texts.of(key) if len(text.split()) > 2}
            if path.stem == "currencies" and getattr(scope, "name", "") == "named_by":
                slices = [node.slice for node in ast.walk(scope) if isinstance(node, ast.Subscript)]
                found |= {text for key in slices for text in texts.of(key) if len(text.split()) > 2}
    ends = ("Lines above the header? 7", ", and the header holds 7")  # of the other rules of the same name
    return {rule for rule in found if len(rule.split()) > 1 and not any(end in rule for end in ends)}


RULES = sorted(rules())


def test_the_rules_of_the_reader_are_found() -> None:
    assert len(RULES) > 90
    for rule in ("no amount: counted, but adds no money", "the flags contradict each other", "not an amount"):
        assert rule in RULES


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_is_a_case_of_a_cause(rule: str) -> None:
    assert cause_of(rule) is not REMARK, "give it a cause in partnerkpi/book/causes.py: what it is, costs, its cure"


def test_only_remarks_of_presets_and_of_book_toml_are_remarks(tmp_path: Path) -> None:
    (tmp_path / "deals.csv").touch()
    for preset in sorted(p.stem for p in (BOOK / "presets").glob("*.toml")):
        (tmp_path / "book.toml").write_text(
            f'[book]\nname = "T"\ncurrency = "EUR"\ntime_zone = "UTC"\nextracted_on = 2025-12-31\npreset = "{preset}"\n'
            '[deals]\nfiles = ["deals.csv"]\n'
        )
        config = read_config(tmp_path).tables["deals"]
        for sentence in (*config.remarks.values(), *config.expects.values()):
            assert cause_of(sentence) is REMARK, sentence


@pytest.mark.parametrize("cause", CAUSES, ids=lambda cause: cause.name)
def test_every_cause_has_a_cure_and_figures_it_touches_or_touches_none(cause: causes.Cause) -> None:
    assert any(cause_of(rule) is cause for rule in (*RULES, *OTHER)), "no rule is a case of it"
    assert cause.cure.format(table="deals", column="amount")
    assert not cause.cure.endswith(".")
    touch = touched_by(cause, "deals", "created_on" if cause.beside else "amount")
    if cause.costs == "nothing":
        assert touch.nothing
    else:
        assert "average_deal_size" in touch.figures or (cause.beside and "deal_velocity" in touch.figures)


#: Rules put together where they are used, as they read then.
OTHER = (
    "a day among texts: a spreadsheet may have made it of a text, and exchanged day and month",
    "the header has 6 cells, 2 of 2 rows have another number: the row has 7 cells, the header 6",
    "not an amount, so it counts as empty",
    "2,000 of 3,000 cells cannot be read: declare how they are written",
    "a year of two digits, and no format with %y is declared",
    "the column 'amount' is missing. Map it under [deals.columns].",
    "not read, though but for its spelling it is 'amount': map it under [deals.columns], amount = \"Amount\"",
    "deals: 3 of 20 rows set aside, more than 1 %: cure what is set aside above",
    "no rate for GBP in the rates table, and the book is in EUR",
    "no rate of GBP within a quarter before the day: the last one is used, 120 days old at most",
    "which currency is '$'? Name it in a column currency",
    "the value says won, the flags say lost: the flags hold",
)


def test_the_name_of_a_cause_is_its_own() -> None:
    assert len(EVERY) == len(CAUSES) + 1


# Which figure rests on which columns


@pytest.mark.slow
def test_what_is_kept_of_the_figures_is_what_one_finds_looking_on() -> None:
    assert json.loads(KEPT.read_text(encoding="utf-8")) == found_out(*FIGURES.values()), "run tests/refresh_uses.py"


def test_a_figure_that_is_not_kept_is_looked_at() -> None:
    naive = FIGURES["naive_days"]
    assert found_out(naive) == {"naive_days": ["deals.closed_on", "deals.created_on", "deals.status"]}
    assert found_out() == {}


@pytest.mark.parametrize(
    ("place", "touched", "untouched"),
    [
        (
            "deals.amount",
            "average_deal_size won_amount quality_score by_amount",
            "number_of_deals close_rate open_deals",
        ),
        ("deals.expected_close_on", "overdue_deals", "opportunity_pipeline close_rate"),
        ("deals.competitor", "lost_to_rivals", "won_amount"),
        ("deals.region", "observed_to_expected", "close_rate"),
        ("history.stage", "weighted_pipeline", "opportunity_pipeline deal_velocity"),
        ("rates.rate", "won_amount spend", "number_of_deals"),
        ("targets.amount", "attainment coverage", "won_amount"),
        ("partners.commission_rate", "commission_earned", "average_deal_size"),
        ("touches.channel", "", "marketing_channels"),
    ],
)
def test_a_figure_rests_on_the_columns_its_definition_names(place: str, touched: str, untouched: str) -> None:
    table, _, column = place.partition(".")
    resting = {one.name for one, places in uses().items() if (table, column) in places}
    assert set(touched.split()) <= resting
    assert not set(untouched.split()) & resting


@pytest.mark.parametrize("place", ["deals.amount", "history.stage", "leads.channel", "spend.amount", "rates.rate"])
def test_no_other_figure_changes_when_a_column_of_the_export_does(place: str, tmp_path: Path) -> None:
    """The files themselves are changed and read again, which looks at nothing the package says of itself."""
    table, _, column = place.partition(".")
    sample = write_sample(tmp_path / "sample", partners=24, quarters=8, deals=600)
    other = tmp_path / "other"
    shutil.copytree(sample, other)
    frame = pd.read_csv(other / f"{table}.csv", dtype="str")
    values = frame[column].dropna().unique()
    swap = dict(zip(values, [*values[1:], values[0]], strict=True))
    frame.assign(**{column: frame[column].map(swap)}).to_csv(other / f"{table}.csv", index=False)
    one, two = (pk.scorecard(pk.open_book(f, allow_set_aside=True), by="none") for f in (sample, other))
    differs = (one["value"] != two["value"]) & ~(one["value"].isna() & two["value"].isna())
    changed = {(f if f != "headline" else k) for k, f in zip(one["kpi"][differs], one["figure"][differs], strict=True)}
    resting = {figure.name for figure, places in uses().items() if (table, column) in places}
    assert changed
    assert changed <= resting


def test_every_table_can_be_named() -> None:
    for name in TABLES:
        assert touched_by(EVERY["empty"], name, "").figures or name in ("touches", "notes")
