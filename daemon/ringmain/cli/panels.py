"""The picture of a node as screens for people: first if it is well and why not, then what it does.

`status` and `top` enter. Nothing is asked or measured here. What a message, a handler or another node has
said is escaped: it must not write to an operator's terminal.
"""

from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ringmain.cli import figures
from ringmain.cli.deadtext import escaped
from ringmain.control import Node, Partition, PausedBy, Peer, Pool, Process, Queue

FEW = 8
"""Rows of a table that has more than people want to read."""
ALL = 1_000_000
OLD_S = 10.0
"""What a partition holds for longer has to be explained."""

_WORST = ("standing", "unreachable", "waiting", "paused")


def screen(node: Node, few: int = FEW) -> Group:
    """All of it, at most `few` rows of a table."""
    return Group(*_parts(node, few))


def _parts(node: Node, few: int) -> Iterator[RenderableType]:
    yield headline(node)
    yield from reasons(node)
    yield Text()
    yield pools(node)
    yield from pauses(node)
    for part in (partitions(node, few), processes(node, few), queues(node, few), peers(node)):
        yield Text()
        yield from part


def headline(node: Node) -> Text:
    """Who it is, and if it is ready."""
    line = _text(f"{node.name} on {node.node}: ", "bold")
    line.append("ready" if node.ready else "NOT READY", "bold green" if node.ready else "bold red")
    state = "" if node.state == "running" else f"{node.state}, "
    line.append(escaped(f", {state}for {figures.span(node.uptime_s)}, pid {node.pid}, {node.version}"))
    if len(node.modes) < 4:
        line.append(escaped(f", {' '.join(node.modes)}"))
    return line


def reasons(node: Node) -> Iterator[Text]:
    """Why it is not ready; then what is worth knowing although it is."""
    for one in sorted(node.reasons, key=lambda one: one.ready):
        about = " ".join(filter(None, (one.route if one.route not in one.subject else "", one.subject)))
        said = f"{about}: {one.reason}" if about else one.reason
        yield _text(f"  {said}", "yellow" if one.ready else "red")
    if node.queues_away and not any(node.queues_away in one.reason for one in node.reasons):
        yield _text(f"  the queues are away: {node.queues_away}", "red")


def pools(node: Node) -> RenderableType:
    """A line for each pool: who works, how fast, how far behind."""
    if not node.pools:
        return Text("no pools", "dim")
    others = [name for name in ("skip", "channel") if any(pool.rates_per_s.get(name) for pool in node.pools)]
    table = _table(
        "pool", "handlers", "busy", "done/s", *(f"{name}/s" for name in others),
        "retry/s", "dead/s", "call", "ring", "lag",
    )  # fmt: skip
    for pool in node.pools:
        rates = [figures.rate(pool.rates_per_s.get(name, 0.0)) for name in ("done", *others, "retry", "dead")]
        table.add_row(
            _text(pool.key, "yellow" if pool.paused else ""),
            Text(f"{pool.alive}/{pool.handlers}", "" if pool.alive >= pool.handlers else "red"),
            str(pool.busy), *rates, figures.span(pool.mean_s), _ring(node, pool), _lag(node, pool),
        )  # fmt: skip
    return table


def pauses(node: Node) -> Iterator[Text]:
    """A line for each reason why a pool takes nothing."""
    for pool in node.pools:
        for pause in pool.paused:
            yield _text(f"  {_paused(pool, pause)} is paused: {paused_by(pause)}", "yellow")


def paused_by(pause: PausedBy) -> str:
    """`operator ada since …: reason`."""
    who = f"{pause.cause} {pause.operator}" if pause.operator else pause.cause
    since = f" since {figures.moment(pause.since_ms)}" if pause.since_ms else ""
    return f"{who}{since}: {pause.reason}" if pause.reason else f"{who}{since}"


def partitions(node: Node, few: int) -> Iterator[RenderableType]:
    """Those that need a look, the worst first; with room all of them."""
    owned = sorted(node.partitions, key=_badness)
    worth = [one for one in owned if needs_a_look(one)]
    shown = owned[: max(few, 0)] if few >= len(owned) else worth[: max(few, 1)]
    yield Text(_partitions_said(owned, worth, shown), "bold")
    if not shown:
        return
    table = _table("partition", "lag", "oldest", "msg/s", "until 0", "ahead", "state")
    for one in shown:
        table.add_row(
            _text(f"{one.topic}/{one.partition}" if one.topic == one.route
                  else f"{one.route} {one.topic}/{one.partition}"),
            figures.count(one.lag), figures.span(one.lag_s), figures.rate(one.rate_per_s),
            _until(one), figures.count(one.ahead),
            _text(one.state, _tone(one)),
        )  # fmt: skip
    yield table


def _tone(one: Partition) -> str:
    if one.state in ("standing", "unreachable"):
        return "red"
    return "yellow" if needs_a_look(one) else ""


def _until(one: Partition) -> str:
    if one.lag <= 0:
        return ""
    return "steady" if one.eta_s is None and _is_steady(one) else figures.span(one.eta_s)


