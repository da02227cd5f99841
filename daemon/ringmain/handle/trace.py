"""An exception as text: its class, its message, and the frames that are the user's own.

`resolve` enters with whatever a call raised. Nothing here fails because of what the user's exception does in
its own `__str__`, and no local variable is ever looked at.
"""

import traceback
from pathlib import Path
from types import CodeType, TracebackType

import ringmain

_DEEPEST = 60
_PLACES = 256
_Place = tuple[tuple[CodeType, int], ...]
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
        if _stands_alone(error):
            return _known(frames) + "".join(traceback.format_exception_only(error))
        whole = traceback.TracebackException(type(error), error, frames, limit=-_DEEPEST, compact=True)
        _trim(whole)
        return "".join(whole.format())
    except Exception as broken:
        return f"<its traceback cannot be had: {type(broken).__name__}>"


def _stands_alone(error: BaseException) -> bool:
    """Its frames are all that there is beside its own lines."""
    if error.__cause__ is not None or isinstance(error, BaseExceptionGroup):
        return False
    return error.__context__ is None or error.__suppress_context__


def _known(frames: TracebackType | None) -> str:
    """The frames' text. PERF: code fails in a few places, again and again; to write one down takes 0.2 ms."""
    place = _place(frames)
    if not place:
        return ""
    text = _texts.get(place)
    if text is None:
        if len(_texts) >= _PLACES:
            _texts.clear()
        lines = traceback.format_list(traceback.extract_tb(frames, limit=-_DEEPEST))
        text = _texts[place] = "Traceback (most recent call last):\n" + "".join(lines)
    return text


_texts: dict[_Place, str] = {}


def _place(frames: TracebackType | None) -> _Place:
    found = []
    while frames is not None:
        found.append((frames.tb_frame.f_code, frames.tb_lasti))
        frames = frames.tb_next
    return tuple(found[-_DEEPEST:])


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
