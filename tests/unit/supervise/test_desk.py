"""The desk over real sockets: answered in turn, and nothing that a client does holds up the loop."""

import contextlib
import random
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from desk_stage import DONE, Stage, read_line, reply

from ringmain import control
from ringmain.asking import Line, ask
from ringmain.errors import NoAnswer
from ringmain.supervise import desk
from support.seeds import seeds
from support.waiting import eventually

RESUME = msgspec.json.encode(control.Resume("orders")) + b"\n"
LOOK = msgspec.json.encode(control.Look()) + b"\n"


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with Stage(tmp_path) as made:
        yield made


def is_well(stage: Stage) -> bool:
    """Whether the loop goes round and answers the next one."""
    turns = stage.turns
    assert ask(stage.path, control.Resume("orders"), 5.0) == DONE
    eventually(lambda: stage.turns > turns + 1)
    return True


def test_only_this_user_may_ask(stage: Stage) -> None:
    mode = Path(stage.path).stat().st_mode
    assert stat.S_ISSOCK(mode)
    assert stat.S_IMODE(mode) == 0o600


def test_several_questions_on_one_connection_are_answered_in_turn(stage: Stage) -> None:
    with contextlib.closing(Line(stage.path, 5.0)) as line:
        for number in range(5):
            assert line.ask(control.Resume(f"r{number}")) == DONE
    assert stage.asked == [control.Resume(f"r{number}") for number in range(5)]


def test_a_hundred_questions_at_once_are_all_answered(stage: Stage) -> None:
    with stage.client() as client:
        client.sendall(RESUME * 100)
        client.shutdown(socket.SHUT_WR)
        answers = b""
        while piece := client.recv(1 << 16):
            answers += piece
    assert [reply(line) for line in answers.splitlines()] == [DONE] * 100


def test_an_answer_that_takes_time_holds_up_nobody_else(stage: Stage) -> None:
    with stage.client() as client:
        client.sendall(msgspec.json.encode(control.Seek("orders", 0, "latest")) + b"\n")
        eventually(lambda: stage.asked)
        assert is_well(stage)
        stage.later.answer(control.Done("sought"))
        assert reply(read_line(client)) == control.Done("sought")


def test_who_leaves_before_the_answer_is_forgotten(stage: Stage) -> None:
    with stage.client() as client:
        client.sendall(msgspec.json.encode(control.Seek("orders", 0, "latest")) + b"\n")
        eventually(lambda: stage.asked)
    assert is_well(stage)
    stage.later.answer(control.Done("sought"))
    assert is_well(stage)


def test_what_nobody_does_is_refused(stage: Stage) -> None:
    assert ask(stage.path, control.Recycle()) == control.Refused("not available")


def test_a_command_that_fails_is_an_answer_and_the_end_of_nothing(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    refused = ask(stage.path, control.Scale("orders", 2))
    assert isinstance(refused, control.Refused)
    assert "a mistake of ours" in refused.reason
    assert "a command failed" in caplog.messages
    assert is_well(stage)


@pytest.mark.parametrize(
    "garbage",
    [
        b"\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"{}\n",
        b'{"type": "dance"}\n',
        b'{"type": "scale", "pool": "orders", "handlers": "many"}\n',
        b"[" * 100_000 + b"\n",
        b'"\xff\xfe\x00"\n',
        b"\x00\x01\x02\x03\n",
    ],
)
def test_garbage_is_refused_and_hung_up_on(stage: Stage, garbage: bytes) -> None:
    with stage.client() as client:
        client.sendall(garbage)
        refused = reply(read_line(client))
        assert isinstance(refused, control.Refused)
        assert "not a request" in refused.reason
        with contextlib.suppress(ConnectionResetError):
            assert client.recv(1) == b""
    assert is_well(stage)


def test_a_line_without_end_is_refused(stage: Stage) -> None:
    with stage.client() as client:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            client.sendall(b"x" * (control.MOST_LINE_BYTES + (1 << 17)))
        line = read_line(client)
    assert not line or f"at most {control.MOST_LINE_BYTES} bytes" in str(reply(line))
    assert is_well(stage)


def test_who_asks_and_does_not_read_holds_up_nobody(stage: Stage) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(8):
            client = stack.enter_context(stage.client())
            client.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                while True:
                    client.send(LOOK * 100)
        assert is_well(stage)


def test_one_client_too_many_makes_the_stillest_leave(stage: Stage) -> None:
    with contextlib.ExitStack() as stack:
        idle = [stack.enter_context(stage.client()) for _ in range(desk.MOST_CLIENTS)]
        for client in idle:
            client.sendall(RESUME)
            assert reply(read_line(client)) == DONE
        assert is_well(stage)
        assert idle[0].recv(1) == b"", "the first has been still the longest"
        idle[-1].sendall(RESUME)
        assert reply(read_line(idle[-1])) == DONE


def test_who_stops_in_the_middle_of_a_line_is_hung_up_on_in_time(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desk, "SLOW_S", 0.05)
    with stage.client() as client:
        client.sendall(RESUME[:5])
        assert client.recv(1) == b""
    assert is_well(stage)


def test_a_closed_desk_answers_nobody(tmp_path: Path) -> None:
    with Stage(tmp_path) as stage:
        assert is_well(stage)
    assert not Path(stage.path).exists()
    with pytest.raises(NoAnswer):
        ask(stage.path, control.Look(), 1.0)


def test_who_waits_when_the_desk_closes_is_told(tmp_path: Path) -> None:
    with Stage(tmp_path) as stage:
        client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        client.connect(stage.path)
        client.sendall(msgspec.json.encode(control.Seek("orders", 0, "latest")) + b"\n")
        eventually(lambda: stage.asked)
    with contextlib.closing(client):
        assert reply(read_line(client)) == control.Refused("the node has stopped")


def test_what_the_dead_left_at_the_address_is_replaced(tmp_path: Path) -> None:
    dead = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    dead.bind(str(tmp_path / "shop.n1.control"))
    dead.close()
    with Stage(tmp_path) as stage:
        assert is_well(stage)


def test_a_deep_directory_is_no_obstacle(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 60) / ("e" * 60)
    deep.mkdir(parents=True)
    with Stage(deep) as stage:
        assert len(stage.path) > 107
        assert is_well(stage)


@pytest.mark.parametrize("seed", seeds(3))
def test_whatever_comes_in_whatever_pieces_the_desk_goes_on(stage: Stage, seed: int) -> None:
    chance = random.Random(seed)
    good = [RESUME, LOOK, b'{"type":"seek","route":"r","partition":0,"to":"1"}\n']
    for _ in range(25):
        with stage.client() as client:
            data = b"".join(chance.choices([*good, _noise(chance)], k=chance.randrange(1, 6)))
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                while data:
                    cut = chance.randrange(1, len(data) + 1)
                    client.sendall(data[:cut])
                    data = data[cut:]
                if chance.random() < 0.5:
                    client.setblocking(False)
                    with contextlib.suppress(BlockingIOError):
                        client.recv(chance.randrange(1, 5000))
    assert is_well(stage)


def _noise(chance: random.Random) -> bytes:
    """A good line with some bytes of it changed, left out, or put in."""
    line = bytearray(chance.choice([RESUME, LOOK, b'{"type":"pause","route":"r"}\n', b"\n"]))
    for _ in range(chance.randrange(1, 6)):
        at = chance.randrange(len(line) + 1)
        line[at : at + chance.randrange(3)] = chance.randbytes(chance.randrange(4))
    return bytes(line)
