"""The review: executes the KPI notebooks for every partner and binds them into pages.

`plan` what will run, checked before anything does · `execution` of one notebook · `direct` a kernel in the process
itself, `template` the process that is forked for each report, `forks` the review's side of it, `anybody` the same for
any notebook · `kernels`, `engine`, `pool` where nothing is forked: kernels of their own, in worker processes ·
`cluster` the same on other machines · `page` the pages · `markup`, `pictures` a page as a browser reads it ·
`disclosure` what is another partner's · `gate` what is not believed and what must not get out · `files` whole files or
none · `done` what need not be done again · `report` how one went · `progress` how far all are · `publish` what becomes
of it · `request` what was asked for · `run` all of it in order. Only this room runs notebooks.
"""

from partnerkpi.batch.report import Report
from partnerkpi.batch.run import ReviewResult, review

__all__ = ["Report", "ReviewResult", "review"]
