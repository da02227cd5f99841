"""What a type checker lets an App register: the shapes of handlers, middlewares and hooks.

App enters with its signatures, handler authors for `Call` and `AsyncCall`. Only types live here; what a
checker did not see, `ringmain check` refuses (signature.py, returns.py).
"""

from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeVar

from ringmain.message import Message
from ringmain.outcome import BatchOutcome, Outcome

Said = Outcome | Awaitable[Outcome]
"""What a handler gives: an outcome, or as `async def` one to wait for."""

Call = Callable[[], Outcome]
"""What a middleware of a sync handler is given: the rest of the call."""
AsyncCall = Callable[[], Awaitable[Outcome]]
"""The same of an async handler."""


class KeyedHandler(Protocol):
    """A handler that takes its message's key, decoded."""

    def __call__(self, value: Any, /, *, key: Any) -> Said: ...


class KeyedMessageHandler(Protocol):
    """The same with the message."""

    def __call__(self, value: Any, message: Message, /, *, key: Any) -> Said: ...


Handler = TypeVar(
    "Handler",
    bound=Callable[[Any], Said] | Callable[[Any, Message], Said] | KeyedHandler | KeyedMessageHandler,
)
BatchSaid = BatchOutcome | Awaitable[BatchOutcome]
BatchHandler = TypeVar(
    "BatchHandler",
    bound=Callable[[list[Any]], BatchSaid] | Callable[[list[Any], list[Message]], BatchSaid],
)
Middleware = TypeVar("Middleware", bound=Callable[[Callable[[], Any], Any], Any])
Hook = TypeVar("Hook", bound=Callable[[], Any])
