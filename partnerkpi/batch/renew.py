"""Makes a used kernel as good as new: runs inside the kernel, between one notebook and the next.

Starting a kernel and importing pandas and matplotlib costs more than a notebook's own work, so the nine notebooks of
one partner share a kernel. What one leaves behind (names, figures, options, the working directory …) must not reach
the next: `remember` notes the state before the first, `renew` puts it back.
"""

from __future__ import annotations

import os
import sys
import warnings
from typing import Any

_state: dict[str, Any] = {}


def remember() -> None:
    """Note everything a notebook might change. Call once, in a kernel that has run nothing yet."""
    import matplotlib.pyplot as plt
    import numpy as np

    plt.switch_backend(plt.get_backend())  # what drawing changes on its first use is the same for every notebook then
    _state.update(
        rc=dict(plt.rcParams),
        environ=dict(os.environ),
        folder=os.getcwd(),
        path=list(sys.path),
        filters=list(warnings.filters),
        numpy_errors=np.geterr(),
        print_options=np.get_printoptions(),
    )


def renew() -> None:
    """Forget the last notebook: names, execution count, figures, options, environment, warnings already shown."""
    import matplotlib.pyplot as plt
    import numpy as np
    import pandas as pd
    from IPython import get_ipython

    get_ipython().reset(new_session=True)
    plt.close("all")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        plt.rcParams.update(_state["rc"])
        pd.reset_option("^(display|styler|plotting|io|compute|mode)\\.")
    np.seterr(**_state["numpy_errors"])
    np.set_printoptions(**_state["print_options"])
    os.environ.clear()
    os.environ.update(_state["environ"])
    os.chdir(_state["folder"])
    sys.path[:] = _state["path"]
    warnings.filters[:] = _state["filters"]  # type: ignore[index]
    for module in list(sys.modules.values()):
        registry = getattr(module, "__warningregistry__", None)
        if isinstance(registry, dict):
            registry.clear()
