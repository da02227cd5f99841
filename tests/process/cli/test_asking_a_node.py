"""Commands that ask a running node: the real command, a real control socket, a real HTTP server."""

import json
import socket
import socketserver
import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from command_line import Ringmain
from standing_node import Standing, on_http, on_socket

from ringmain.control import Done, Pause, Quiet, Recycle, Refused, Reload, Resume, Scale, Seek, Stop
from support.pictures import node, unwell

HERE = ("--set", "node=here")


@pytest.fixture
def here(folder: Path) -> Iterator[Standing]:
    """The node of shop.toml, on its control socket."""
    with on_socket(folder / "run") as standing:
        yield standing


@pytest.fixture
def web() -> Iterator[tuple[str, Standing]]:
    """An admin that wants the token `hunter2`."""
    with on_http("hunter2") as served:
        yield served


ACTS = [
    (["pause", "orders"], Pause("orders")),
    (
        [
            "pause",
            "orders",
            "--partition",
            "3",
            "--source",
            "kafka",
            "--node",
            "web-2",
            "--reason",
            "it moves",
        ],
        Pause("orders", "", 3, "kafka", "web-2", reason="it moves"),
    ),
    (["resume", "orders", "--topic", "orders", "--partition", "3"], Resume("orders", "orders", 3)),
    (["seek", "orders", "--partition", "3", "--to", "0012", "--yes"], Seek("orders", 3, "12")),
    (["seek", "orders", "--partition", "3", "--to", "latest", "--yes"], Seek("orders", 3, "latest")),
    (["scale", "orders.review", "8"], Scale("orders.review", 8)),
    (["recycle"], Recycle()),
    (["recycle", "orders"], Recycle("orders")),
    (["recycle", "--process", "handler orders/3"], Recycle("", "handler orders/3")),
    (["reload"], Reload()),
    (["reload", "--dry-run"], Reload(dry_run=True)),
    (["quiet"], Quiet()),
    (["stop"], Stop()),
    (["stop", "--now"], Stop(now=True)),
]


@pytest.mark.parametrize(("words", "request_"), ACTS, ids=[" ".join(words) for words, _ in ACTS])
def test_an_act_is_asked_for_at_the_control_socket_and_its_answer_is_printed(
    words: list[str], request_: object, call: Ringmain, here: Standing
) -> None:
    here.reply = Done("it is so", ["  routes.orders.handlers: 4 -> 8"])
    done = call(words[0], "shop.toml", *words[1:], *HERE)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "it is so\n  routes.orders.handlers: 4 -> 8\n"
    [asked] = here.acts
    assert asked.operator, "who did it is always told"
    assert msgspec.structs.replace(asked, operator="") == request_


PLACES = [
    (["pause", "orders", "--partition", "3"], "/api/routes/orders/pause", {"partition": 3}),
    (["resume", "orders"], "/api/routes/orders/resume", {}),
    (["seek", "orders", "--partition", "0", "--to", "earliest", "--yes"], "/api/routes/orders/seek",
     {"partition": 0, "to": "earliest"}),
    (["scale", "orders.review", "8"], "/api/routes/orders.review/scale", {"handlers": 8}),
    (["recycle", "--process", "handler orders/3"], "/api/processes/handler%20orders%2F3/recycle", {}),
    (["recycle", "orders"], "/api/recycle", {"pool": "orders"}),
    (["reload", "--dry-run"], "/api/reload", {"dry_run": True}),
    (["quiet"], "/api/quiet", {}),
    (["stop"], "/api/stop", {}),
    (["stop", "--now"], "/api/stop", {"now": True}),
]  # fmt: skip


@pytest.mark.parametrize(("words", "path", "body"), PLACES, ids=[" ".join(words) for words, _, _ in PLACES])
def test_the_same_act_over_a_url_goes_to_its_endpoint_with_the_token(
    words: list[str], path: str, body: dict[str, object], call: Ringmain, web: tuple[str, Standing]
) -> None:
    url, standing = web
    standing.reply = Done("it is so", ["one"])
    done = call(words[0], url, *words[1:], "--json", RINGMAIN_TOKEN="hunter2")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == {"text": "it is so", "lines": ["one"]}
    [(method, asked, sent, authorization)] = standing.seen
    assert (method, asked, authorization) == ("POST", path, "Bearer hunter2")
    assert sent.pop("operator")
    assert sent == body


