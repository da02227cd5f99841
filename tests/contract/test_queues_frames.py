"""The contract of overflow, held against every backend: frames come back as they went, one by one."""

from contextlib import closing

from ringmain.queues import frames, names
from ringmain.queues.contract import Queues
from ringmain.queues.envelope import Packed
from support.queue_backends import APP, READY, message, publish, settle, take, take_all
from support.waiting import eventually, never

OVERFLOW = names.overflow(APP, "orders")


def publish_frames(queues: Queues, sent: list[Packed]) -> None:
    with closing(queues.publisher()) as publisher:
        tickets = set(publisher.publish([(OVERFLOW, packed) for packed in sent]))

        def confirmed() -> bool:
            publisher.pump()
            tickets.difference_update(publisher.settled().confirmed)
            return not tickets

        eventually(confirmed)


def test_frames_come_back_as_they_went_in_order_each_one_delivery(queues: Queues) -> None:
    sent = [frames.pack([message(n * 500 + each) for each in range(500)]) for n in range(12)]
    publish_frames(queues, sent)
    with closing(queues.taker([OVERFLOW])) as taker:
        held = take(taker, len(sent))
        assert [delivery.envelope for delivery in held] == sent
        assert {delivery.queue for delivery in held} == {OVERFLOW}
        settle(taker, held)
        assert take_all(taker) == []


def test_a_frame_that_was_not_acked_comes_again_as_a_whole(queues: Queues) -> None:
    sent = frames.pack([message(number) for number in range(10)])
    publish_frames(queues, [sent])
    with closing(queues.taker([OVERFLOW])) as taker:
        take(taker, 1)
    with closing(queues.taker([OVERFLOW])) as taker:
        (again,) = take(taker, 1)
        assert again.envelope == sent


def test_a_taker_holds_no_more_than_it_was_told_to(queues: Queues) -> None:
    with closing(queues.publisher()) as publisher:
        publish(publisher, READY, [message(number) for number in range(20)])
    with closing(queues.taker([READY])) as taker:
        taker.hold(4)
        held = take(taker, 4)

        def more() -> object:
            taker.pump()
            return taker.take(10)

        never(more, 0.3)
        with closing(queues.taker([READY])) as other:
            settle(other, take(other, 16))
        settle(taker, held[:3])
        taker.give_back([held[3].tag])
        taker.pump()
        taker.hold(1)
        assert len(take(taker, 1)) == 1
