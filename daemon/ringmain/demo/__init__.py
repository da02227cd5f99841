"""What `ringmain demo` brings along: a broker, a sample app, its load, and a view of the daemon at work.

The command line enters by `run`. The daemon itself is not here: the demo starts it as a user would, and no
role ever imports this room.
"""


def run(messages: int | None, partitions: int = 4, handlers: int = 2, rabbitmq_url: str = "") -> int:
    """The demo from begin to end; the exit code. Until Ctrl-C, or until so many messages are settled."""
    from ringmain.demo.stage import (  # the load's process comes through here too and needs none of it
        Size,
        play,
    )

    return play(Size(messages, partitions, handlers, rabbitmq_url))
