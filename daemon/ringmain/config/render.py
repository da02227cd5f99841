"""A config as it is shown: every key with its final value, secrets masked.

`check` and, later, the admin server enter. What leaves here may be logged, printed and sent.
"""

from typing import Any

import msgspec

from ringmain.config.report import MASK, is_secret, without_userinfo
from ringmain.config.schema import Config


def render(config: Config) -> dict[str, Any]:
    """Nested dicts of plain values."""
    return {name: _masked(value, name) for name, value in msgspec.to_builtins(config).items()}


def _masked(value: Any, path: str) -> Any:
    if isinstance(value, dict):
        return {name: _masked(inner, f"{path}.{name}") for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_masked(inner, path) for inner in value]
    if value not in (None, "") and is_secret(path):
        return MASK
    return without_userinfo(value) if isinstance(value, str) else value
