"""What must not be read in a partner's page: the words and amounts of other partners, however they are spelled.

Words of the page and words looked for are folded alike: compatibility forms, case, kinds of space and dash, and
characters that cannot be seen make no difference. Then they are compared as tokens, so that a word is found as a whole
word only and a page is looked through once, however many words are looked for.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Literal

import pandas as pd

from partnerkpi.book import Book
from partnerkpi.book.schema import shared_labels
from partnerkpi.show.html import clean

Kind = Literal["partner", "deal"]

#: Code points nobody sees: soft hyphens, joiners, direction marks, variation selectors, fillers, control characters.
_UNSEEN = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb\U000e0000-\U000e0fff]"
)
_ALIKE = str.maketrans(
    dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe63\uff0d", "-")
    | dict.fromkeys("\u2018\u2019\u201b\u2032\u02bc`\u00b4", "'")
    | dict.fromkeys("\u201c\u201d\u201e\u201f\u2033", '"')
)
# Scripts written without spaces: every character is a token, for no one can say where a word begins.
_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
)
_TOKEN = re.compile(rf"\d{{1,3}}(?:,\d{{3}})+(?:\.\d+)?(?!\w)|\d+(?:\.\d+)+(?!\w)|[{_UNSPACED}]|[^\W_{_UNSPACED}]+|\S")
# A number of five digits or more before the decimal point, plain or in groups. What looks like it inside a longer
# number, a word or a date is none.
_GROUPED = r"\d{1,3}(?:[ ,.']\d{3})+(?:[.,]\d{1,2})?"
_NUMBER = re.compile(rf"(?<![\w.,])(?=({_GROUPED}|\d{{5,}}(?:[.,]\d+)?)(?!\w|[.,]\d))")

#: So many texts are folded once: most of what stands in a page stands in all of them.
CACHED = 2**15
#: What a page is refused for.
SAYS: dict[Kind, str] = {"partner": "names another partner", "deal": "names a deal of another partner"}
#: Shorter words, and numbers of fewer digits, stand in any page by chance. An ideograph counts for two letters.
SHORTEST_WORD, SHORTEST_NUMBER = 3, 6
FIRST_IDEOGRAPH = "\u2e80"
#: Amounts with fewer digits before the decimal point are not looked for.
SHORTEST_AMOUNT = 5
#: A figure may equal somebody's deal by chance, the more often the more deals are about as large. Where at most this
#: share of all amounts about as large is some deal's, one of them on a page is a leak; up to the other share it takes
#: several; where deals lie closer still, amounts prove nothing.
RARE, SEVERAL, CLOSE = 1 / 2000, 3, 1 / 200


@lru_cache(maxsize=CACHED)
def folded(text: str) -> str:
    r"""The text as it is compared: whatever looks alike is alike.

    >>> folded("ACME\N{NO-BREAK SPACE}\N{EN DASH} La\N{SOFT HYPHEN}bs")
    'acme - labs'
    """
    plain = unicodedata.normalize("NFKC", _UNSEEN.sub("", text)).casefold()
    return unicodedata.normalize("NFKC", plain).translate(_ALIKE)


@lru_cache(maxsize=CACHED)
def tokens(text: str) -> tuple[str, ...]:
    """Words, numbers and signs of a text, folded; spaces are none.

    >>> tokens("P-003 won €1,250.50")
    ('p', '-', '003', 'won', '€', '1,250.50')
    """
    return tuple(_TOKEN.findall(folded(text)))


def amount_key(amount: float, digits: int) -> str:
    """An amount in the one spelling in which amounts are compared.

    >>> amount_key(104532.5, 2), amount_key(104000, 2)
    ('104532.5', '104000')
    """
    return _canonical(f"{amount:.{digits}f}")


@dataclass(frozen=True)
class Word:
    """A name, an id or the like: as it is written, what it names, and the ids of the partners it belongs to."""

    text: str
    kind: Kind
    owners: frozenset[str]


class Register:
    """All words and amounts that belong to partners, for one review.

    `amounts` maps each amount, as `amount_key` writes it, to the ids of the partners that have a deal of it. Words too
    short to prove anything are left out.
    """

    def __init__(self, words: Iterable[Word], amounts: Mapping[str, frozenset[str]] | None = None) -> None:
        self._words: dict[tuple[str, ...], list[Word]] = defaultdict(list)
        self._lengths: dict[str, set[int]] = defaultdict(set)
        for word in words:
            key = tokens(word.text)
            if _is_telling(key):
                self._words[key].append(word)
                self._lengths[key[0]].add(len(key))
        self._owners = {
            amount: owners
            for amount, owners in (amounts or {}).items()
            # A round amount may be a mark on an axis.
            if len(amount.partition(".")[0]) >= SHORTEST_AMOUNT and not amount.endswith("00")
        }
        self._crowd = Counter(_region(amount) for amount in self._owners)

    @cached_property
    def words(self) -> dict[str, list[Word]]:
        """The words that are looked for, by how they are written."""
        words: dict[str, list[Word]] = defaultdict(list)
        for word in (word for same in self._words.values() for word in same):
            words[word.text].append(word)
        return dict(words)

    def owners(self, amount: str) -> frozenset[str]:
        """The ids of the partners that have a deal of this amount."""
        return self._owners.get(amount, frozenset())

    def chance(self, amount: str) -> float:
        """The share of the amounts that are about as large, and as exact, which are the amount of some deal."""
        length, digits, _ = region = _region(amount)
        return float(self._crowd[region] / 10 ** (length - 2 + digits))

    def words_in(self, texts: Iterable[str]) -> set[Word]:
        """The words of the register that stand in any of the texts, as whole words."""
        hits: set[Word] = set()
        for text in set(texts):
            row = tokens(text)
            for place, token in enumerate(row):
                for length in self._lengths.get(token, ()):
                    hits.update(self._words.get(row[place : place + length], ()))
        return hits

    def amounts_in(self, texts: Iterable[str]) -> set[str]:
        """The amounts of the register that stand in any of the texts, plain or in groups of three digits."""
        numbers = {n for text in set(texts) for match in _NUMBER.finditer(folded(text)) for n in _readings(match[1])}
        return numbers & self._owners.keys()

    def foreign_to(
        self,
        reader: str,
        own_texts: Iterable[str],
        own_amounts: Iterable[str] = (),
        notes: Iterable[tuple[str, str]] = (),
        known: Collection[Word] = (),
    ) -> Foreign:
        """What the reader of a page must not find in it.

        `own_texts` are what the reader's own rows say anyway, `known` the words that our own prose says, `own_amounts`
        the reader's own figures, as `amount_key` writes them: what stands there is no secret. `notes` are a quarter
        and a text each.
        """
        said = self.words_in(own_texts).union(known)
        return Foreign(self, reader, frozenset(said), frozenset(own_amounts), tuple(notes))


@dataclass(frozen=True, eq=False)
class Foreign:
    """The words and amounts of a register that are not the reader's.

    `known` are words the reader knows anyway, `figures` amounts that are the reader's own figures. What somebody noted
    is no such word: a note that names another partner keeps the page back, and `notes` tell which one it is.
    """

    register: Register
    reader: str
    known: frozenset[Word] = frozenset()
    figures: frozenset[str] = frozenset()
    notes: tuple[tuple[str, str], ...] = ()

    def is_looked_for(self, text: str) -> bool:
        """True where the text, as a word, must not stand in the reader's page."""
        words = self.register.words.get(text, ())
        return any(self.reader not in word.owners and word not in self.known for word in words)

    def reasons(self, read: Collection[str], unread: Collection[str] = (), allowed: Collection[str] = ()) -> list[str]:
        """A sentence for everything foreign.

        `read` are the texts a reader sees or hears; `unread` those that only stand in the source, where numbers are
        places and lengths: there only words with letters are looked for. `allowed` are words that may stand there.
        """
        keys = {tokens(word) for word in allowed}
        standing = self.register.words_in(read)
        standing |= {word for word in self.register.words_in(unread) if not word.text.strip().isdigit()}
        words = [
            f"{SAYS[word.kind]}: {word.text!r}{self._noted(word, read)}"
            for word in standing - self.known
            if self.reader not in word.owners and tokens(word.text) not in keys
        ]
        amounts = [f"shows the amount of a deal of another partner: {amount}" for amount in self._amounts(read)]
        return sorted(words) + sorted(amounts)

    def _noted(self, word: Word, read: Collection[str]) -> str:
        """In which of the notes that are read the word stands; empty where it stands in none."""
        for quarter, text in self.notes:
            if word in self.register.words_in([text]) and any(text in shown for shown in read):
                return f", in the note of {quarter} {text!r}: say it there without the name"
        return ""

    def _amounts(self, read: Collection[str]) -> set[str]:
        """The foreign amounts in the texts, as far as they prove anything."""
        chances = {
            amount: self.register.chance(amount)
            for amount in self.register.amounts_in(read) - self.figures
            if self.reader not in self.register.owners(amount)
        }
        close = {amount for amount, chance in chances.items() if chance <= CLOSE}
        return close if len(close) >= SEVERAL else {amount for amount in close if chances[amount] <= RARE}


