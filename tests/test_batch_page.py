"""Notebooks become chapters: prose and outputs, no code but the lesson's, one level down."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from markupsafe import Markup
from pages import FOOT

from partnerkpi.batch.gate import findings
from partnerkpi.batch.page import (
    EMPTY,
    Bound,
    Heading,
    Line,
    bound_chapters,
    chapter_html,
    linked,
    partner_page,
    title_of,
)
from partnerkpi.batch.plan import Chapter
from partnerkpi.show.html import style


def prose(text: str) -> dict[str, Any]:
    return {"cell_type": "markdown", "source": text.splitlines(True), "metadata": {}}


def code(source: str, *outputs: dict[str, Any], tags: tuple[str, ...] = ()) -> dict[str, Any]:
    return {"cell_type": "code", "source": source, "outputs": list(outputs), "metadata": {"tags": list(tags)}}


def shown(**data: Any) -> dict[str, Any]:
    return {"output_type": "display_data", "data": {k.replace("_", "/"): v for k, v in data.items()}, "metadata": {}}


def html(*cells: dict[str, Any], **options: Any) -> str:
    return str(chapter_html({"cells": list(cells)}, **options))


def test_code_is_left_out_and_headings_go_down() -> None:
    made = html(prose("# Close rate\n\n## How to read it"), code("secret = 1", shown(text_html="<p>33 %</p>")))
    assert "<h2>Close rate</h2>" in made
    assert "<h3>How to read it</h3>" in made
    assert "<p>33 %</p>" in made
    assert "secret" not in made


def test_the_lesson_folds_with_its_code_and_the_prose_behind_it() -> None:
    made = html(
        code("a < b", {"output_type": "stream", "name": "stdout", "text": "2 < 3\n"}, tags=("lesson",)),
        prose("so **two**"),
        code("x", shown(text_html="<p>after</p>")),
        prose("outside"),
    )
    rest, _, lesson = made.partition("<details")
    assert "<summary>What it means, and how it is derived</summary>" in lesson
    assert "a &lt; b" in lesson
    assert "<pre>2 &lt; 3</pre>" in lesson
    assert "<strong>two</strong>" in lesson
    assert "after" in rest
    assert "outside" in rest


def test_a_lesson_at_the_end_is_closed() -> None:
    assert html(code("x = 1", tags=("lesson",))).count("</details>") == 1


def test_outputs_choose_the_richest_form_we_know() -> None:
    assert html(code("x", shown(text_html="<p>a</p>", text_plain="b"))) == "<p>a</p>"
    assert html(code("x", shown(text_plain="<b>"))) == "<pre>&lt;b&gt;</pre>"
    assert html(code("x", {"output_type": "stream", "name": "stderr", "text": "warning"})) == ""
    assert html(code("x", shown(**{"application/javascript": "alert(1)", "text_plain": "x"}))) == ""
    picture = shown(**{"image/png": "AA\n==\n"})
    assert "data:image/png;base64,AA==" in html(code("x", picture))
    assert " alt=" not in html(code("x", picture))
    picture["metadata"] = {"image/png": {"alt": 'a "picture"'}}
    assert 'alt="a &#34;picture&#34;"' in html(code("x", picture))


def test_a_page_has_the_style_once_not_in_every_output() -> None:
    assert html(code("x", shown(text_html=f"{style()}\n<p>a</p>"))) == "<p>a</p>"


def test_markup_in_prose_is_text() -> None:
    assert "<script>" not in html(prose("a <script>alert(1)</script> b"))


def tagged(cell: dict[str, Any], *tags: str) -> dict[str, Any]:
    return {**cell, "metadata": {"tags": list(tags)}}


COVER = (
    tagged(prose("# Top\n\nWhy one asks"), "method"),
    code("a", shown(text_html="<p>verdict</p>")),
    code("b", shown(text_html="<p>chart</p>")),
    tagged(code("c", shown(text_html="<p>account</p>")), "foot"),
    code("d", shown(text_html="<p>by hand</p>"), tags=("lesson",)),
    tagged(prose("## How to read it"), "method"),
)


def test_the_answer_comes_first_and_all_method_behind_one_fold() -> None:
    made = html(*COVER, tagged(code("e", shown(text_html="<p>if</p>")), "what-if"))
    places = [
        "<h2>Top</h2>",
        "verdict",
        "chart",
        "account",
        "<details",
        "Why one asks",
        "by hand",
        "How to read it",
        "if",
    ]
    assert [made.index(text) for text in places] == sorted(made.index(text) for text in places)
    assert made.count("<details") == made.count("</details>") == 1
    assert made.endswith("</details>")
    assert "open" not in made.partition("<details")[2].partition(">")[0]


def test_of_the_cover_the_verdict_comes_first_and_the_account_closes_the_page() -> None:
    chapters = (Chapter(Path("00_review.ipynb"), "review"), Chapter(Path("01_x.ipynb"), "x_y"))
    notebooks = ({"cells": list(COVER)}, {"cells": [prose("# X")]})
    cover, (only,), closing = bound_chapters(chapters, notebooks)
    assert cover.html == "<p>verdict</p>\n<p>chart</p>"
    assert (only.anchor, only.title) == ("x-y", "X")
    assert closing.startswith("<p>account</p>\n<details")
    assert "Why one asks" in closing
    cover, none, closing = bound_chapters(chapters[:1], notebooks[:1], short=True)
    assert (cover.html, none, closing) == ("<p>verdict</p>", [], "<p>account</p>")


@pytest.mark.parametrize("name", ['A"; } @import url(http://x); {', "Acme (France)//x", "</style><script>", "a\\b"])
def test_a_name_in_the_margin_cannot_be_read_as_style(name: str) -> None:
    page = partner_page(Heading(name, "P-1", "2025Q4", ""), Bound("review", "", EMPTY), [], FOOT)
    assert not findings(page)
    assert b"P-1" in page.partition(b"@bottom-left")[2].partition(b"}")[0] or "http" in name


def test_a_partner_named_by_its_id_gets_its_name_and_a_link_where_it_has_a_page() -> None:
    mark = Markup('<a data-partner="P-1">P-1</a>, <a data-partner="P-2">P-2</a>, <a data-partner="P-3">P-3</a>')
    lines = [Line("P-1", "A & B", "a.html", ()), Line("P-2", "C", "", ())]
    assert linked(mark, lines) == '<a href="a.html"><bdi>A &amp; B</bdi></a>, <bdi>C</bdi>, P-3'


def test_the_title_is_the_first_heading() -> None:
    assert title_of({"cells": [code("# no"), prose("intro\n\n# The *close* rate\n\n## More")]}) == "The close rate"
    assert title_of({"cells": []}) == ""
