"""RabbitMQ that cannot be used for a while: a state with its reason, and nothing is lost."""

import subprocess
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from ringmain.errors import QueuesAway
from ringmain.queues.contract import Publisher, Pumped, Taker
from ringmain.queues.filters import Filter
from ringmain.queues.rabbit import Access, RabbitQueues, TlsFiles, Topology, address
from support.dead_messages import died
from support.ports import free_ports
from support.queue_backends import (
    APP,
    DEAD,
    HOMES,
    READY,
    empty,
    message,
    offsets,
    publish,
    rabbit_access,
    rabbit_queues,
    settle,
    take,
    take_all,
)
from support.rabbit_server import ERLANG, RabbitServer
from support.waiting import eventually, never

MANY = 20_000
BACK_S = 60.0


@pytest.fixture
def server(brittle_rabbit: RabbitServer) -> Iterator[RabbitServer]:
    empty(brittle_rabbit.url)
    yield brittle_rabbit
    brittle_rabbit.mend()


class Sender:
    """As the courier publishes: what is lost goes again, until every message is confirmed."""

    def __init__(self, publisher: Publisher) -> None:
        self.publisher = publisher
        self.confirmed: set[int] = set()
        self.lost = 0
        self._waiting: list[int] = []
        self._open: dict[int, int] = {}

    def give(self, numbers: Iterable[int]) -> None:
        self._waiting += numbers

    def step(self) -> bool:
        """One turn; True when all that was given is confirmed."""
        batch = self._waiting[: min(500, self.publisher.room())]
        del self._waiting[: len(batch)]
        tickets = self.publisher.publish([(READY, message(number)) for number in batch])
        self._open.update(zip(tickets, batch, strict=True))
        self.publisher.pump()
        settled = self.publisher.settled()
        assert settled.refused == []
        self.confirmed.update(self._open.pop(ticket) for ticket in settled.confirmed)
        again = [self._open.pop(ticket) for ticket in settled.lost]
        self.lost += len(again)
        self._waiting += again
        return not self._waiting and not self._open

    @property
    def under_way(self) -> int:
        return len(self._open)


def is_away(pumped: Pumped) -> Callable[[], str]:
    def reason() -> str:
        pumped.pump()
        away = pumped.away()
        return away.reason if away else ""

    return reason


def is_back(pumped: Pumped) -> Callable[[], bool]:
    return lambda: not is_away(pumped)()


def stop_app(server: RabbitServer) -> None:
    server.stop_app()


def kill(server: RabbitServer) -> None:
    server.kill()


def make_ready(server: RabbitServer) -> None:
    """A quorum queue that is killed within a second of its birth stays broken: RabbitMQ 3.10's own fault."""
    with closing(rabbit_queues(server.url).taker([READY])) as taker:
        take_all(taker)
    server.stop_app()
    server.start_app()


def come_back(server: RabbitServer, how: Callable[[RabbitServer], None]) -> None:
    if how is stop_app:
        server.start_app()
    else:
        server.start()


def test_a_server_that_is_away_at_the_start_is_said_and_met_when_it_comes(server: RabbitServer) -> None:
    queues = rabbit_queues(server.url)
    server.kill()
    with closing(queues.publisher()) as publisher, closing(queues.taker([READY])) as taker:
        assert f"127.0.0.1:{server.port}" in eventually(is_away(publisher))
        assert "refused" in eventually(is_away(taker))
        assert publisher.room() == 0
        assert publish(publisher, READY, [message(1)]).lost
        with pytest.raises(QueuesAway, match="refused"):
            queues.try_out()
        with pytest.raises(QueuesAway, match=str(server.port)):
            queues.depths()
        server.start()
        eventually(lambda: is_back(publisher)() and publisher.room() > 0, BACK_S)
        assert publish(publisher, READY, [message(2)]).lost == []
        assert offsets(take(taker, 1, BACK_S)) == [2]
        queues.try_out()


