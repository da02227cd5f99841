"""A loop in a process of its own, for tests that work on one ring from several.

Stress tests enter. The process never returns: whoever forked it kills it, and waits for it.
"""

import os
import traceback
from collections.abc import Callable


def forked(loop: Callable[[], None]) -> int:
    """The process id. A loop that fails says why and ends with 1."""
    pid = os.fork()
    if pid == 0:
        try:
            loop()
        except BaseException:
            traceback.print_exc()
        os._exit(1)
    return pid
