"""An exception as text: its class, its message, and the frames that are the user's own.

`resolve` enters with whatever a call raised. Nothing here fails because of what the user's exception does in
its own `__str__`, and no local variable is ever looked at.
"""

import traceback
from pathlib import Path
from types import TracebackType

import ringmain

_DEEPEST = 60
_OWN = (str(Path(ringmain.__file__).parent), "_fastpath/", "ringmain/_fastpath")


def class_name(error: BaseException) -> str:
    """`module.Class`, without the module of what is built in."""
    kind = type(error)
    return f"{kind.__module__}.{kind.__qualname__}".removeprefix("builtins.")


def message_of(error: BaseException) -> str:
    """`str(error)`, or that it could not be had."""
    try:
        return str(error)
    except BaseException as broken:
        return f"<its text cannot be had: __str__ raised {type(broken).__name__}>"


def text_of(error: BaseException) -> str:
    """The traceback from the user's first frame on, with its causes; or that it could not be had."""
    try:
        # PERF: ours go before the frames are looked at: the search for the source of a compiled frame
        # goes through all of sys.path, at each failure anew.
        frames = _users(error.__traceback__)
        whole = traceback.TracebackException(type(error), error, frames, limit=-_DEEPEST, compact=True)
        _trim(whole)
        return "".join(whole.format())
    except Exception as broken:
        return f"<its traceback cannot be had: {type(broken).__name__}>"


def _users(frames: TracebackType | None) -> TracebackType | None:
    """From the user's first frame on."""
    while frames is not None and frames.tb_frame.f_code.co_filename.startswith(_OWN):
        frames = frames.tb_next
    return frames


def _trim(whole: traceback.TracebackException) -> None:
    """Drop our frames above the user's of each exception that this one came from."""
    waiting = [whole.__cause__, whole.__context__]
    while waiting:
        one = waiting.pop()
        if one is None:
            continue
        frames = one.stack
        while frames and frames[0].filename.startswith(_OWN):
            del frames[0]
        waiting += [one.__cause__, one.__context__]
