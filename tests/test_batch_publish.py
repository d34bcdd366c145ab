"""What becomes of an executed report: published, failed or refused, and what then stands in the folder."""

from __future__ import annotations

import base64
import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

import partnerkpi as pk
from partnerkpi import show
from partnerkpi.batch import ReviewResult, review
from partnerkpi.batch.kernels import Job, Outcome
from partnerkpi.batch.plan import PARAMETERS, Plan
from partnerkpi.notes import add_note
from partnerkpi.show.html import END

DEALS = "deal_id,created_on,status,closed_on,amount,partner_id\n"
Review = Callable[..., ReviewResult]


def executed(job: Job, html: str) -> str:
    """A notebook as papermill would leave it, that shows this HTML and comes to its end."""
    parameters = job.parameters
    claim = {key: parameters[key] for key in ("partner", "quarter", "as_of")}
    marker = {"chapter": "only", **claim, "figures": {"headline": 1.5}}
    outputs = [
        {"output_type": "display_data", "data": {"text/html": html}, "metadata": {}},
        {"output_type": "display_data", "data": {END: marker, "text/plain": "end"}, "metadata": {}},
    ]
    source = f"book = {parameters['book']!r}"
    cells = [
        {"cell_type": "markdown", "id": "top", "metadata": {}, "source": "# Only"},
        {"cell_type": "code", "id": "c", "metadata": {}, "execution_count": 1, "source": source, "outputs": outputs},
    ]
    return json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


@pytest.fixture
def reviewed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Review:
    """A function that reviews a book without a kernel: `shows` is what each partner's notebook displays.

    A text that begins with `!` is the reason why the notebook did not come to its end.
    """
    notebooks = tmp_path / "notebooks"
    notebooks.mkdir()
    source = "\n".join(f'{name}: str = ""' for name in PARAMETERS)
    cell = {"cell_type": "code", "metadata": {"tags": ["parameters"]}, "source": source}
    (notebooks / "01_only.ipynb").write_text(json.dumps({"cells": [cell]}))
    monkeypatch.setattr(Plan, "figures", lambda *_: {"headline": 1.5})

    def run(
        book: pk.Book | Path,
        partners: list[str] | None = None,
        shows: Mapping[str, str] | None = None,
        quarters: Sequence[str] = ("2025Q4",),
        **options: Any,
    ) -> ReviewResult:
        def execute(jobs: Sequence[Job], *given: Any) -> Iterator[Outcome]:
            *_, prepare = given
            for job in filter(prepare, jobs):
                html = (shows or {}).get(job.parameters["partner"], "<p>x</p>")
                if html == "^C":
                    raise KeyboardInterrupt
                job.folder.mkdir()
                for chapter in job.chapters:
                    job.output(chapter).write_text(executed(job, html.replace("{private}", str(job.folder))))
                failure = html[1:].replace("{private}", str(job.folder)) if html.startswith("!") else ""
                yield Outcome(job.number, failure, 0.5)

        monkeypatch.setattr("partnerkpi.batch.run.execute", execute)
        options |= {"out": tmp_path / "out", "notebooks": notebooks, "engine": "pool"}  # nothing is forked here
        return review(book, quarters, partners, **options)

    return run


def book_of(write_book: Callable[..., Path], **names: str) -> Path:
    deals = "".join(f"D-{p},2025-07-01,won,2025-11-10,100,{p}\n" for p in names)
    partners = "partner_id,name\n" + "".join(f"{p},{name}\n" for p, name in names.items())
    return write_book(DEALS + deals, partners=partners)


def states(result: ReviewResult) -> dict[str, str]:
    return {report.partner: report.state for report in result.reports}


def published(result: ReviewResult) -> set[str]:
    (folder,) = result.folders
    return {path.name for path in folder.glob("*.html")}


def index_of(result: ReviewResult) -> str:
    return (result.folders[0] / "index.html").read_text(encoding="utf-8").partition("</style>")[2]


def manifest(result: ReviewResult) -> dict[str, Any]:
    entries = json.loads((result.folders[0] / "manifest.json").read_text(encoding="utf-8"))["reports"]
    return {entry["partner"]: entry for entry in entries}


def test_all_is_published_and_accounted_for(write_book: Callable[..., Path], reviewed: Review) -> None:
    result = reviewed(book_of(write_book, a="Alpha", b="Beta"))
    assert result.exit_code == 0
    assert published(result) == {"index.html", "a-alpha.html", "b-beta.html"}
    assert {entry["state"] for entry in manifest(result).values()} == {"published"}
    assert "Not published" not in index_of(result)
    assert "of an earlier run" not in index_of(result)
    stored = (result.folders[0] / "notebooks" / "a" / "01_only.ipynb").read_text()
    assert "/partnerkpi-" not in stored


@pytest.mark.parametrize(
    ("html", "state", "code", "reason"),
    [
        ("<p>€nan</p>", "failed", 3, "quality: '€nan' stands where a figure should"),
        ("<p>None days</p>", "failed", 3, "quality: 'None days' stands where a figure should"),
        ("<h1>x</h1>", "failed", 3, "quality: 2 main headings instead of one"),
        ("<p>{private}</p>", "failed", 3, "quality: a path of this machine"),
        ("<script>1</script>", "refused", 5, "safety: element <script>"),
        ("<p>€nan</p><script>1</script>", "refused", 5, "safety: element <script>; quality: '€nan' stands"),
        ("<p>be<b>ta</b> ltd</p>", "refused", 5, "disclosure: names another partner: 'Beta Ltd'"),
        ("<p>D-b</p>", "refused", 5, "disclosure: names a deal of another partner: 'D-b'"),
        ("!KeyError: 'x'", "failed", 3, "KeyError: 'x'"),
        ("!no file {private}", "failed", 3, "no file …/job1"),
    ],
)
def test_what_is_wrong_with_a_page_decides_what_it_is(
    write_book: Callable[..., Path], reviewed: Review, html: str, state: str, code: int, reason: str
) -> None:
    result = reviewed(book_of(write_book, aa="Alpha Ltd", bb="Beta Ltd", b="x"), ["aa"], {"aa": html})
    assert states(result) == {"": "published", "aa": state}
    assert result.exit_code == code
    assert reason in manifest(result)["aa"]["reason"]
    assert published(result) == {"index.html"}
    assert not (result.folders[0] / "notebooks" / "aa").exists()
    assert [report.reason for report in result.failed] == [manifest(result)["aa"]["reason"]]


def test_the_network_page_may_name_everybody(write_book: Callable[..., Path], reviewed: Review) -> None:
    result = reviewed(book_of(write_book, aa="Alpha Ltd", bb="Beta Ltd"), ["aa"], {"": "<p>Alpha Ltd, bb, D-aa</p>"})
    assert result.exit_code == 0
    assert reviewed(book_of(write_book, aa="A", bb="B"), ["aa"], {"": "<p>€nan</p>"}).exit_code == 3


def test_the_index_says_what_failed_and_what_is_old(write_book: Callable[..., Path], reviewed: Review) -> None:
    book = book_of(write_book, a="Alpha", b="Beta", c="Gamma & <Sons>", d="Nan")
    assert reviewed(book, ["a", "b"]).exit_code == 0
    shows = {"b": "!headline is nan, not a number", "c": "<p>€nan</p>", "d": "<p>inf %</p><script>x</script>"}
    result = reviewed(book, shows=shows)
    assert states(result) == {"": "published", "a": "published", "b": "failed", "c": "failed", "d": "refused"}
    index = index_of(result)
    lines = index[index.index('id="not-published"') :].partition("</dl>")[0].split("<dt>")[1:]
    assert len(lines) == 3
    assert (
        "<bdi>Beta</bdi> <small><bdi>b</bdi></small></dt><dd>failed: <bdi>headline is nan, not a number</bdi>"
        in lines[0]
    )
    assert "is of an earlier run, as of <bdi>2025-12-31</bdi>." in lines[0]
    assert "<bdi>Gamma &amp; &lt;Sons&gt;</bdi>" in lines[1]
    assert "<dd>refused: <bdi>safety: element &lt;script&gt;; quality: &#39;inf&#39;" in lines[2]
    assert "earlier" not in lines[1] + lines[2]
    assert '<a href="#not-published">' in index
    assert index.count("<small>of an earlier run, as of <bdi>2025-12-31</bdi></small>") == 1
    assert [name for name in ("a-alpha", "b-beta", "c-gamma-sons", "d-nan") if f'href="{name}.html"' in index] == [
        "a-alpha",
        "b-beta",
    ]
    assert manifest(result)["b"]["stale"]
    assert "stale" not in manifest(result)["c"]
    assert "The earlier page was kept." in str(result)


def test_pages_of_other_partners_stay_and_are_linked(write_book: Callable[..., Path], reviewed: Review) -> None:
    book = book_of(write_book, a="Alpha", b="Beta", c="Gamma")
    reviewed(book, ["a"])
    result = reviewed(book, ["b"])
    assert list(manifest(result)) == ["", "a", "b"]
    links = [name for name in ("a-alpha", "b-beta", "c-gamma") if f'href="{name}.html"' in index_of(result)]
    assert links == ["a-alpha", "b-beta"]
    assert "of an earlier run" not in index_of(result)  # it knows as much as this one
    later = reviewed(pk.open_book(book, as_of="2025-12-30", allow_approximate=True), ["b"])
    assert index_of(later).count("of an earlier run, as of <bdi>2025-12-31</bdi>") == 1


