"""What comes before everything else: the import path without the working folder, and what another Python is given.

Python looks for modules in the working folder first when it is started with `-m`. A `click.py` or `pandas.py` that lies
there, beside the data, would be run instead of the real one. Only this package itself may come from there.
"""

import sys
from collections.abc import Mapping
from pathlib import Path

# While `-m` looks for its module, `sys.argv` begins with the option itself.
if sys.argv[:1] == ["-m"] and not sys.flags.safe_path:
    del sys.path[0]

#: The package, and the file that opens it.
PACKAGE, DOOR = __name__.partition(".")[0], str(Path(__file__).resolve().parent / "__init__.py")

#: What a Python that runs notebooks needs of the environment: to find programs, folders, the language and the time.
_KEPT = """
    PATH HOME USER LOGNAME SHELL TERM LANG LANGUAGE TZ TZDIR TMPDIR TEMP TMP LD_LIBRARY_PATH DYLD_LIBRARY_PATH
    DYLD_FALLBACK_LIBRARY_PATH VIRTUAL_ENV CONDA_PREFIX SOURCE_DATE_EPOCH MPLCONFIGDIR FONTCONFIG_PATH FONTCONFIG_FILE
    JUPYTER_PATH JUPYTER_DATA_DIR JUPYTER_RUNTIME_DIR JUPYTER_CONFIG_DIR JUPYTER_PLATFORM_DIRS
    XDG_CACHE_HOME XDG_CONFIG_HOME XDG_DATA_HOME XDG_RUNTIME_DIR OMP_NUM_THREADS OPENBLAS_NUM_THREADS MKL_NUM_THREADS
    PYTHONPATH PYTHONHOME PYTHONSAFEPATH PYTHONTZPATH PYTHONUTF8 PYTHONIOENCODING PYTHONWARNINGS PYTHONHASHSEED
    PYTHONDONTWRITEBYTECODE PYTHONPYCACHEPREFIX PYTHONNOUSERSITE PYTHONUSERBASE
    PARTNERKPI_MOST_CELLS PARTNERKPI_MOST_MB
    SYSTEMROOT SYSTEMDRIVE WINDIR COMSPEC PATHEXT APPDATA LOCALAPPDATA PROGRAMDATA PROGRAMFILES USERPROFILE USERNAME
    HOMEDRIVE HOMEPATH NUMBER_OF_PROCESSORS PROCESSOR_ARCHITECTURE
"""


def environment(given: Mapping[str, str]) -> dict[str, str]:
    """What of an environment a Python that runs notebooks is given: nothing but what it needs, so no credentials.

    >>> environment({"LC_ALL": "C", "CRM_PASSWORD": "hunter2", "PATH": "/bin"})
    {'LC_ALL': 'C', 'PATH': '/bin'}
    """
    kept = set(_KEPT.split())
    return {name: value for name, value in given.items() if name in kept or name.startswith("LC_")}


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
