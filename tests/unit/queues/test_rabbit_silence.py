"""When a consumer that is given nothing counts as dead."""

from ringmain.queues.rabbit.silence import LOOK_S, Silence


def test_messages_that_wait_at_two_looks_in_a_row_mean_a_dead_consumer() -> None:
    silence = Silence()
    assert [silence.seen("q", messages) for messages in (3, 3, 1, 1)] == [False, True, False, True]


def test_an_empty_queue_or_something_that_came_between_begins_anew() -> None:
    silence = Silence()
    assert [silence.seen("q", messages) for messages in (3, 0, 3)] == [False, False, False]
    silence.broken(10.0)
    assert not silence.seen("q", 3)
    assert not silence.seen("other", 3)


def test_a_look_is_taken_now_and_then_and_not_soon_after_something_came() -> None:
    silence = Silence()
    assert [silence.is_time(now_s) for now_s in (100.0, 100.1, 100.0 + LOOK_S)] == [True, False, True]
    silence.broken(200.0)
    assert not silence.is_time(200.0 + LOOK_S / 2)
