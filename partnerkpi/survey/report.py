"""A survey as it is printed: first what it is and what to do, then columns, values, alarms, a preview and the draft."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from partnerkpi.book.schema import TABLES
from partnerkpi.survey.alarms import alarms, traps
from partnerkpi.survey.lines import Draft
from partnerkpi.survey.preview import Preview
from partnerkpi.survey.survey import Survey

_FAULTS = 8
_IGNORED = 12


def report(found: Survey, made: Draft, shown: Preview, *, next_step: str, written: bool = False) -> str:
    """Everything about a survey, the shortest first."""
    title = f"Status, from {found.status.source}" if found.status.source else "Status"
    blocks = [
        _summary(found, made, shown, next_step),
        _section("Look out", [f"! {line}" for line in alarms(found)] + [f"  {line}" for line in traps(found)]),
        _section("To decide", [f"- {line}" for line in made.needed]),
        _section("Preview", _preview(shown)),
        _section(title, _values(found)),
        _section("Columns", _columns(found)),
        _section("How the files are written", _files(found)),
    ]
    if not written:
        blocks.append(_section("book.toml", made.text.splitlines()))
    return "\n\n".join(block for block in blocks if block)


def _section(title: str, lines: Iterable[str]) -> str:
    listed = list(lines)
    return "\n".join([title, "-" * len(title), *listed]) if listed else ""


def _summary(found: Survey, made: Draft, shown: Preview, next_step: str) -> str:
    rows = sum(p.sheet.rows for p in found.deals)
    title = found.found.title or "no CRM that is known"
    lines = [f"{', '.join(p.name for p in found.deals)}: {rows:,} deals; {title}"]
    if found.found.crm:
        lines[0] += f" ({found.found.evidence})"
        if found.found.also:
            lines[0] += f"; nearly as much like {found.found.also}: choose with --profile"
    for part in found.parts:
        if part.table and part.table != "deals":
            lines.append(f"{part.name}: {part.table}, {part.sheet.rows:,} rows")
    how = [m.how for m in found.mapped.matches.values()]
    lines.append(
        f"{how.count('found') + how.count('preset')} columns found, {how.count('guessed')} guessed, "
        f"{len(found.mapped.ignored)} ignored; {len(found.status.values)} values of the status; "
        f"{len(made.needed)} to decide; {len(alarms(found))} to look out for"
    )
    errors = [f for f in shown.faults if f.startswith("E ")]
    if shown.accepted:
        lines.append("The draft is accepted by check as it stands.")
    elif made.needed and shown.once_decided:
        lines.append(f"The draft is accepted by check once this is decided: {made.needed[0]}")
    else:
        lines.append(f"The draft is not accepted yet: {shown.problem or (errors or ['see the preview'])[0]}")
    lines.append(next_step)
    return "\n".join(lines)


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
            below += [f"missing  {', '.join(missing)}"] if missing else []
        if mapped.ignored:
            more = f" … and {len(mapped.ignored) - _IGNORED} more" if len(mapped.ignored) > _IGNORED else ""
            below.append(f"ignored  {part.name}: {', '.join(mapped.ignored[:_IGNORED])}{more}")
    return [*_table(rows), *below]


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


def _preview(shown: Preview) -> list[str]:
    lines = list(shown.account)
    if shown.untold:
        lines.append(f"No figures can be shown: {shown.untold}")
    if shown.quarters:
        lines += [
            "",
            *_table([("quarter", "won", "lost", "open at its end", "won amount"), *shown.quarters], right=(1, 2, 3, 4)),
        ]
    if shown.available:
        lines += ["", f"KPIs there will be: {', '.join(shown.available)}"]
    lines += [f"KPI there will not be: {title}: lacks {lack}" for title, lack in shown.missing]
    by_lack: dict[str, list[str]] = {}
    for title, lack in shown.companions:
        by_lack.setdefault(lack, []).append(title)
    lines += [f"  without {lack}: no {', '.join(titles)}" for lack, titles in by_lack.items()]
    if shown.faults:
        more = len(shown.faults) - _FAULTS
        lines += ["", *shown.faults[:_FAULTS], *([f"… and {more:,} more faults"] if more > 0 else [])]
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
