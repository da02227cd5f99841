"""A handler process of a batch route on a real ring: what a call may do, and what it leaves."""

import pytest

from ringmain import lifecycle, verdict
from ringmain.config.schema import Batch, Retry
from support.waiting import eventually

SYNC = """
from ringmain.outcome import Batch
@app.batch_route("orders", dead_on=KeyError)
def load(orders: list[Order], messages: list[Message]):
    assert [message.value for message in messages] == [b'{"id":%d}' % order.id for order in orders]
    app.state.sizes.append(len(orders))
"""
ASYNC = SYNC.replace("def load", "async def load") + "    await asyncio.sleep(0)\n"
TELL = """
app.state.sizes = []
@app.on_stop
def tell(): os.write(2, b"sizes %s." % str(app.state.sizes).encode())
"""
FULL = Batch(messages=8, wait_s=0.05)

pytestmark = pytest.mark.parametrize("head", [pytest.param(SYNC, id="sync"), pytest.param(ASYNC, id="async")])


@pytest.fixture
def loader(handler, head):
    """loader(body, **route): the process of a batch route whose function ends in `body`."""

    def make(body: str = "", **route):
        route.setdefault("batch", FULL)
        route.setdefault("order", "none")
        return handler(head + body + TELL, **route)

    return make


def ids(*numbers: int) -> list[dict[str, int]]:
    return [{"id": n} for n in numbers]


def waiting(process, count: int) -> list[tuple[int, int, int, bytes]]:
    """What the feeder is told of so many messages that wait in place."""
    found: list[tuple[int, int, int, bytes]] = []

    def told() -> bool:
        process.feeder.settle()
        found.extend(process.feeder.take_events())
        return len(found) == count

    eventually(told, message=f"{count} wait in place")
    return found


def test_a_backlog_comes_in_full_batches(loader):
    process = loader()
    process.place(*ids(*range(20)))
    process.start()
    process.wait(done=20, calls=20)
    assert process.stop() == lifecycle.OK
    assert "sizes [8, 8, 4]." in process.said()


def test_few_messages_wait_for_company_and_are_called_when_their_time_is_over(loader):
    process = loader(batch=Batch(messages=1000, wait_s=0.3)).start()
    for n in range(3):
        process.place({"id": n})
    process.wait(done=3)
    assert process.stop() == lifecycle.OK
    assert "sizes [3]." in process.said()


def test_a_stop_does_not_wait_for_a_batch_to_fill(loader):
    process = loader(batch=Batch(messages=1000, wait_s=3600)).start()
    process.place(*ids(0, 1, 2))
    eventually(lambda: process.feeder.unclaimed == 0, message="they are held")
    assert process.counters().calls == 0
    assert process.stop() == lifecycle.OK
    assert process.counters().done == 3


def test_each_message_gets_what_is_said_of_it(loader):
    process = loader(
        """
    return Batch(retry=[orders[1], (messages[2], "later")], skip=[3], dead=[(orders[4], "bad")], after_s=60)
"""
    )
    process.place(*ids(*range(8)))
    process.start()
    process.wait(calls=8, done=4, retry=2, skip=1, dead=1)


def test_what_cannot_be_decoded_never_reaches_the_handler(loader):
    process = loader("    assert [order.id for order in orders] == [0, 1]")
    process.place({"id": 0}, b"confidential", None, {"id": 1})
    process.start()
    process.wait(done=2, dead=1, skip=1, calls=4)
    assert process.stop() == lifecycle.OK
    assert "confidential" not in process.said()


def test_an_exception_tries_each_message_again_and_says_so_once(loader):
    process = loader("    raise RuntimeError('no')")
    process.place(*ids(*range(8)))
    process.start()
    process.wait(retry=8)
    assert process.stop() == lifecycle.OK
    assert process.said().count("batch failed, will be tried again") == 1
    assert "call failed" not in process.said()


def test_at_the_last_attempt_only_the_bad_one_dies(loader):
    process = loader("    assert 5 not in [order.id for order in orders], 'five'", retry=Retry(attempts=1))
    process.place(*ids(*range(8)))
    process.start()
    process.wait(done=7, dead=1)
    assert process.stop() == lifecycle.OK
    assert "sizes [8, 1, 1, 1, 1, 1, 1, 1, 1]." in process.said()


