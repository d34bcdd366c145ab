"""The folder of a review, whatever happened to it: every page is whole, and known to be what it is.

Reviews are killed, meet a full disk, fail, are taken up again, with other data, for other partners, at the same time.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from tiny_reviews import KILLED, Data, Tiny, die, no_room

from partnerkpi.batch import done
from partnerkpi.batch.files import KEYS, MANIFEST, locked
from partnerkpi.errors import SystemProblem

forked = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs processes that are copies of this one")
ONE: Data = {"A": ((10,), "Alpha"), "B": ((20,), "Beta"), "C": ((30,), "Gamma")}
#: Of B other amounts, of A another name.
TWO: Data = {"A": ((10,), "Alpine"), "B": ((21,), "Beta"), "C": ((30,), "Gamma")}
EDITED = b"edited by hand"


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tiny:
    return Tiny(tmp_path, monkeypatch)


def fresh(tiny: Tiny, data: Data) -> dict[str, bytes]:
    """What a review of these data puts into an empty folder."""
    return _fresh(tuple(data.items()), tiny)


_made: dict[Any, dict[str, bytes]] = {}


def _fresh(key: Any, tiny: Tiny) -> dict[str, bytes]:
    if key not in _made:
        with tempfile.TemporaryDirectory() as folder:
            faults, tiny.faults = tiny.faults, {}
            assert tiny.review(dict(key), out=Path(folder)).exit_code == 0
            tiny.faults = faults
            _made[key] = tiny.files(Path(folder))
    return _made[key]


def assert_known(tiny: Tiny, *data: Data) -> None:
    """Every page is one of a review of these data, whole, and it is told of it: in the manifest or in the notes."""
    told = {(entry["file"], entry["sha256"]) for entry in tiny.accounts() if entry.get("sha256")}
    for name, content in tiny.pages().items():
        if content == EDITED:
            continue
        assert content.rstrip().endswith(b"</html>"), f"{name} is not whole"
        assert (name, hashlib.sha256(content).hexdigest()) in told, f"nobody tells what {name} is"
        if name != "index.html":  # which tells of what else stands there
            assert content in [fresh(tiny, each).get(name) for each in data], f"{name} is of no data there were"


def assert_fresh(tiny: Tiny, data: Data) -> None:
    """The folder is that of a review into an empty one, but for what somebody has edited."""
    there = {name: content for name, content in tiny.files().items() if content != EDITED}
    assert there == fresh(tiny, data)
    assert not (tiny.quarter / done.NOTED).exists()


# Killed, or out of room, before each single change of the folder


@forked
def test_a_review_killed_before_any_change_of_its_folder_leaves_whole_pages_and_can_be_taken_up(tiny: Tiny) -> None:
    """Before every change in turn, in a folder with pages of other data, of which one then gets another name."""
    tiny.review(ONE)
    at, data, ended = 1, TWO, KILLED
    while ended == KILLED:
        ended = tiny.apart(at, die, data)
        assert_known(tiny, ONE, TWO)
        assert tiny.review(data, resume=True).exit_code == 0
        assert_fresh(tiny, data)
        assert tiny.unfinished() == []
        at, data = at + 1, ONE if data is TWO else TWO
    assert ended == 0
    assert at > 50  # it was alive that long


@forked
def test_a_disk_that_is_full_at_any_moment_costs_no_page_and_is_said(tiny: Tiny) -> None:
    """From one change of the folder on nothing more can be written, for each in turn."""
    tiny.review(ONE)
    at, data, ended = 1, TWO, 4
    while ended == 4:
        ended = tiny.apart(at, no_room, data)
        said = (tiny.folder / "said").read_text()
        assert ended == 0 or "No space left on device" in said
        if ended and not said.startswith(("Cannot write to ", "Cannot lock ")):  # it had begun
            assert "The disk is full, and each report that is not there yet may need 4 MB. Earlier files" in said
        assert_known(tiny, ONE, TWO)
        assert tiny.unfinished() == []
        assert tiny.review(data, resume=True).exit_code == 0
        assert_fresh(tiny, data)
        at, data = at + 1, ONE if data is TWO else TWO
    assert ended == 0
    assert at > 50


def test_what_cannot_be_noted_is_said_as_what_cannot_be_written(tiny: Tiny) -> None:
    (tiny.quarter / done.NOTED).mkdir(parents=True)
    with pytest.raises(SystemProblem, match=r"Cannot read .*\.review\.done: Is a directory\. Move it away, or write"):
        tiny.review(ONE)


# Whatever comes in whatever order

PAGES = {"A": ["Alpha", "Alpine"], "B": ["Beta", "Bravo"], "C": ["Gamma"]}
PARTNERS = st.sampled_from(["", *PAGES])


class Folder(RuleBasedStateMachine):
    """Reviews that are killed, fail, are taken up and meet other data: the folder is always part of a fresh one's."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = pytest.MonkeyPatch()
        self.place = tempfile.TemporaryDirectory()
        self.tiny = Tiny(Path(self.place.name), self.patch)
        self.data: dict[str, tuple[tuple[int, ...], str]] = dict(ONE)
        self.seen: list[Data] = [dict(ONE)]

    def teardown(self) -> None:
        self.patch.undo()
        self.place.cleanup()

    def known(self, partner: str) -> bool:
        """Whether a page of the partner stands that somebody tells of."""
        pages = {name: hashlib.sha256(content).hexdigest() for name, content in self.tiny.pages().items()}
        return any(e["partner"] == partner and pages.get(e["file"]) == e["sha256"] for e in self.tiny.accounts())

    @rule(partner=st.sampled_from("AB"), amounts=st.sampled_from([(10,), (11,), (10, 11)]), name=st.integers(0, 1))
    def data_change(self, partner: str, amounts: tuple[int, ...], name: int) -> None:
        self.data[partner] = amounts, PAGES[partner][name]
        self.seen.append(dict(self.data))

    @rule()
    def everybody(self) -> None:
        assert self.tiny.review(self.data).exit_code == 0
        assert_fresh(self.tiny, self.data)

    @rule()
    def taken_up(self) -> None:
        """What was made of other data is made again, and only that: a second time there is nothing to do."""
        before = self.tiny.files()
        assert self.tiny.review(self.data, resume=True).exit_code == 0
        assert_fresh(self.tiny, self.data)
        made = fresh(self.tiny, self.data)
        files = {entry["partner"]: entry["file"] for entry in self.tiny.accounts()}
        changed = {p for p in PAGES if before.get(files[p]) != made[files[p]]}
        assert changed <= set(self.tiny.executed)
        self.tiny.review(self.data, resume=True)
        assert self.tiny.executed == []

    @rule(partners=st.sets(st.sampled_from(list(PAGES)), min_size=1), resume=st.booleans())
    def some(self, partners: set[str], resume: bool) -> None:
        before = self.tiny.pages()
        result = self.tiny.review(self.data, sorted(partners), resume=resume)
        assert result.exit_code == 0
        after, made = self.tiny.pages(), fresh(self.tiny, self.data)
        mine = {report.path.name for report in result.reports}
        assert {name: after[name] for name in mine - {"index.html"}} == {n: made[n] for n in mine - {"index.html"}}
        others = {name: content for name, content in before.items() if name in after and name not in mine}
        assert others.items() <= after.items()

    @rule(partner=PARTNERS, fault=st.sampled_from(["failed", "refused"]), resume=st.booleans())
    def fault(self, partner: str, fault: str, resume: bool) -> None:
        """The page of before stays as it is, and is called stale; there is none where there was none."""
        if not partner:
            fault = "failed"
        stood, before = self.known(partner), self.tiny.pages()
        self.tiny.faults = {partner: fault}
        result = self.tiny.review(self.data, resume=resume)
        self.tiny.faults = {}
        executed = partner in self.tiny.executed  # else it was left as it stood
        assert result.exit_code == ({"failed": 3, "refused": 5}[fault] if executed else 0)
        if executed:
            (entry,) = (entry for entry in self.tiny.accounts() if entry["partner"] == partner)
            assert (entry["state"], entry.get("stale", False)) == (fault, stood)
            assert not stood or self.tiny.pages()[entry["file"]] == before[entry["file"]]
            assert stood or entry["file"] not in self.tiny.pages() or before[entry["file"]] == EDITED

    @rule(at=st.integers(1, 60), resume=st.booleans(), some=st.sets(st.sampled_from(list(PAGES)), min_size=2))
    def killed(self, at: int, resume: bool, some: set[str]) -> None:
        assert self.tiny.apart(at, die, self.data, resume=resume, partners=sorted(some)) in (0, KILLED)

    @rule(at=st.integers(1, 60), resume=st.booleans())
    def disk_full(self, at: int, resume: bool) -> None:
        assert self.tiny.apart(at, no_room, self.data, resume=resume) in (0, 4)

    @rule()
    def second_at_once(self) -> None:
        self.tiny.out.mkdir(exist_ok=True)
        with locked(self.tiny.out):
            before = self.tiny.files(), self.tiny.accounts()
            with pytest.raises(SystemProblem, match="is in use by process"):
                self.tiny.review(self.data)
            assert (self.tiny.files(), self.tiny.accounts()) == before

    @rule(which=st.integers(0, 3), edit=st.booleans())
    def meddle(self, which: int, edit: bool) -> None:
        """Somebody edits a page or takes it away."""
        for name in sorted(self.tiny.pages())[which : which + 1]:
            if edit:
                (self.tiny.quarter / name).write_bytes(EDITED)
            else:
                (self.tiny.quarter / name).unlink()

    @invariant()
    def every_page_is_known(self) -> None:
        assert_known(self.tiny, *self.seen)


