"""The probe: imports the app once and says whether it fits the config.

Forked at the start and for a reload, in a process of its own: whatever the user's module does at import
stays there. It calls no handler and connects to nothing. For a reload it asks librdkafka too what it thinks
of the new properties, as `run` did before the start.
"""

import hashlib
import os
import sys
from collections.abc import Collection

from ringmain.config.producers import producers_of
from ringmain.config.schema import Config
from ringmain.errors import RingmainError
from ringmain.lifecycle import Probed
from ringmain.seat import Seat

TRIAL = "trial"
"""The source of a probe that tries another config."""
_BAD_CONFIG = 3


def run(seat: Seat) -> int:
    """Report whether handlers can be started; the exit code is the daemon's own."""
    probed = _probe(seat)
    seat.link.send(probed)
    return probed.exit_code


def _probe(seat: Seat) -> Probed:
    from ringmain import formats
    from ringmain.kafka import registry
    from ringmain.loading import load_app

    before = set(sys.modules)
    try:
        app = load_app(seat.config)
        formats.check(app, seat.config)
        registry.check(seat.config)
    except RingmainError as error:
        return Probed(str(error), error.exit_code)
    code = _fingerprint(set(sys.modules) - before)
    if seat.source == TRIAL and (refused := _words_of_kafka(seat.config)):
        return Probed(refused, _BAD_CONFIG)
    return Probed(unhandled=app.unhandled(seat.config), mounted=bool(app.mounts), code=code)


def _fingerprint(names: Collection[str]) -> str:
    """Of the files behind the modules that came with the app; Python's own and ours do not count."""
    known = {*sys.stdlib_module_names, "ringmain"}
    digest = hashlib.blake2b(digest_size=16)
    for name in sorted(names):
        path = getattr(sys.modules.get(name), "__file__", None)
        if path and name.partition(".")[0] not in known and os.path.exists(path):
            seen = os.stat(path)
            digest.update(f"{path} {seen.st_mtime_ns} {seen.st_size}\n".encode())
    return digest.hexdigest()


def _words_of_kafka(config: Config) -> str:
    """What there is against the Kafka properties of all routes; "" = nothing."""
    from ringmain.kafka import producer_properties
    from ringmain.kafka.properties import misfits, refusals, rejections

    found = []
    for route in config.routes.values():
        said = [*refusals(route.kafka), *rejections(route.kafka)]
        if not said and (whole := misfits(route.kafka)):
            said = [("", whole)]
        found += [f"routes.{route.name}.kafka{'.' * bool(name)}{name}: {words}" for name, words in said]
    for path, one in producers_of(config).items():
        said = [*producer_properties.refusals(one.kafka), *producer_properties.rejections(one.kafka)]
        found += [f"{path}.kafka{'.' * bool(name)}{name}: {words}" for name, words in said]
    return "\n".join(found)
