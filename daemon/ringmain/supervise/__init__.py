"""The supervisor: forks everything, watches it, gives orders, and never touches a message.

`ringmain run` enters by `run`. No thread is started here and no client of Kafka or of the queues is imported;
what needs one runs in a child.
"""

import logging
from collections.abc import Iterable, Mapping
from pathlib import Path

from ringmain import lifecycle
from ringmain.config.schema import Config
from ringmain.errors import AppError, RingmainError
from ringmain.roles import ROLES
from ringmain.supervise.fork import configure_log, own_title
from ringmain.supervise.lock import Lock
from ringmain.supervise.loop import Supervisor
from ringmain.supervise.memory import Memory, raise_file_limit
from ringmain.supervise.nursery import Nursery
from ringmain.supervise.observer import NOBODY, Observer
from ringmain.supervise.rehearsal import rehearse
from ringmain.supervise.running import Running
from ringmain.supervise.signals import Signals

__all__ = ["Observer", "run"]
_log = logging.getLogger(__name__)


def run(
    config: Config,
    table: Mapping[str, str] = ROLES,
    observer: Observer = NOBODY,
    overrides: Iterable[str] = (),
) -> int:
    """Run the daemon until it is told to stop. RingmainError says why it cannot be started.

    `overrides` are those that `config` was read with: a reload reads it with them again.
    """
    configure_log(config, {"role": "supervisor"})
    own_title(config)
    lock = Lock(Path(config.runtime_dir), config.name, config.node)
    lock.take()
    running = Running(config, overrides)
    try:
        raise_file_limit()
        running.keep()
        return _supervise(config, table, lock, observer, running)
    finally:
        running.forget()
        lock.release()


def _supervise(
    config: Config, table: Mapping[str, str], lock: Lock, observer: Observer, running: Running
) -> int:
    signals = Signals()
    try:
        memory = _make_memory(config)
    except BaseException:
        signals.close()
        raise

    def let_go() -> None:
        lock.let_go()
        signals.let_go()

    nursery = Nursery(memory, table, let_go)
    try:
        probed = rehearse(nursery, signals)
        if probed is None:
            return lifecycle.OK
        if probed.reason:
            raise AppError(probed.reason)
        nursery.unhandled, nursery.mounted = frozenset(probed.unhandled), probed.mounted
        nursery.code = probed.code
        _log.info(
            "starting", extra={"service": config.name, "node": config.node, "routes": len(config.routes)}
        )
        return Supervisor(memory, nursery, signals, observer, running).run()
    finally:
        nursery.close()
        memory.close()
        signals.close()


def _make_memory(config: Config) -> Memory:
    try:
        return Memory(config)
    except OSError as error:
        why = f"{error.strerror}: lower ring.messages or raise the limit"
        raise RingmainError(f"shared memory: {why}") from error
