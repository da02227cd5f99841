"""What only an async batch route has: batches at once, cancelled batches."""

from typing import Any

import pytest

from ringmain import lifecycle
from ringmain.config.schema import Batch, Retry
from ringmain.rings import CRASH
from support.waiting import eventually

HEAD = """
@app.batch_route("orders")
async def load(orders: list[Order]):
"""


def ids(count: int) -> list[dict[str, int]]:
    return [{"id": n} for n in range(count)]


@pytest.mark.parametrize(("concurrency", "most"), [(2, 2), (None, 4)])
def test_as_many_batches_at_once_as_the_route_says(handler, concurrency, most):
    body = (
        HEAD
        + """
    app.state.now += 1
    app.state.most = max(app.state.most, app.state.now)
    await asyncio.sleep(0.02)
    app.state.now -= 1
app.state.now = app.state.most = 0
@app.on_stop
async def bye(): os.write(2, b"most %d." % app.state.most)
"""
    )
    process = handler(body, concurrency=concurrency, order="none", batch=Batch(messages=4, wait_s=0.01))
    process.place(*ids(40))
    process.start()
    process.wait(done=40, calls=40)
    assert process.stop() == lifecycle.OK
    assert f"most {most}." in process.said()


def test_a_batch_past_its_time_is_cancelled_alone_and_each_message_tried_again(handler):
    body = HEAD + "    await asyncio.sleep(30 if orders[0].id == 0 else 0.05)"
    process = handler(body, timeout_s=1.0, order="none", batch=Batch(messages=4, wait_s=0.01))
    process.place(*ids(8))
    process.start()
    process.wait(done=4, retry=4)
    assert process.stop() == lifecycle.OK


def test_at_its_last_attempt_each_message_of_a_batch_past_its_time_is_called_alone(handler):
    body = HEAD + "    await asyncio.sleep(30 if 2 in [order.id for order in orders] else 0)"
    process = handler(body, timeout_s=1.0, order="none", retry=Retry(attempts=1), batch=Batch(messages=4))
    process.place(*ids(4))
    process.start()
    process.wait(done=3, dead=1)
    assert process.stop() == lifecycle.OK


def test_a_batch_that_swallows_its_cancellation_ends_its_process(handler, monkeypatch):
    monkeypatch.setattr("ringmain.handle.role.GRACE_S", 0.2)
    body = (
        HEAD
        + """
    while orders[0].id == 0:
        try: await asyncio.sleep(30)
        except asyncio.CancelledError: pass
"""
    )
    process = handler(body, timeout_s=1.0, order="none", batch=Batch(messages=4, wait_s=0.01))
    process.place(*ids(8))
    process.start()
    assert process.exit_code() == lifecycle.STUCK
    seen = process.counters()
    assert (seen.done, seen.retry) == (4, 4)


STUCK = """
@app.batch_route("orders")
async def load(orders: list[Order]) -> None:
    os.write(2, b"called")
    while True:
        try: await asyncio.sleep(60)
        except asyncio.CancelledError: pass
"""


def test_a_process_with_a_stuck_batch_ends_although_it_holds_more_and_a_suspect_waits(handler: Any) -> None:
    one = handler(STUCK, batch=Batch(messages=2, wait_s=3600), timeout_s=0.5, concurrency=2)
    seat = one.overseer.free_seat()
    victim = one.segment.open_handler(seat, one.overseer.admit(seat))
    one.place({"id": 9})
    assert victim.claim(1)
    one.start()
    one.place({"id": 0}, {"id": 1})
    eventually(lambda: "called" in one.said())
    one.place({"id": 2})
    eventually(lambda: one.feeder.unclaimed == 0)
    one.overseer.bury(seat, CRASH)
    (slot,), _, _, _ = one.feeder.resolve(seat)
    one.feeder.resolved(seat)
    one.feeder.isolate(slot)
    one.feeder.flush()
    assert one.exit_code(20) == lifecycle.STUCK
