"""One picture of the node for all who ask within a quarter of a second, encoded once for each view of it.

The site and the metrics enter. The supervisor is asked four times a second at most, by one thread; the others
wait for it, or are content with a picture that is a little older.
"""

import threading
from collections.abc import Callable
from typing import Any

import msgspec

from ringmain.asking import ask
from ringmain.clock import monotonic_s
from ringmain.control import Look, Node
from ringmain.errors import NoAnswer

FRESH_S = 0.25
CONTENT_S = 2.0
"""While another thread asks, a picture of this age will do."""
LOOK_S = 5.0

View = Callable[[Node], Any]


class Picture:
    """A node at one moment, and its views as bytes."""

    def __init__(self, node: Node, at_s: float) -> None:
        self.node, self.at_s = node, at_s
        self._encoded: dict[View, bytes] = {}

    def encoded(self, view: View) -> bytes:
        """What `view` makes of it, as JSON."""
        body = self._encoded.get(view)
        if body is None:
            body = self._encoded[view] = msgspec.json.encode(view(self.node))
        return body


class Pictures:
    """The latest picture."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._asking = threading.Lock()
        self._latest: Picture | None = None
        self._silence: tuple[NoAnswer, float] | None = None

    def latest(self) -> Picture:
        """NoAnswer when the supervisor does not answer."""
        latest, now_s = self._latest, monotonic_s()
        if latest is not None and now_s - latest.at_s < FRESH_S:
            return latest
        content = latest is not None and now_s - latest.at_s < CONTENT_S
        if not self._asking.acquire(blocking=not content):
            assert latest is not None
            return latest
        try:
            return self._asked()
        finally:
            self._asking.release()

    def forget(self) -> None:
        """Something was changed: the next one asks again."""
        self._latest = None

    def _asked(self) -> Picture:
        latest, began_s = self._latest, monotonic_s()
        if latest is not None and began_s - latest.at_s < FRESH_S:
            return latest
        if self._silence is not None and began_s - self._silence[1] < FRESH_S:
            raise self._silence[0]
        try:
            node = ask(self._path, Look(), LOOK_S)
        except NoAnswer as silence:
            self._silence = silence, monotonic_s()
            raise
        if not isinstance(node, Node):
            raise NoAnswer(self._path, f"it said {node}")
        self._latest = Picture(node, began_s)
        return self._latest
