"""Another config takes hold on a running node: rings, posts, and fresh processes for those concerned.

The reload enters once with a config that has been judged, then at every turn. Whoever is born from now on
is born with it; who goes by the old one is replaced, one after another. A ring that nobody uses any more is
closed, never one with anybody in it.
"""

import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass

from ringmain.config.diff import Change
from ringmain.config.pools import pools
from ringmain.config.schema import Config
from ringmain.supervise import lineup
from ringmain.supervise.concerned import concerned, rejoining
from ringmain.supervise.ending import Ending
from ringmain.supervise.fork import configure_log
from ringmain.supervise.memory import Memory
from ringmain.supervise.nursery import Nursery
from ringmain.supervise.posts import Child, Post, Roster
from ringmain.supervise.recycle import Recycle
from ringmain.supervise.scales import Scales

_HAVE_CODE = frozenset({"handle", "admin", "http"})
"""The app's code: its handlers, and what it mounts."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Hands:
    """Those through whom it is done."""

    memory: Memory
    nursery: Nursery
    roster: Roster
    ending: Ending
    recycle: Recycle
    scales: Scales


class Applying:
    """What a reload changes on the node."""

    def __init__(self, hands: Hands) -> None:
        self._hands = hands
        self._couriers: list[Child] | None = None
        """Those who may have a ring mapped that is to be closed; None = not told to leave yet."""
        self._rejoining: list[Child] = []
        self.adopters: list[Callable[[Config], None]] = []
        """Each is called with the new config: whoever keeps one."""
        self.closers: list[Callable[[str], None]] = []
        """Each is called with a pool's key before its ring is closed."""

    @property
    def busy(self) -> bool:
        """Whether somebody is still to be replaced, or to leave."""
        return bool(self._hands.recycle.busy or self._rejoining or self._hands.memory.leaving)

    def begin(self, config: Config, changes: list[Change], made: Collection[str], all_handlers: bool) -> int:
        """Go by `config` from now on, whose new rings are `made`; how many processes are replaced."""
        memory = self._hands.memory
        memory.leaving.update(set(memory.segments) - {pool.key for pool in lineup.rings(config)})
        before, memory.config = memory.config, config
        configure_log(config, {"role": "supervisor"})
        for adopt in self.adopters:
            adopt(config)
        replaced = self._old_ones(changes, all_handlers)
        self._bring_posts(made)
        self._bring_handlers(before)
        self._let_leave()
        self._hands.recycle.replace(replaced)
        return len(replaced) + len(self._rejoining)

    def _old_ones(self, changes: list[Change], all_handlers: bool) -> list[Child]:
        """Who is replaced one after another; Kafka feeders that rejoin do so all at once."""
        memory, roster = self._hands.memory, self._hands.roster
        children = [place.child for place in roster if place.child is not None]
        staying = [child for child in children if child.post.pool not in memory.leaving]
        again = rejoining(changes)
        self._rejoining = [
            child for child in staying if child.post.pool in again and child.post.source == "kafka"
        ]
        for child in self._rejoining:
            self._hands.ending.retire(child)
        posts = concerned(changes, (child.post for child in staying))
        return [
            child
            for child in staying
            if (child.post in posts or (all_handlers and child.post.role in _HAVE_CODE))
            and child not in self._rejoining
        ]

    # -- posts ---------------------------------------------------------------------------------------------
    def _bring_posts(self, made: Collection[str]) -> None:
        """All but handlers and Kafka feeders; a queue feeder that a pause gave up stays given up."""
        wanted = [post for post in self._lineup() if post.role != "handle"]
        for post in wanted:
            if not post.pool or post.pool in made:
                self._hands.roster.want(post)
        for place in list(self._hands.roster):
            if not place.post.pool and place.post not in wanted:
                self._drop(place.post)

    def _bring_handlers(self, before: Config) -> None:
        """As many as the file says where it says something new, else as many as an operator said."""
        scales = self._hands.scales
        numbers = {pool.key: pool.handlers for pool in pools(before)}
        handled = {post.pool for post in self._lineup() if post.role == "handle"}
        for pool in pools(self._hands.memory.config):
            if pool.key not in handled:
                continue
            if numbers.get(pool.key) != pool.handlers and scales.forget(pool.key):
                said = {"of_route": pool.key, "handlers": pool.handlers}
                _log.info("reload: the file's number of handlers replaces the scaled one", extra=said)
            scales.bring(pool.key, scales.handlers_of(pool.key))

    def _lineup(self) -> list[Post]:
        memory = self._hands.memory
        return lineup.posts(memory.config, self._hands.nursery.unhandled, memory.queue_seats())

    def _let_leave(self) -> None:
        """Who serves a pool that is gone finishes what it has begun; its feeders leave the group."""
        for place in list(self._hands.roster):
            if place.post.pool in self._hands.memory.leaving:
                self._drop(place.post)

    def _drop(self, post: Post) -> None:
        place = self._hands.roster.place(post)
        self._hands.roster.drop(post)
        if place is not None and place.child is not None:
            _log.info("retiring", extra={"child": place.child.title})
            leave = self._hands.ending.retire if post.pool else self._hands.ending.restart
            leave(place.child)

    # -- rings ---------------------------------------------------------------------------------------------
    def step(self) -> None:
        """Close rings whose last process has gone; the courier lets go of them by being replaced."""
        self._rejoining = [child for child in self._rejoining if self._lives(child)]
        leaving = self._hands.memory.leaving
        if not leaving or self._hands.recycle.busy or not self._hands.ending.goes_on:
            return
        if any(child.post.pool in leaving for child in self._hands.nursery.children):
            return
        if self._couriers is None:
            # ORDER: before anybody is chosen: who is born from here on has none of these mapped.
            self._hands.memory.gone.update(leaving)
            self._couriers = self._hands.nursery.children.of("courier")
            self._hands.recycle.replace(self._couriers)
        elif not any(map(self._lives, self._couriers)):
            self._couriers = None
            self._close(sorted(leaving))

    def _close(self, gone: list[str]) -> None:
        for pool in gone:
            for close in self.closers:
                close(pool)
            self._hands.memory.close_pool(pool)
            _log.info("ring closed", extra={"of_route": pool})

    def _lives(self, child: Child) -> bool:
        return any(one is child for one in self._hands.nursery.children)
