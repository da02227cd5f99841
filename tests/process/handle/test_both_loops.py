"""What a handler process does alike, whether its route is sync or async."""

import pytest

from ringmain import clock, lifecycle

SYNC = """
@app.route("orders")
def handle(order: Order, message: Message):
"""
ASYNC = SYNC.replace("def", "async def")

pytestmark = pytest.mark.parametrize(
    ("loop", "route"), [pytest.param("sync", SYNC, id="sync"), pytest.param("concurrent", ASYNC, id="async")]
)


def test_a_route_goes_on_when_its_pause_ends_without_a_bell(handler, monkeypatch, loop, route):
    monkeypatch.setattr(f"ringmain.handle.{loop}.BEAT_S", 60.0)
    process = handler(route + "    if order.id == 0: return Pause(0.3)").start()
    process.place({"id": 0})
    process.wait(calls=1)
    process.place({"id": 1}, {"id": 2})
    process.wait(calls=3, done=2)
    assert clock.monotonic_ns() >= process.overseer.paused_until_ns


def test_a_child_that_a_call_forks_never_returns_into_the_loop(handler, loop, route):
    body = (
        route
        + """
    os.write(2, b"called in %d\\n" % os.getpid())
    pid = os.fork()
    if pid == 0: return None
    assert os.waitpid(pid, 0)[1] == 0
"""
    )
    process = handler(body).start()
    process.place(*({"id": n} for n in range(5)))
    process.wait(done=5, calls=5)
    # A child that went on in our loop would execute the other messages, and the counters would look the same.
    assert process.said().count(f"called in {process.pid}\n") == process.said().count("called in") == 5
    assert process.stop() == lifecycle.OK


def test_a_result_that_ends_the_process_when_it_is_looked_at_leaves_nothing_undecided(handler, loop, route):
    body = (
        route
        + """
    class Evil:
        @property
        def __class__(self): raise SystemExit(3)
    return Evil()
"""
    )
    process = handler(body).start()
    process.place(*({"id": n} for n in range(5)))
    process.wait(dead=5, calls=5)
    assert process.stop() == lifecycle.OK
