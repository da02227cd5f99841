"""Saying a lasting trouble once and then every minute, instead of at every try.

Whoever meets the same trouble again and again enters. Nothing is logged here.
"""

AGAIN_S = 60.0


class Nag:
    """Remembers when which trouble was last said."""

    def __init__(self, again_s: float = AGAIN_S) -> None:
        self._again_s = again_s
        self._said: dict[str, tuple[str, float]] = {}

    def due(self, subject: str, text: str, now_s: float) -> bool:
        """Whether to say it now: it is new, it is another text, or a minute has passed."""
        before = self._said.get(subject)
        if before is not None and before[0] == text and now_s - before[1] < self._again_s:
            return False
        self._said[subject] = (text, now_s)
        return True

    def over(self, subject: str) -> bool:
        """Whether the trouble had been said and now is over."""
        return self._said.pop(subject, None) is not None
