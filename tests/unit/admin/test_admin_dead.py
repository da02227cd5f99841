"""The dead set over HTTP, on a real queue file: looks, pages, jobs, and who comes second."""

import base64
import json
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from site_under_test import Client

from ringmain.clerk.records import Ledger
from ringmain.config.schema import Config
from ringmain.queues import names
from ringmain.queues.sqlite import SqliteQueues
from support.dead_messages import died
from support.queue_backends import publish, take
from support.waiting import eventually

HUGE = b'"' + b"x" * 200_000 + b'"'


@pytest.fixture
def queues(tmp_path: Path) -> SqliteQueues:
    return SqliteQueues("shop", tmp_path / "queues.db")


@pytest.fixture
def dead(queues: SqliteQueues) -> None:
    """25 in the route's own dead queue, 2 in its channel's."""
    with closing(queues.publisher()) as publisher:
        publish(publisher, names.dead("shop", "orders"), map(died, range(25)))
        publish(publisher, names.dead("shop", "orders", "slow"), [died(30), died(31, value=b"\xff\x00")])


pytestmark = pytest.mark.usefixtures("dead")


def left(client: Client) -> list[int]:
    """Offsets of what is still dead."""
    return [entry["offset"] for entry in client.get("/api/dead?limit=1000").json["entries"]]


def finished(client: Client, job: dict[str, Any]) -> dict[str, Any]:
    """The job's record once it has ended."""

    def ended() -> dict[str, Any]:
        record: dict[str, Any] = client.get(f"/api/jobs/{job['id']}").json
        return record if record["state"] != "running" else {}

    return eventually(ended, message="the end of the job")


def acted(client: Client, action: str, **body: Any) -> dict[str, Any]:
    """The record of a job that has ended."""
    answer = client.post(f"/api/dead/{action}", body)
    assert answer.status_code == 202, answer.text
    assert answer.headers["location"] == f"/api/jobs/{answer.json['job']['id']}"
    return finished(client, answer.json["job"])


def test_pages_go_through_everything_once_in_order(client: Client) -> None:
    found, cursor = [], None
    while True:
        page = client.get("/api/dead", params={"limit": 10, **({"cursor": cursor} if cursor else {})}).json
        found += [entry["offset"] for entry in page["entries"]]
        if (cursor := page["cursor"]) is None:
            break
    assert found == [*range(25), 30, 31]


@pytest.mark.parametrize(
    ("query", "offsets"),
    [
        ("channel=slow", [30, 31]),
        ("channel=slow&text=%22id%22", [30]),
        ("error=KeyError&channel=", [0, 10, 20]),
        ("where=id=7", [7]),
        ("key=k3", [3]),
        ("partition=5", []),
        ("route=orders&since=1h", []),
        ("until=1970-01-01T00:33:20.002Z", [0, 1]),
    ],
)
def test_filters_are_those_of_the_command_line(client: Client, query: str, offsets: list[int]) -> None:
    answer = client.get(f"/api/dead?{query}")
    assert answer.status_code == 200, answer.text
    assert [entry["offset"] for entry in answer.json["entries"]] == offsets


def test_an_entry_is_shown_in_full_and_brief_pages_have_no_values(client: Client) -> None:
    [one] = client.get("/api/dead?where=id=7").json["entries"]
    assert client.get(f"/api/dead/{one['id']}").json == one
    assert (one["value"], one["value_encoding"], one["headers"]) == (
        {"id": 7},
        "json",
        [["a", "1"], ["a", None]],
    )
    [brief] = client.get("/api/dead?where=id=7&brief=true").json["entries"]
    assert brief == {**one, "value": None}


def test_a_large_value_is_shown_with_its_entry_alone(client: Client, queues: SqliteQueues) -> None:
    with closing(queues.publisher()) as publisher:
        publish(publisher, names.dead("shop", "orders"), [died(99, value=HUGE)])
    [listed] = client.get("/api/dead?text=xxxxx").json["entries"]
    assert listed["value"] is None
    assert client.get(f"/api/dead/{listed['id']}").json["value"] == json.loads(HUGE)


def test_a_summary_counts_by_axes(client: Client) -> None:
    summary = client.get("/api/dead/summary?by=channel,error").json
    assert (summary["by"], summary["messages"]) == (["channel", "error"], 27)
    first = summary["counts"][0]
    assert (first["group"], first["messages"]) == ({"channel": "", "error": "shop.Declined"}, 22)
    assert client.get("/api/dead/summary?by=").json["counts"][0]["messages"] == 27


