"""Another partner's name, id, deal or amount is found wherever it stands in a page and however it is spelled."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import escape
from pages import made, svg

import partnerkpi as pk
from partnerkpi.batch.disclosure import Foreign, Register, Word, amount_key, counterparties, register_of
from partnerkpi.batch.gate import findings

OTHERS = (
    "P-004",
    "Tel Nord",
    "Frost & Söhne",
    "Globex Ltd",
    "O'Neill Cooling",
    "株式会社東京",
    "Åre-Kyla AB",
    "ID_77/b",
)


def foreign(words: Iterable[str] = OTHERS, own: Iterable[str] = (), amounts: Iterable[str] = ()) -> Foreign:
    register = Register(
        [Word(word, "partner", frozenset({"P-004"})) for word in words], dict.fromkeys(amounts, frozenset({"P-004"}))
    )
    return register.foreign_to("P-003", own)


def disclosed(html: str, secret: Foreign | None = None, allowed: Iterable[str] = ()) -> list[str]:
    reasons = findings(made(html), foreign=secret or foreign(), allowed=list(allowed))
    assert {reason.kind for reason in reasons} <= {"disclosure"}, reasons
    return [reason.text for reason in reasons]


@pytest.mark.parametrize(
    "html",
    [
        # where it stands
        "<p>P-004 sold more</p>",
        "<p>(P-004)</p>",
        "<p>»P-004«, of course</p>",
        '<p title="P-004">x</p>',
        '<p class="of-p-004">x</p>',
        '<p id="x-P-004">x</p>',
        '<span role="img" aria-label="deals of P-004"></span>',
        "<style>.P-004 { left: 0 }</style>",
        '<pre class="code"><code>mine = book.where(partner_id="P-004")</code></pre>',
        "<table><tbody><tr><td>1</td><td>P-004</td></tr></tbody></table>",
        "<bdi>P-004</bdi>",
        svg("<text>P-004</text>"),
        svg("<text>P-<tspan>004</tspan></text>"),
        svg("<!-- P-004 -->"),
        svg("<title>P-004</title>"),
        svg("<g id='P-004'/>"),
        svg("<style>.P-004 { }</style>"),
        svg("", alt="P-004 is first"),
        # how it is written
        "<p>P&#45;004</p>",
        "<p>p-004</p>",
        "<p>P\u2011004 and P\u2013004</p>",
        "<p>P\u2212004</p>",
        "<p>P&#8209;004</p>",
        "<p>\uff30-\uff10\uff10\uff14</p>",
        "<p>P-0\xad04</p>",
        "<p>P-0&shy;04</p>",
        "<p>P\u200b-\u200d004</p>",
        "<p>P-\u2060004</p>",
        "<p>P - 004</p>",
        "<p>Frost &amp; S&ouml;hne</p>",
        "<p>FROST &amp; SÖHNE</p>",
        "<p>Frost  &amp;\nSöhne</p>",
        "<p>Frost&nbsp;&amp;&#8239;Söhne</p>",
        "<p>Frost\u2003&amp;\u2009Söhne</p>",
        "<p>Frost &amp; So\u0308hne</p>",
        "<p>Frost &amp; So\u034f\u0308hne</p>",
        "<p>\u2121 Nord</p>",
        "<p>Frost&amp;Söhne</p>",
        "<p>globex ltd</p>",
        "<p>GLOBEX LTD.</p>",
        "<p>Globex\u3000Ltd</p>",
        "<p>Gl\u2060obex L\u200dtd</p>",
        "<p>O\u2019Neill Cooling</p>",
        "<p>O&#39;NEILL  COOLING</p>",
        "<p>the 株式会社東京 of</p>",
        "<p>次の株式会社東京様</p>",
        "<p>ÅRE\u2013KYLA ab</p>",
        "<p>A\u030are-Kyla AB</p>",
        "<p>id_77/B</p>",
        # between which tags
        "<p>Glo<b>bex</b> Ltd</p>",
        "<p><b>Globex</b> <i>Ltd</i></p>",
        "<p><b>Globex</b><i>Ltd</i></p>",
        "<p>G<b>l</b>o<i>b</i>e<u>x</u> L<span>td</span></p>",
        "<p>Globex<br>Ltd</p>",
        "<p>Gl<b>obex</b> <i>L</i>td</p>",
        "<p>Globex<bdi>Ltd</bdi></p>",
        "<p>P-<b>0</b>04</p>",
        "<p>P-0<span></span>04</p>",
        "<p>P-00<sup>4</sup></p>",
        "<table><tbody><tr><td>Glob<small>ex Ltd</small></td></tr></tbody></table>",
    ],
)
def test_another_partner_is_found(html: str) -> None:
    assert [text for text in disclosed(html) if text.startswith("names another partner")]


@pytest.mark.parametrize(
    "html",
    [
        "<p>P-0041, XP-004, P-00, P-0<b>0</b>4x</p>",
        "<p>Globexy Ltd, Globex Ltda, Globex &amp; Ltd</p>",
        "<p>Globex</p><p>Ltd</p>",
        "<table><tbody><tr><td>Globex</td><td>Ltd</td></tr></tbody></table>",
        "<p>Frost and Söhne, O Neill Cooling, 東京株式会社</p>",
        "<p>P004</p>",
    ],
)
def test_a_longer_word_or_another_one_is_not(html: str) -> None:
    assert disclosed(html) == []


def test_a_name_that_is_allowed_may_stand() -> None:
    html = "<p>taken over from GLOBEX&nbsp;Ltd (P-004), as was Frost &amp; Söhne</p>"
    assert disclosed(html, allowed=["Globex Ltd", "p-004"]) == ["names another partner: 'Frost & Söhne'"]
    assert len(disclosed(html)) == 3


def test_what_the_readers_own_rows_say_is_no_secret() -> None:
    own = ["Together with Globex  LTD we sold to North", "P-004"]
    html = "<p>Globex Ltd, P-004, Frost &amp; Söhne</p>"
    assert disclosed(html, foreign(own=own)) == ["names another partner: 'Frost & Söhne'"]


def test_ids_that_differ_in_case_only_are_both_the_readers() -> None:
    register = Register([Word("p-3", "partner", frozenset({"p-3"})), Word("P-3", "partner", frozenset({"P-3"}))])
    assert disclosed("<p>P-3</p>", register.foreign_to("P-3", ["P-3"])) == []


def test_a_name_two_partners_share_is_the_readers_too() -> None:
    register = Register([Word("Globex Ltd", "partner", frozenset({"P-003", "P-004"}))])
    assert disclosed("<p>Globex Ltd</p>", register.foreign_to("P-003", [])) == []
    assert disclosed("<p>Globex Ltd</p>", register.foreign_to("P-005", []))


def test_words_that_prove_nothing_are_not_searched() -> None:
    words = {"12", "007", "12345", "AB", "...", "株"}
    telling = {"Nor", "123456", "a-1", "東京"}
    looked_for = foreign(words | telling)
    assert {text for text in words | telling if looked_for.is_looked_for(text)} == telling
    assert disclosed("<p>North</p>", foreign({"Nor"})) == []


def test_a_number_is_found_as_a_whole_number_only() -> None:
    secret = foreign({"123456"})
    assert disclosed("<p>deal 123456.</p>", secret)
    assert disclosed("<p>deals 123456, 123457</p>", secret)
    for text in ("0.123456", "123456.7", "123,456", "1123456", "€123,456.00", "74.123456 176.123456"):
        assert disclosed(f"<p>{text}</p>", secret) == [], text
        assert disclosed(svg(f"<path d='M {text.replace(',', '').replace('€', '')}'/>"), secret) == [], text


# Amounts


@pytest.mark.parametrize(
    "spelling",
    [
        *("104532.5", "104532.50", "104,532.50", "€104,532.50", "104 532.50", "104\u202f532,50", "104&nbsp;532,50 €"),
        *("104.532,50", "104'532.50", "104\u2019532.50", "-104,532.50", "(104,532.50)", "104,532.50\u201310"),
        *("10<b>4,532</b>.50", "\uff11\uff10\uff14,\uff15\uff13\uff12.\uff15\uff10"),
    ],
)
def test_the_exact_amount_of_a_foreign_deal_is_found(spelling: str) -> None:
    secret = foreign(amounts=["104532.5"])
    assert disclosed(f"<p>It brought {spelling} in all</p>", secret) == [
        "shows the amount of a deal of another partner: 104532.5"
    ]


@pytest.mark.parametrize(
    "text",
    [
        *("104,532", "104,533", "104,532.51", "1104,532.50", "104,532.500001", "4,532.50", "5104532.5", "v104532.5"),
        *("104532.5.1", "104532"),
    ],
)
def test_another_amount_is_not(text: str) -> None:
    assert disclosed(f"<p>{text}</p>", foreign(amounts=["104532.5"])) == []


def test_an_amount_the_reader_has_too_is_the_readers() -> None:
    register = Register([], {"104532.5": frozenset({"P-003", "P-004"}), "20111.25": frozenset({"P-004"})})
    html = "<p>104,532.50 and 20,111.25</p>"
    assert disclosed(html, register.foreign_to("P-003", [])) == [
        "shows the amount of a deal of another partner: 20111.25"
    ]
    assert disclosed(html, register.foreign_to("P-003", [], ["20111.25"])) == []


def test_small_and_round_amounts_prove_nothing() -> None:
    secret = foreign(amounts=["9999.5", "10000", "125000", "104500"])
    assert disclosed("<p>9,999.50 10,000 125,000 104,500</p>", secret) == []


def test_an_amount_that_a_sum_may_equal_is_one_only_with_others() -> None:
    """Whole amounts of five digits: a page has some forty figures as large, and each would equal one now and then."""
    secret = foreign(amounts=["10453", "20611", "30977"])
    assert disclosed("<p>10,453 and 20,611</p>", secret) == []
    assert len(disclosed("<p>10,453</p><p>20,611</p><p>30977</p>", secret)) == 3
    dense = foreign(amounts=[str(amount) for amount in range(20_001, 29_999) if amount % 100])
    assert disclosed("<p>20,453 and 20,611 and 20,977 and 20,978</p>", dense) == []


def test_amounts_are_not_searched_where_numbers_are_places() -> None:
    secret = foreign(amounts=["104532.5"])
    assert disclosed(svg("<path d='M 104532.5 1'/>"), secret) == []
    assert disclosed(svg("<text>104,532.50</text>"), secret)


def test_an_amount_has_one_key() -> None:
    assert [amount_key(a, 2) for a in (104532.5, 104532.004, 104532.0, 7.0)] == ["104532.5", "104532", "104532", "7"]
    assert amount_key(104532.5, 0) == "104532"


# In a book


@pytest.fixture
def book(write_book: Callable[..., Path]) -> pk.Book:
    header = "deal_id,created_on,status,closed_on,amount,partner_id,name\n"
    deals = [
        "D-1,2025-01-01,won,2025-11-10,104532.50,mine,Snow for Smith\n",
        "D-2,2025-01-01,won,2025-11-10,20111.25,theirs,Ice for Jones\n",
        "D-3,2025-01-01,open,,104532.50,theirs,Renewal\n",
        "D-4,2025-01-01,open,,30111.25,theirs,Ice for Smith\n",
        "D-5,2025-01-01,open,,40111.25,,Ice for Nobody\n",
        "D-6,2025-01-01,open,,50111.25,third,Snow for Smith\n",
        "1234567,2025-01-01,open,,50.25,third,Snow for Smith\n",
        "12345,2025-01-01,open,,50.25,third,Snow for Smith\n",
    ]
    history = "D-4,2025-02-01,open,30111.25,mine\nD-2,2025-02-01,open,66666.25,\n"
    return pk.open_book(
        write_book(
            header + "".join(deals),
            history="deal_id,changed_at,status,amount,partner_id\n" + history,
            leads="lead_id,created_on,partner_id\nL-1,2025-01-01,theirs\nL-2,2025-01-01,mine\n",
            partners="partner_id,name\nmine,My Ltd\ntheirs,Their Ltd\nthird,Third Ltd\n",
        )
    )


NAMES = {"mine": "My Ltd", "theirs": "Their Ltd", "third": "Third Ltd"}


def test_a_register_says_what_is_whose(book: pk.Book) -> None:
    register = register_of(book, NAMES)
    words = {text: {owner for word in same for owner in word.owners} for text, same in register.words.items()}
    assert words == {
        **{"mine": {"mine"}, "My Ltd": {"mine"}, "theirs": {"theirs"}, "Their Ltd": {"theirs"}},
        **{"third": {"third"}, "Third Ltd": {"third"}, "D-1": {"mine"}, "D-2": {"theirs"}, "D-3": {"theirs"}},
        **{"D-4": {"mine", "theirs"}, "D-6": {"third"}, "1234567": {"third"}},
        **{"Snow for Smith": {"mine", "third"}, "Ice for Jones": {"theirs"}, "Ice for Smith": {"mine", "theirs"}},
        **{"L-1": {"theirs"}, "L-2": {"mine"}},
    }
    owners = {a: set(register.owners(a)) for a in ("104532.5", "20111.25", "66666.25", "30111.25", "40111.25", "50.25")}
    assert owners == {
        **{"104532.5": {"mine", "theirs"}, "20111.25": {"theirs"}, "66666.25": {"theirs"}},
        **{"30111.25": {"mine", "theirs"}, "40111.25": set(), "50.25": set()},
    }


def test_deals_of_others_are_named(book: pk.Book) -> None:
    secret = register_of(book, NAMES).foreign_to("mine", ["mine", "My Ltd"])
    html = "<p>d-2 D-3 D-4 D-5 1234567 12345 ICE for Jones, Snow for Smith, Renewal, L-1, 20,111.25 104,532.50</p>"
    assert disclosed(html, secret) == [
        "names a deal of another partner: '1234567'",
        "names a deal of another partner: 'D-2'",
        "names a deal of another partner: 'D-3'",
        "names a deal of another partner: 'Ice for Jones'",
        "names a deal of another partner: 'L-1'",
        "shows the amount of a deal of another partner: 20111.25",
    ]


def test_who_had_a_deal_before_or_after_is_a_counterparty(book: pk.Book) -> None:
    assert counterparties(book) == {"mine": ["theirs"], "theirs": ["mine"]}


# In general


@given(st.text(min_size=1, max_size=20), st.data())
def test_a_word_is_found_in_itself(word: str, data: st.DataObject) -> None:
    secret = foreign([word])
    if secret.is_looked_for(word):
        spelling = data.draw(
            st.sampled_from([word, word.upper(), f"({word})", f"x {word} y", word.replace(" ", "\xa0 ")])
        )
        if spelling.upper().casefold() == word.upper().casefold() or spelling == word or word in spelling:
            assert secret.reasons([spelling]), (word, spelling)


def test_many_words_cost_little_more_than_one() -> None:
    html = "".join(f"<p>line {i} of {i * 7919 % 10007}, and Globex Ltd.</p>" for i in range(3000))
    page = made(html)
    many = foreign([f"D-{i:06}" for i in range(50_000)])
    started = time.process_time()
    assert findings(page, foreign=many) == []
    assert time.process_time() - started < 3
    assert len(findings(made(html + str(escape("<D-004711>")).join(("<p>", "</p>"))), foreign=many)) == 1
