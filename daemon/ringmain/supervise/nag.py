"""Saying a lasting trouble once and then every minute, instead of at every try.

Whoever meets the same trouble again and again enters. Nothing is logged here.
"""

AGAIN_S = 60.0


class Nag:
    """Remembers when which trouble was last said."""

    def __init__(self, again_s: float = AGAIN_S) -> None:
        self._again_s = again_s
        self._said: dict[str, dict[str, float]] = {}

    def due(self, subject: str, text: str, now_s: float) -> bool:
        """Whether to say it now: it is new, it is another text, or a minute has passed."""
        said = self._said.setdefault(subject, {})
        if text in said and now_s - said[text] < self._again_s:
            return False
        # Two children that put one trouble in different words take turns: each text has its own minute.
        self._said[subject] = {one: at_s for one, at_s in said.items() if now_s - at_s < self._again_s}
        self._said[subject][text] = now_s
        return True

    def over(self, subject: str) -> bool:
        """Whether the trouble had been said and now is over."""
        return self._said.pop(subject, None) is not None
