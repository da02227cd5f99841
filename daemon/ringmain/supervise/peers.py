"""The other nodes of this name: who was heard when and with what, and who is in the groups. Pure.

neighbours.py enters with words, scouts' reports and questions. A node that says nothing for long is shown as
gone, and later not at all; one that only Kafka tells of is shown as that.
"""

from dataclasses import dataclass, field

from ringmain import control
from ringmain.supervise.words import Hello, Sender, Shares

SILENT_S = 45.0
FORGOTTEN_S = 600.0

HERE, GONE, IN_GROUP = "here", "gone", "in the group"
TWIN = "has our name"
"""Another daemon that calls itself as we do, on another machine: one of the two must be renamed."""


@dataclass
class Known:
    """The last hello of a node."""

    hello: Hello
    heard_s: float

    @property
    def instance(self) -> str:
        """Which run of it."""
        return self.hello.sender.instance


@dataclass
class Peers:
    """What is known of the others."""

    node: str
    instance: str
    _known: dict[str, Known] = field(default_factory=dict)
    _groups: dict[str, dict[str, dict[str, list[int]]]] = field(default_factory=dict)
    """Route -> node -> topic -> partitions, as Kafka tells."""

    def is_us(self, sender: Sender) -> bool:
        """Is it our own voice?"""
        return sender.instance == self.instance

    def hear(self, hello: Hello, now_s: float) -> bool:
        """Another node says where it is; True when it is new here, or has begun anew."""
        before = self._known.get(hello.sender.node)
        self._known[hello.sender.node] = Known(hello, now_s)
        return before is None or before.instance != hello.sender.instance or now_s - before.heard_s > SILENT_S

    def part(self, sender: Sender) -> bool:
        """Another node stops; True when it was known. One that runs under its name meanwhile stays."""
        known = self._known.get(sender.node)
        if known is None or known.instance != sender.instance:
            return False
        del self._known[sender.node]
        return True

    def seen(self, route: str, members: dict[str, dict[str, list[int]]]) -> None:
        """Who is in a route's group now, and what each node owns, as Kafka tells."""
        self._groups[route] = members

    def forget(self, now_s: float) -> None:
        """Those who have been silent for very long were never here."""
        for node, known in list(self._known.items()):
            if now_s - known.heard_s > FORGOTTEN_S:
                del self._known[node]

    def twin(self, now_s: float) -> bool:
        """Does another daemon call itself as we do, now?"""
        known = self._known.get(self.node)
        return known is not None and now_s - known.heard_s <= SILENT_S

    def here(self, now_s: float) -> list[str]:
        """The names of those who were heard lately."""
        return sorted(node for node, one in self._known.items() if now_s - one.heard_s <= SILENT_S)

    def owner(self, route: str, topic: str, partition: int, now_s: float) -> str:
        """The node that says, or of which Kafka says, that it owns this one; "" = nobody known."""
        for peer in self.picture(now_s):
            if peer.state in (HERE, IN_GROUP) and f"{topic}/{partition}" in peer.partitions.get(route, ()):
                return peer.node
        return ""

    def picture(self, now_s: float) -> list[control.Peer]:
        """All of them, by name."""
        others = {node for members in self._groups.values() for node in members} - {self.node}
        return [self._peer(node, now_s) for node in sorted(others | set(self._known))]

    def _peer(self, node: str, now_s: float) -> control.Peer:
        """A node's own word on what it owns counts over Kafka's, which is up to a minute old."""
        known = self._known.get(node)
        grouped = {route: members[node] for route, members in self._groups.items() if node in members}
        if known is None:
            return control.Peer(node, _named(grouped), state=IN_GROUP)
        silent_s = now_s - known.heard_s
        here = silent_s <= SILENT_S
        state = TWIN if here and node == self.node else HERE if here else GONE
        partitions = known.hello.partitions if here else grouped
        return control.Peer(node, _named(partitions), known.hello.admin, silent_s, state)


def _named(shares: Shares) -> dict[str, list[str]]:
    return {
        route: [f"{topic}/{partition}" for topic in sorted(topics) for partition in sorted(topics[topic])]
        for route, topics in shares.items()
    }
