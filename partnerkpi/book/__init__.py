"""The book: what is known about partners, deals and money, read once from files and checked once.

`schema` the tables · `config` book.toml · `read` files to text · `sql` queries over files · `parse` text to values ·
`check` faults between rows · `money` currencies · `spells` and `prospects` what the KPIs count · `asof` the past ·
`model` the Book itself · `slice` one partner's part on disk · `opening` all of it in order
"""

from partnerkpi.book.book import Book, NetworkFacts
from partnerkpi.book.opening import check_book, open_book
from partnerkpi.book.reading import Fault, Reading
from partnerkpi.book.small import book_of

__all__ = ["Book", "Fault", "NetworkFacts", "Reading", "book_of", "check_book", "open_book"]
