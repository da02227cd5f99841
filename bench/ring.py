"""The ring and the dispatch alone, without Kafka: nanoseconds a message, `python bench/ring.py [--quick]`.

First each step by itself in one process, then what is between a plain typed handler and one that takes the
Message or stands within middlewares, then one feeder against two handler processes. The references are the
same decode and the same call in a plain Python loop, in the same rounds. Every run is verified by count and
checksum, and nothing fails because of a time.
"""

import argparse
import multiprocessing
import os
import select
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(CHECKOUT / "daemon")]

import msgspec  # noqa: E402
import work  # noqa: E402
from messages import message  # noqa: E402

from ringmain._fastpath import (  # noqa: E402
    CallPlan,
    Drain,
    FeederSide,
    HandlerSide,
    Intake,
    Message,
    PartitionQueue,
)
from ringmain.app import App  # noqa: E402
from ringmain.middleware import compose  # noqa: E402
from ringmain.outcome import Outcome  # noqa: E402
from ringmain.rings import Geometry, Segment, bell  # noqa: E402
from ringmain.shapes import Call  # noqa: E402

WANTS_VALUE, WANTS_RAW, WANTS_MESSAGE = 1, 2, 4
SLOTS = 8192
ARENA_BYTES = 16 << 20
HANDLERS = 2


def unexpected(one: Message, result: object, error: BaseException | None, stage: int) -> tuple[int, bytes]:
    raise SystemExit(f"{one.id} was not simply done: {result!r} {error!r}")


def typed_plan() -> CallPlan:
    decode = msgspec.json.Decoder(work.Order).decode
    return CallPlan(work.noop, decode, unexpected, WANTS_VALUE, False)


def with_message(order: work.Order, message: Message) -> None:
    work.tally.count += 1
    work.tally.total += order.id


def through(call: Call, message: Message) -> Outcome:
    return call()


def surrounded(handler: Callable[..., None], middlewares: int) -> CallPlan:
    """The plan of a handler as an app makes it, inside so many middlewares that only pass on."""
    app = App()
    app.route("bench")(handler)
    spec = compose(app.handler_of("bench"), [through] * middlewares)
    decode = msgspec.json.Decoder(work.Order).decode
    return CallPlan(spec.call, decode, unexpected, spec.wants, spec.accepts_none)


def raw_plan(call: Callable[[bytes], None]) -> CallPlan:
    return CallPlan(call, None, unexpected, WANTS_RAW, True)


@contextmanager
def segment(slots: int = SLOTS) -> Iterator[Segment]:
    courier = bell()
    made = Segment.create(Geometry(1, HANDLERS + 2, slots, ARENA_BYTES), courier)
    try:
        yield made
    finally:
        made.close()
        os.close(courier)


def feeder_of(made: Segment) -> tuple[FeederSide, int]:
    feeder = made.open_feeder(0, 1)
    index = feeder.partition_index("bench", 0)
    feeder.open_partition(index, 0)
    return feeder, index


def admitted(made: Segment) -> HandlerSide:
    overseer = made.overseer()
    seat = overseer.free_seat()
    return made.open_handler(seat, overseer.admit(seat))


def loaded(values: list[bytes], first: int = 0) -> PartitionQueue:
    """The values as messages that only wait to be taken."""
    queue = PartitionQueue(Drain(), "bench", 0)
    for offset, value in enumerate(values, first):
        queue.push(None, value, b"", offset, 0)
    return queue


def steps(values: list[bytes], rounds: int) -> dict[str, float]:
    """Median ns a message of each step, a ring's worth of messages a round."""
    taken: dict[str, list[float]] = {}
    nothing = raw_plan(lambda value: None)
    with segment() as made:
        feeder, index = feeder_of(made)
        intake = Intake(feeder, b"")
        handler = admitted(made)
        for number in range(rounds * 2):
            plan, name = (typed_plan(), "typed no-op") if number % 2 else (nothing, "raw no-op")
            queue = loaded(values, number * len(values))
            clock = Stopwatch(taken, len(values))
            clock.time("take: into slot and arena", lambda q=queue: intake.take(q, index, len(values)))  # type: ignore[misc]
            feeder.flush()
            clock.time(f"serve: {name}", lambda p=plan: serve_all(handler, p))  # type: ignore[misc]
            clock.time("settle", feeder.settle)
            done = (number + 1) * len(values)
            if feeder.low_water(index) != done:
                sys.exit(f"low water is {feeder.low_water(index)} and {done} messages are done")
            queue.close()
    return {name: statistics.median(found) for name, found in taken.items()}


class Stopwatch:
    """Notes ns a message under a name."""

    def __init__(self, taken: dict[str, list[float]], messages: int) -> None:
        self._taken = taken
        self._messages = messages

    def time(self, name: str, act: Callable[[], object]) -> None:
        began_ns = time.perf_counter_ns()
        act()
        elapsed_ns = time.perf_counter_ns() - began_ns
        self._taken.setdefault(name, []).append(elapsed_ns / self._messages)


