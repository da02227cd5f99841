"""Signals to one process that is not the test's own child to wait for: kill -9, freeze, thaw.

Whoever kills in a test enters. The house allows os.kill nowhere else in tests: a process that is not known
yet is easily number 0, and os.kill(0, …) goes to the whole process group, the test run with it.
"""

import os


def send(pid: int, number: int) -> None:
    """ValueError for what is no process of its own; ProcessLookupError when it is gone."""
    if pid <= 1:
        raise ValueError(f"{pid} is nobody's process id: nothing was killed")
    os.kill(pid, number)
