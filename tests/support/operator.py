"""An operator of a daemon under test: asks its control socket, as the command line and admin do.

tests/scenario/test_live_*.py enter. Whatever is asked goes over the real socket to the real supervisor.
"""

from ringmain import asking, control
from ringmain.control import Node, Partition, Reply, Request
from ringmain.errors import NoAnswer
from support.scenario import Daemon, Scenario
from support.waiting import eventually

PATIENCE_S = 60.0


class Operator:
    """One node's."""

    def __init__(self, scenario: Scenario, node: str = "here") -> None:
        self._scenario = scenario
        folder = scenario.folder / "run" if node == "here" else scenario.folder / "run" / node
        self._socket = control.socket_path(str(folder), scenario.group, node)

    def ask(self, request: Request) -> Reply:
        """Whatever the node answers."""
        return asking.ask(self._socket, request)

    def done(self, request: Request) -> control.Done:
        """It must be done."""
        answer = self.ask(request)
        assert isinstance(answer, control.Done), answer
        return answer

    def refused(self, request: Request) -> control.Refused:
        """It must not."""
        answer = self.ask(request)
        assert isinstance(answer, control.Refused), answer
        return answer

    def look(self) -> Node:
        """The picture."""
        answer = self.ask(control.Look())
        assert isinstance(answer, Node), answer
        return answer

    def partition(self, number: int) -> Partition:
        """One partition as the picture has it; AssertionError while it has none."""
        found = [one for one in self.look().partitions if one.partition == number]
        assert found, f"no partition {number} in the picture"
        return found[0]

    def wait_until_owned(self, partitions: int, owners: int = 0) -> None:
        """Until so many partitions are seen, spread over so many feeders if that matters."""

        def owned() -> bool:
            try:
                seen = self.look().partitions
            except NoAnswer as not_yet:
                if not self._scenario.daemons[-1].running:
                    raise
                raise AssertionError(str(not_yet)) from None
            return len(seen) == partitions and owners in (0, len({one.owner for one in seen}))

        eventually(owned, PATIENCE_S)


def kafka_feeders(daemon: Daemon) -> list[int]:
    """Their process ids."""
    return sorted(daemon.kafka_feeders().values())
