"""datapackage.json: what the files of a sample book hold, for tools that read Data Packages (frictionlessdata.io)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from partnerkpi.book.schema import TABLES, Column, Table, title_of

_TYPES = {"day": "date", "month": "date", "stamp": "datetime", "amount": "number", "number": "number"}
#: Where the rows of another table stand that a column names; of a sample book every such name is found there.
_NAMED = {"partner_id": "partners", "lead_id": "leads", "deal_id": "deals"}


def data_package(headers: Mapping[str, Sequence[str]]) -> str:
    """The text of datapackage.json for tables with these columns: type, key, meaning and what each column names.

    Statuses are as in the CRM, test entries among them; book.toml says what each stands for, so no list closes them.
    """
    resources = [_resource(TABLES[name], columns, headers) for name, columns in headers.items()]
    package: dict[str, Any] = {"name": "partnerkpi-sample"}
    return json.dumps(package | {"resources": resources}, indent=1) + "\n"


def _resource(table: Table, columns: Sequence[str], headers: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    schema: dict[str, Any] = {"fields": [_field(table[name]) for name in columns], "missingValues": [""]}
    if table.key and table.name != "history":  # two changes of a deal may bear one stamp
        schema["primaryKey"] = list(table.key)
    named = [(name, other) for name, other in _NAMED.items() if name in columns and other in headers]
    keys = [
        {"fields": [name], "reference": {"resource": other, "fields": [name]}}
        for name, other in named
        if other != table.name
    ]
    if keys:
        schema["foreignKeys"] = keys
    kind = {"type": "table", "path": f"{table.name}.csv", "format": "csv", "mediatype": "text/csv", "encoding": "utf-8"}
    return {"name": table.name, "description": table.meaning, **kind, "schema": schema}


def _field(column: Column) -> dict[str, Any]:
    field: dict[str, Any] = {"name": column.name, "type": _TYPES.get(column.kind, "string")}
    field["title"] = title_of(column.name)
    field["description"] = column.meaning
    if column.required:
        field["constraints"] = {"required": True}
    return field
