"""A survey of files: what an export is before it is a book, and the first book.toml for it."""

from partnerkpi.survey.init import Outcome, init

__all__ = ["Outcome", "init"]
