"""The row of what sends: consume, transform, produce with acks=all, until the last output lies in Kafka.

rows.py enters. Time ends with the output topic's last offset, not with the last call; a run whose output
is not one message for each input is no figure.
"""

import os
import time

from backlog import Held
from confluent_kafka import KafkaError, KafkaException
from participants import Participant, RouteSettings, ringmain, script
from processes import cpu_s
from stage import LOOK_S, SETTLE_S, STALL_S, Client, Result, RunFailed, Stage, Task

LOOP = script("transform loop", "confluent_kafka", "transform_loop.py")
CLIENTS = [ringmain(RouteSettings(tables=("[producers.out]",))), LOOP]
PARTITIONS = 4
NOT_YET = (
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.FENCED_LEADER_EPOCH,
    KafkaError.UNKNOWN_LEADER_EPOCH,
)


def transformed(stage: Stage, client_of: Participant, held: Held) -> Result:
    """One client, up and at rest, transforms the whole backlog."""
    output = stage.server.create_topic(partitions=PARTITIONS)
    os.environ["BENCH_OUTPUT"] = output
    with stage.started(client_of, held.backlog.topic, Task("transform")) as client:
        wait_for(stage, client, output, held.readable)
        time.sleep(SETTLE_S)
        cpu_before_s = cpu_s(client.pids)
        held.release()
        wait_for(stage, client, output, held.readable + 1)
        began_s = time.monotonic()
        written = wait_for(stage, client, output, held.backlog.count)
        seconds = time.monotonic() - began_s
        cpu_used_s = cpu_s(client.pids) - cpu_before_s
        seen = client.seen()
    if (written, seen.count, seen.total) != (held.backlog.count, held.backlog.count, held.backlog.checksum):
        raise RunFailed(f"{written} written and {seen.count} handled of {held.backlog.count}")
    sent = held.backlog.count - held.readable
    return Result(sent / seconds, cpu_used_s / sent * 1e6, seconds)


def wait_for(stage: Stage, client: Client, output: str, count: int) -> int:
    """Until so much was written."""
    written, moved_s = -1, time.monotonic()
    while written < count:
        before, written = written, _written(stage, output, written)
        moved_s = time.monotonic() if written > before else moved_s
        if time.monotonic() - moved_s > STALL_S or any(one.poll() is not None for one in client.processes):
            raise RunFailed(f"ended or stood still at {written} of {count}: {client.log_tail()}")
        time.sleep(LOOK_S)
    return written


def _written(stage: Stage, output: str, before: int) -> int:
    """A leader may not know yet that it leads a topic which was just made."""
    try:
        return sum(stage.server.end_offsets(output).values())
    except KafkaException as refused:
        if refused.args[0].code() not in NOT_YET:
            raise
        return before
