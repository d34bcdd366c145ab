"""Notebooks become chapters: prose and outputs, no code but the lesson's, one level down."""

from __future__ import annotations

from typing import Any

from partnerkpi.batch.page import chapter_html, title_of
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
    lesson, _, rest = made.partition("</details>")
    assert "<summary>How this number is derived</summary>" in lesson
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


def test_what_is_first_moves_to_the_top() -> None:
    cells = (prose("# Top"), code("a", shown(text_html="<p>facts</p>")))
    card = code("b", shown(text_html='<div class="pk pk-cover">card</div>'))
    made = html(*cells, card, first="pk-cover")
    assert made.index("card") < made.index("Top") < made.index("facts")


def test_the_title_is_the_first_heading() -> None:
    assert title_of({"cells": [code("# no"), prose("intro\n\n# The *close* rate\n\n## More")]}) == "The close rate"
    assert title_of({"cells": []}) == ""
