"""The book: what is known about partners, deals and money, read from files and checked once.

`schema` the tables · `labels` columns of few values · `config` book.toml · `connections` where a database is ·
`meaning` what its cells mean · `sources` what every source gives · `cells` values to text · `delimited` with `heads`,
`sheets` with `workbooks`, `columnar` and `databases` with `postgres` the kinds of sources · `queries` SQL over files ·
`parse` and `values` text to values, `currencies` the signs beside amounts · `choosing` which cells make a column ·
`naming` which columns are missing or misspelt · `intake` one table on its way in · `rules` and `suspicious` faults
between rows · `reading` faults and the account · `money` currencies · `past` what was so on a day · `prospects` every
possible customer once · `levels` where a column lives · `loading` all of it in order · `book` the Book itself
"""

from partnerkpi.book.book import MEDIA, Book, Figure, Judge, Others, Spread, Told
from partnerkpi.book.reading import Fault, Reading

__all__ = ["MEDIA", "Book", "Fault", "Figure", "Judge", "Others", "Reading", "Spread", "Told"]
