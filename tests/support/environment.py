"""The environment of a Python that a test starts: it finds the same ringmain, installed or not.

Every test that starts a Python process of ours enters.
"""

import os

from support.sources import PACKAGE


def child_environment(**more: str) -> dict[str, str]:
    """This process's environment, the package's directory importable, and `more`."""
    path = os.pathsep.join([str(PACKAGE.parent), *filter(None, [os.environ.get("PYTHONPATH")])])
    return {**os.environ, "PYTHONPATH": path, **more}
