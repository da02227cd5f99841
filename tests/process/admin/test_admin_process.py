"""The admin as a child of a real supervisor: it comes back, it waits for its port, it ends with the rest."""

import signal
import socket
from collections.abc import Callable
from contextlib import closing

from node_with_admin import START_S, AdminNode

from ringmain.clerk.records import Ledger
from ringmain.queues import names
from ringmain.queues.sqlite import SqliteQueues
from support import signals
from support.dead_messages import died
from support.leftovers import alive
from support.ports import free_port
from support.queue_backends import bring
from support.waiting import eventually

Start = Callable[..., AdminNode]


def test_a_killed_admin_comes_back_and_its_worker_does_not_outlive_it(start: Start) -> None:
    node = start().until_up()
    [admin, worker] = node.processes("admin")
    signals.send(admin, signal.SIGKILL)
    eventually(lambda: not alive(worker), message="the end of its worker")
    node.until_up()
    assert admin not in node.processes("admin")
    assert node.process.poll() is None


def test_a_killed_worker_is_replaced_by_the_admin_itself(start: Start) -> None:
    node = start().until_up()
    [admin, worker] = node.processes("admin")
    signals.send(worker, signal.SIGKILL)
    eventually(lambda: not alive(worker))
    node.until_up()
    assert admin in node.processes("admin")


def test_a_port_in_use_is_said_and_taken_once_it_is_free_and_all_else_works_meanwhile(start: Start) -> None:
    with socket.socket() as squatter:
        squatter.bind(("127.0.0.1", 0))
        squatter.listen()
        node = start(port=squatter.getsockname()[1])
        eventually(lambda: node.log("cannot listen: trying again"), START_S)
        eventually(
            lambda: [x for x in node.log("child at work") if x["child"].startswith("handler")], START_S
        )
        assert node.process.poll() is None
    node.until_up()
    [line] = node.log("cannot listen: trying again")
    assert "in use" in line["reason"]


def test_a_graceful_stop_ends_the_admin_last_and_leaves_nothing(start: Start) -> None:
    node = start().until_up()
    assert node.stop() == 0
    phases = [line["phase"] for line in node.log("stop phase done")]
    assert phases[-1] == "admin"
    assert not node.log("deadline passed: killing child")


def test_signals_of_a_terminal_are_the_supervisors_alone(start: Start) -> None:
    node = start().until_up()
    below = node.processes("admin")
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGUSR1):
        for pid in below:
            signals.send(pid, number)
    assert node.get("/api/status").status == 200
    assert node.processes("admin") == below


def test_the_picture_the_health_and_the_metrics_of_a_real_node(start: Start) -> None:
    node = start().until_up()
    assert node.get("/health/live").json["alive"] is True

    def not_ready() -> bool:
        said = node.get("/health/ready")
        return said.status == 503 and any("kafka" in str(one).lower() for one in said.json["reasons"])

    eventually(not_ready, START_S, "unready for Kafka's sake")
    titles = {process["title"] for process in node.get("/api/processes").json["processes"]}
    assert {"admin", "courier", "handler orders/0"} <= titles
    assert b"ringmain_supervisor_up 1.0" in node.get("/metrics").body
    assert b"ringmain_handlers{" in node.get("/metrics").body


def test_a_pause_over_http_is_seen_over_http(start: Start) -> None:
    node = start().until_up()
    assert node.ask("POST", "/api/routes/orders/pause", {"operator": "ada"}).status == 200

    def paused() -> list[str]:
        [route] = node.get("/api/routes").json["routes"]
        return [one["operator"] for one in route["paused"]]

    eventually(lambda: paused() == ["ada"])
    assert node.ask("POST", "/api/routes/orders/resume", {}).status == 200
    eventually(lambda: paused() == [])
    assert node.ask("POST", "/api/routes/nobody/pause", {}).status == 404


def test_the_apps_routes_have_a_server_of_their_own_where_the_config_says_so(start: Start) -> None:
    port = free_port()
    node = start(http={"bind": f"127.0.0.1:{port}", "workers": 2}).until_up()

    def answered() -> bool:
        try:
            return node.ask("GET", "/hello", port=port).json == {"hello": "world"}
        except OSError:
            return False

    eventually(answered, START_S)
    assert node.get("/hello").status == 404
    assert b"openapi" in node.get("/hello").body
    assert b"openapi" not in node.ask("GET", "/nothing", port=port).body, "there is none"
    eventually(lambda: len(node.processes("http")) == 3)
    assert node.ask("POST", "/hello", {}, port=port).status == 500
    assert answered()
    assert node.stop() == 0


def test_a_stop_ends_a_job_between_two_batches(start: Start) -> None:
    node = start().until_up()
    dead = names.dead("shop", "orders")
    with closing(SqliteQueues("shop", node.folder / "state" / "queues.db").publisher()) as publisher:
        bring(publisher, dead, map(died, range(50)))
    answer = node.ask("POST", "/api/dead/delete", {"all": True, "rate": 2})
    assert answer.status == 202
    assert node.stop() == 0
    [record] = Ledger(str(node.folder / "state")).all()
    assert (record.state, record.total) == ("cancelled", 50)


def test_the_apps_routes_are_the_admins_where_it_does_not(start: Start) -> None:
    node = start().until_up()
    assert node.get("/hello").json == {"hello": "world"}