def test_several_quarters_one_of_them_running(write_book: Callable[..., Path], reviewed: Review) -> None:
    book = book_of(write_book, a="Alpha", b="Beta")
    then = pk.open_book(book, as_of="2025-11-18", allow_approximate=True)
    result = reviewed(then, ["a"], quarters=["2025Q3", "2025Q4"])
    assert [folder.name for folder in result.folders] == ["2025Q3", "2025Q4"]
    ended, running = ((folder / "a-alpha.html").read_text().partition("</style>")[2] for folder in result.folders)
    assert "to date, 49 of 92 days" in running
    assert "to date" not in ended
    assert json.loads((result.folders[1] / "manifest.json").read_text())["to_date"] == "49 of 92 days"


def test_a_page_edited_by_hand_is_no_earlier_page(write_book: Callable[..., Path], reviewed: Review) -> None:
    book = book_of(write_book, a="Alpha", b="Beta")
    first = reviewed(book)
    (first.folders[0] / "a-alpha.html").write_text("edited")
    result = reviewed(book, ["a"], {"a": "!broken"})
    assert "stale" not in manifest(result)["a"]
    assert 'href="a-alpha.html"' not in index_of(result)
    assert 'href="b-beta.html"' in index_of(result)  # this run was not about it, and it stands
    assert (result.folders[0] / "a-alpha.html").read_text() == "edited"


def test_the_page_of_a_renamed_partner_takes_the_place_of_the_old_one(
    write_book: Callable[..., Path], reviewed: Review
) -> None:
    first = reviewed(book_of(write_book, a="Old", b="Old too"))
    assert published(first) == {"index.html", "a-old.html", "b-old-too.html"}
    (first.folders[0] / "b-old-too.html").write_text("edited by hand")
    result = reviewed(book_of(write_book, a="New", b="New too"))
    assert result.exit_code == 0
    assert published(result) == {"index.html", "a-new.html", "b-new-too.html", "b-old-too.html"}
    assert 'href="a-new.html"' in index_of(result)
    assert "old" not in index_of(result).lower()


def test_a_renamed_partner_whose_new_page_fails_keeps_the_old_one(
    write_book: Callable[..., Path], reviewed: Review
) -> None:
    reviewed(book_of(write_book, a="Old", b="B"))
    result = reviewed(book_of(write_book, a="New", b="B"), shows={"a": "!broken"})
    assert published(result) == {"index.html", "a-old.html", "b.html"}
    assert 'href="a-old.html"' in index_of(result)
    assert manifest(result)["a"]["file"] == "a-old.html"


def test_a_run_that_was_cut_short_is_made_good_by_the_next(
    write_book: Callable[..., Path], reviewed: Review, tmp_path: Path
) -> None:
    """After failures, an interruption, a file half written, other partners: the folder of a fresh run."""
    book = book_of(write_book, a="Alpha", b="Beta", c="Gamma")

    def content(result: ReviewResult) -> dict[str, bytes]:
        (folder,) = result.folders
        every = (path for path in folder.rglob("*") if path.is_file() and path.name != "manifest.json")
        return {str(path.relative_to(folder)): path.read_bytes() for path in every}

    fresh = content(reviewed(book))
    shutil.rmtree(tmp_path / "out")
    first = reviewed(book, ["a", "b"], {"a": "<p>nan</p>", "b": "<p>old</p>"})
    (folder,) = first.folders
    with pytest.raises(KeyboardInterrupt):
        reviewed(book, shows={"b": "^C"})
    assert {path.name for path in folder.glob("*.html")} == {"index.html", "a-alpha.html", "b-beta.html"}
    assert b"<p>old</p>" in (folder / "b-beta.html").read_bytes()
    (folder / ".x.unfinished").write_text("half")
    assert content(reviewed(book)) == fresh


