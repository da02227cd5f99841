"""Source in, ring out, settled offsets back: the feeder processes.

The supervisor's fork enters by `run`. A feeder owns its seat of the route's ring; it never calls a handler,
never publishes to a queue, and never moves an offset past a message that is not settled.
"""

from ringmain.seat import Seat


def run(seat: Seat) -> int:
    """The role `feed`, over Kafka's partitions or over the queues of the route."""
    if seat.source == "queue":
        from ringmain.feed.deliveries import run_over_queues

        return run_over_queues(seat)
    from ringmain.feed.partitions import run_over_kafka

    return run_over_kafka(seat)
