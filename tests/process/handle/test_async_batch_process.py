"""What only an async batch route has: batches at once, cancelled batches."""

import pytest

from ringmain import lifecycle
from ringmain.config.schema import Batch, Retry

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
    body = HEAD + "    await asyncio.sleep(30 if orders[0].id == 0 else 0.3)"
    process = handler(body, timeout_s=0.6, order="none", batch=Batch(messages=4, wait_s=0.01))
    process.place(*ids(8))
    process.start()
    process.wait(done=4, retry=4)
    assert process.stop() == lifecycle.OK


def test_at_its_last_attempt_each_message_of_a_batch_past_its_time_is_called_alone(handler):
    body = HEAD + "    await asyncio.sleep(30 if 2 in [order.id for order in orders] else 0)"
    process = handler(body, timeout_s=0.3, order="none", retry=Retry(attempts=1), batch=Batch(messages=4))
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
    process = handler(body, timeout_s=0.4, order="none", batch=Batch(messages=4, wait_s=0.01))
    process.place(*ids(8))
    process.start()
    assert process.exit_code() == lifecycle.STUCK
    seen = process.counters()
    assert (seen.done, seen.retry) == (4, 4)