def test_a_counterparty_may_be_named_and_no_one_else(write_book: Callable[..., Path], reviewed: Review) -> None:
    book = write_book(
        DEALS.replace("closed_on,", "") + "D-1,2025-10-01,open,41234.56,heir\n"
        "D-2,2025-10-01,open,51234.56,giver\nD-3,2025-10-01,open,61234.56,third\n",
        history="deal_id,changed_at,status,partner_id\nD-1,2025-10-01,open,giver\nD-1,2025-10-05,open,heir\n",
        partners="partner_id,name\nheir,Heir Ltd\ngiver,Giver Ltd\nthird,Third Ltd\n",
    )
    shows = {
        "heir": "<p>D-1 of 41,234.56 came from Giver Ltd (giver)</p>",
        "giver": "<p>D-1 of 41,234.56 went to <b>Heir</b> Ltd, D-2 stayed; 51,234.56</p>",
        "third": "<p>D-1; giver; 51&nbsp;234.56</p>",
    }
    reasons = {report.partner: report.reason for report in reviewed(book, shows=shows).reports}
    assert reasons["heir"] == reasons["giver"] == reasons[""] == ""
    assert reasons["third"] == (
        "disclosure: names a deal of another partner: 'D-1'; disclosure: names another partner: 'giver'; "
        "disclosure: shows the amount of a deal of another partner: 51234.56"
    )
    shows = {"heir": "<p>D-2 of Third Ltd (third), 51,234.56</p>"}
    heir = {report.partner: report.reason for report in reviewed(book, ["heir"], shows).reports}
    assert heir["heir"].count("disclosure") == 4


def test_the_readers_own_figures_are_no_disclosure(write_book: Callable[..., Path], reviewed: Review) -> None:
    book = write_book(
        DEALS + "D-1,2025-10-01,won,2025-11-10,20000.50,aa\nD-2,2025-10-01,won,2025-11-10,21234.06,aa\n"
        "D-3,2025-10-01,won,2025-11-10,41234.56,bb\nD-4,2025-10-01,won,2025-11-10,61234.56,bb\n"
    )
    total, foreign = "<p>41,234.56</p>", "<p>61,234.56</p>"
    assert reviewed(book, ["aa"], {"aa": total}).exit_code == 0
    assert reviewed(book, ["aa"], {"aa": foreign}).exit_code == 5


def test_names_that_are_too_plain_are_counted(write_book: Callable[..., Path], reviewed: Review) -> None:
    result = reviewed(book_of(write_book, aa="Alpha", b="Be", c="12345", dd="Region"), ["aa"])
    # `b`, `c`, `dd`, `Be` and `12345` prove nothing; `Region` stands in our own prose.
    assert manifest(result)["aa"]["names_not_searched"] == 6


def test_words_of_our_own_page_are_nobodys_secret(write_book: Callable[..., Path], reviewed: Review) -> None:
    """A colour of the style sheet, a font, an id in a drawing, a word of the page."""
    names = dict(aaa="Alpha", bbb="Georgia", fff="Patch", left="Footer", c="Verdana", d="Skip to the content")
    drawing = "<g id='patch_1'><text style='font-family: Verdana; fill: #ccc' x='1'>1</text></g>"
    svg = f'<svg xmlns="http://www.w3.org/2000/svg">{drawing}</svg>'.encode()
    html = f'<img src="data:image/svg+xml;base64,{base64.b64encode(svg).decode()}" alt="x"><i style="left:1%"></i>'
    result = reviewed(book_of(write_book, **names), ["aaa"], {"aaa": html})
    assert result.exit_code == 0, str(result)


def test_a_note_that_names_another_partner_keeps_the_page_back_and_is_named(
    write_book: Callable[..., Path], reviewed: Review
) -> None:
    """What somebody noted is no licence to name: a page goes on to the partner. The reason says what to reword."""
    folder = book_of(write_book, aa="Alpha Ltd", bb="Beta Ltd", cc="Gamma Ltd")
    add_note(folder, "aa", "Train its sellers", "2025Q2", outcome="Done, as at BETA  Ltd")
    add_note(folder, "bb", "Look at Gamma Ltd", "2025Q3")
    add_note(folder, "cc", "Look at Alpha Ltd", "2025Q4")  # not on this page, so not to blame
    book = pk.open_book(folder)
    shows = {p: show.decided(book.for_partner(p), "2025Q4").html for p in ("aa", "bb", "cc", "")}
    shows["cc"] += "<p>Alpha Ltd</p>"
    reasons = {report.partner: report.reason for report in reviewed(folder, shows=shows).reports}
    names = "disclosure: names another partner: "
    again = "say it there without the name"
    assert reasons == {
        "": "",
        "aa": f"{names}'Beta Ltd', in the note of 2025Q2 'Done, as at BETA Ltd': {again}",
        "bb": f"{names}'Gamma Ltd', in the note of 2025Q3 'Look at Gamma Ltd': {again}",
        "cc": f"{names}'Alpha Ltd'",
    }
