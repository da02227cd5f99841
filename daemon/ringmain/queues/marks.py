"""Where a dead set ended at some moment, for backends that count their queues: opaque to whoever carries it.

RabbitMQ's dead set writes one, its hold reads it. Pure.
"""

from collections.abc import Mapping

import msgspec

from ringmain.queues.envelope import UNREADABLE


def written(depths: Mapping[str, int]) -> str:
    """So many messages wait in each queue."""
    return msgspec.json.encode(dict(depths)).hex()


def read(mark: str) -> dict[str, int]:
    """The depths back; nothing of what is no mark."""
    try:
        return msgspec.json.decode(bytes.fromhex(mark), type=dict[str, int])
    except (ValueError, *UNREADABLE):
        return {}
