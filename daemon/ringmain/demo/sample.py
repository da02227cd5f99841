"""The orders that the demo sends: what the n-th one is, and what will have become of the first n.

Pure: the load, the live table and the tests ask the same functions. Nothing is sent here.
"""

from dataclasses import dataclass

import msgspec

# What ringmain.toml of this room says too.
NAME = "demo"
GROUP = "demo"
TOPIC = "orders"
ROUTE = "orders"

FINE = ""
BANK_IS_AWAY = "bank is away"
CRASH = "crash"
UNDECODABLE = "undecodable"

_CUSTOMERS = ("ada", "blaise", "claude", "donald", "edsger", "frances", "grace", "hedy")
_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True)
class Expected:
    """What becomes of a number of messages."""

    done: int
    retry: int
    dead: int


def trouble(index: int) -> str:
    """What the order with this index runs into: of 100 one needs a retry, of 1,000 one is not an order."""
    if index % 100_000 == 500:
        return CRASH
    if index % 1000 == 333:
        return UNDECODABLE
    return BANK_IS_AWAY if index % 100 == 77 else FINE


def value(index: int) -> bytes:
    """The bytes of the message with this index."""
    kind = trouble(index)
    order = {"id": index, "customer": _CUSTOMERS[index % len(_CUSTOMERS)], "amount": 1 + index % 9900 / 100}
    if kind == UNDECODABLE:
        order["amount"] = "a lot"
    elif kind != FINE:
        order["simulate"] = kind
    return _encode(order)


def key(index: int) -> bytes:
    """The message's key: its customer."""
    return _CUSTOMERS[index % len(_CUSTOMERS)].encode()


def expected(messages: int) -> Expected:
    """What the first `messages` orders come to once all are settled.

    A crash is not a retry: the order goes to another handler at once, and after max_crashes to the dead set.
    """
    kinds = [trouble(index) for index in range(messages)]
    dead = kinds.count(CRASH) + kinds.count(UNDECODABLE)
    return Expected(done=messages - dead, retry=kinds.count(BANK_IS_AWAY), dead=dead)
