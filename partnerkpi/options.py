"""What the command line takes: levels and quarters, looked at before any data are read."""

from __future__ import annotations

import click

from partnerkpi.book.schema import levels
from partnerkpi.errors import UsageError, nearest
from partnerkpi.groups import LIKENESS
from partnerkpi.periods import checked


class Level(click.ParamType):
    """What one may break down by: the levels of the schema, and `none`."""

    name = "level"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The level itself; a usage error that names the near ones otherwise."""
        options = [*levels(), "none"]
        if value not in options:
            self.fail(f"There is no level '{value}'. {nearest(value, options, LIKENESS)}", param, ctx)
        return value


class QuarterLabel(click.ParamType):
    """A quarter like 2025Q4, looked at before any data are read."""

    name = "quarter"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The label itself, empty for none; a usage error where it is no quarter."""
        try:
            return checked(value) if value else value
        except UsageError as wrong:
            self.fail(str(wrong), param, ctx)


class Levels(click.Option):
    """An option for one of the schema's levels, which its help lists."""

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """The line of the help, with the levels there are."""
        record = super().get_help_record(ctx)
        return record and (record[0], record[1].format(levels=", ".join([*levels(), "none"])))