@pytest.mark.parametrize("how", [stop_app, kill])
def test_an_outage_with_thousands_unconfirmed_loses_none_of_them(
    server: RabbitServer, how: Callable[[RabbitServer], None]
) -> None:
    make_ready(server)
    queues = rabbit_queues(server.url)
    with closing(queues.publisher()) as publisher:
        sender = Sender(publisher)
        sender.give(range(MANY))
        eventually(lambda: sender.step() or len(sender.confirmed) > 2000, 30.0)
        eventually(lambda: sender.step() or sender.under_way > 1000)
        how(server)
        eventually(lambda: sender.step() or is_away(publisher)(), 30.0)
        assert sender.lost > 0
        never(sender.step, 0.5)
        come_back(server, how)
        eventually(sender.step, BACK_S)
        assert sender.confirmed == set(range(MANY))
    with closing(queues.taker([READY])) as taker:
        taker.hold(16_000)
        seen: set[int] = set()

        def drained() -> bool:
            taker.pump()
            while held := taker.take(1000):
                seen.update(offsets(held))
                settle(taker, held)
            return seen >= set(range(MANY))

        eventually(drained, 60.0)


@pytest.mark.parametrize("how", [stop_app, kill])
def test_what_a_taker_held_comes_again_after_an_outage_and_old_tags_settle_nothing(
    server: RabbitServer, how: Callable[[RabbitServer], None]
) -> None:
    make_ready(server)
    queues = rabbit_queues(server.url)
    with closing(queues.publisher()) as publisher:
        publish(publisher, READY, map(message, range(100)))
    with closing(queues.taker([READY])) as taker:
        held = take(taker, 100)
        settle(taker, held[:50])
        eventually(lambda: taker.pump() or not queues.depths())
        how(server)
        eventually(is_away(taker))
        come_back(server, how)
        again = take(taker, 50, BACK_S)
        assert sorted(offsets(again)) == list(range(50, 100))
        # The first delivery of the new connection has the broker's number 1, as one of the old had.
        settle(taker, held)
    with closing(queues.taker([READY])) as later:
        assert sorted(offsets(take(later, 50))) == list(range(50, 100))


def test_a_memory_alarm_is_said_and_what_was_sent_is_confirmed_when_it_ends(server: RabbitServer) -> None:
    queues = rabbit_queues(server.url)
    with closing(queues.publisher()) as publisher, closing(queues.taker([READY])) as taker:
        publish(publisher, READY, [message(0)])
        assert offsets(take(taker, 1)) == [0]
        server.raise_alarm()
        try:
            sender = Sender(publisher)
            sender.give(range(1, 1000))
            reason = eventually(lambda: sender.step() or is_away(publisher)())
            assert "low on memory" in str(reason)
            never(lambda: sender.step() or publisher.room() > 0, 1.0)
            # Who only takes is not in the way.
            assert taker.away() is None
        finally:
            server.clear_alarm()
        eventually(sender.step, BACK_S)
        assert sender.lost == 0
        assert publisher.away() is None
        taker.hold(2000)
        assert len(take(taker, 999)) == 999


