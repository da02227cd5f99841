"""Whether another process holds the lock on a file: the kernel lets go of it when that process dies.

Whoever looks at jobs or at daemons enters. No lock is kept here.
"""

import fcntl
import os
from pathlib import Path


def is_held(path: str | Path) -> bool:
    """False as well when there is no such file."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
