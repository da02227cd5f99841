"""A child of the test process itself, which is no clean one: Kafka clients and their threads live in it.

Whoever forks in a test enters. The daemon's own forks are the supervisor's, which has nothing of the kind.
"""

import gc
import os
import traceback
from collections.abc import Callable


def fork() -> int:
    """As os.fork(), but what is garbage here is never collected in the child.

    A Kafka client that is destroyed there waits for threads of its parent: it hangs, or librdkafka aborts.
    """
    gc.disable()
    try:
        pid = os.fork()
        if pid == 0:
            gc.freeze()
    finally:
        gc.enable()
    return pid


def forked(loop: Callable[[], None]) -> int:
    """The id of a process that never returns: whoever forked it kills it, and waits for it.

    A loop that fails says why and ends with 1.
    """
    pid = fork()
    if pid == 0:
        try:
            loop()
        except BaseException:
            traceback.print_exc()
        os._exit(1)
    return pid
