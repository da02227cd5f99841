"""Pictures of nodes for tests of what shows them: one that is well, one that is not.

Tests of the command line enter. Numbers are fixed, so that what is shown can be compared.
"""

from msgspec.structs import replace

from ringmain.control import Node, Partition, PausedBy, Peer, Pool, Process, Queue, Ring, Unwell

MODES = ["stream-worker", "worker", "api-server", "management-api"]


def partition(number: int, **changes: object) -> Partition:
    """One that flows."""
    flowing = Partition(
        route="orders", topic="orders", partition=number, owner=f"feeder orders/{number}", position=10_050,
        committed=10_000, end=10_120, lag=120, lag_s=0.4, rate_per_s=3_000.0, eta_s=0.04, state="running",
        ahead=50,
    )  # fmt: skip
    return replace(flowing, **changes)


def pool(key: str, **changes: object) -> Pool:
    """One at work."""
    route, _, channel = key.partition(".")
    at_work = Pool(
        key=key, route=route, channel=channel, order="none", handlers=4, alive=4, busy=3,
        outcomes={"done": 1_234_567, "retry": 120, "dead": 3},
        rates_per_s={"done": 12_345.0, "retry": 1.5, "dead": 0.0}, mean_s=0.00031,
    )  # fmt: skip
    return replace(at_work, **changes)


def process(title: str, **changes: object) -> Process:
    """One at work."""
    role, _, place = title.replace("feeder", "feed").replace("handler", "handle").partition(" ")
    at_work = Process(
        title=title, role=role, pid=4242, pool=place.partition("/")[0], age_s=11_000.0, beat_s=0.2,
        rss_bytes=41_000_000, calls=310_000,
    )  # fmt: skip
    return replace(at_work, **changes)


def node(partitions: int = 4) -> Node:
    """One that is well."""
    handlers = [process(f"handler orders/{number}") for number in range(4)]
    feeders = [process(f"feeder orders/{number}") for number in range(partitions)]
    return Node(
        name="billing", node="web-1", version="0.1.0", pid=4200, modes=MODES, started_at_ms=1_700_000_000_000,
        uptime_s=11_112.0, state="running", ready=True, reasons=[],
        processes=[process("courier"), *feeders, *handlers],
        pools=[
            pool("orders"),
            pool("orders.review", handlers=1, alive=1, busy=0, rates_per_s={}, mean_s=0.0),
        ],
        partitions=[partition(number) for number in range(partitions)],
        rings=[Ring("orders", feeder.title, 8192, 900, 0.11, 600) for feeder in feeders],
        queues=[
            Queue("orders", "ready", 0),
            Queue("orders", "delay", 12, 4.0),
            Queue("orders", "dead", 3, 7_200.0),
        ],
        peers=[Peer("web-2", {"orders": ["orders/4", "orders/5"]}, "http://web-2:8100", 3.0)],
    )  # fmt: skip


def unwell(partitions: int = 64) -> Node:
    """One that somebody is called for at three in the morning."""
    well = node(partitions)
    standing = partition(
        7, state="standing", lag=98_765, lag_s=640.0, rate_per_s=0.0, eta_s=None, ahead=8_192
    )
    paused = partition(9, state="paused", lag=4_321, lag_s=95.0, rate_per_s=0.0, eta_s=None)
    others = [one for one in well.partitions if one.partition not in (7, 9)]
    crash_loop = process(
        "handler orders/2", state="crash loop", pid=0, restarts=17, detail="killed by SIGSEGV"
    )
    by_ada = PausedBy(
        "operator", "the database moves", "orders", 9, operator="ada", since_ms=1_700_000_300_000
    )
    return replace(
        well,
        ready=False,
        reasons=[
            Unwell("stands still: nothing has moved for 640 s", "orders", "orders/7"),
            Unwell("crash loop: killed by SIGSEGV", "orders", "handler orders/2"),
            Unwell("paused by ada: the database moves", "orders", "orders/9", ready=True),
        ],
        processes=[crash_loop, *(one for one in well.processes if one.title != crash_loop.title)],
        pools=[replace(well.pools[0], alive=3, paused=[by_ada]), *well.pools[1:]],
        partitions=[*others, standing, paused],
        restarts={"handler orders crashed": 17},
    )
