"""Dead messages for tests: told apart by their offset, dying one millisecond after the other."""

from ringmain.queues.envelope import Envelope
from support.queue_backends import message


def died(number: int, **fields: object) -> Envelope:
    """A dead message: every tenth failed otherwise."""
    known: dict[str, object] = {
        "attempt": 12, "first_failed_ms": 1_000_000, "failed_ms": 2_000_000 + number, "node": "n1",
        "error_class": "shop.Declined" if number % 10 else "KeyError", "error_message": f"no {number}",
        "traceback": "Traceback\n  line\n",
    }  # fmt: skip
    return message(number, **{**known, **fields})
