"""What each address of the admin answers, and how it says no."""

from typing import Any

import msgspec
import pytest
from msgspec.structs import replace
from site_under_test import Answering, Client

from ringmain.admin.endpoints import ENDPOINTS
from ringmain.config.schema import Config
from ringmain.control import Node, Unwell
from ringmain.seat import Seat
from support.pictures import node, unwell

VIEWS = ["status", "processes", "routes", "partitions", "rings", "queues", "nodes", "picture", "config"]


@pytest.mark.parametrize("view", VIEWS)
def test_every_view_is_json_that_nobody_keeps(client: Client, view: str) -> None:
    answer = client.get(f"/api/{view}")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    assert isinstance(answer.json, dict)


def test_the_picture_is_the_supervisors_own(client: Client, supervisor: Answering) -> None:
    assert msgspec.convert(client.get("/api/picture").json, Node) == supervisor.picture


def test_status_tells_each_route_in_short(client: Client) -> None:
    status = client.get("/api/status").json
    [orders] = status["routes"]
    assert (orders["route"], orders["lag"], orders["partitions"]) == ("orders", 480, 4)
    assert [pool["key"] for pool in orders["pools"]] == ["orders", "orders.review"]
    assert status["ready"] is True
    assert status["peers"] == ["web-2"]


def test_the_nodes_are_this_one_and_its_peers(client: Client) -> None:
    own, peer = client.get("/api/nodes").json["nodes"]
    assert (own["node"], len(own["partitions"]["orders"])) == ("web-1", 4)
    assert (peer["node"], peer["admin"]) == ("web-2", "http://web-2:8100")


def test_many_who_look_at_once_ask_the_supervisor_once(client: Client, supervisor: Answering) -> None:
    for view in VIEWS * 3:
        client.get(f"/api/{view}")
    assert supervisor.looks <= 3, "a picture lasts a quarter of a second"


def test_live_is_the_supervisors_beat_alone(seat: Seat) -> None:
    alone = Client(seat)
    assert alone.get("/health/live").status_code == 200
    seat.board._beats[0] = 0  # the supervisor has not beaten since the machine started
    answer = alone.get("/health/live")
    assert (answer.status_code, answer.json["alive"]) == (503, False)


def test_ready_says_why_not(client: Client, supervisor: Answering) -> None:
    assert client.get("/health/ready").json == {"ready": True, "state": "running", "reasons": []}
    supervisor.picture = unwell()
    client.post("/api/quiet")  # what was asked for makes the next look a fresh one
    answer = client.get("/health/ready")
    assert answer.status_code == 503
    assert answer.json["reasons"][0]["subject"] == "orders/7"


def test_a_paused_route_is_ready_with_its_reason(client: Client, supervisor: Answering) -> None:
    supervisor.picture = replace(node(), reasons=[Unwell("paused by ada", "orders", ready=True)])
    answer = client.get("/health/ready")
    assert (answer.status_code, answer.json["reasons"][0]["reason"]) == (200, "paused by ada")


def test_a_silent_supervisor_is_not_ready_and_its_pictures_are_503(seat: Seat) -> None:
    alone = Client(seat)
    for path in ("/health/ready", "/api/status"):
        assert alone.get(path).status_code == 503
    assert "answers at" in alone.get("/api/status").json["error"]
    assert alone.get("/ping").status_code == 200


def test_secrets_of_the_config_are_masked(seat: Seat, config: Config) -> None:
    assert "hunter2" not in Client(seat).get("/api/config").text


@pytest.mark.parametrize("tables", [{"admin": {"token": "hunter2"}}])
def test_a_token_is_not_shown_to_who_has_it(seat: Seat) -> None:
    answer = Client(seat).get("/api/config", headers={"Authorization": "Bearer hunter2"})
    assert answer.status_code == 200
    assert "hunter2" not in answer.text


@pytest.mark.parametrize("accept", ["application/json", "text/xml", "text/html"])
@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/nothing", 404),
        ("GET", "/nothing", 404),
        ("GET", "/page/../site.py", 404),
        ("GET", "/page/%2e%2e/site.py", 404),
        ("GET", "/page//etc/passwd", 404),
        ("GET", "/page/page.js%00.png", 404),
        ("DELETE", "/api/status", 405),
        ("POST", "/api/status", 405),
        ("GET", "/api/quiet", 405),
        ("PUT", "/metrics", 405),
        ("GET", "/api/jobs/..%2f..%2fqueues.db", 404),
        ("GET", "/api/jobs/x", 404),
        ("GET", "/api/dead/x", 404),
    ],
)
def test_every_refusal_is_json(client: Client, method: str, path: str, status: int, accept: str) -> None:
    answer = client.ask(method, path, headers={"Accept": accept})
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/json"
    assert set(answer.json) == {"error", "status"}
    assert answer.json["status"] == status


def test_what_is_not_there_is_said_with_what_is(client: Client) -> None:
    assert "nothing at /api/nothing; /openapi.json" in client.get("/api/nothing").json["error"]
    said = client.ask("DELETE", "/api/status").json["error"]
    assert said.startswith("/api/status takes ")
    assert "GET" in said
    assert said.endswith("not DELETE")


def test_every_answer_has_the_headers_that_a_browser_is_kept_in_check_with(client: Client) -> None:
    for path in ("/ping", "/metrics", "/api/status", "/nothing", "/"):
        headers = client.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert "default-src 'self'" in headers["content-security-policy"]


def test_head_is_get_without_a_body(client: Client) -> None:
    answer = client.ask("HEAD", "/api/status")
    assert (answer.status_code, answer.text) == (200, "")


def test_the_page_is_served_and_kept_as_long_as_it_does_not_change(client: Client) -> None:
    first = client.get("/")
    assert first.status_code == 200
    assert first.headers["content-type"] == "text/html; charset=utf-8"
    again = client.get("/", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.text) == (304, "")
    assert client.get("/page/api.js").headers["content-type"] == "text/javascript; charset=utf-8"


@pytest.mark.parametrize("tables", [{"modes": ["stream-worker"]}])
def test_a_node_without_the_modes_has_neither_page_nor_dead_set(client: Client) -> None:
    assert client.get("/").status_code == 404
    answer = client.get("/api/dead")
    assert (answer.status_code, "management-api" in answer.json["error"]) == (404, True)
    for path in ("/ping", "/health/live", "/metrics", "/api/status"):
        assert client.get(path).status_code == 200


def test_what_goes_wrong_inside_is_a_500_without_a_traceback(
    client: Client, supervisor: Answering, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> None:
        raise ZeroDivisionError("inside")

    monkeypatch.setattr("ringmain.admin.picture.ask", broken)
    answer = client.get("/api/status")
    assert answer.status_code == 500
    assert "inside" not in answer.text
    assert "Traceback" not in answer.text


def test_the_document_has_every_address(client: Client) -> None:
    document = client.get("/openapi.json").json
    assert document["openapi"].startswith("3.1")
    described = {(method.upper(), path) for path, all_ in document["paths"].items() for method in all_}
    assert described == {(one.method, one.path) for one in ENDPOINTS}
