"""Waits until a node has ended: `ringmain stop --wait`.

act.py enters. Of this machine's node the lock is watched, which the kernel frees at the very end of the
supervisor; of another one its admin.
"""

from ringmain import clock
from ringmain.cli.client import Client, socket_paths
from ringmain.config.schema import Config
from ringmain.control import Look
from ringmain.errors import NoAnswer
from ringmain.held import is_held

EVERY_S = 0.1


def wait_for_its_end(client: Client) -> None:
    """Return when it is no more."""
    while not _has_ended(client):
        clock.sleep_s(EVERY_S)


def _has_ended(client: Client) -> bool:
    if client.config is not None:
        return not any(is_held(path) for path in _locks(client.config))
    assert client.remote is not None
    try:
        client.remote.ask(Look(), timeout_s=EVERY_S * 50)
    except NoAnswer:
        return True
    return False


def _locks(config: Config) -> list[str]:
    return [f"{path.removesuffix('.control')}.lock" for path in socket_paths(config)]
