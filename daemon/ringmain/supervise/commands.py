"""What may be asked of a running supervisor: a table, request -> the function that does it.

The desk enters with each request. Whoever can do something registers for it when the Supervisor is made; what
nobody has registered for is refused. Nothing here waits: what takes time answers with a `Later`.
"""

import logging
from collections.abc import Callable
from typing import TypeVar, cast

from ringmain.control import Look, Refused, Reply, Request
from ringmain.errors import RingmainError

Asked = TypeVar("Asked")
_log = logging.getLogger(__name__)


class Later:
    """A reply that is not known yet: whoever promised it calls `answer` once, the desk waits for it."""

    def __init__(self) -> None:
        self.reply: Reply | None = None

    def answer(self, reply: Reply) -> None:
        """This is it; the desk passes it on in the same turn of the loop."""
        self.reply = reply


Answer = Reply | bytes | Later
"""Bytes are a reply as the line that is sent."""


class Commands:
    """Who does what."""

    def __init__(self) -> None:
        self._table: dict[type, Callable[[object], Answer]] = {}
        self.acted: list[Callable[[], None]] = []
        """Each is called when something may be different from before."""

    def register(self, request: type[Asked], act: Callable[[Asked], Answer]) -> None:
        """`act(request)` answers requests of this type: Done, Refused, a Node, or a Later."""
        self._table[request] = cast("Callable[[object], Answer]", act)

    def obey(self, request: Request) -> Answer:
        """Do it. Whatever goes wrong is an answer: the daemon does not end because somebody asked."""
        answer = self._try(request)
        if not isinstance(request, Look):
            self.note()
        return answer

    def note(self) -> None:
        """Something was done."""
        for tell in self.acted:
            tell()

    def _try(self, request: Request) -> Answer:
        act = self._table.get(type(request))
        if act is None:
            return Refused("not available")
        try:
            return act(request)
        except RingmainError as refused:
            return Refused(str(refused))
        except OSError as error:
            return Refused(f"{error.strerror or error}: {error.filename or 'of the system'}")
        except Exception as error:
            _log.exception("a command failed", extra={"command": type(request).__name__})
            return Refused(f"the command failed: {type(error).__name__}: {error}")
