"""The schema of a route or producer, from its file.

Whoever makes a decoder or an encoder enters, and the check before. Nothing is parsed here.
"""

from pathlib import Path

from ringmain.errors import AppError


def schema_text(path: str | None) -> str:
    """The schema in this file; "" = none is said."""
    if not path:
        return ""
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise AppError(f"the schema {path} cannot be read: {error}") from None
