"""The nearest known name to one that nobody knows: for errors that help.

The app, the config, handlers and the command line enter. What is said with it is theirs to say.
"""

from collections.abc import Iterable
from difflib import get_close_matches


def nearest(name: str, known: Iterable[str], likeness: float = 0.6) -> str:
    """The known name that is most like this one, at least so much; "" when none is."""
    return next(iter(get_close_matches(name, list(known), 1, likeness)), "")
