"""The contract of what nodes say to each other and of counting, held against every backend."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from uuid import uuid4

import pytest

from ringmain.queues import names
from ringmain.queues.contract import Control, Queues
from ringmain.queues.rabbit import RabbitQueues, Topology
from ringmain.queues.sqlite import SqliteQueues
from support.queue_backends import APP, DEAD, HOMES, RABBIT, READY, message, publish, rabbit_access
from support.rabbit_server import RabbitServer
from support.waiting import eventually, never

SOON_S = 60.0


def listening(control: Control) -> Control:
    """Once a word that it says now comes back to it."""
    word = uuid4().bytes

    def heard() -> bool:
        control.pump()
        control.send(word)
        return word in control.take()

    eventually(heard, SOON_S)
    quiet(control)
    return control


def quiet(speaker: Control, *others: Control) -> None:
    """Let all hear out what was said before."""
    last = uuid4().bytes
    assert speaker.send(last)
    for control in (speaker, *others):
        until_heard(control, last)


def until_heard(control: Control, word: bytes) -> None:
    eventually(lambda: word in heard_by(control), SOON_S)


def heard_by(control: Control) -> list[bytes]:
    control.pump()
    return control.take()


def hears(control: Control, *words: bytes) -> Callable[[], bool]:
    """A condition: it has heard exactly these, in this order."""
    found: list[bytes] = []

    def heard() -> bool:
        found.extend(heard_by(control))
        assert found == list(words), found
        return True

    return heard


def until_away(control: Control) -> None:
    def away() -> bool:
        control.pump()
        return control.away() is not None

    eventually(away, SOON_S)


def counted(control: Control) -> dict[str, int]:
    """One whole count."""
    control.count()

    def done() -> list[dict[str, int]]:
        control.pump()
        found = control.counted()
        return [] if found is None else [{queue: depth.messages for queue, depth in found.items()}]

    found: dict[str, int] = eventually(done, SOON_S)[0]
    return found


def test_all_who_listen_hear_each_word_once_and_in_order(queues: Queues) -> None:
    with closing(queues.control()) as one, closing(queues.control()) as other:
        listening(one)
        listening(other)
        quiet(other, one)
        assert one.send(b"first")
        assert one.send(b"second")
        eventually(hears(other, b"first", b"second"), SOON_S)
        eventually(hears(one, b"first", b"second"), SOON_S, "the speaker as well")
        never(lambda: heard_by(one) or heard_by(other), 1.2)


def test_a_word_may_be_long_and_any_bytes(queues: Queues) -> None:
    word = bytes(range(256)) * 256
    with closing(queues.control()) as control:
        listening(control).send(word)
        eventually(hears(control, word), SOON_S)


def test_who_comes_later_does_not_hear_what_was_said_before(queues: Queues) -> None:
    with closing(queues.control()) as one:
        listening(one).send(b"early")
        eventually(hears(one, b"early"), SOON_S)
        with closing(queues.control()) as other:
            before: list[bytes] = []

            def joined() -> bool:
                one.send(b"late")
                before.extend(heard_by(other))
                return bool(before)

            eventually(joined, SOON_S)
        assert set(before) == {b"late"}


def test_another_app_beside_it_hears_nothing(queues: Queues, backend: str, address: str) -> None:
    stranger: Queues
    if backend in RABBIT:
        stranger = RabbitQueues("stranger", rabbit_access(address), Topology("quorum"), HOMES)
    else:
        stranger = SqliteQueues("stranger", Path(address) / "queues.db")
    with closing(queues.control()) as one, closing(stranger.control()) as other:
        listening(one)
        listening(other)
        one.send(b"for us")
        eventually(hears(one, b"for us"), SOON_S)
        quiet(other)
        assert not heard_by(other)


def test_a_count_is_what_depths_tell(queues: Queues) -> None:
    delayed = names.delay(APP, "orders", 3600)
    with closing(queues.control()) as control, closing(queues.publisher()) as publisher:
        listening(control)
        assert counted(control) == {}
        for queue, messages in {READY: 3, DEAD: 2, delayed: 1}.items():
            publish(publisher, queue, [message(number) for number in range(messages)])
        control.expect([READY, DEAD, delayed])
        eventually(lambda: counted(control) == {READY: 3, DEAD: 2, delayed: 1}, SOON_S)
        assert {queue: depth.messages for queue, depth in queues.depths().items()} == counted(control)


def test_a_count_makes_no_queue_and_no_word_is_left_behind(rabbit: RabbitServer) -> None:
    queues = RABBIT["rabbitmq"](rabbit.url)
    assert isinstance(queues, RabbitQueues)
    queues.delete()
    before = {name for [name] in rabbit.queues("name")}
    with closing(queues.control()) as control:
        listening(control)
        counted(control)
        assert [name for [name] in rabbit.queues("name") if name.startswith(f"{APP}.control.")]

    def nothing_new() -> bool:
        assert {name for [name] in rabbit.queues("name")} <= before
        return True

    eventually(nothing_new, SOON_S)


@pytest.fixture
def limited(brittle_rabbit: RabbitServer) -> RabbitQueues:
    """A user who may read and write, and make nothing but what begins with other letters."""
    brittle_rabbit.start()
    if "limited" not in brittle_rabbit.control("list_users", "--quiet"):
        brittle_rabbit.add_user("limited", "secret")
    brittle_rabbit.permit("limited", "^other.*", ".*", ".*")
    access = rabbit_access(brittle_rabbit.url, username="limited", password="secret")
    return RabbitQueues("unheard", access, Topology("quorum"), HOMES)


def test_a_missing_right_is_said_with_the_remedy_and_counts_go_on(
    limited: RabbitQueues, brittle_rabbit: RabbitServer
) -> None:
    with closing(limited.control()) as control:

        def refused() -> str:
            control.pump()
            unheard = control.unheard()
            return unheard.reason if unheard else ""

        reason = eventually(refused, SOON_S)
        assert "unheard.control" in reason
        assert "the user needs configure, write and read on unheard.*" in reason
        assert control.away() is None, "the queues are there"
        assert not control.send(b"nobody hears it")
        assert counted(control) == {}
        brittle_rabbit.permit("limited", ".*", ".*", ".*")
        listening(control)
        assert control.unheard() is None


def test_a_control_comes_back_by_itself(brittle_rabbit: RabbitServer) -> None:
    brittle_rabbit.start()
    queues = RabbitQueues(APP, rabbit_access(brittle_rabbit.url), Topology("quorum"), HOMES)
    with closing(queues.control()) as one, closing(queues.control()) as other:
        listening(one)
        listening(other)
        brittle_rabbit.kill()
        for control in (one, other):
            until_away(control)
            assert not control.send(b"said into the void")
        brittle_rabbit.start()
        listening(one)
        listening(other)
        quiet(one, other)
        one.send(b"again")
        eventually(hears(other, b"again"), SOON_S)


def test_a_queue_file_that_is_made_anew_is_heard_again(tmp_path: Path) -> None:
    queues = SqliteQueues(APP, tmp_path / "queues.db")
    with closing(queues.control()) as one, closing(queues.control()) as other:
        listening(one)
        for _ in range(5):
            one.send(b"many words")
        listening(other)
        for path in tmp_path.glob("queues.db*"):
            if path.is_file():
                path.unlink()
        listening(one)
        listening(other)
        one.send(b"in the new file")
        eventually(lambda: b"in the new file" in heard_by(other), SOON_S)
