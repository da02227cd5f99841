"""Ports that are given once, and to nobody else by chance."""

import socket

import pytest

from support import ports


def test_ports_are_free_different_and_not_of_the_kernels_own() -> None:
    given = ports.free_ports(50)
    assert len(set(given)) == 50
    with socket.create_server(("127.0.0.1", 0)) as by_the_kernel:
        assert max(given) < by_the_kernel.getsockname()[1]


def test_no_two_workers_get_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {}
    for worker in ("gw0", "gw1", "gw2"):
        monkeypatch.setenv("PYTEST_XDIST_WORKER", worker)
        given[worker] = {port % 16 for port in ports.free_ports(20)}
    assert all(len(remainders) == 1 for remainders in given.values())
    assert len(set.union(*given.values())) == 3


def test_one_that_somebody_has_is_not_given(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", ports.free_port())) as taken:
        port = taken.getsockname()[1]
        tried = iter([port, port, port + 16])
        monkeypatch.setattr(ports._chance, "randrange", lambda *_: next(tried) - ports._worker())
        monkeypatch.setattr(ports, "_given", set())
        assert ports.free_port() == port + 16