def surroundings(values: list[bytes], rounds: int) -> dict[str, float]:
    """Median ns a message over a plain typed handler's of the same round."""
    plans = {
        "Message parameter": surrounded(with_message, 0),
        "one middleware": surrounded(work.noop, 1),
        "two middlewares": surrounded(work.noop, 2),
        "one middleware, Message parameter": surrounded(with_message, 1),
    }
    over: dict[str, list[float]] = {}
    plain = surrounded(work.noop, 0)
    with segment() as made:
        feeder, index = feeder_of(made)
        handler, intake = admitted(made), Intake(feeder, b"")
        work.tally.count, first = 0, 0
        for _ in range(rounds):
            taken: dict[str, list[float]] = {}
            for name, plan in [("plain", plain), *plans.items()]:
                queue = loaded(values, first)
                first += intake.take(queue, index, len(values))
                feeder.flush()
                Stopwatch(taken, len(values)).time(name, lambda p=plan: serve_all(handler, p))  # type: ignore[misc]
                feeder.settle()
                queue.close()
            for name in plans:
                over.setdefault(name, []).append(taken[name][0] - taken["plain"][0])
        if not work.tally.count == first == feeder.low_water(index):
            sys.exit(f"handled {work.tally.count} of {first}, low water {feeder.low_water(index)}")
    return {name: statistics.median(found) for name, found in over.items()}


def serve_all(handler: HandlerSide, plan: CallPlan) -> None:
    while handler.serve(plan):
        pass


def by_hand(values: list[bytes], rounds: int) -> float:
    """The reference: decode and call in a plain loop."""
    taken: dict[str, list[float]] = {}
    decode, handle = msgspec.json.Decoder(work.Order).decode, work.noop

    def loop() -> None:
        for value in values:
            handle(decode(value))

    for _ in range(rounds):
        Stopwatch(taken, len(values)).time("loop", loop)
    return statistics.median(taken["loop"])


def handle_until_stopped(made: Segment, pipe: Connection) -> None:
    """A handler process: serve, sleep when there is nothing, end when told to."""
    work.tally.count = work.tally.total = 0  # the parent has counted too
    seat, incarnation = pipe.recv()
    handler, plan = made.open_handler(seat, incarnation), typed_plan()
    watch = select.poll()
    watch.register(handler.fileno(), select.POLLIN)
    watch.register(pipe.fileno(), select.POLLIN)
    while not pipe.poll():
        if not handler.serve(plan):
            if handler.prepare_sleep():
                watch.poll(1000)
            handler.awake()
    pipe.send((work.tally.count, work.tally.total, time.process_time_ns()))


def together(values: list[bytes]) -> dict[str, float]:
    """One feeder here, two handlers beside it: ns a message of the clock, and CPU of each side."""
    fork = multiprocessing.get_context("fork")
    with segment() as made:
        overseer = made.overseer()
        pipes, children = [], []
        for _ in range(HANDLERS):
            ours, theirs = fork.Pipe()
            children.append(fork.Process(target=handle_until_stopped, args=(made, theirs), daemon=True))
            children[-1].start()
            seat = overseer.free_seat()
            ours.send((seat, overseer.admit(seat)))
            pipes.append(ours)
        figures = feed(made, values)
        for pipe in pipes:
            pipe.send("stop")
        overseer.wake_all()
        done = [pipe.recv() for pipe in pipes]
        for child in children:
            child.join()
    verify(done, len(values))
    return figures | {"CPU of the handlers": sum(cpu_ns for _, _, cpu_ns in done) / len(values)}


def feed(made: Segment, values: list[bytes]) -> dict[str, float]:
    feeder, index = feeder_of(made)
    intake, queue = Intake(feeder, b""), loaded(values)
    watch = select.poll()
    watch.register(feeder.fileno(), select.POLLIN)
    began_ns, cpu_before_ns = time.perf_counter_ns(), time.process_time_ns()
    while feeder.low_water(index) < len(values):
        moved = intake.take(queue, index, SLOTS)
        feeder.flush()
        moved += feeder.settle()
        if not moved:
            if feeder.prepare_sleep():
                watch.poll(100)
            feeder.awake()
    elapsed_ns, cpu_ns = time.perf_counter_ns() - began_ns, time.process_time_ns() - cpu_before_ns
    queue.close()
    return {"through the ring": elapsed_ns / len(values), "CPU of the feeder": cpu_ns / len(values)}


def verify(done: list[tuple[int, int, int]], messages: int) -> None:
    count, total = sum(one[0] for one in done), sum(one[1] for one in done)
    if (count, total) != (messages, messages * (messages - 1) // 2):
        sys.exit(f"handled {count} (sum {total}) of {messages}")


def main() -> None:
    parser = argparse.ArgumentParser(description="the ring alone, ns a message")
    parser.add_argument("--quick", action="store_true", help="a look, not a measurement")
    quick = parser.parse_args().quick
    rounds, many = (5, 100_000) if quick else (50, 1_000_000)
    few = [message(number) for number in range(SLOTS // 2)]
    reference = by_hand(few, rounds)
    print(f"{'decode and call in a plain loop':36} {reference:8.1f} ns")
    for name, value in steps(few, rounds).items():
        print(f"{name:36} {value:8.1f} ns  {value / reference:5.2f} x plain loop")
    for name, value in surroundings(few, rounds * 2).items():
        print(f"{name:36} {value:+8.1f} ns  over a plain typed handler")
    values = [message(number) for number in range(many)]
    runs = [together(values) for _ in range(1 if quick else 5)]
    for name in runs[0]:
        value = statistics.median(run[name] for run in runs)
        print(f"{name + ', 1 feeder 2 handlers':36} {value:8.1f} ns  {value / reference:5.2f} x plain loop")


if __name__ == "__main__":
    main()
