"""A handler process of a sync route on a real ring: what a call may do to it, and what it leaves."""

import signal

from ringmain import lifecycle

SYNC = """
@app.route("orders", dead_on=(KeyError,), skip_on=(ValueError,))
def handle(order: Order, message: Message):
"""


def test_messages_are_done_and_a_stop_ends_the_process_well(handler):
    process = handler(SYNC + "    assert message.value == b'{\"id\":%d}' % order.id").start()
    process.place(*({"id": n} for n in range(50)))
    process.wait(done=50, calls=50)
    assert process.stop() == lifecycle.OK


def test_every_outcome_is_counted_by_its_own_word(handler):
    body = (
        SYNC
        + """
    if order.id == 1: return Retry(after_s=60)
    if order.id == 2: raise Skip("no")
    if order.id == 3: return Dead("bad")
    if order.id == 4: raise KeyError("dead_on")
    if order.id == 5: raise UnicodeDecodeError("utf-8", b"", 0, 1, "skip_on by its base class")
    if order.id == 6: return 42
    if order.id == 7: raise RuntimeError
"""
    )
    process = handler(body).start()
    process.place(*({"id": n} for n in range(8)))
    process.wait(calls=8, done=1, retry=2, skip=2, dead=3)


def test_whatever_class_a_call_raises_the_process_goes_on(handler):
    body = (
        SYNC
        + """
    class Mute(Exception):
        def __str__(self): raise SystemExit
    def deep(): deep()
    if order.id == 0: sys.exit(0)
    if order.id == 1: raise KeyboardInterrupt
    if order.id == 2: raise GeneratorExit
    if order.id == 3: raise MemoryError
    if order.id == 4: deep()
    if order.id == 5: raise Mute
    if order.id == 6: raise RuntimeError("\\udc80")
"""
    )
    process = handler(body).start()
    process.place(*({"id": n} for n in range(8)))
    process.wait(calls=8, retry=7, done=1)


def test_what_cannot_be_decoded_never_reaches_the_handler_and_is_not_logged(handler):
    process = handler(SYNC + "    os._exit(1)").start()
    process.place(b'{"id":"confidential"}', b"\xff", b"")
    process.wait(dead=3)
    assert "confidential" not in process.said()


def test_a_tombstone_is_skipped_by_a_handler_that_takes_none(handler):
    process = handler(SYNC + "    os._exit(1)").start()
    process.place(None)
    process.wait(skip=1)


def test_signals_of_the_terminal_do_not_end_it_but_end_what_it_starts(handler):
    body = (
        SYNC
        + """
    os.kill(os.getpid(), signal.SIGTERM); os.kill(os.getpid(), signal.SIGINT)
    import subprocess
    child = subprocess.Popen(["sleep", "60"])
    child.terminate()
    assert child.wait(25) == -signal.SIGTERM
"""
    )
    process = handler(body).start()
    process.place({"id": 1})
    process.wait(done=1)


def test_closed_descriptors_end_the_process_with_a_clear_line(handler):
    process = handler(SYNC + "    os.closerange(3, 4096)").start()
    process.place({"id": 1})
    assert process.exit_code() == lifecycle.FATAL
    assert "the app closed a file descriptor of this process" in process.said()


def test_after_max_messages_it_asks_to_be_replaced(handler):
    process = handler(SYNC + "    pass", max_messages=10).start()
    process.place(*({"id": n} for n in range(40)))
    assert process.exit_code() == lifecycle.RECYCLE


def test_an_import_that_fails_cannot_boot_and_names_the_line(handler):
    process = handler("import sys\nsys.exit(3)\n")
    process.boot()
    assert process.exit_code() == lifecycle.CANNOT_BOOT
    assert "userapp.py:13: SystemExit: 3" in process.said()


def test_an_on_start_that_fails_cannot_boot(handler):
    process = handler(SYNC + "    pass\n@app.on_start\ndef connect(): raise OSError('no database')")
    process.boot()
    assert process.exit_code() == lifecycle.CANNOT_BOOT
    assert "no database" in process.said()


def test_on_stop_runs_after_the_last_message(handler):
    body = (
        SYNC
        + """    app.state.seen = order.id
@app.on_stop
def bye(): os.write(2, b"last was %d" % app.state.seen)
"""
    )
    process = handler(body).start()
    process.place({"id": 7})
    process.wait(done=1)
    assert process.stop() == lifecycle.OK
    assert "last was 7" in process.said()


def test_middlewares_wrap_each_call_in_the_order_registered(handler):
    body = (
        SYNC
        + """    app.state.seen += "h"
app.state.seen = ""
@app.middleware
def outer(call, message): app.state.seen += "<"; call(); app.state.seen += ">"
@app.middleware
def inner(call, message): app.state.seen += "("; call(); app.state.seen += ")"
@app.on_stop
def bye(): os.write(2, app.state.seen.encode())
"""
    )
    process = handler(body).start()
    process.place({"id": 1})
    process.wait(done=1)
    process.stop()
    assert "<(h)>" in process.said()


def test_a_pause_waits_in_place_and_the_route_takes_nothing_new(handler):
    process = handler(SYNC + "    if order.id == 0: return Pause(60, 'database is away')").start()
    process.place({"id": 0})
    process.wait(calls=1)
    process.place({"id": 1})
    assert process.overseer.paused_until_ns > 0
    assert process.stop() == lifecycle.OK
    assert process.counters().calls == 1


def test_it_dies_at_once_of_a_kill(handler):
    process = handler(SYNC + "    os.kill(os.getpid(), signal.SIGKILL)").start()
    process.place({"id": 0})
    assert process.exit_code() == -signal.SIGKILL
