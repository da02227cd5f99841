"""librdkafka's own log lines, dropped.

Every client of this room is made with one: what matters of these lines comes as errors, answers or delivery
reports as well, and is said once by who asked.
"""

from typing import Any


class Silent:
    """A logger that drops what it is given."""

    def log(self, *_line: Any) -> None:
        """Drop it."""
