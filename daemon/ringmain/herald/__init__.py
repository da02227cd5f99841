"""What the nodes of an app tell each other, and how much is in its queues: one process per node.

roles.py enters by `run`. It carries words and counts, and understands neither: what a word means the
supervisor says. No message of a topic passes here, so its end costs nobody anything; and it may wait, for a
large queue file, where a courier must not.

    supervisor --Announce--> control exchange --Heard--> supervisor          queues --Depths--> supervisor
"""

from ringmain.herald.loop import run

__all__ = ["run"]
