"""What a dead message is when it is sent once more, and what may keep it from being sent. Pure.

The holds of all backends and the clerk enter. The value, key and headers go out as they are.
"""

from collections.abc import Sequence

from msgspec.structs import replace

from ringmain.queues.contract import Dead
from ringmain.queues.envelope import Envelope

GONE = "it is no longer in the dead set"


def anew(envelope: Envelope) -> Envelope:
    """The same message as if it had never failed: attempt 1, marked as replayed."""
    return replace(
        envelope,
        attempt=1,
        crashes=0,
        first_failed_ms=0,
        failed_ms=0,
        error_class="",
        error_message="",
        traceback="",
        node="",
        replayed=True,
    )


def obstacle(envelope: Envelope) -> str:
    """Why it cannot be sent; "" when it can."""
    if size := envelope.withheld_bytes:
        return f"its value of {size} bytes was not kept: give it one with --edit, or delete it"
    return ""


def parted(batch: Sequence[Dead]) -> tuple[list[Dead], list[tuple[str, str]]]:
    """Those that can be sent, and the others with their obstacles."""
    able = [dead for dead in batch if not obstacle(dead.envelope)]
    unable = [(dead.id, obstacle(dead.envelope)) for dead in batch if obstacle(dead.envelope)]
    return able, unable
