"""Which function a role is: the one place where the roles meet.

The supervisor's fork enters, in the child. Names are resolved AFTER the fork, so that no client library,
thread or user's module ever comes to life in the supervisor.
"""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import cast

from ringmain.seat import Seat

ROLES: Mapping[str, str] = {
    "feed": "ringmain.feed:run",
    "handle": "ringmain.handle:run",
    "courier": "ringmain.courier:run",
    "herald": "ringmain.herald:run",
    "probe": "ringmain.supervise.probe:run",
    "scout": "ringmain.supervise.scout:run",
    "visitor": "ringmain.supervise.visitor:run",
    "clerk": "ringmain.clerk.role:run",
    "admin": "ringmain.admin.role:run",
    "http": "ringmain.admin.role:run_http",
}


def resolve(role: str, table: Mapping[str, str] = ROLES) -> Callable[[Seat], int]:
    """The role's `run(seat) -> exit code`; imports its module."""
    module_name, _, attribute = table[role].partition(":")
    return cast("Callable[[Seat], int]", getattr(import_module(module_name), attribute))
