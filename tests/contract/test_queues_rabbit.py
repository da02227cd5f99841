"""RabbitMQ's own side of the contract: what its queues look like, and messages that are not as usual."""

import threading
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest
from pika import spec

from ringmain.clerk import actions
from ringmain.clock import monotonic_s
from ringmain.errors import QueuesRefused
from ringmain.queues import frames, names
from ringmain.queues.contract import Taker
from ringmain.queues.envelope import Envelope, Foreign, Packed
from ringmain.queues.filters import Filter
from ringmain.queues.rabbit import RabbitQueues, amqp
from ringmain.queues.rabbit import taker as taker_module
from ringmain.queues.rabbit.line import Line
from ringmain.queues.rabbit.locks import Locks
from ringmain.queues.rabbit.scan import Hand, Scan
from ringmain.queues.rabbit.topology import Topology
from support.dead_messages import died
from support.queue_backends import (
    APP,
    DEAD,
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
from support.rabbit_server import RabbitServer
from support.waiting import eventually, never

DELAY = names.delay(APP, "orders", 1)
OVERFLOW = names.overflow(APP, "orders")
MANY = 5000


@pytest.fixture
def url(rabbit: RabbitServer) -> str:
    empty(rabbit.url)
    return rabbit.url


@pytest.fixture
def queues(url: str) -> RabbitQueues:
    return rabbit_queues(url)


@pytest.fixture
def line(url: str) -> Iterator[Line]:
    with closing(Line(rabbit_access(url))) as line:
        yield line


def put(line: Line, queue: str, body: bytes, **known: object) -> None:
    """Publish as any other client does."""
    channel = line.channel()
    encoded = b"".join(spec.BasicProperties(**known).encode())
    line.send(amqp.publish_method(channel, queue), *amqp.content(channel, encoded, body, line.frame_bytes))


def first_property(line: Line, queue: str) -> spec.BasicProperties:
    """The properties of the queue's first message, as pika decodes them."""
    channel = line.channel()
    line.ask(channel, spec.Basic.Consume(queue=queue, consumer_tag="look"))
    delivered = eventually(
        lambda: next((one for one in line.events(0.1) if isinstance(one, amqp.Delivered)), None)
    )
    return spec.BasicProperties().decode(delivered.properties)


def test_queues_are_made_when_needed_and_are_as_product_says(
    rabbit: RabbitServer, queues: RabbitQueues
) -> None:
    with closing(queues.publisher()) as publisher, closing(queues.taker([READY, OVERFLOW])) as taker:
        publish(publisher, DELAY, [message(1)])
        publish(publisher, DEAD, [message(2)])
        assert offsets(take(taker, 1)) == [1]
        listed = rabbit.queues("name", "type", "durable", "arguments")
    found = {row[0]: row[1:] for row in listed if row[0].startswith(f"{APP}.orders.")}
    assert set(found) == {READY, DELAY, DEAD, OVERFLOW}
    assert {tuple(row[:2]) for row in found.values()} == {("quorum", "true")}
    for said in ('"x-message-ttl",1000', "at-least-once", "reject-publish", f'"{READY}"'):
        assert said in found[DELAY][2].replace("{", "").replace("}", "")
    assert "x-delivery-limit" in found[READY][2]


def test_a_retry_that_came_through_a_delay_says_where_it_comes_from_once(
    queues: RabbitQueues, line: Line
) -> None:
    with closing(queues.publisher()) as publisher:
        publish(publisher, DELAY, [message(1)])
        eventually(lambda: READY in queues.depths())
        with closing(queues.taker([READY])) as taker:
            [delivery] = take(taker, 1)
            assert isinstance(delivery.envelope, Envelope)
            publish(publisher, DEAD, [delivery.envelope])
    properties = first_property(line, DEAD)
    assert not [name for name in properties.headers if name.startswith(("x-death", "x-first-death"))]
    assert properties.headers["x-ringmain-offset"] == 1
    assert properties.delivery_mode == 2


def test_metadata_above_the_frame_limit_and_a_large_value_go_through(queues: RabbitQueues) -> None:
    large = message(1, headers=[("h", b"x" * 1000)] * 300)
    heavy = message(2, value=b"v" * 3_000_000)
    with closing(queues.publisher()) as publisher, closing(queues.taker([READY])) as taker:
        publish(publisher, READY, [large, heavy, message(3)])
        held = take(taker, 3)
    assert [delivery.envelope for delivery in held] == [large, heavy, message(3)]


def test_a_frame_goes_out_and_comes_back_as_one_delivery(queues: RabbitQueues) -> None:
    packed = frames.pack([message(number) for number in range(500)])
    with closing(queues.publisher()) as publisher, closing(queues.taker([READY, OVERFLOW])) as taker:
        [ticket] = publisher.publish([(OVERFLOW, packed)])
        eventually(lambda: publisher.pump() or publisher.settled().confirmed == [ticket])
        [delivery] = take(taker, 1)
        assert (delivery.queue, delivery.envelope) == (OVERFLOW, packed)
        assert isinstance(delivery.envelope, Packed)
        assert len(frames.unpack(delivery.envelope.body)) == 500
        settle(taker, [delivery])
    eventually(lambda: OVERFLOW not in queues.depths())


@pytest.mark.parametrize(
    "known",
    [{}, {"headers": {"a": "b"}}, {"headers": {"x-ringmain-topic": 7}}, {"content_type": "application/json"}],
)
def test_what_somebody_else_published_is_foreign_and_can_be_acked(
    queues: RabbitQueues, line: Line, known: dict[str, object]
) -> None:
    with closing(queues.taker([READY])) as taker:
        take_all(taker)
        put(line, READY, b"not ours", **known)
        [delivery] = take(taker, 1)
        assert isinstance(delivery.envelope, Foreign)
        assert delivery.envelope.body == b"not ours"
        settle(taker, [delivery])
    never(lambda: READY in queues.depths(), 0.5)


def test_of_many_that_are_acked_in_any_order_none_comes_again(queues: RabbitQueues) -> None:
    with closing(queues.publisher()) as publisher:
        publish(publisher, READY, map(message, range(MANY)))
    with closing(queues.taker([READY])) as taker:
        seen: list[int] = []

        def all_seen() -> bool:
            taker.pump()
            held = taker.take(100)
            seen.extend(offsets(held))
            tags = [delivery.tag for delivery in held]
            taker.ack(tags[1::2])
            taker.ack(tags[::-2])
            taker.ack(tags)
            return len(seen) >= MANY

        eventually(all_seen, 30.0)
    assert sorted(seen) == list(range(MANY))
    eventually(lambda: not queues.depths())


def test_what_is_settled_one_by_one_is_acked_together(
    queues: RabbitQueues, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[int] = []
    ack = amqp.ack
    monkeypatch.setattr(
        amqp, "ack", lambda channel, number, all_: told.append(number) or ack(channel, number, all_)
    )
    monkeypatch.setattr(taker_module, "ACKS_APART_S", 3600.0)
    with closing(queues.publisher()) as publisher:
        publish(publisher, READY, map(message, range(60)))
    with closing(queues.taker([READY])) as taker:
        for delivery in take(taker, 60):
            settle(taker, [delivery])
        assert told == [1]
        monkeypatch.setattr(taker_module, "ACKS_APART_S", 0.0)
        assert taker.timeout_s() == 0.0
        taker.pump()
        assert told == [1, 60]
    with closing(queues.taker([READY])) as later:
        assert take_all(later) == []


def test_what_few_may_be_held_of_is_acked_at_once(
    queues: RabbitQueues, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(taker_module, "ACKS_APART_S", 3600.0)
    with closing(queues.publisher()) as publisher:
        publish(publisher, READY, map(message, range(40)))
    with closing(queues.taker([READY])) as taker:
        taker.hold(2)
        for _ in range(40):
            settle(taker, take(taker, 1))
    with closing(queues.taker([READY])) as later:
        assert take_all(later) == []


def test_a_taker_holds_no_more_than_it_may(queues: RabbitQueues) -> None:
    with closing(queues.publisher()) as publisher:
        publish(publisher, READY, map(message, range(1000)))
    with closing(queues.taker([READY])) as taker:
        taker.hold(100)
        held = take_all(taker)
        assert 50 <= len(held) <= 100
        taker.hold(700)
        more = take_all(taker)
        assert 512 - len(held) <= len(more) <= 700
        taker.ack([delivery.tag for delivery in held + more])
        taker.hold(0)
        eventually(lambda: taker.pump() or queues.depths().get(READY, (0,))[0] == 1000 - len(held + more))
        assert take_all(taker) == []
        taker.hold(64)
        assert len(take_all(taker)) == 64


def test_a_taker_that_nobody_asks_gives_back_what_it_did_not_hand_out(
    queues: RabbitQueues, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ringmain.queues.rabbit.taker.IDLE_S", 0.5)
    with closing(queues.publisher()) as publisher, closing(queues.taker([READY])) as idle:
        publish(publisher, READY, map(message, range(50)))
        held = take(idle, 5)
        eventually(lambda: idle.pump() or queues.depths().get(READY, (0,))[0] == 45)
        settle(idle, held)
        assert len(take(idle, 45)) == 45


def test_a_body_over_the_brokers_limit_is_refused_and_the_others_are_safe(
    make_rabbit: Callable[..., RabbitServer],
) -> None:
    queues = rabbit_queues(make_rabbit({"max_message_size": 1_000_000}).url)
    with closing(queues.publisher()) as publisher:
        batch = [message(number, value=b"x" * (2_000_000 if number == 50 else 100)) for number in range(100)]
        settled = publish(publisher, READY, batch)
        assert len(settled.refused) == 1
        assert "1000000" in settled.refused[0].reason
        eventually(lambda: publisher.pump() or publisher.room() > 0)
        lost = [ticket - settled.refused[0].ticket + 50 for ticket in settled.lost]
        assert len(publish(publisher, READY, map(message, lost)).confirmed) == len(lost)
        # Known now: not even sent.
        assert publish(publisher, READY, [message(1, value=b"x" * 1_000_001)]).refused
        assert publisher.away() is None
    with closing(queues.taker([READY])) as taker:
        assert set(offsets(take_all(taker))) == set(range(100)) - {50}


@pytest.mark.parametrize("queue", [READY, DELAY])
def test_a_queue_with_other_arguments_is_named_with_both_and_never_changed(
    rabbit: RabbitServer, url: str, queue: str
) -> None:
    classic = rabbit_queues(url, "classic")
    with closing(classic.publisher()) as publisher:
        publish(publisher, queue, [message(1)])
    classic.try_out()
    plain = r"^RabbitMQ at .*exists with other arguments.*'classic'.*set queues\.type"
    with pytest.raises(QueuesRefused, match=plain):
        rabbit_queues(url).try_out()
    other = names.ready(APP, "refunds")
    with closing(rabbit_queues(url).publisher()) as publisher:
        publisher.publish([(queue, message(2)), (other, message(3))])
        away = eventually(lambda: publisher.pump() or publisher.away())
        assert away is not None
        assert away.refused, "a person has to act"
        for said in ("shop.orders", "'x-queue-type'", "'quorum'", "'classic'", "queues.type"):
            assert said in away.reason
        # The other route's messages go on.
        confirmed: list[int] = []
        eventually(lambda: publisher.pump() or confirmed.extend(publisher.settled().confirmed) or confirmed)
        assert confirmed == [2]
        assert publisher.room() > 0
        for name in (queue, READY):
            rabbit.delete_queue(name) if name in {row[0] for row in rabbit.queues("name")} else None
        eventually(lambda: publisher.pump() or 1 in publisher.settled().confirmed)
        assert publisher.away() is None


def test_a_taker_says_which_queue_is_otherwise_and_takes_it_once_it_is_right(
    rabbit: RabbitServer, url: str
) -> None:
    with closing(rabbit_queues(url, "classic").publisher()) as publisher:
        publish(publisher, READY, [message(1)])
    with closing(rabbit_queues(url).taker([READY])) as taker:
        away = eventually(lambda: taker.pump() or taker.away())
        assert away is not None
        assert READY in away.reason
        rabbit.delete_queue(READY)
        eventually(lambda: taker.pump() or taker.away() is None)
        with closing(rabbit_queues(url).publisher()) as publisher:
            publish(publisher, READY, [message(2)])
        assert offsets(take(taker, 1)) == [2]


def test_a_queue_deleted_under_publisher_and_taker_is_made_again(
    rabbit: RabbitServer, queues: RabbitQueues
) -> None:
    with closing(queues.publisher()) as publisher, closing(queues.taker([READY])) as taker:
        publish(publisher, READY, [message(1)])
        held = take(taker, 1)
        rabbit.delete_queue(READY)
        first = publish(publisher, READY, [message(2), message(3)])
        again = publish(publisher, READY, map(message, range(10, 10 + len(first.lost))))
        assert len(first.confirmed) + len(again.confirmed) == 2
        assert not again.lost
        settle(taker, held)
        assert len(take(taker, 2, 15.0)) == 2
        assert taker.away() is None


def test_depths_of_many_routes_are_asked_in_few_round_trips(url: str) -> None:
    homes = [(f"route{number}", "") for number in range(40)]
    queues = RabbitQueues(APP, rabbit_access(url), Topology("quorum"), homes)
    start_s = monotonic_s()
    assert queues.depths() == {}
    assert len(list(queues.every_queue())) > 1000
    assert monotonic_s() - start_s < 15.0


def test_what_is_acked_last_is_gone_although_the_taker_left_at_once(queues: RabbitQueues) -> None:
    with closing(queues.publisher()) as publisher:
        publish(publisher, READY, map(message, range(2000)))
    taker: Taker = queues.taker([READY])
    taker.hold(4000)
    held = take(taker, 2000)
    taker.ack([delivery.tag for delivery in held])
    taker.close()
    eventually(lambda: not queues.depths())
    with closing(queues.taker([READY])) as later:
        assert take_all(later) == []


def test_a_look_has_few_bodies_in_memory_however_much_waits(
    queues: RabbitQueues, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    fill = Scan._fill

    def noted(scan: Scan, channel: int, step: int) -> Hand:
        hand = fill(scan, channel, step)
        seen.append(sum(len(delivered.body) for delivered in hand.arrived))
        return hand

    monkeypatch.setattr(Scan, "_fill", noted)
    monkeypatch.setattr("ringmain.queues.rabbit.scan._BUFFER_BYTES", 1 << 20)
    with closing(queues.publisher()) as publisher:
        for queue in (READY, DEAD):
            publish(publisher, queue, [died(number, value=bytes(20_000)) for number in range(200)])
    with closing(queues.search()) as search:
        assert len(list(search.find(Filter(key=b"k7")))) == 2
    with closing(queues.dead_set()) as dead_set:
        for _ in range(
            2
        ):  # a quorum queue keeps what came back apart: the second look has all of that in hand
            assert len(dead_set.page(Filter(), 10).entries) == 10
    assert max(seen) <= 64 * 20_000


def test_metadata_above_the_brokers_own_frames_goes_through(make_rabbit: Callable[..., RabbitServer]) -> None:
    queues = rabbit_queues(make_rabbit({"frame_max": 8192}).url)
    with closing(queues.publisher()) as publisher, closing(queues.taker([READY])) as taker:
        for size in (7_500, 8_000, 8_100, 20_000):
            large = message(size, headers=[("h", b"x" * size)])
            assert len(publish(publisher, READY, [large]).confirmed) == 1
            assert take(taker, 1)[0].envelope == large


def test_a_job_is_about_what_somebody_who_looks_has_in_hand_too(queues: RabbitQueues, line: Line) -> None:
    with closing(queues.publisher()) as publisher:
        publish(publisher, DEAD, map(died, range(10)))
    locks, scan = Locks(line, APP), Scan(line, "quorum")
    locks.take_scan(1.0)
    assert next(scan.rows(DEAD, 10, 10)).queue == DEAD

    def let_go() -> None:
        scan.release()
        locks.leave_scan()

    looker = threading.Timer(1.0, let_go)
    looker.start()
    with closing(queues.dead_set()) as dead_set:
        mark = dead_set.mark()
        with closing(dead_set.hold("ada")) as hold:
            picked = [dead.envelope.offset for batch in hold.pick(Filter(), mark) for dead in batch]
    looker.join()
    assert picked == list(range(10))


@pytest.mark.parametrize("error", [None, "KeyError"])
def test_what_a_job_deletes_last_does_not_come_back_with_its_connection(
    queues: RabbitQueues, error: str | None
) -> None:
    """A quorum queue's client keeps acks back while many are under way, and they went with the channel."""
    for _ in range(6):
        with closing(queues.publisher()) as publisher:
            publish(publisher, DEAD, map(died, range(600)))
        with closing(queues.dead_set()) as dead_set, closing(dead_set.hold("ada")) as hold:
            batches = hold.pick(Filter(error=error), dead_set.mark())
            deleted = sum(len(actions.delete(hold, batch).done) for batch in batches)
        with closing(queues.dead_set()) as dead_set:
            assert sum(count.messages for count in dead_set.summary(Filter(), [])) == 600 - deleted
            with closing(dead_set.hold("ada")) as hold:
                for batch in hold.pick(Filter()):
                    hold.remove([dead.id for dead in batch])
