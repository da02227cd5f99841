"""The sample app with a tally of failed calls, which is what the demo runs: the daemon tells nobody yet.

Handler processes import it from the demo's own folder, where orders.py lies beside it. A failed call adds one
byte to a file, so that any number of processes count without a lock and a crash loses nothing.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from orders import app  # type: ignore[import-not-found]

__all__ = ["TALLY", "app"]

TALLY = Path(__file__).with_name("failed-calls")


@app.middleware  # type: ignore[untyped-decorator]
def tally(call: Callable[[], Any], message: object) -> Any:
    """Count a call that ends in an exception: each one becomes a retry by the sample's policy."""
    try:
        return call()
    except Exception:
        with TALLY.open("ab", buffering=0) as file:
            file.write(b".")
        raise