def _is_telling(key: tuple[str, ...]) -> bool:
    """True when the word would not stand in a page by chance."""
    joined = "".join(key)
    if not any(c.isalnum() for c in joined):
        return False
    if joined.isdigit():
        return len(joined) >= SHORTEST_NUMBER
    return sum(2 if c >= FIRST_IDEOGRAPH else 1 for c in joined) >= SHORTEST_WORD


def _readings(number: str) -> set[str]:
    """What a number may mean: `104.532` is two numbers, for some write thousands so."""
    grouped = re.fullmatch(r"(\d{1,3}(?:[ ,.']\d{3})+)(?:[.,](\d{1,2}))?", number)
    readings = {_canonical(number.replace(",", "."))} if number.count(".") + number.count(",") <= 1 else set()
    if grouped:
        whole = re.sub(r"\D", "", grouped[1])
        readings.add(_canonical(f"{whole}.{grouped[2] or 0}"))
    return readings


def _canonical(number: str) -> str:
    whole, _, decimals = number.partition(".")
    decimals = decimals.rstrip("0")
    whole = whole.lstrip("0") or "0"
    return f"{whole}.{decimals}" if decimals else whole


def _region(amount: str) -> tuple[int, int, str]:
    """Amounts of one region have as many digits, before and behind the point, and begin with the same two."""
    whole, _, decimals = amount.partition(".")
    return len(whole), len(decimals), amount[:2]


