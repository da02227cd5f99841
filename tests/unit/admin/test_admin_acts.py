"""Acts: each POST becomes one request to the supervisor, and its answer one of HTTP."""

from typing import Any

import pytest
from site_under_test import Answering, Client

from ringmain.control import Done, Pause, Quiet, Recycle, Refused, Reload, Request, Resume, Scale, Seek, Stop

ACTS: list[tuple[str, dict[str, Any], Request]] = [
    ("/api/routes/orders/pause", {}, Pause("orders")),
    (
        "/api/routes/orders/pause",
        {
            "partition": 3,
            "topic": "t",
            "source": "kafka",
            "node": "web-2",
            "operator": "ada",
            "reason": "why",
        },
        Pause("orders", "t", 3, "kafka", "web-2", "ada", "why"),
    ),
    ("/api/routes/orders/resume", {"partition": 3}, Resume("orders", "", 3)),
    ("/api/routes/orders/seek", {"partition": 3, "to": "earliest"}, Seek("orders", 3, "earliest")),
    ("/api/routes/orders.slow/scale", {"handlers": 8}, Scale("orders.slow", 8)),
    ("/api/processes/handler%20orders%2F3/recycle", {}, Recycle("", "handler orders/3")),
    ("/api/processes/handler%20orders/3/recycle", {}, Recycle("", "handler orders/3")),
    ("/api/processes/courier/recycle", {"operator": "ada"}, Recycle("", "courier", "ada")),
    ("/api/recycle", {"pool": "orders"}, Recycle("orders")),
    ("/api/reload", {"dry_run": True}, Reload(dry_run=True)),
    ("/api/quiet", {}, Quiet()),
    ("/api/stop", {"now": True}, Stop(now=True)),
]


@pytest.mark.parametrize(("path", "body", "request_"), ACTS, ids=[path for path, _, _ in ACTS])
def test_an_act_is_asked_for_as_it_was_said(
    client: Client, supervisor: Answering, path: str, body: dict[str, Any], request_: Request
) -> None:
    answer = client.post(path, body)
    assert answer.status_code == 200
    assert (answer.json["text"], answer.json["lines"]) == ("done: it is so", ["one line"])
    assert supervisor.acts == [request_]


def test_a_post_without_a_body_is_an_empty_one(client: Client, supervisor: Answering) -> None:
    assert client.ask("POST", "/api/routes/orders/pause").status_code == 200
    assert supervisor.acts == [Pause("orders")]


def test_who_asked_for_what_is_logged(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    client.post("/api/routes/orders/pause", {"operator": "ada", "reason": "the database moves"})
    [line] = [one for one in caplog.records if one.getMessage() == "act asked for"]
    said = vars(line)
    assert (said["act"], said["asked_route"], said["asked_operator"]) == ("pause", "orders", "ada")
    assert said["from"] == "127.0.0.1"


@pytest.mark.parametrize(
    ("reply", "status"),
    [(Refused("not now"), 409), (Refused("there is no route 'x'", unknown=True), 404)],
)
def test_a_refusal_keeps_its_reason(
    client: Client, supervisor: Answering, reply: Refused, status: int
) -> None:
    supervisor.reply = reply
    answer = client.post("/api/routes/x/pause")
    assert (answer.status_code, answer.json["error"]) == (status, reply.reason)


def test_a_look_after_an_act_sees_what_it_changed(client: Client, supervisor: Answering) -> None:
    client.get("/api/status")
    supervisor.reply = Done("quiet")
    supervisor.picture = type(supervisor.picture)(
        **{name: getattr(supervisor.picture, name) for name in supervisor.picture.__struct_fields__}
        | {"state": "quiet"}
    )
    client.post("/api/quiet")
    assert client.get("/api/status").json["state"] == "quiet"


BAD: list[tuple[str, bytes, int]] = [
    ("/api/routes/orders/pause", b"{", 400),
    ("/api/routes/orders/pause", b"\xff\xfe", 400),
    ("/api/routes/orders/pause", b"[]", 400),
    ("/api/routes/orders/pause", b'{"partion": 3}', 400),
    ("/api/routes/orders/pause", b'{"partition": "3"}', 400),
    ("/api/routes/orders/pause", b'{"partition": -1}', 400),
    ("/api/routes/orders/pause", b'{"source": "rabbit"}', 400),
    ("/api/routes/orders/seek", b"{}", 400),
    ("/api/routes/orders/scale", b'{"handlers": 0}', 400),
    ("/api/routes/orders/scale", b'{"handlers": 100000}', 400),
    ("/api/routes/orders/pause", b"[" * 100_000, 400),
]


@pytest.mark.parametrize(("path", "body", "status"), BAD, ids=[repr(body[:30]) for _, body, _ in BAD])
def test_a_body_that_does_not_fit_is_told_where(
    client: Client, supervisor: Answering, path: str, body: bytes, status: int
) -> None:
    answer = client.ask("POST", path, body=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == status
    assert answer.json["error"].startswith("the body does not fit")
    assert supervisor.acts == []


def test_a_body_must_say_that_it_is_json(client: Client, supervisor: Answering) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded"):
        answer = client.ask("POST", "/api/quiet", body=b"{}", headers={"Content-Type": kind})
        assert answer.status_code == 415, "a form of another site could send it"
    assert supervisor.acts == []


def test_a_body_above_its_limit_is_not_read(client: Client, supervisor: Answering) -> None:
    large = b'{"reason":"' + b"x" * (16 << 20) + b'"}'
    answer = client.ask("POST", "/api/quiet", body=large, headers={"Content-Type": "application/json"})
    assert answer.status_code == 413
    assert supervisor.acts == []
