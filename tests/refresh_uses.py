"""Find out again which figure rests on which columns, and keep it in the package: after a KPI was added or changed."""

from __future__ import annotations

import json

from partnerkpi.kpis import KPIS
from partnerkpi.uses import KEPT, found_out


def main() -> None:
    """Write `uses.json`."""
    kept = found_out(*(one for kpi in KPIS for one in (kpi, *kpi.companions)))
    KEPT.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
