"""A survey as it is printed: first what it is, then what to decide, a preview, values, columns, and what to do next."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from partnerkpi.book.config import dictionary
from partnerkpi.book.schema import TABLES
from partnerkpi.survey.alarms import alarms, traps
from partnerkpi.survey.lines import Draft, counted
from partnerkpi.survey.preview import Preview
from partnerkpi.survey.survey import Survey

_FAULTS = 8
_IGNORED = 12


def report(found: Survey, made: Draft, trial: Draft, shown: Preview, *, next_step: str, written: bool = False) -> str:
    """Everything about a survey: the shortest first, and last what stays in sight, the next step."""
    title = f"Status, from {found.status.source}" if found.status.source else "Status"
    blocks = [
        _summary(found, made, shown),
        _section("Look out", [f"! {line}" for line in alarms(found)] + [f"  {line}" for line in traps(found)]),
        _section("To decide", _to_decide(made)),
        _section("Preview", _preview(shown, [] if shown.accepted else trial.taken)),
        _section(title, _values(found)),
        _section("Columns", _columns(found)),
        _section("How the files are written", _files(found)),
    ]
    if not written:
        blocks.append(_section("book.toml", made.text.splitlines()))
    blocks.append(f"Every key of book.toml: {dictionary()}\n{next_step}")
    return "\n\n".join(block for block in blocks if block)


def _to_decide(made: Draft) -> list[str]:
    """What waits for the reader, first what must be decided, and how one does that."""
    lines = [f"! {line}" for line in made.needed] + [f"  {line}" for line in made.open]
    if not lines:
        return []
    which = "What is marked ! must be decided; the rest may be. " if made.needed and made.open else ""
    how = (
        "In book.toml, take the '# ' of such a line away where it has one, and change what it says where it is not so."
    )
    return [*lines, f"{which}{how}"]


def _section(title: str, lines: Iterable[str]) -> str:
    listed = list(lines)
    return "\n".join([title, "-" * len(title), *listed]) if listed else ""


def _summary(found: Survey, made: Draft, shown: Preview) -> str:
    rows = sum(p.sheet.rows for p in found.deals)
    many = counted(rows, "deal")
    if found.lines[0]:
        many = f"{counted(rows, 'row')} of {counted(found.main.columns[found.lines[0]].distinct, 'deal')}"
    title = found.found.title or "of no CRM that is known here (--profile names one)"
    lines = [f"{', '.join(p.name for p in found.deals)}: {many}; {title}"]
    if found.found.crm:
        lines[0] += f" ({found.found.evidence})"
        if found.found.also:
            lines[0] += f"; nearly as much like {found.found.also}: choose with --profile"
    for part in found.parts:
        if part.table and part.table != "deals":
            lines.append(f"{part.name}: {part.table}, {counted(part.sheet.rows, 'row')}")
    lines.append(_counts(found, made))
    errors = shown.faults if any(f.startswith("E ") for f in shown.faults) else []  # the first is the cause
    if shown.accepted:
        lines.append("The draft is accepted by check as it stands.")
    elif made.needed and shown.once_decided:
        which = f"this is decided: {made.needed[0]}" if len(made.needed) == 1 else "what is marked ! is decided"
        lines.append(f"The draft is accepted by check once {which}")
    else:
        lines.append(f"The draft is not accepted yet: {shown.problem or (errors or ['see the preview'])[0]}")
    return "\n".join(lines)


def _counts(found: Survey, made: Draft) -> str:
    """How much was found, and what waits for the reader; what is none is not said."""
    how = [m.how for m in found.mapped.matches.values()]
    texts = [
        (how.count("found") + how.count("preset"), "column found", "columns found"),
        (how.count("guessed"), "guessed", "guessed"),
        (len(found.mapped.ignored), "not read", "not read"),
        (len(found.status.values), "value of the status", "values of the status"),
        (len(made.needed), "line to decide", "lines to decide"),
        (len(made.open), "line that may be decided", "lines that may be decided"),
        (len(alarms(found)), "alarm", "alarms"),
    ]
    return ", ".join(counted(*text) for text in texts if text[0])


def _columns(found: Survey) -> list[str]:
    rows: list[tuple[str, str, str, str]] = []
    below: list[str] = []
    for part in found.parts:
        if not part.table or (part.table == "deals" and part is not found.main):
            continue
        prefix = "" if part.table == "deals" else f"{part.table}."
        mapped, table = part.mapped, TABLES[part.table]
        for name in table.names:
            if match := mapped.matches.get(name):
                column = part.columns.get(match.source) if len(match.reads.names) == 1 else None
                filled = f"; {column.filled:,} filled, {column.distinct:,} different" if column else ""
                how = "found" if match.how == "preset" else match.how
                shown = " / ".join(match.reads.names)
                rows.append((how, prefix + name, shown, match.why + filled))
        rows += [("decide", prefix + m.column, m.source, m.why) for m in mapped.doubts]
        if part.table == "deals":
            rows += [("decide", m.column, m.source, m.why) for m in found.partners]
            if found.status.constant:
                rows.append(("guessed", "status", "", f"always {found.status.constant}: {found.status.why}"))
            told = {*mapped.matches, *(("status",) if found.status.constant or found.status.flags.columns else ())}
            missing = [n for n in table.names if n not in told]
            below += [f"not found: {', '.join(missing)}"] if missing else []
        if mapped.ignored:
            more = f" … and {len(mapped.ignored) - _IGNORED} more" if len(mapped.ignored) > _IGNORED else ""
            below.append(f"not read: {part.name}: {', '.join(mapped.ignored[:_IGNORED])}{more}")
    return [*_table([("how", "column", "in the files", "why"), *rows]), "", *below]


def _values(found: Survey) -> list[str]:
    status = found.status
    if status.constant:
        return [f"every row {status.constant}: {status.why}"]
    rows = [("value", "means", "rows", "amount", "created", "why")]
    for v in status.values:
        span = f"{v.first} to {v.last}" if v.first else ""
        rows.append((v.text, v.status or "decide", f"{v.rows:,}", f"{v.money:,.0f}", span, v.why))
    lines = _table(rows, right=(2, 3)) if status.values else []
    for flags, rule in ((status.flags, "decide"), (status.beside, "do not decide")):
        named = ", ".join(n for names in flags.columns.values() for n in names)
        if named and status.source:
            many = f"{status.disagree:,} of {len(found.text):,} rows disagree with {status.source}"
            lines.append(f"{named} {rule}; {many}")
        elif named:
            lines.append(f"{named}: {status.why}")
    return lines


def _preview(shown: Preview, taken: Sequence[str]) -> list[str]:
    lines = [f"As that is not decided yet, it is shown as if: {'; '.join(taken)}."] if taken else []
    lines += shown.account
    if shown.untold:
        lines.append(f"No figures can be shown: {shown.untold}")
    if shown.quarters:
        lines += [
            "",
            *_table([("quarter", "won", "lost", "open at its end", "won amount"), *shown.quarters], right=(1, 2, 3, 4)),
        ]
    if shown.available:
        lines += ["", f"KPIs there will be: {', '.join(shown.available)}"]
    for title, lacking in (
        ("KPIs there will not be", shown.missing),
        ("Figures beside the KPIs there will not be", shown.companions),
    ):
        by_lack: dict[str, list[str]] = {}
        for name, lack in lacking:
            by_lack.setdefault(lack, []).append(name)
        lines += [f"{title}:"] if by_lack else []
        lines += [f"  without {lack}: {', '.join(names)}" for lack, names in by_lack.items()]
    if shown.faults:
        more = len(shown.faults) - _FAULTS
        lines += ["", "What check says of it (E: refuses the book, Q: a row is set aside, W: used, but look at it):"]
        lines += [*shown.faults[:_FAULTS], *([f"… and {counted(more, 'more fault')}"] if more > 0 else [])]
    return lines


def _files(found: Survey) -> list[str]:
    return [f"{p.name}: {'; '.join(p.sheet.evidence)}" for p in found.parts if p.sheet.evidence]


def _table(rows: Sequence[tuple[str, ...]], right: tuple[int, ...] = ()) -> list[str]:
    """The rows in columns as wide as their widest cell, the last one as it is."""
    if not rows:
        return []
    many = len(rows[0])
    widths = [min(40, max(len(row[i]) for row in rows)) for i in range(many)]
    lines = []
    for row in rows:
        cells = [c.rjust(w) if i in right else c.ljust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True))]
        lines.append("  ".join(cells).rstrip())
    return lines
