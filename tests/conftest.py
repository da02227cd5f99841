"""Fixtures that every suite may ask for: the real servers, and the check that nothing is left behind.

A server that cannot be had skips its tests on a user's machine and fails them where CI=true.
"""

import gc
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.dealing import dealt
from support.kafka_jars import ServerUnavailable
from support.kafka_server import KafkaServer
from support.leftovers import Leftovers, adopt_orphans
from support.rabbit_server import ERLANG, RabbitServer

if TYPE_CHECKING:
    from support.chromium import Browser


@pytest.hookimpl(trylast=True)  # pytest itself groups tests by the fixtures of the session
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Several workers get them so that they end together."""
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    if workers > 1:
        items[:] = dealt(items, workers)


def pytest_collection_finish() -> None:
    """PERF: tests and their modules stay; each look for what one left behind would go through them all."""
    gc.collect()
    gc.freeze()


def unavailable(reason: ServerUnavailable) -> None:
    """Skip with the reason; where CI=true a missing server is a failure."""
    if os.environ.get("CI", "").lower() == "true":
        pytest.fail(f"CI=true and no server: {reason}", pytrace=False)
    pytest.skip(str(reason))


@pytest.fixture(scope="session")
def promtool() -> Callable[..., str]:
    """Prometheus' own checks: promtool(*arguments, input=...) -> what it said; it must find nothing."""
    program = shutil.which("promtool")
    if program is None:
        unavailable(ServerUnavailable("promtool is not installed (Debian: prometheus)"))

    def run(*arguments: str, given: str = "") -> str:
        done = subprocess.run(
            [str(program), *arguments], input=given, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    return run


def _started(directory: Path, properties: Mapping[str, object] | None = None) -> KafkaServer:
    try:
        server = KafkaServer(directory, properties)
        server.start()
    except ServerUnavailable as reason:
        unavailable(reason)
        raise
    return server


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaServer]:
    """One Kafka for the whole session; never stop it: `own_kafka` is for that."""
    server = _started(tmp_path_factory.mktemp("kafka"))
    yield server
    server.close()


@pytest.fixture
def own_kafka(tmp_path: Path) -> Iterator[KafkaServer]:
    """A Kafka of this test alone, which it may stop, freeze and start again."""
    server = _started(tmp_path / "kafka")
    yield server
    server.close()


@pytest.fixture(scope="module")
def brittle_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaServer]:
    """One that the tests of a file stop one after another; each leaves it running."""
    server = _started(tmp_path_factory.mktemp("brittle-kafka"))
    yield server
    server.close()


@pytest.fixture
def make_kafka(tmp_path: Path) -> Iterator[Callable[..., KafkaServer]]:
    """Makes a Kafka of this test alone with other server properties: make_kafka({"some.property": 1})."""
    servers: list[KafkaServer] = []

    def make(properties: Mapping[str, object] | None = None) -> KafkaServer:
        servers.append(_started(tmp_path / f"kafka{len(servers)}", properties))
        return servers[-1]

    yield make
    for server in servers:
        server.close()


def _started_rabbit(
    directory: Path, config: Mapping[str, object] | None = None, erlang: str = ERLANG
) -> RabbitServer:
    try:
        server = RabbitServer(directory, config, erlang)
        server.start()
    except ServerUnavailable as reason:
        unavailable(reason)
        raise
    return server


@pytest.fixture(scope="session")
def rabbit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitServer]:
    """One RabbitMQ for the whole session; never stop it: `own_rabbit` is for that."""
    server = _started_rabbit(tmp_path_factory.mktemp("rabbit"))
    yield server
    server.close()


@pytest.fixture
def own_rabbit(tmp_path: Path) -> Iterator[RabbitServer]:
    """A RabbitMQ of this test alone, which it may stop, kill, alarm and start again."""
    server = _started_rabbit(tmp_path / "rabbit")
    yield server
    server.close()


@pytest.fixture(scope="module")
def brittle_rabbit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitServer]:
    """One that the tests of a file break one after another; each leaves it as it found it."""
    server = _started_rabbit(tmp_path_factory.mktemp("brittle"))
    yield server
    server.close()


@pytest.fixture
def make_rabbit(tmp_path: Path) -> Iterator[Callable[..., RabbitServer]]:
    """Makes a RabbitMQ of this test alone: make_rabbit({"some.key": 1}), as rabbitmq.conf writes it."""
    servers: list[RabbitServer] = []

    def make(config: Mapping[str, object] | None = None, erlang: str = ERLANG) -> RabbitServer:
        servers.append(_started_rabbit(tmp_path / f"rabbit{len(servers)}", config, erlang))
        return servers[-1]

    yield make
    for server in servers:
        server.close()


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator["Browser"]:
    """One real Chromium for the session; tests/browser/conftest.py hands it to its tests."""
    from support import chromium  # PERF: other suites have no use for selenium

    try:
        browser = chromium.start(tmp_path_factory.mktemp("downloads"))
    except ServerUnavailable as reason:
        unavailable(reason)
        raise
    yield browser
    browser.close()


@pytest.fixture
def leftovers(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Leftovers]:
    """Fails the test if a process, a memfd or eventfd, or a file in TMPDIR or XDG_RUNTIME_DIR is left over.

    Ask for it before the fixtures that start things, so that it looks after they have ended.
    """
    for server in {"kafka", "rabbit"} & set(request.fixturenames):
        request.getfixturevalue(server)  # the session's server is there before the test and stays after it
    before = Leftovers()
    scratch = before.watch(tmp_path_factory.mktemp("scratch"))
    monkeypatch.setenv("TMPDIR", str(scratch))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(scratch))
    monkeypatch.setattr(tempfile, "tempdir", None)
    adopt_orphans(True)
    try:
        yield before
        before.assert_none()
    finally:
        adopt_orphans(False)
