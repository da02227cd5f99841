"""Ports for servers that bind them some seconds after they were chosen.

Whoever starts a server enters. The kernel hands out ports of its own range to every connection and to every
test that asks for any, so these are from below it, and each worker has its own.
"""

import os
import random
import socket
from pathlib import Path

_LOWEST, _HIGHEST = 12_000, 60_000
_WORKERS = 16
_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
_given: set[int] = set()
_chance = random.SystemRandom()  # hypothesis sets the other one's seed


def free_ports(count: int) -> list[int]:
    """Ports on loopback that nobody has, all different, none given before."""
    return [free_port() for _ in range(count)]


def free_port() -> int:
    """One."""
    kernels = int(_RANGE.read_text().split()[0])
    end = kernels if kernels > 2 * _LOWEST else _HIGHEST
    while True:
        port = _chance.randrange(_LOWEST, end - _WORKERS, _WORKERS) + _worker()
        if port not in _given and _is_free(port):
            _given.add(port)
            return port


def _worker() -> int:
    return int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % _WORKERS


def _is_free(port: int) -> bool:
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True