def register_of(book: Book, names: Mapping[str, str]) -> Register:
    """What belongs to which partner: ids and names of partners, ids and names of deals and leads, amounts of deals.

    A deal belongs to everyone who ever had it. A name of one word only, as `Renewal`, is not looked for: it would be
    found where nobody's deal is meant.
    """
    owners: dict[tuple[str, Kind], set[str]] = defaultdict(set)
    for partner, name in names.items():
        owners[partner, "partner"].add(partner)
        owners[name, "partner"].add(partner)
    owned = pd.concat(
        [
            table[["deal_id", "partner_id"]].astype(str).where(table["partner_id"].notna())
            for table in (book.deals, book.spells)
        ]
    )
    owned = owned.dropna().drop_duplicates()
    labels = book.deals[["deal_id", "name"]].dropna().astype(str).merge(owned, on="deal_id")
    labels = labels[labels["name"].str.strip().str.contains(r"\s")]
    leads = book.leads[["lead_id", "partner_id"]].dropna().astype(str)
    for frame, column in ((owned, "deal_id"), (labels, "name"), (leads, "lead_id")):
        for text, partner in zip(frame[column], frame["partner_id"], strict=True):
            owners[text, "deal"].add(partner)
    words = [Word(text, kind, frozenset(partners)) for (text, kind), partners in owners.items()]
    return Register(words, _amounts(book, owned))


def _amounts(book: Book, owned: pd.DataFrame) -> dict[str, frozenset[str]]:
    """The owners of each amount that a deal has or had, in the book's currency or its own."""
    pairs = ((book.deals, "amount"), (book.deals, "amount_original"), (book.history, "amount"))
    columns = [table[["deal_id", name]].set_axis(["deal_id", "amount"], axis=1) for table, name in pairs]
    amounts = pd.concat(columns).dropna()
    amounts = amounts[amounts["amount"] >= 10 ** (SHORTEST_AMOUNT - 1)].astype({"deal_id": str}).drop_duplicates()
    owners: dict[str, set[str]] = defaultdict(set)
    for amount, partner in amounts.merge(owned, on="deal_id")[["amount", "partner_id"]].itertuples(index=False):
        owners[amount_key(amount, book.money_digits)].add(partner)
    return {amount: frozenset(partners) for amount, partners in owners.items()}


def counterparties(book: Book) -> dict[str, list[str]]:
    """By partner, the other partners that had one of its deals before or after it; without those that shared none."""
    had = book.spells[["deal_id", "partner_id"]].dropna().drop_duplicates()
    shared = had[had.duplicated("deal_id", keep=False).to_numpy()].astype(str)
    others: dict[str, set[str]] = defaultdict(set)
    for _, partners in shared.groupby("deal_id", sort=False)["partner_id"]:
        for partner in partners:
            others[partner].update(set(partners) - {partner})
    return {partner: sorted(known) for partner, known in others.items()}


def own_texts(book: Book) -> list[str]:
    """Every text in a partner's own rows, each once, except whose they are."""
    texts: set[str] = set()
    for table in (book.deals, book.leads, book.partners, book.history, book.touches, book.spend, book.targets):
        for name in table.columns.difference(["partner_id"]):
            column = table[name]
            if not (pd.api.types.is_numeric_dtype(column) or pd.api.types.is_datetime64_any_dtype(column)):
                texts.update(map(str, column.dropna().unique()))
    return sorted(texts)


def noted_texts(book: Book) -> list[tuple[str, str]]:
    """Each text of a partner's notes as a page has it, with the quarter it was noted for."""
    columns = [book.notes[["quarter", name]].dropna().astype(str) for name in ("action", "owner", "outcome")]
    return [(quarter, clean(text)) for frame in columns for quarter, text in frame.itertuples(index=False, name=None)]


def shared_texts(book: Book) -> list[str]:
    """What the columns say that sort rows by something else than whose they are: regions, products and so on."""
    columns = [t[c] for t in (book.deals, book.leads, book.partners) for c in shared_labels() if c in t]
    return sorted({str(text) for column in columns for text in column.dropna().unique()})
