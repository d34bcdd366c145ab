"""The review: executes the KPI notebooks for every partner and binds them into pages.

`plan` what will run, checked before anything does · `execute`, `worker`, `kernel`, `renew` the notebooks in kernels of
their own · `proof` that they came to their end · `cells`, `page` the pages · `gate` what must not get out ·
`settle`, `publish` whole files or none · `run` all of it in order. Only this room runs notebooks.
"""

from partnerkpi.batch.result import Report, ReviewResult
from partnerkpi.batch.run import review

__all__ = ["Report", "ReviewResult", "review"]