def test_status_says_first_that_it_is_ready(call: Ringmain, here: Standing) -> None:
    done = call("status", "shop.toml", *HERE)
    assert done.returncode == 0
    assert done.stdout.startswith("billing on web-1: ready, for 3 h 5 min, pid 4200")


def test_status_says_first_that_it_is_not_ready_and_why(call: Ringmain, here: Standing) -> None:
    here.picture = unwell()
    lines = call("status", "shop.toml", *HERE).stdout.splitlines()
    assert lines[0].startswith("billing on web-1: NOT READY")
    assert lines[1].strip() == "orders/7: stands still: nothing has moved for 640 s"


def test_status_as_json_is_the_whole_picture(call: Ringmain, web: tuple[str, Standing]) -> None:
    url, standing = web
    done = call("status", url, "--json", RINGMAIN_TOKEN="hunter2")
    told = json.loads(done.stdout)
    assert (told["name"], told["node"], told["ready"]) == ("billing", "web-1", True)
    assert len(told["partitions"]) == len(standing.picture.partitions)


def test_top_without_a_terminal_is_one_snapshot(call: Ringmain, here: Standing) -> None:
    done = call("top", "shop.toml", *HERE)
    assert done.returncode == 0
    assert done.stdout == call("status", "shop.toml", *HERE).stdout


