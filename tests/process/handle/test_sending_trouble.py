"""A handler process whose Kafka is away, whose calls fork, or leave something behind: nobody is blamed."""

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from ringmain.config.schema import Producer, Retry
from support.waiting import eventually

MOCK = {"bootstrap.servers": "mock", "test.mock.num.brokers": "1"}
ABSENT = {"bootstrap.servers": "127.0.0.1:1"}
ONCE = Retry(attempts=1)
Make = Callable[..., Any]
SYNC = """
@app.route("orders")
def handle(order: Order) -> None:
"""
ASYNC = SYNC.replace("def handle", "async def handle")
BATCH = """
@app.batch_route("orders")
def load(orders: list[Order]) -> None:
"""
ASYNC_BATCH = BATCH.replace("def load", "async def load")


@pytest.fixture
def sender(handler: Make) -> Make:
    """handler(), with a producer `out` on a Kafka that is away, or elsewhere; a message has one attempt."""

    def make(body: str, kafka: dict[str, str] = ABSENT, **route: Any) -> Any:
        one = handler('out = app.producer("out")\n' + body, retry=ONCE, **route)
        one.config = replace(one.config, producers={"out": Producer(kafka=kafka)}, stop_s=5.0)
        return one.start()

    return make


@pytest.mark.parametrize("body", [SYNC, BATCH], ids=["one", "batch"])
def test_a_call_that_waits_in_its_place_for_a_kafka_that_is_away_uses_up_no_attempt(
    sender: Make, body: str
) -> None:
    one = sender(body + '    out.send("bills", b"")\n', order="partition", timeout_s=1.0)
    one.place({"id": 0})
    one.wait(retry=1, dead=0)
    assert "Kafka has not confirmed it in the time of its call" in one.said()


def test_a_queue_that_stays_full_because_kafka_is_away_uses_up_no_attempt(sender: Make) -> None:
    body = SYNC + '    for _ in range(5): out.send("bills", b"")\n'
    one = sender(body, {**ABSENT, "queue.buffering.max.messages": "3"}, timeout_s=1.0)
    one.place({"id": 0})
    one.wait(retry=1, dead=0)
    assert "no room in the client's queue within 0.5 s" in one.said()


def test_a_stop_does_not_wait_for_a_call_that_waits_in_its_place(sender: Make) -> None:
    one = sender(SYNC + '    os.write(2, b"called"); out.send("bills", b"")\n', order="partition")
    one.place({"id": 0}, {"id": 1})
    eventually(lambda: "called" in one.said())
    assert one.stop() == 0
    assert (one.counters().done, one.counters().dead) == (0, 0)


@pytest.mark.parametrize("body", [ASYNC, ASYNC_BATCH], ids=["one", "batch"])
def test_an_async_call_that_only_waits_for_kafka_is_not_cancelled_by_its_timeout(
    sender: Make, body: str
) -> None:
    late = "asyncio.get_running_loop().call_later(2, os.write, 2, b'later')"
    one = sender(body + f'    out.send("bills", b""); {late}\n', timeout_s=0.5)
    one.place({"id": 0}, {"id": 1})
    eventually(lambda: "later" in one.said())
    assert (one.counters().calls, one.counters().dead) == (0, 0)
    assert one.stop() == 0
    assert "what calls sent is not delivered in time: their messages come again" in one.said()
    assert (one.counters().done, one.counters().dead, one.counters().retry) == (0, 0, 0)
    assert one.feeder.low_water(one.partition) == 0


def test_an_async_call_that_goes_on_itself_is_cancelled_all_the_same(sender: Make) -> None:
    one = sender(ASYNC + '    out.send("bills", b""); await asyncio.sleep(60)\n', timeout_s=0.5)
    one.place({"id": 0})
    one.wait(dead=1)


@pytest.mark.parametrize("before", ["", 'out.send("bills", b"")'], ids=["fresh", "used"])
@pytest.mark.parametrize("after", ["os._exit(7)", "return"], ids=["exits", "returns"])
def test_a_process_that_a_handler_forks_sends_nothing(sender: Make, before: str, after: str) -> None:
    body = (
        SYNC
        + f"""
    {before}
    child = os.fork()
    if child == 0:
        try:
            out.send("bills", b"").result()
        except Exception as error:
            os.write(2, str(error).encode())
        {after}
    os.waitpid(child, 0)
"""
    )
    one = sender(body, MOCK, order="partition")
    one.place({"id": 0})
    one.wait(done=1)
    assert one.said().count("cannot be used in a process that a handler forked") == 1
    assert one.stop() == 0