def test_an_exception_that_judges_a_message_is_heard_of_each_alone(loader):
    process = loader("    {o.id: 0 for o in orders if o.id not in (0, 5)}[orders[0].id]")
    process.place(*ids(*range(6)))
    process.start()
    process.wait(done=4, dead=2)


def test_whatever_class_a_call_raises_the_process_goes_on(loader):
    process = loader(
        """
    class Mute(Exception):
        def __str__(self): raise SystemExit
    if orders[0].id == 0: sys.exit(0)
    if orders[0].id == 8: raise KeyboardInterrupt
    if orders[0].id == 16: raise Mute
"""
    )
    process.place(*ids(*range(25)))
    process.start()
    process.wait(retry=24, done=1)
    assert process.stop() == lifecycle.OK


def test_a_result_that_ends_the_process_when_it_is_looked_at_leaves_nothing_undecided(loader):
    process = loader(
        """
    class Evil:
        @property
        def __class__(self): raise SystemExit(3)
    return Evil()
"""
    )
    process.place(*ids(*range(8)))
    process.start()
    process.wait(calls=8, dead=8)
    assert process.stop() == lifecycle.OK


@pytest.mark.parametrize(
    ("body", "counted"),
    [
        ("return Skip('no')", {"skip": 8}),
        ("raise Dead('no')", {"dead": 8}),
        ("return Retry(after_s=60)", {"retry": 8}),
        ("return 42", {"dead": 8}),
        ("return Batch(retry=[Order(99)], skip=[0])", {"dead": 7, "skip": 1}),
        ("return Batch(dead=[8])", {"dead": 8}),
    ],
)
def test_an_outcome_is_about_each_message(loader, body, counted):
    process = loader("    " + body)
    process.place(*ids(*range(8)))
    process.start()
    process.wait(calls=8, **counted)


def test_a_pause_is_about_each_message_and_closes_the_route(loader):
    process = loader("    if messages[0].attempt == 1: return Pause(60, 'away')")
    process.place(*ids(*range(8)))
    process.start()
    process.wait(calls=8)
    assert len(waiting(process, 8)) == 8


def test_a_key_comes_in_offset_order_and_behind_a_retry_of_it_nothing_counts(loader):
    process = loader("    return Batch(retry=[1], after_s=60) if len(orders) == 3 else None", order="key")
    process.place({"id": 0}, key=b"k")
    process.place(*ids(1, 2, 3), key=b"k")
    process.start()
    process.wait(done=2, retry=1)
    ((slot, _, attempt, detail),) = waiting(process, 1)
    assert (attempt, verdict.decode(detail).delay_s) == (1, 60)
    process.feeder.resume(slot, process.feeder.token(slot))
    process.feeder.flush()
    process.wait(done=4, calls=6)


def test_no_more_than_max_messages_are_begun(loader):
    process = loader(max_messages=10)
    process.place(*ids(*range(40)))
    process.start()
    assert process.exit_code() == lifecycle.RECYCLE
    assert process.counters().calls in (9, 10)


def test_middlewares_are_given_the_messages(loader):
    process = loader(
        """
@app.middleware
def count(call, messages): os.write(2, b"messages %d." % len(messages)); return call()
"""
    )
    process.place(*ids(*range(8)))
    process.start()
    process.wait(done=8)
    process.stop()
    assert "messages 8." in process.said()


def test_a_child_that_a_call_forks_never_returns_into_the_loop(loader):
    process = loader(
        """
    pid = os.fork()
    if pid == 0: return None
    assert os.waitpid(pid, 0)[1] == 0
"""
    )
    process.place(*ids(*range(20)))
    process.start()
    process.wait(done=20, calls=20)
    assert process.stop() == lifecycle.OK


def test_compressed_values_are_read_by_their_headers(loader):
    process = loader("    assert all(type(order) is Order for order in orders)", compressed=True)
    process.place({"id": 0}, b"not compressed and no JSON", {"id": 2})
    process.start()
    process.wait(done=2, dead=1)