def test_a_server_that_falls_silent_is_away_once_its_heartbeats_fail(
    server: RabbitServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ringmain.queues.rabbit.connection.HEARTBEAT_S", 2)
    with closing(rabbit_queues(server.url).publisher()) as publisher:
        publish(publisher, READY, [message(1)])
        server.freeze()
        try:
            reason = eventually(is_away(publisher), 20.0)
            assert "not a sign" in reason
        finally:
            server.thaw()
        eventually(is_back(publisher), BACK_S)


def test_a_process_that_was_busy_for_long_keeps_its_connection_alive_by_beating(
    server: RabbitServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ringmain.queues.rabbit.connection.HEARTBEAT_S", 2)
    with closing(rabbit_queues(server.url).publisher()) as publisher:
        publish(publisher, READY, [message(1)])

        def beats() -> bool:
            assert (publisher.timeout_s() or 0) <= 1.0
            publisher.pump()
            return publisher.away() is not None

        # Nothing but heartbeats for longer than the broker waits without them.
        never(beats, 6.0)
        assert publish(publisher, READY, [message(2)]).lost == []


def test_a_wrong_password_is_named_retried_and_over_once_it_is_right(server: RabbitServer) -> None:
    server.add_user("billing", "right")
    queues = rabbit_queues(server.url, username="billing", password="wrong-one")
    with pytest.raises(QueuesAway, match="refuses user 'billing'") as refused:
        queues.try_out()
    assert "wrong-one" not in str(refused.value)
    with closing(queues.publisher()) as publisher:
        assert "refuses user 'billing'" in eventually(is_away(publisher))
        server.change_password("wrong-one", "billing")
        eventually(lambda: is_back(publisher)() and publisher.room() > 0, BACK_S)
        assert publish(publisher, READY, [message(1)]).lost == []


def test_who_may_not_publish_is_told_so_and_is_not_refused_at_full_speed(
    server: RabbitServer, caplog: pytest.LogCaptureFixture
) -> None:
    server.add_user("narrow", "narrow")
    server.permit("narrow", "^shop[.]", "^shop[.]", "^shop[.]")
    with closing(rabbit_queues(server.url, username="narrow", password="narrow").publisher()) as publisher:

        def refused() -> str:
            if publisher.room():
                publisher.publish([(READY, message(1))])
            publisher.pump()
            away = publisher.away()
            return away.reason if away else ""

        assert "access to exchange 'amq.default'" in eventually(refused)
        never(lambda: not refused(), 1.0)
        assert caplog.messages.count("rabbitmq closed the channel") == 1
        assert len(publisher.settled().lost) < 20
        server.permit("narrow", "^shop[.]", "amq[.]default", "^shop[.]")
        eventually(lambda: refused() == "" and publisher.settled().confirmed, BACK_S)
        assert publisher.away() is None


def test_what_would_not_work_is_found_before_anything_depends_on_it(server: RabbitServer) -> None:
    server.add_user("poor", "poor")
    poor = rabbit_queues(server.url, username="poor", password="poor")
    for rights, said in [
        (("none", "none", "none"), "queue 'shop.dead.scan'.* needs configure, write and read on shop"),
        (("^shop[.]", "^shop[.]", "^shop[.]"), "access to exchange 'amq.default'"),
    ]:
        server.permit("poor", *rights)
        with pytest.raises(QueuesAway, match=said):
            poor.try_out()
    server.permit("poor", "^shop[.]", "^(shop[.]|amq[.]default$)", "^shop[.]")
    poor.try_out()
    assert ["shop.dead.scan"] not in server.queues("name")


def test_a_virtual_host_that_is_not_there_is_named(server: RabbitServer) -> None:
    with pytest.raises(QueuesAway, match="virtual host 'nowhere'"):
        rabbit_queues(f"amqp://127.0.0.1:{server.port}/nowhere").try_out()


def test_of_several_urls_the_first_that_answers_is_used(server: RabbitServer) -> None:
    [nobody] = free_ports(1)
    urls = [f"amqp://127.0.0.1:{nobody}/", server.url]
    queues = RabbitQueues(APP, Access([address(url) for url in urls]), Topology("quorum"), HOMES)
    queues.try_out()
    with closing(queues.publisher()) as publisher:
        eventually(lambda: publisher.pump() or publisher.room() > 0)
        assert publish(publisher, READY, [message(1)]).lost == []


def test_what_is_no_rabbitmq_and_what_has_no_address_are_said(server: RabbitServer) -> None:
    with pytest.raises(QueuesAway, match=r"no-such-host\.invalid"):
        rabbit_queues("amqp://no-such-host.invalid/").try_out()
    with pytest.raises(QueuesAway, match="no TLS"):
        rabbit_queues(f"amqps://127.0.0.1:{server.port}/").try_out()


def test_a_queue_feeder_is_told_when_the_broker_takes_back_what_was_held_too_long(
    make_rabbit: Callable[..., RabbitServer], caplog: pytest.LogCaptureFixture
) -> None:
    impatient = f"{ERLANG} -rabbit channel_tick_interval 1000"
    url = make_rabbit({"consumer_timeout": 2000}, impatient).url
    queues = rabbit_queues(url, "classic")
    with closing(queues.publisher()) as publisher, closing(queues.taker([READY])) as taker:
        publish(publisher, READY, [message(1)])
        held = take(taker, 1)
        again = take(taker, 1, 30.0)
        settle(taker, held)
        settle(taker, again)
        assert "took back" in caplog.text
        assert taker.away() is None


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CA, a server's certificate for localhost, a client's."""
    folder = tmp_path_factory.mktemp("tls")

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    for name in ("ca", "other"):
        openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={name}",
                "-keyout", f"{name}.key", "-out", f"{name}.pem")  # fmt: skip
    (folder / "names").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
    for name in ("server", "client"):
        openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}", "-keyout", f"{name}.key",
                "-out", f"{name}.csr")  # fmt: skip
        openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
                "-days", "2", "-extfile", "names", "-out", f"{name}.pem")  # fmt: skip
    return folder


def test_tls_with_a_client_certificate_goes_through_and_refusals_name_the_reason(
    make_rabbit: Callable[..., RabbitServer], certificates: Path
) -> None:
    [port] = free_ports(1)
    make_rabbit(
        {
            "listeners.ssl.1": f"127.0.0.1:{port}",
            "ssl_options.cacertfile": certificates / "ca.pem",
            "ssl_options.certfile": certificates / "server.pem",
            "ssl_options.keyfile": certificates / "server.key",
            "ssl_options.verify": "verify_peer",
            "ssl_options.fail_if_no_peer_cert": "true",
        }
    )
    url = f"amqps://localhost:{port}/"
    files = {name: str(certificates / name) for name in ("ca.pem", "client.pem", "client.key", "other.pem")}
    whole = TlsFiles(files["ca.pem"], files["client.pem"], files["client.key"])
    queues = rabbit_queues(url, tls=whole)
    queues.try_out()
    with closing(queues.publisher()) as publisher, closing(queues.taker([READY])) as taker:
        publish(publisher, READY, [message(number, value=b"x" * 300_000) for number in range(50)])
        assert len(take(taker, 50)) == 50
    for tls, said in (
        (TlsFiles(files["other.pem"], whole.cert, whole.key), "certificate cannot be trusted"),
        (TlsFiles(files["ca.pem"]), "RabbitMQ at localhost"),
        (whole._replace(ca=str(certificates / "absent.pem")), "absent.pem"),
    ):
        with pytest.raises(QueuesAway, match=said):
            rabbit_queues(url, tls=tls).try_out()


def test_a_taker_is_awake_at_once_when_the_server_comes_back(server: RabbitServer) -> None:
    queues = rabbit_queues(server.url)
    taker: Taker
    with closing(queues.taker([READY])) as taker:
        take_all(taker)
        server.stop_app()
        eventually(is_away(taker))
        server.start_app()
        with closing(queues.publisher()) as publisher:
            publish(publisher, READY, [message(1)])
        assert offsets(take(taker, 1, 10.0)) == [1]


def test_a_confirm_that_comes_too_late_speaks_for_no_message_of_the_next_batch(
    server: RabbitServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    queues = rabbit_queues(server.url)
    with closing(queues.publisher()) as publisher:
        publish(publisher, DEAD, map(died, range(12)))
    monkeypatch.setattr("ringmain.queues.rabbit.outbox.CONFIRM_S", 0.5)
    with closing(queues.dead_set()) as dead_set, closing(dead_set.hold("ada")) as hold:
        picked = hold.pick(Filter(), at_once=4)
        assert len(hold.replay(next(picked)[:1]).done) == 1  # the ready queue is there
        second = next(picked)
        try:
            server.freeze()
            assert hold.replay(second).done == []
            server.thaw()
            eventually(lambda: queues.depths()[READY].messages == 5)  # the confirms are on their way
            third = next(picked)
            server.freeze()
            monkeypatch.setattr("ringmain.queues.rabbit.line.ANSWER_S", 0.5)
            removed: list[str] = []
            monkeypatch.setattr(hold, "remove", removed.extend)
            with pytest.raises(QueuesAway):
                hold.replay(third)
            assert removed == []
            monkeypatch.undo()
        finally:
            server.thaw()


def test_access_says_no_password() -> None:
    assert "secret" not in str(rabbit_access("amqp://me:secret@host:1/v").addresses[0])
