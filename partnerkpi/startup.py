"""What comes before everything else: the working folder leaves the import path, and how another Python finds us.

Python looks for modules in the working folder first when it is started with `-m`. A `click.py` or `pandas.py` that lies
there, beside the data, would be run instead of the real one. Only this package itself may come from there.
"""

import sys
from pathlib import Path

# While `-m` looks for its module, `sys.argv` begins with the option itself.
if sys.argv[:1] == ["-m"] and not sys.flags.safe_path:
    del sys.path[0]

#: The package, and the file that opens it.
PACKAGE, DOOR = __name__.partition(".")[0], str(Path(__file__).resolve().parent / "__init__.py")


def loading(module: str, call: str) -> str:
    """Code that imports this very package in another Python, whatever that finds elsewhere, and calls a function of it.

    `module` is the function's module, `call` the call as it is written. No path is given to the other Python: the
    folder the package lies in may hold anything besides.
    """
    return f"""
import importlib, importlib.util, sys
if {PACKAGE!r} not in sys.modules:
    spec = importlib.util.spec_from_file_location({PACKAGE!r}, {DOOR!r})
    sys.modules[{PACKAGE!r}] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules[{PACKAGE!r}])
importlib.import_module({module!r}).{call}
"""
