"""A handler process of an async route on a real ring: calls at once, cancelled calls, stuck calls."""

from ringmain import lifecycle
from support.waiting import eventually, never

ASYNC = """
@app.route("orders")
async def handle(order: Order, message: Message):
"""


def test_calls_run_at_once_up_to_concurrency(handler):
    body = (
        ASYNC
        + """
    app.state.now += 1
    app.state.most = max(app.state.most, app.state.now)
    await asyncio.sleep(0.01)
    app.state.now -= 1
app.state.now = app.state.most = 0
@app.on_stop
async def bye(): os.write(2, b"most %d." % app.state.most)
"""
    )
    process = handler(body, concurrency=7).start()
    process.place(*({"id": n} for n in range(40)))
    process.wait(done=40, calls=40)
    assert process.stop() == lifecycle.OK
    assert "most 7." in process.said()


def test_outcomes_and_exceptions_of_any_class_leave_the_loop_running(handler):
    body = (
        ASYNC
        + """
    await asyncio.sleep(0)
    if order.id == 1: return Retry(after_s=60)
    if order.id == 2: raise Skip("no")
    if order.id == 3: raise SystemExit
    if order.id == 4: raise KeyboardInterrupt
    if order.id == 5: return 42
    if order.id == 6: asyncio.current_task().cancel(); await asyncio.sleep(1)
    if order.id == 7: asyncio.get_running_loop().stop()
    if order.id == 8:
        async def leave(): sys.exit(1)
        app.state.task = asyncio.create_task(leave())
"""
    )
    process = handler(body).start()
    process.place(*({"id": n} for n in range(10)))
    process.wait(calls=10, done=4, retry=4, skip=1, dead=1)
    process.place({"id": 10})
    process.wait(done=5)
    assert process.stop() == lifecycle.OK


def test_bad_messages_and_tombstones_never_reach_the_handler(handler):
    process = handler(ASYNC + "    os._exit(1)").start()
    process.place(b"nonsense", None)
    process.wait(dead=1, skip=1)


def test_a_call_past_its_time_is_cancelled_alone(handler):
    body = ASYNC + "    await asyncio.sleep(30 if order.id == 0 else 0.1)"
    process = handler(body, timeout_s=1).start()
    process.place(*({"id": n} for n in range(3)))
    process.wait(done=2, retry=1)
    assert process.stop() == lifecycle.OK


def test_a_call_that_ends_well_after_its_cancellation_has_failed_all_the_same(handler):
    body = (
        ASYNC
        + """
    try: await asyncio.sleep(30)
    except asyncio.CancelledError: pass
"""
    )
    process = handler(body, timeout_s=0.2).start()
    process.place({"id": 0})
    process.wait(retry=1)


def test_a_call_that_never_began_before_its_time_was_over_has_failed(handler):
    body = ASYNC + "    time.sleep(0.3)"
    process = handler(body, timeout_s=0.1).start()
    process.place(*({"id": n} for n in range(3)))
    process.wait(calls=3)


def test_a_call_that_swallows_cancellation_ends_its_process_once_the_others_are_done(handler, monkeypatch):
    monkeypatch.setattr("ringmain.handle.role.GRACE_S", 0.2)
    body = (
        ASYNC
        + """
    while order.id == 0:
        try: await asyncio.sleep(30)
        except asyncio.CancelledError: pass
    await asyncio.sleep(0.1)
"""
    )
    process = handler(body, timeout_s=0.8).start()
    process.place(*({"id": n} for n in range(3)))
    assert process.exit_code() == lifecycle.STUCK
    seen = process.counters()
    assert (seen.done, seen.retry) == (2, 1)


def test_a_call_that_another_one_cancels_before_it_began_has_failed(handler):
    body = (
        ASYNC
        + """
    for task in asyncio.all_tasks() - {asyncio.current_task()}: task.cancel()
"""
    )
    process = handler(body, timeout_s=1.5)
    process.place(*({"id": n} for n in range(4)))
    process.start()
    process.wait(calls=4, done=1, retry=3)
    assert process.stop() == lifecycle.OK


def test_a_doorbell_that_the_app_closed_ends_the_process_with_a_clear_line(handler):
    body = (
        ASYNC
        + """
    for fd in map(int, os.listdir("/proc/self/fd")):
        try: what = os.readlink(f"/proc/self/fd/{fd}")
        except OSError: continue
        if what == "anon_inode:[eventfd]": os.close(fd)
"""
    )
    process = handler(body).start()
    process.place({"id": 0})
    assert process.exit_code() == lifecycle.FATAL
    assert "the app closed a file descriptor of this process" in process.said()


def test_context_variables_of_a_call_are_gone_for_the_next(handler):
    body = (
        "seen = contextvars.ContextVar('seen', default=0)\n"
        + ASYNC
        + """
    assert seen.get() == 0
    seen.set(1)
    await asyncio.sleep(0)
    assert seen.get() == 1
"""
    )
    process = handler(body, concurrency=2).start()
    process.place(*({"id": n} for n in range(20)))
    process.wait(done=20)


def test_a_loop_that_stands_still_does_not_beat(handler):
    process = handler(ASYNC + "    time.sleep(60)").start()
    process.place({"id": 0})
    eventually(lambda: process.board.age_s(0) > 2.5, message="the beat is old")


def test_an_idle_process_beats(handler):
    process = handler(ASYNC + "    pass").start()
    eventually(lambda: process.board.age_s(0) < 2.0, message="the first beat")
    never(lambda: process.board.age_s(0) > 2.5, 3, "the beat is old")


def test_after_max_messages_exactly_so_many_were_begun(handler):
    process = handler(ASYNC + "    await asyncio.sleep(0.01)", max_messages=10).start()
    process.place(*({"id": n} for n in range(40)))
    assert process.exit_code() == lifecycle.RECYCLE
    assert process.counters().calls in (9, 10)


def test_async_and_plain_middlewares_wrap_the_call(handler):
    body = (
        ASYNC
        + """    app.state.seen += "h"
app.state.seen = ""
@app.middleware
async def outer(call, message): app.state.seen += "<"; await call(); app.state.seen += ">"
@app.middleware
def inner(call, message): app.state.seen += "("; return call()
@app.on_stop
def bye(): os.write(2, app.state.seen.encode())
"""
    )
    process = handler(body).start()
    process.place({"id": 1})
    process.wait(done=1)
    process.stop()
    assert "<(h>" in process.said()


def test_closed_descriptors_end_the_process(handler):
    process = handler(ASYNC + "    os.closerange(3, 4096)").start()
    process.place({"id": 1})
    assert process.exit_code() != lifecycle.OK
