"""The review: executes the KPI notebooks for every partner and binds them into pages.

`plan` what will run, checked before anything does · `kernels`, `engine` the notebooks in kernels of their own, in
worker processes · `page` the pages · `gate` what is not believed and what must not get out · `publish` whole files or
none · `run` all of it in order. Only this room runs notebooks.
"""

from partnerkpi.batch.publish import Report
from partnerkpi.batch.run import ReviewResult, review

__all__ = ["Report", "ReviewResult", "review"]
