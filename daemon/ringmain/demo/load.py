"""The demo's one process with a Kafka client: makes the topic, sends the orders, tells how far all are.

stage.py starts it as `python -m ringmain.demo.load BROKER PARTITIONS MESSAGES`; MESSAGES 0 = at a pace, until
it is ended. What it knows goes to stdout as lines of JSON, one `Tick` each. It touches no queue and no
daemon, and ends with its parent.
"""

import sys
from collections.abc import Iterator

import msgspec

from ringmain import clock
from ringmain.demo import sample
from ringmain.demo.snapshot import Tick
from ringmain.kafka.seeding import Progress, Seeder

TICK_S = 0.2
ENDLESS_PER_S = 1000
"""The broker keeps all in memory, so a demo without an end sends no more than a laptop can hold for a day."""

_RUN = 1000
_FLUSH_S = 30.0


def main(argv: list[str]) -> int:
    """Create the topic; say so; send; go on reporting until ended."""
    broker, partitions, messages = argv[0], int(argv[1]), int(argv[2])
    seeder = Seeder(broker, sample.TOPIC, partitions)
    seeder.create_topic()
    progress = Progress(broker, sample.GROUP)
    committed = [0] * partitions
    report(Tick(seeder.delivered, committed))
    sending = everything(seeder, messages) if messages else at_a_pace(seeder)
    while True:
        finished = next(sending, None) is None
        seeder.poll()
        committed = progress.committed(sample.TOPIC, partitions) or committed
        report(Tick(seeder.delivered, committed, finished))
        if finished:
            clock.sleep_s(TICK_S)


def report(tick: Tick) -> None:
    """One line to the parent."""
    sys.stdout.buffer.write(msgspec.json.encode(tick) + b"\n")
    sys.stdout.buffer.flush()


def everything(seeder: Seeder, messages: int) -> Iterator[int]:
    """Send all as fast as the broker takes them, in turn to each partition; yields now and then."""
    due_s = clock.monotonic_s() + TICK_S
    for index in range(messages):
        send(seeder, index)
        if index % _RUN == 0:
            seeder.poll()
            if clock.monotonic_s() >= due_s:
                yield index
                due_s = clock.monotonic_s() + TICK_S
    seeder.flush(_FLUSH_S)


def at_a_pace(seeder: Seeder) -> Iterator[int]:
    """Send ENDLESS_PER_S without end; yields after each step."""
    start_s = clock.monotonic_s()
    index = 0
    while True:
        due = int((clock.monotonic_s() - start_s) * ENDLESS_PER_S)
        while index < due:
            send(seeder, index)
            index += 1
        yield index
        clock.sleep_s(TICK_S)


def send(seeder: Seeder, index: int) -> None:
    """Send the order with this index to its partition."""
    seeder.send(index % seeder.partitions, sample.value(index), sample.key(index))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
