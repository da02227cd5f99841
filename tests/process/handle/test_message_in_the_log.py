"""A handler process on a real ring: what its calls log says their message, whoever logs it and wherever."""

import json

import pytest

from ringmain import lifecycle
from ringmain.config.schema import Batch as Batching
from support.waiting import eventually

SETUP = """
import logging, structlog
from ringmain.logging import add_message

logger = logging.getLogger("users")
structured = structlog.wrap_logger(
    structlog.PrintLogger(open(2, "w", closefd=False)),
    processors=[add_message, structlog.processors.JSONRenderer()],
)

def deep(event):
    logger.info(event)
"""
SYNC = """
@app.route("orders")
def handle(order: Order):
    deep("stdlib %d" % order.id)
    structured.info("structlog %d" % order.id)
    if order.id == 2: return Skip("no")
@app.on_stop
def bye(): deep("outside")
"""
ASYNC = """
@app.route("orders")
async def handle(order: Order):
    app.state.inside += 1
    while app.state.inside < 3: await asyncio.sleep(0)
    deep("stdlib %d" % order.id)
    structured.info("structlog %d" % order.id)
    await asyncio.gather(later("task %d" % order.id), asyncio.to_thread(deep, "thread %d" % order.id))
    if order.id == 2: return Skip("no")
async def later(event):
    await asyncio.sleep(0)
    deep(event)
app.state.inside = 0
@app.on_stop
async def bye(): deep("outside")
"""


def lines(said: str) -> dict[str, dict[str, object]]:
    """Lines of the app's own, by event."""
    found = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
    return {one["event"]: one for one in found if one.get("logger", "users") == "users"}


@pytest.mark.parametrize(
    ("body", "kinds"),
    [
        pytest.param(SYNC, ("stdlib", "structlog"), id="sync"),
        pytest.param(ASYNC, ("stdlib", "structlog", "task", "thread"), id="async"),
    ],
)
def test_whatever_a_call_logs_says_its_message(handler, body, kinds):
    process = handler(SETUP + body, concurrency=3 if body is ASYNC else None).start()
    process.place(*({"id": n} for n in range(3)))
    process.wait(done=2, skip=1)
    assert process.stop() == lifecycle.OK
    found = lines(process.said())
    assert found.keys() == {f"{kind} {n}" for kind in kinds for n in range(3)} | {"outside"}
    for event, line in found.items():
        about = {name: line.get(name) for name in ("topic", "partition", "offset", "attempt")}
        if event == "outside":
            assert set(about.values()) == {None}
        else:
            number = int(event.split()[1])
            assert about == {"topic": "orders", "partition": 0, "offset": number, "attempt": 1}
            assert line.get("route", "orders") == "orders"


BATCH = """
from ringmain import Batch

@app.batch_route("orders")
def load(orders: list[Order]):
    time.sleep(0.01)
    deep("stdlib %d" % len(orders))
    structured.info("structlog %d" % len(orders))
    left = threading.Thread(target=deep, args=("thread",))
    left.start()
    left.join()
    return Batch(dead=[orders[0]])
@app.on_stop
def bye(): deep("outside")
"""
ASYNC_BATCH = """
@app.batch_route("orders")
async def load(orders: list[Order]):
    await asyncio.gather(later("task %d" % len(orders)), asyncio.to_thread(deep, "thread %d" % len(orders)))
    app.state.task = asyncio.create_task(left())
async def later(event):
    await asyncio.sleep(0)
    deep(event)
async def left():
    await asyncio.sleep(0.1)
    deep("left")
"""


def test_what_a_batch_logs_says_its_topic_and_how_many_messages_it_has(handler):
    process = handler(SETUP + "import threading\n" + BATCH, batch=Batching(messages=3, wait_s=5.0)).start()
    process.place(*({"id": n} for n in range(3)))
    process.wait(done=2, dead=1)
    assert process.stop() == lifecycle.OK
    found = lines(process.said())
    assert found.keys() == {"stdlib 3", "structlog 3", "thread", "outside"}
    for event in ("stdlib 3", "structlog 3"):
        about = {name: found[event].get(name) for name in ("topic", "messages", "offset")}
        assert about == {"topic": "orders", "messages": 3, "offset": None}
    assert "topic" not in found["thread"]
    assert "topic" not in found["outside"]


def test_what_an_async_batch_logs_says_the_same_until_its_call_ends(handler):
    process = handler(SETUP + ASYNC_BATCH, batch=Batching(messages=3, wait_s=5.0)).start()
    process.place(*({"id": n} for n in range(3)))
    eventually(lambda: "left" in process.said())
    assert process.stop() == lifecycle.OK
    found = lines(process.said())
    for event in ("task 3", "thread 3"):
        assert (found[event].get("topic"), found[event].get("messages")) == ("orders", 3)
    assert "topic" not in found["left"]


def test_what_a_call_left_behind_says_no_message_once_the_call_has_ended(handler):
    body = """
@app.route("orders")
async def handle(order: Order):
    if order.id == 0: app.state.task = asyncio.create_task(later())
    else: app.state.go.set()
async def later():
    await app.state.go.wait()
    deep("left behind")
app.state.go = asyncio.Event()
"""
    process = handler(SETUP + body).start()
    process.place({"id": 0})
    process.wait(done=1)
    process.place({"id": 1})
    process.wait(done=2)
    assert process.stop() == lifecycle.OK
    assert "topic" not in lines(process.said())["left behind"]
