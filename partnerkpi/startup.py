"""What happens before anything else is imported: the working folder leaves the import path of `python -m partnerkpi`.

Python looks for modules in the working folder first when it is started with `-m`. A `click.py` or `pandas.py` that lies
there, beside the data, would be run instead of the real one. Only this package itself may come from there.
"""

import sys

# While `-m` looks for its module, `sys.argv` begins with the option itself.
if sys.argv[:1] == ["-m"] and not sys.flags.safe_path:
    del sys.path[0]