def test_where_nothing_runs_it_is_one_line_and_exit_code_5(call: Ringmain, folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        free = taken.getsockname()[1]
    done = call("status", "shop.toml", "--set", f"admin.bind=127.0.0.1:{free}")
    assert (done.returncode, done.stdout) == (5, "")
    [line] = done.stderr.splitlines()
    assert str(folder / "run") in line
    assert f"http://127.0.0.1:{free}" in line


@pytest.mark.parametrize("answer", [b"", b"hello\n", b'{"type":"later"}\n', b"\xff\n"])
def test_what_listens_and_is_no_node_is_exit_code_5_and_no_traceback(
    answer: bytes, call: Ringmain, folder: Path
) -> None:
    class Stranger(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.recv(1 << 16)
            self.request.sendall(answer)

    (folder / "run").mkdir()
    with socketserver.UnixStreamServer(str(folder / "run" / "shop.here.control"), Stranger) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        done = call("status", "shop.toml", *HERE)
        thread.join()
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (5, "", 1)
    assert "shop.here.control" in done.stderr


def test_a_socket_that_a_killed_node_left_is_nobody(call: Ringmain, folder: Path) -> None:
    (folder / "run").mkdir()
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(folder / "run" / "shop.here.control"))
    done = call("stop", "shop.toml", "--wait", *HERE, "--set", "admin.bind=127.0.0.1:1")
    assert (done.returncode, done.stderr.count("\n")) == (5, 1)
    assert "Connection refused" in done.stderr


def test_a_node_that_has_another_name_now_is_told(call: Ringmain, here: Standing) -> None:
    done = call("status", "shop.toml", "--set", "node=web-7", "--set", "admin.bind=127.0.0.1:1")
    assert done.returncode == 5
    assert "(--set node=here asks here)" in done.stderr


def test_without_its_socket_a_node_is_asked_at_its_admin_with_the_token_of_the_file(
    call: Ringmain, folder: Path, web: tuple[str, Standing]
) -> None:
    url, standing = web
    standing.picture = msgspec.structs.replace(node(), name="shop", node="here")
    config = folder / "shop.toml"
    config.write_text(f"{config.read_text()}\n[admin]\nbind = '{url[7:]}'\ntoken = '${{TOKEN}}'\n")
    assert call("quiet", "shop.toml", *HERE, TOKEN="hunter2").returncode == 0
    assert call("quiet", "shop.toml", *HERE, RINGMAIN_TOKEN="hunter2").returncode == 0
    assert call("quiet", "shop.toml", *HERE).returncode == 1
    assert [path for _, path, _, _ in standing.seen].count("/api/quiet") == 2


def test_another_daemon_at_the_admins_address_is_never_acted_on(
    call: Ringmain, web: tuple[str, Standing]
) -> None:
    url, standing = web
    at = ("--set", f"admin.bind={url[7:]}")
    done = call("stop", "shop.toml", *HERE, *at, RINGMAIN_TOKEN="hunter2")
    assert done.returncode == 5
    assert f"{url} is billing on web-1" in done.stderr
    assert [method for method, *_ in standing.seen] == ["GET"]


def test_a_url_where_nothing_answers_is_exit_code_5(call: Ringmain) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        free = taken.getsockname()[1]
    for command in (["status"], ["jobs"], ["pause", "orders"]):
        done = call(command[0], f"http://127.0.0.1:{free}", *command[1:])
        assert done.returncode == 5
        assert done.stderr == f"ringmain: nothing answers at http://127.0.0.1:{free}: Connection refused\n"


def test_a_wrong_token_is_refused_and_told_where_the_token_comes_from(
    call: Ringmain, web: tuple[str, Standing]
) -> None:
    url, _ = web
    done = call("status", url, RINGMAIN_TOKEN="guessed")
    assert done.returncode == 1
    assert "a token is needed" in done.stderr
    assert "RINGMAIN_TOKEN" in done.stderr
    assert "guessed" not in done.stderr


@pytest.mark.parametrize(
    "page",
    [
        (200, "text/html", b"<html>"), (404, "text/html", b"<html>"), (200, "application/json", b"[]"),
        (302, "text/plain", b""),
    ],
    ids=["a page", "not found", "other JSON", "a redirect"],
)  # fmt: skip
def test_what_is_no_admin_of_ringmain_is_exit_code_5(
    page: tuple[int, str, bytes], call: Ringmain, web: tuple[str, Standing]
) -> None:
    url, standing = web
    standing.pages["GET", "/api/picture"] = page
    done = call("status", url, RINGMAIN_TOKEN="hunter2")
    assert (done.returncode, len(done.stderr.splitlines())) == (5, 1)
    assert "no admin of ringmain" in done.stderr


def test_what_the_node_refuses_is_exit_code_1_with_its_reason(call: Ringmain, here: Standing) -> None:
    here.reply = Refused("modes cannot change while it runs: restart it")
    done = call("reload", "shop.toml", *HERE)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "ringmain: modes cannot change while it runs: restart it\n"


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["pause", "order"], "did you mean 'orders'?"),
        (["scale", "orders.reveiw", "3"], "did you mean 'orders.review'?"),
        (["recycle", "--process", "handler order/1"], "did you mean 'handler orders/1'?"),
        (["pause", "xyz"], "there is orders, orders.review"),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest(
    words: list[str], hint: str, call: Ringmain, here: Standing
) -> None:
    here.reply = Refused("there is no such thing", unknown=True)
    done = call(words[0], "shop.toml", *words[1:], *HERE)
    assert (done.returncode, done.stderr) == (1, f"ringmain: there is no such thing: {hint}\n")


def test_seek_asks_back_and_without_a_yes_nothing_is_asked_for(call: Ringmain, here: Standing) -> None:
    done = call("seek", "shop.toml", "orders", "--partition", "3", "--to", "10000", *HERE)
    assert done.returncode == 1
    assert "at most 50 messages that were taken are handled once more" in done.stderr
    assert "nobody said yes, nothing is done" in done.stderr
    assert here.acts == []


@pytest.mark.parametrize("to", ["-1", "soon", "9" * 30, "2026-13-01"])
def test_seek_to_nowhere_is_a_usage_error(to: str, call: Ringmain, here: Standing) -> None:
    done = call("seek", "shop.toml", "orders", "--partition", "3", f"--to={to}", *HERE)
    assert done.returncode == 2
    assert here.asked == []