def test_a_failure_of_what_a_task_sends_after_its_call_is_said(sender: Make) -> None:
    body = (
        ASYNC
        + """
    app.state.task = asyncio.create_task(later())
async def later():
    await asyncio.sleep(0.1)
    out.send("bills", b"", partition=99)
"""
    )
    one = sender(body, MOCK)
    one.place({"id": 0})
    one.wait(done=1)
    eventually(lambda: "message not delivered" in one.said())


def test_a_failure_of_what_on_start_sent_is_said_though_no_message_comes(sender: Make) -> None:
    body = """
@app.on_start
def begin():
    out.send("bills", b"", partition=99)
"""
    one = sender(body + SYNC + "    pass\n", MOCK)
    eventually(lambda: "message not delivered" in one.said())


MANY = """
import concurrent.futures
pool = concurrent.futures.ThreadPoolExecutor(8)
def send(n): return out.send("bills", b"%d" % n)
"""
SMALL = {**MOCK, "queue.buffering.max.messages": "10"}


def test_threads_of_a_call_send_into_a_full_queue_and_its_message_waits_for_all_of_it(sender: Make) -> None:
    body = SYNC + "    assert len(list(pool.map(send, range(500)))) == 500\n"
    one = sender(MANY + body, SMALL)
    one.place(*({"id": number} for number in range(5)))
    one.wait(done=5)
    assert one.stop() == 0


def test_threads_of_an_async_call_do_so_too_and_may_ask_for_the_result(sender: Make) -> None:
    body = (
        ASYNC
        + """
    found = await asyncio.gather(*(asyncio.to_thread(lambda n: send(n).result(10), n) for n in range(50)))
    assert len({(one.partition, one.offset) for one in found}) == 50
"""
    )
    one = sender(MANY + body, SMALL)
    one.place(*({"id": number} for number in range(5)))
    one.wait(done=5)
    assert one.stop() == 0


def test_a_sync_call_may_run_a_loop_of_its_own_and_await(sender: Make) -> None:
    body = (
        SYNC
        + """
    async def life():
        return await asyncio.gather(*(asyncio.wait_for(send(n), 10) for n in range(5)))
    assert len(asyncio.run(life())) == 5
"""
    )
    one = sender(MANY + body, MOCK)
    one.place({"id": 0}, {"id": 1})
    one.wait(done=2)
    assert one.stop() == 0


def test_an_await_that_is_given_up_leaves_its_message_to_wait(sender: Make) -> None:
    body = (
        ASYNC
        + """
    for _ in range(3):
        try: await asyncio.wait_for(app.state.__dict__.setdefault("sent", out.send("bills", b"")), 0.05)
        except TimeoutError: os.write(2, b"given up ")
"""
    )
    one = sender(body, ABSENT)
    one.place({"id": 0})
    eventually(lambda: one.said().count("given up") == 3)
    assert one.stop() == 0
    assert (one.counters().done, one.counters().dead, one.counters().retry) == (0, 0, 0)


def test_what_a_thread_sends_between_calls_and_fails_fails_no_later_call(sender: Make) -> None:
    body = """
    if order.id == 0:
        threading.Timer(0.3, beside).start()
def beside():
    out.send("bills", b"", partition=99)
    os.write(2, b"sent beside")
"""
    one = sender("import threading" + SYNC + body, MOCK)
    one.place({"id": 0})
    one.place({"id": 1})
    one.wait(done=2, dead=0)
    eventually(lambda: "message not delivered" in one.said())
    assert (one.counters().done, one.counters().dead) == (2, 0), one.said()


def test_a_thread_without_room_in_the_queue_strands_no_message(sender: Make) -> None:
    body = """
    if order.id == 0:
        for _ in range(3): out.send("bills", b"")
    else:
        threading.Thread(target=beside, daemon=True).start()
        time.sleep(0.2)
def beside():
    try: out.send("bills", b"")
    except BaseException as error: os.write(2, str(error).encode())
"""
    kafka = {**ABSENT, "queue.buffering.max.messages": "3", "message.timeout.ms": "3000", "linger.ms": "0"}
    one = sender("import threading, time" + SYNC + body, kafka, timeout_s=1.0)
    one.place({"id": 0}, {"id": 1})
    eventually(lambda: "no room in the client's queue" in one.said())
    one.wait(retry=2)  # 0 by message.timeout.ms, 1 because it was never sent
    assert one.feeder.busy == 2