@forked
def test_the_folder_is_part_of_a_fresh_one_whatever_happened() -> None:
    run_state_machine_as_test(Folder, settings=settings(max_examples=8, stateful_step_count=15, deadline=None))


# A manifest of any shape

GOOD = {"partner": "A", "file": "A-alpha.html", "state": "published", "as_of": "2025-12-31", "key": "the key"}
GOOD |= {"sha256": hashlib.sha256(EDITED).hexdigest(), "seconds": 0.5}
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9) | st.just("\ud800.html"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*KEYS, "x"]), inner, max_size=3),
    max_leaves=6,
)
#: One key of an entry that is otherwise good, or one more, may be anything, or is not there.
ALMOST = st.sampled_from([*GOOD, "stale", "reason"]).flatmap(
    lambda key: (
        st.builds(lambda value: {**GOOD, key: value}, ANYTHING) | st.just({k: v for k, v in GOOD.items() if k != key})
    )
)


@settings(max_examples=150, deadline=None)
@given(st.one_of(ANYTHING, st.builds(lambda entries: {"reports": entries}, st.lists(ALMOST, max_size=3))), ALMOST)
def test_a_manifest_or_note_of_any_shape_is_believed_or_refused_in_a_sentence(manifest: Any, noted: Any) -> None:
    """Nothing in them ends a review in another way; what a review refuses it leaves as it is."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        tiny = Tiny(Path(folder), patch)
        tiny.quarter.mkdir(parents=True)
        patch.setattr(done, "key_of", lambda *_: "the key")
        (tiny.quarter / "A-alpha.html").write_bytes(EDITED)
        (tiny.quarter / MANIFEST).write_text(json.dumps(manifest))
        (tiny.quarter / done.NOTED).write_text(json.dumps(noted))
        try:
            assert tiny.review({"A": ONE["A"]}, resume=True).exit_code == 0
        except SystemProblem as problem:
            said, told = str(problem), (tiny.quarter / MANIFEST).read_text()
        else:
            said, told = "", json.dumps(manifest)
            assert {"", "A"} <= {entry["partner"] for entry in tiny.accounts()}
        assert not said or "is not the manifest of a review: " in said
        assert told == json.dumps(manifest)


def test_a_page_whose_key_is_told_but_not_how_long_it_took_is_made_again(tiny: Tiny) -> None:
    """As of a manifest of another version."""
    tiny.review(ONE)
    path = tiny.quarter / MANIFEST
    manifest = json.loads(path.read_text())
    for entry, changed in zip(manifest["reports"], ("seconds", "key", "seconds", "key"), strict=True):
        entry.pop(changed)
    path.write_text(json.dumps(manifest))
    assert tiny.review(ONE, resume=True).exit_code == 0
    assert sorted(tiny.executed) == ["", "A", "B", "C"]