@pytest.mark.parametrize(
    "query",
    [
        "partition=x", "partition=99999999999", "where=id", "where==7", "since=yesterday", "until=99999999w",
        "limit=0", "limit=1001", "limit=x", "route=a&route=b", "brief=perhaps", "by=colour",
        "eror=KeyError", "limt=5",
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_400_with_the_reason(client: Client, query: str) -> None:
    path = "/api/dead/summary" if query.startswith("by=") else "/api/dead"
    answer = client.get(f"{path}?{query}")
    assert answer.status_code == 400
    assert answer.json["error"]


def test_a_route_that_is_nowhere_is_named_with_the_nearest(client: Client) -> None:
    answer = client.get("/api/dead?route=ordres")
    assert (answer.status_code, "did you mean 'orders'" in answer.json["error"]) == (404, True)


@pytest.mark.parametrize("action", ["replay", "delete"])
@pytest.mark.parametrize(
    "body",
    [
        {},
        {"ids": []},
        {"filter": {}},
        {"all": False},
        {"all": True, "ids": ["x"]},
        {"all": 1},
        {"every": True},
    ],
)
def test_neither_ids_nor_filter_nor_all_is_400_and_nothing_is_done(
    client: Client, action: str, body: dict[str, Any]
) -> None:
    assert client.post(f"/api/dead/{action}", body).status_code == 400
    assert len(left(client)) == 27
    assert client.get("/api/jobs").json == {"jobs": []}


def test_a_dry_run_counts_and_does_nothing(client: Client) -> None:
    answer = client.post("/api/dead/delete", {"all": True, "dry_run": True})
    assert (answer.status_code, answer.json) == (
        200,
        {"action": "delete", "total": 27, "dry_run": True, "job": None},
    )
    assert len(left(client)) == 27


def test_ids_are_deleted_and_nothing_else(client: Client) -> None:
    ids = [entry["id"] for entry in client.get("/api/dead?limit=2").json["entries"]]
    record = acted(client, "delete", ids=ids, operator="ada")
    assert (record["state"], record["acted"], record["total"]) == ("done", 2, 2)
    assert record["who"] == "ada from 127.0.0.1"
    assert left(client) == [*range(2, 25), 30, 31]


def test_a_filter_is_replayed_at_a_limit_as_attempt_1(client: Client, queues: SqliteQueues) -> None:
    record = acted(client, "replay", filter={"channel": "", "error": "KeyError"}, limit=2)
    assert (record["state"], record["acted"], record["filter"]["error"]) == ("done", 2, "KeyError")
    with closing(queues.taker([names.ready("shop", "orders")])) as taker:
        taken = take(taker, 2)
    assert [(one.envelope.offset, one.envelope.attempt, one.envelope.replayed) for one in taken] == [
        (0, 1, True),
        (10, 1, True),
    ]
    assert 20 in left(client)


@pytest.mark.parametrize(
    ("value", "encoding", "sent"),
    [
        ({"id": 1.50}, "json", b'{"id": 1.5}'),
        ("plain\n", "utf-8", b"plain\n"),
        (base64.b64encode(b"\xff\x00").decode(), "base64", b"\xff\x00"),
        (None, "json", None),
    ],
)
def test_an_edited_value_goes_out_as_it_was_written(
    client: Client, queues: SqliteQueues, value: Any, encoding: str, sent: bytes | None
) -> None:
    [one] = client.get("/api/dead?where=id=7").json["entries"]
    record = acted(client, "replay", ids=[one["id"]], value=value, value_encoding=encoding)
    assert (record["state"], record["edited"]) == ("done", True)
    with closing(queues.taker([names.ready("shop", "orders")])) as taker:
        [taken] = take(taker, 1)
    assert taken.envelope.value == sent


@pytest.mark.parametrize(
    "body",
    [{"all": True, "value": 1}, {"ids": ["x"], "value": 1, "value_encoding": "base64"},
     {"ids": ["x"], "value": "%", "value_encoding": "base64"},
     {"ids": ["x"], "value": "\x84", "value_encoding": "base64"}, {"ids": ["x"], "filter": {"key": "k"}},
     {"ids": ["x"], "value": 1, "value_encoding": "rot13"}],
)  # fmt: skip
def test_an_edit_is_of_one_message_and_readable(client: Client, body: dict[str, Any]) -> None:
    assert client.post("/api/dead/replay", body).status_code == 400
    assert len(left(client)) == 27


def test_who_comes_second_gets_409_naming_the_first_and_may_look(
    client: Client, queues: SqliteQueues
) -> None:
    with closing(queues.dead_set()) as dead_set, closing(dead_set.hold("ada (job x)")):
        answer = client.post("/api/dead/delete", {"all": True})
        assert answer.status_code == 409
        assert answer.json["holder"]["who"] == "ada (job x)"
        assert "ada (job x)" in answer.json["error"]
        assert len(left(client)) == 27, "reading never waits for a job"


def test_a_slow_job_is_listed_cancelled_and_ends_in_between(client: Client, config: Config) -> None:
    job = client.post("/api/dead/delete", {"all": True, "rate": 1}).json["job"]
    assert [one["id"] for one in client.get("/api/jobs").json["jobs"]] == [job["id"]]
    assert client.post("/api/dead/delete", {"all": True}).status_code == 409
    eventually(lambda: len(left(client)) < 27)
    assert client.post(f"/api/jobs/{job['id']}/cancel").status_code == 200
    record = finished(client, job)
    assert record["state"] == "cancelled"
    assert 0 < len(left(client)) < 27
    assert client.post(f"/api/jobs/{job['id']}/cancel").status_code == 409
    assert [one.id for one in Ledger(config.state_dir).all()] == [job["id"]], "`ringmain jobs` shows it"


def test_what_dies_after_a_job_began_is_left_alone(client: Client, queues: SqliteQueues) -> None:
    job = client.post("/api/dead/delete", {"filter": {"channel": ""}, "rate": 20}).json["job"]
    with closing(queues.publisher()) as publisher:
        publish(publisher, names.dead("shop", "orders"), [died(77)])
    assert finished(client, job)["acted"] == 25
    assert left(client) == [30, 31, 77]


def test_a_job_of_nothing_is_no_job(client: Client) -> None:
    answer = client.post("/api/dead/delete", {"filter": {"key": "nobody"}})
    assert (answer.status_code, answer.json["total"], answer.json["job"]) == (200, 0, None)


def test_the_act_is_in_the_log_with_who_which_and_how_many(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    acted(client, "delete", filter={"error": "KeyError"}, operator="ada")
    [begun] = [vars(one) for one in caplog.records if one.getMessage() == "dead set: job began"]
    assert (begun["who"], begun["filter"], begun["messages"]) == (
        "ada from 127.0.0.1",
        {"error": "KeyError"},
        4,
    )