def test_the_jobs_of_a_url_are_listed_and_cancelled(call: Ringmain, web: tuple[str, Standing]) -> None:
    url, standing = web
    record = {
        "id": "20260131T120000-a1b2c3", "action": "replay", "state": "running", "who": "ada", "host": "web-1",
        "pid": 7, "filter": {"route": "orders"}, "began_at": "2026-01-31T12:00:00Z", "total": 12, "acted": 5,
    }  # fmt: skip
    as_json = json.dumps(record).encode()
    standing.pages["GET", "/api/jobs"] = (200, "application/json", b"[" + as_json + b"]")
    standing.pages["POST", f"/api/jobs/{record['id']}/cancel"] = (202, "application/json", as_json)
    [told] = json.loads(call("jobs", url, "--json", RINGMAIN_TOKEN="hunter2").stdout)
    assert record.items() <= told.items()
    assert "ada@web-1" in call("jobs", url, RINGMAIN_TOKEN="hunter2").stdout
    done = call("jobs", url, "--cancel", str(record["id"]), RINGMAIN_TOKEN="hunter2")
    assert done.stdout == f"job {record['id']} ends after its present batch\n"


@pytest.mark.parametrize(
    "url",
    [
        "http://",
        "http://ada:hunter2@web-1:8100",
        "http://web-1:8100/?a=1",
        "http://web-1:x",
        "web-1:8100",
        "http://w\u00eb-1:8100",
        "http://web-1:8100/a b",
    ],
)
def test_what_is_no_url_of_an_admin_is_a_usage_error(url: str, call: Ringmain) -> None:
    done = call("status", url)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 2)
    assert "hunter2" not in done.stderr


@pytest.mark.parametrize("token", ["hunter\n2", "h\u00fcnter2"])
def test_a_token_that_no_header_can_have_is_a_usage_error(token: str, call: Ringmain) -> None:
    done = call("status", "http://127.0.0.1:1", RINGMAIN_TOKEN=token)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 2)
    assert token not in done.stderr


def test_a_command_that_reads_the_file_says_that_a_url_is_none(call: Ringmain) -> None:
    done = call("check", "http://127.0.0.1:8100")
    assert done.returncode == 3
    assert "give its path, not a URL" in done.stderr


def test_set_with_a_url_is_a_usage_error(call: Ringmain) -> None:
    assert call("status", "http://127.0.0.1:8100", *HERE).returncode == 2


def test_no_secret_of_the_config_is_needed_to_ask_a_running_node(
    call: Ringmain, folder: Path, here: Standing
) -> None:
    config = folder / "shop.toml"
    config.write_text(config.read_text().replace("${PASSWORD:-hunter2}", "${NOBODY_SET_THIS}"))
    assert call("status", "shop.toml", *HERE).returncode == 0
    assert here.picture == node()


def test_a_file_that_is_broken_by_now_does_not_keep_anybody_from_stopping_its_node(
    call: Ringmain, folder: Path, here: Standing
) -> None:
    config = folder / "shop.toml"
    broken = config.read_text().replace('order = "none"', 'oder = "nonne"').replace("[queues]", "[qeues]")
    config.write_text(broken)
    assert call("check", "shop.toml").returncode == 3
    assert call("stop", "shop.toml", *HERE).returncode == 0
    assert here.acts


@pytest.mark.parametrize(
    ("wrong", "key"), [("name = 7", "name"), ("runtime_dir = 7", "runtime_dir"), ("node = ''", "node")]
)
def test_what_hides_the_nodes_address_is_a_config_error(
    wrong: str, key: str, call: Ringmain, folder: Path
) -> None:
    config = folder / "shop.toml"
    kept = [line for line in config.read_text().splitlines() if not line.startswith(f"{key} =")]
    config.write_text("\n".join([wrong, *kept]))
    done = call("status", "shop.toml")
    assert (done.returncode, done.stderr.count("\n")) == (3, 1)
    assert f"shop.toml:1: {key}" in done.stderr


def test_what_another_has_said_does_not_write_to_the_terminal(call: Ringmain, here: Standing) -> None:
    hostile = msgspec.structs.replace(unwell().reasons[0], reason="\x1b[2Jgone [red]x[/red]")
    here.picture = msgspec.structs.replace(unwell(), reasons=[hostile])
    said = call("status", "shop.toml", *HERE).stdout
    assert "\x1b" not in said
    assert "[red]x[/red]" in said
