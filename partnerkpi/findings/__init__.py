"""Signals: what there is to say of a partner, how sure it is, and which rows say it.

- `signal`: what one is made of; `chance`: how likely chance does as much;
- `facts`, `past`, `process`, `rest`: what is recorded, against one's own past, month by month, against the others;
- `kinds`: the table of all;
- `family`: all signals of a review, with one error rate;
- `sentences`, `advice`: what each says, and what to do about it; `verdict`, `network`: how a partner, and all, stand.
"""

from partnerkpi.findings.family import signals
from partnerkpi.findings.verdict import judgement

__all__ = ["judgement", "signals"]
