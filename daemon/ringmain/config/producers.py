"""The producers of a config, wherever they stand: of the app, or of one route.

check.py, the command line and the probe enter. Nothing is made here.
"""

from ringmain.config.schema import Config, Producer


def producers_of(config: Config) -> dict[str, Producer]:
    """Path of its table -> producer."""
    found = {f"producers.{name}": one for name, one in config.producers.items()}
    return found | {
        f"routes.{name}.producer": route.producer
        for name, route in config.routes.items()
        if route.producer is not None
    }
