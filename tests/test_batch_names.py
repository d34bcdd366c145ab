"""Page names: as many as partners, safe everywhere, whatever the ids hold."""

from __future__ import annotations

import string
import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from partnerkpi.batch.names import DEVICES, LONGEST, page_names

AWKWARD = [
    *("a/b", "a b", "A-B", "Müller", "Muller", "株式会社", "有限会社", "P-1", "p-1", "../../x", "CON", "nul.txt"),
    *("{0}", "-rf", "x" * 300, "x" * 299 + "y", "trailing.", "trailing", ".", "..", ".*"),
    *("index", "Index", "\uff21cme", "Acme", "acme ", "e1", "a\nb"),
]  # fmt: skip


def as_stored(name: str) -> str:
    """How a file system that ignores case and composes accents sees a name."""
    return unicodedata.normalize("NFC", name).casefold()


def assert_safe(names: dict[str, str]) -> None:
    files = [f"{stem}.html" for stem in names.values()]
    assert len({as_stored(f) for f in files} | {"index.html"}) == len(names) + 1
    for file in files:
        assert set(file) <= set(string.ascii_letters + string.digits + "-_.")
        assert len(file.encode()) <= LONGEST
        assert file.split(".")[0].lower() not in DEVICES
        assert file[0] not in "-."
        assert file.count(".") == 1


def test_awkward_ids_get_different_safe_names() -> None:
    assert_safe(page_names(dict.fromkeys(AWKWARD, "Same name")))
    assert_safe(page_names({i: i for i in AWKWARD}))


def test_a_plain_id_and_its_name_are_readable() -> None:
    assert page_names({"P-003": "Rheinwerk GmbH"}) == {"P-003": "P-003-rheinwerk-gmbh"}


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
