# mypy: disable-error-code="import-not-found,import-untyped,misc,untyped-decorator"
"""arroyo: a consumer whose strategy decodes and handles each message, in the process or in two others.

Arguments: bootstrap, topic, group, "inside" or "processes".
"""

import signal
import sys
from collections.abc import Mapping
from typing import Any

import msgspec
import work
from arroyo.backends.kafka import KafkaConsumer, KafkaPayload
from arroyo.backends.kafka.configuration import build_kafka_consumer_configuration
from arroyo.processing import StreamProcessor
from arroyo.processing.strategies import CommitOffsets, RunTask, RunTaskWithMultiprocessing
from arroyo.processing.strategies.abstract import ProcessingStrategy, ProcessingStrategyFactory
from arroyo.processing.strategies.run_task_with_multiprocessing import MultiprocessingPool
from arroyo.types import Commit, Message, Partition, Topic

PROCESSES = 2
decode = msgspec.json.Decoder(work.Order).decode


def handle(message: Message[KafkaPayload]) -> None:
    work.TASKS[TASK[0]](decode(message.payload.value))


TASK = [""]


def begin() -> None:
    TASK[0] = work.start()


class Factory(ProcessingStrategyFactory[KafkaPayload]):
    def __init__(self, style: str) -> None:
        self._pool = MultiprocessingPool(PROCESSES, begin) if style == "processes" else None

    def create_with_partitions(
        self, commit: Commit, partitions: Mapping[Partition, int]
    ) -> ProcessingStrategy[KafkaPayload]:
        if self._pool is None:
            return RunTask(handle, CommitOffsets(commit))
        return RunTaskWithMultiprocessing(
            handle, CommitOffsets(commit), max_batch_size=1000, max_batch_time=0.1, pool=self._pool
        )

    def shutdown(self) -> None:
        if self._pool is not None:
            self._pool.close()


def main(bootstrap: str, topic: str, group: str, style: str) -> None:
    if style == "inside":
        begin()
    properties: Any = build_kafka_consumer_configuration(
        {"bootstrap.servers": bootstrap}, group_id=group, auto_offset_reset="earliest"
    )
    processor = StreamProcessor(KafkaConsumer(properties), Topic(topic), Factory(style))
    signal.signal(signal.SIGTERM, lambda number, frame: processor.signal_shutdown())
    processor.run()


if __name__ == "__main__":
    main(*sys.argv[1:])
