"""What operators may do to a running node: pause, resume, seek, scale, recycle.

The Supervisor makes one and hooks it in. Each is a room of its own; here they are only brought together.
"""

from collections.abc import Callable

from ringmain import control
from ringmain.lifecycle import Sought
from ringmain.supervise.commands import Answer, Commands
from ringmain.supervise.ending import Ending
from ringmain.supervise.filling import Filling
from ringmain.supervise.gates import Gates
from ringmain.supervise.memory import Memory
from ringmain.supervise.neighbours import Neighbours
from ringmain.supervise.nursery import Nursery
from ringmain.supervise.pausing import Pausing
from ringmain.supervise.posts import Roster
from ringmain.supervise.recycle import Recycle
from ringmain.supervise.reports import Reports
from ringmain.supervise.scales import Scales
from ringmain.supervise.seeking import Seeking
from ringmain.supervise.sights import Sights


class Live:
    """All of it."""

    def __init__(
        self, memory: Memory, nursery: Nursery, roster: Roster, ending: Ending, filling: Filling
    ) -> None:
        self.pausing = Pausing(memory, nursery, roster, ending)
        self.seeking = Seeking(memory, nursery, ending)
        self.scales = Scales(memory, roster, ending)
        self.recycle = Recycle(roster, nursery, filling, ending)

    def hook_in(self, commands: Commands, reports: Reports, sights: Sights, neighbours: Neighbours) -> None:
        """Be asked, be told, be seen."""
        commands.register(control.Pause, self.pausing.told_pause)
        commands.register(control.Resume, self._resuming(sights.gates))
        commands.register(control.Seek, self.seeking.told)
        commands.register(control.Scale, self.scales.told)
        commands.register(control.Recycle, self.recycle.told)
        reports.register(Sought, self.seeking.sought)
        sights.paused_by.append(self.pausing.paused)
        neighbours.shared = self.pausing
        self.pausing.peers = neighbours.peers.picture
        neighbours.heed(control.Seek, self.seeking.told_by_node)
        self.seeking.pass_on = neighbours.ask

    def _resuming(self, gates: Gates) -> Callable[[control.Resume], Answer]:
        """What an operator resumes may be paused by the circuit breaker as well: then a message is tried."""

        def told(request: control.Resume) -> Answer:
            answer = self.pausing.told_resume(request)
            if isinstance(answer, control.Done) and (tried := gates.try_now(request.route)):
                return control.Done(answer.text, [*answer.lines, tried])
            return answer

        return told

    def turns(self) -> list[Callable[[float], float]]:
        """What wants to be called at each turn of the loop."""
        return [self.pausing.step, self.seeking.step, self.recycle.step]

    def open(self) -> None:
        """Before anybody is born: what was said before a restart holds."""
        self.scales.open()
        self.pausing.apply()