def _partitions_said(owned: Sequence[Partition], worth: Sequence[Partition], shown: Sequence[object]) -> str:
    if not owned:
        return "no partition is owned here"
    lag = sum(one.lag for one in owned if one.lag > 0)
    said = f"{figures.many(len(owned), 'partition')}, {figures.many(lag, 'message')} behind"
    if not worth:
        return f"{said}; none needs a look"
    look = "1 needs a look" if len(worth) == 1 else f"{len(worth)} need a look"
    hidden = f", {look}" if len(shown) != len(worth) else ""
    return f"{said}{hidden}, {len(shown)} shown" if len(shown) != len(owned) else f"{said}{hidden}"


def needs_a_look(one: Partition) -> bool:
    """Does somebody have to understand why it does not simply flow?"""
    return one.state in _WORST or (not _is_steady(one) and one.lag > 0 and one.eta_s is None)


def _is_steady(one: Partition) -> bool:
    """As much comes as goes: what it is behind is what was not committed yet."""
    return one.rate_per_s > 0 and one.lag_s < OLD_S


def _badness(one: Partition) -> tuple[int, int, int, str, int]:
    place = _WORST.index(one.state) if one.state in _WORST else len(_WORST)
    return place, not needs_a_look(one), -one.lag, one.topic, one.partition


def processes(node: Node, few: int) -> Iterator[RenderableType]:
    """Those that are not ok; with room all of them."""
    bad = [one for one in node.processes if is_not_ok(one)]
    shown = node.processes if few >= len(node.processes) else bad[: max(few, 1)]
    said = f"{figures.many(len(node.processes), 'process', 'processes')}, "
    said += "all ok" if not bad else f"{len(bad)} not ok"
    lost = sum(node.restarts.values())
    yield Text(f"{said}; {figures.many(lost, 'restart')}" if lost else said, "bold")
    if not shown:
        return
    table = _table("process", "pid", "age", "beat", "memory", "calls", "restarts", "state")
    for one in shown:
        table.add_row(*_process(one))
    yield table


def _process(one: Process) -> list[RenderableType]:
    state = f"{one.state}: {one.detail}" if one.detail else one.state
    return [
        _text(one.title), str(one.pid) if one.pid else "-", figures.span(one.age_s), figures.span(one.beat_s),
        figures.size(one.rss_bytes), figures.count(one.calls), str(one.restarts),
        _text(state, "red" if is_not_ok(one) else ""),
    ]  # fmt: skip


def is_not_ok(one: Process) -> bool:
    """Is it anything but at work?"""
    return one.state != "ok" or one.pid == 0


def queues(node: Node, few: int) -> Iterator[RenderableType]:
    """Those that hold something."""
    full = sorted((one for one in node.queues if one.messages), key=_queue_order)
    if node.queues_away:
        yield _text("queues: away", "bold red")
    elif not full:
        yield Text("queues: all empty" if node.queues else "queues: nothing known of them yet", "bold")
    if not full:
        return
    table = _table("queue", "messages", "oldest")
    for one in full[: max(few, 1)]:
        oldest = "" if one.oldest_s is None else figures.span(one.oldest_s)
        style = "red" if one.queue == "dead" else ""
        table.add_row(_text(f"{one.pool} {one.queue}", style), figures.count(one.messages), oldest)
    yield table


def _queue_order(one: Queue) -> tuple[bool, int]:
    return one.queue != "dead", -one.messages


def peers(node: Node) -> Iterator[RenderableType]:
    """The other nodes of this name."""
    if not node.peers:
        yield Text("no other node is heard of", "dim")
        return
    table = _table("node", "partitions", "heard", "admin")
    for one in node.peers:
        heard = "" if one.heard_s is None else f"{figures.span(one.heard_s)} ago"
        table.add_row(_text(one.node), _text(_owned(one)), heard, _text(one.admin))
    yield table


def _owned(peer: Peer) -> str:
    said = (f"{len(owned)} of {route}" for route, owned in sorted(peer.partitions.items()) if owned)
    return ", ".join(said) or "none"


def _paused(pool: Pool, pause: PausedBy) -> str:
    """What of the pool."""
    partition = f"{pause.topic}/{pause.partition}" if pause.partition is not None else pause.topic
    source = {"kafka": ", what comes from Kafka,", "queue": ", what comes from the queues,"}
    return (partition or pool.key) + source.get(pause.source, "")


def _ring(node: Node, pool: Pool) -> Text:
    """The fullest of its feeders' rings."""
    ratio = max((ring.used_ratio for ring in node.rings if ring.pool == pool.key), default=None)
    return Text("" if ratio is None else figures.share(ratio), "yellow" if (ratio or 0) > 0.9 else "")


def _lag(node: Node, pool: Pool) -> str:
    """Of a route's own pool; a channel takes from queues."""
    lags = [one.lag for one in node.partitions if one.route == pool.route and one.lag >= 0]
    return "" if pool.channel or not lags else figures.count(sum(lags))


def _text(said: str, style: str = "") -> Text:
    return Text(escaped(said), style, overflow="fold")


def _table(first: str, *numbers: str) -> Table:
    """The first column and one called `state`, `admin` or `partitions` hold words, the others figures."""
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    table.add_column(first.upper(), overflow="ellipsis", no_wrap=True)
    for name in numbers:
        words = name in ("state", "admin", "partitions")
        table.add_column(name.upper(), justify="left" if words else "right", no_wrap=not words)
    return table
