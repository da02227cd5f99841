"""The producers of a config, wherever they stand: of the app, or of one route.

check.py, the command line and the probe enter. Nothing is made here.
"""

from ringmain.config.schema import Config, Producer


def shared_by_transactions(config: Config, route: str) -> dict[str, Producer]:
    """By its path each producer that calls of this transactional route may use: one client sends for all."""
    others = {f"routes.{name}.producer" for name in config.routes if name != route}
    return {path: one for path, one in producers_of(config).items() if path not in others}


def producers_of(config: Config) -> dict[str, Producer]:
    """Path of its table -> producer."""
    found = {f"producers.{name}": one for name, one in config.producers.items()}
    return found | {
        f"routes.{name}.producer": route.producer
        for name, route in config.routes.items()
        if route.producer is not None
    }
