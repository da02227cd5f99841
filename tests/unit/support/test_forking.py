"""A forked child of a test destroys nothing that was its parent's."""

import gc
import os
import signal

from support import signals
from support.forking import fork, forked


class Loud:
    """Says when it is destroyed."""

    def __init__(self, pipe: int) -> None:
        self.pipe = pipe
        self.itself = self

    def __del__(self) -> None:
        os.write(self.pipe, b"%d," % os.getpid())


def test_what_is_garbage_here_is_collected_here_only() -> None:
    read, write = os.pipe()
    gc.disable()
    try:
        Loud(write)
        child = fork()
        if child == 0:
            Loud(write)
            gc.collect()
            os._exit(0)
        os.waitpid(child, 0)
    finally:
        gc.enable()
    gc.collect()
    assert os.read(read, 100) == b"%d,%d," % (child, os.getpid())
    os.close(read)
    os.close(write)


def test_a_loop_that_fails_ends_with_1() -> None:
    def fails() -> None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        raise ValueError

    assert os.waitpid(forked(fails), 0)[1] == 1 << 8


def test_a_loop_goes_on_until_it_is_killed() -> None:
    child = forked(signal.pause)
    signals.send(child, signal.SIGKILL)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL
