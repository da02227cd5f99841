"""What comes from outside: bytes that are no HTTP, clients that never finish, more than is allowed."""

import json
import socket
from contextlib import ExitStack

import pytest
from node_with_admin import AdminNode

from ringmain.admin.server import THREADS
from support.waiting import eventually

BAD: list[tuple[str, bytes, int]] = [
    ("no request line", b"hello\r\n\r\n", 400),
    ("no version", b"GET /\r\n\r\n", 400),
    ("another version", b"GET / HTTP/9.9\r\n\r\n", 505),
    ("a method of signs", b"G@T / HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    ("a header without a colon", b"GET /ping HTTP/1.1\r\nHost x\r\n\r\n", 400),
    ("a header of signs", b"GET /ping HTTP/1.1\r\nHo(st: x\r\n\r\n", 400),
    ("a line without end", b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\n\r\n", 414),
    ("a header without end", b"GET /ping HTTP/1.1\r\nX: " + b"a" * 70_000 + b"\r\n\r\n", 431),
    ("more headers than anybody has", b"GET /ping HTTP/1.1\r\n" + b"X: y\r\n" * 500 + b"\r\n", 431),
    ("two lengths", b"POST /api/quiet HTTP/1.1\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}", 400),
    ("a length below zero", b"POST /api/quiet HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
    ("a transfer nobody knows", b"POST /api/quiet HTTP/1.1\r\nTransfer-Encoding: x\r\n\r\n", 501),
    ("TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200) + b"\r\n\r\n", 400),
]  # fmt: skip


@pytest.mark.parametrize(
    ("request_", "status"), [(one, status) for _, one, status in BAD], ids=[n for n, *_ in BAD]
)
def test_what_is_no_http_is_refused_as_json(node: AdminNode, request_: bytes, status: int) -> None:
    try:
        said = node.raw(request_)
    except ConnectionResetError:
        pytest.skip("the answer was lost with the connection: more was sent than was read")
    head, _, body = said.partition(b"\r\n\r\n")
    assert head.startswith(f"HTTP/1.1 {status} ".encode()), head
    assert b"Content-Type: application/json" in head
    assert json.loads(body)["status"] == status
    assert b"Traceback" not in said


def test_a_declared_length_above_the_limit_is_refused_without_waiting_for_it(node: AdminNode) -> None:
    head = f"POST /api/quiet HTTP/1.1\r\nHost: 127.0.0.1:{node.port}\r\nContent-Type: application/json\r\n"
    said = node.raw(head.encode() + b"Content-Length: 99999999999\r\n\r\n{}")
    assert said.startswith(b"HTTP/1.1 413 ")


def test_chunks_without_end_are_refused_at_the_limit(node: AdminNode) -> None:
    head = (
        f"POST /api/quiet HTTP/1.1\r\nHost: 127.0.0.1:{node.port}\r\nContent-Type: application/json\r\n"
        "Transfer-Encoding: chunked\r\n\r\n"
    ).encode()
    chunk = b"100000\r\n" + b" " * 0x100000 + b"\r\n"
    with socket.create_connection(("127.0.0.1", node.port), timeout=30) as line:
        line.sendall(head + chunk * 16 + b"100000\r\n" + b" " * 0x1000)
        try:
            line.sendall(b" " * (0x100000 - 0x1000) + b"\r\n")
            said = line.recv(1000)
        except ConnectionError:
            return
    assert said.startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize(
    "path",
    ["/page/../../site.py", "/page/%2e%2e%2f%2e%2e%2fsite.py", "/page/..%5c..%5csite.py", "//etc/passwd",
     "/page/%00", "/%ff%fe", "/page/" + "../" * 50 + "etc/passwd", "/api/dead/%2e%2e",
     "/api/jobs/..%2f..%2flog"],
)  # fmt: skip
def test_no_path_leads_out_of_the_table(node: AdminNode, path: str) -> None:
    said = node.get(path)
    assert said.status in (400, 404)
    assert said.json["status"] == said.status


def test_clients_that_never_finish_do_not_keep_others_out(node: AdminNode) -> None:
    with ExitStack() as held:
        for _ in range(3 * THREADS):
            line = held.enter_context(socket.create_connection(("127.0.0.1", node.port), timeout=30))
            line.sendall(b"GET /ping HTTP/1.1\r\nHost: ")
        eventually(lambda: node.get("/health/live").status == 200, 60.0, "an answer beside the slow ones")


def test_a_client_that_never_finishes_is_hung_up_on(node: AdminNode) -> None:
    with socket.create_connection(("127.0.0.1", node.port), timeout=60) as line:
        line.sendall(b"GET /ping HTTP/1.1\r\nHost: ")
        assert line.recv(100) == b""


def test_several_requests_of_one_connection_are_answered_in_order(node: AdminNode) -> None:
    one = f"GET /ping HTTP/1.1\r\nHost: 127.0.0.1:{node.port}\r\n\r\n".encode()
    last = one.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    assert node.raw(one + one + last).count(b'{"ping":"pong"}') == 3


def test_after_all_of_it_the_worker_is_the_one_that_began(node: AdminNode) -> None:
    assert len(node.processes("admin")) == 2
    assert not [line for line in node.log() if "WORKER TIMEOUT" in line["event"]]
    assert [line["traceback"] for line in node.log() if line.get("traceback")] == []
