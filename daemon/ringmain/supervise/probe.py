"""The probe: imports the app once and says whether it fits the config.

Forked at the start and before a reload, in a process of its own: whatever the user's module does at import
stays there. It calls no handler and connects to nothing.
"""

from ringmain.errors import RingmainError
from ringmain.lifecycle import Probed
from ringmain.seat import Seat


def run(seat: Seat) -> int:
    """Report whether handlers can be started; the exit code is the daemon's own."""
    probed = _probe(seat)
    seat.link.send(probed)
    return probed.exit_code


def _probe(seat: Seat) -> Probed:
    from ringmain.loading import load_app

    try:
        app = load_app(seat.config)
        app.check(seat.config)
    except RingmainError as error:
        return Probed(str(error), error.exit_code)
    return Probed(unhandled=app.unhandled(seat.config), mounted=bool(app.mounts))
