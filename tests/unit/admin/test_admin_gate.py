"""Who may look and who may act."""

import pytest
from site_under_test import Answering, Client

from ringmain.seat import Seat

BOTH = {"admin": {"token": "all", "read_token": "look"}}
AUTHORIZATIONS = {
    "all": "Bearer all",
    "look": "bearer  look",
    "wrong": "Bearer nobody",
    "basic": "Basic YWxs",
}


def _answer(client: Client, method: str, path: str, who: str) -> int:
    headers = {"Authorization": AUTHORIZATIONS[who]} if who else {}
    return client.ask(method, path, headers=headers).status_code


@pytest.mark.parametrize("tables", [BOTH])
@pytest.mark.parametrize(
    ("who", "looks", "acts"),
    [("all", 200, 200), ("look", 200, 403), ("wrong", 401, 401), ("basic", 401, 401), ("", 401, 401)],
)
def test_the_token_acts_the_read_token_looks_and_nobody_else_does(
    client: Client, supervisor: Answering, who: str, looks: int, acts: int
) -> None:
    assert _answer(client, "GET", "/api/status", who) == looks
    assert _answer(client, "POST", "/api/quiet", who) == acts
    assert len(supervisor.acts) == (1 if acts == 200 else 0)


@pytest.mark.parametrize("tables", [BOTH])
@pytest.mark.parametrize("path", ["/ping", "/health/live", "/health/ready", "/metrics", "/openapi.json", "/"])
def test_what_machines_ask_and_the_page_itself_need_no_token(client: Client, path: str) -> None:
    assert client.get(path).status_code == 200


@pytest.mark.parametrize("tables", [{"admin": {"read_token": "look"}}])
def test_with_a_read_token_alone_nobody_acts(client: Client, supervisor: Answering) -> None:
    assert _answer(client, "GET", "/api/status", "look") == 200
    assert _answer(client, "POST", "/api/quiet", "look") == 403
    assert _answer(client, "POST", "/api/quiet", "") == 401
    assert supervisor.acts == []


@pytest.mark.parametrize("tables", [BOTH])
def test_a_401_says_how_to_come_in(client: Client) -> None:
    answer = client.get("/api/status")
    assert answer.headers["www-authenticate"] == "Bearer"
    assert "Authorization: Bearer" in answer.json["error"]


@pytest.mark.parametrize("tables", [BOTH])
@pytest.mark.parametrize("given", ["Bearer", "Bearer ", "Bearer \xff", "all", "Bearer all all", "B" * 5000])
def test_a_strange_authorization_is_just_wrong(client: Client, given: str) -> None:
    assert client.get("/api/status", headers={"Authorization": given}).status_code == 401


@pytest.mark.parametrize("tables", [BOTH])
def test_nothing_is_read_of_a_stranger(client: Client) -> None:
    answer = client.ask("POST", "/api/dead/delete", body=b"{", headers={"Content-Type": "application/json"})
    assert answer.status_code == 401


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8100", "[2001:db8::1]:8100", ""])
def test_without_a_token_it_answers_to_this_machines_names_only(client: Client, host: str) -> None:
    assert client.get("/api/status", headers={"Host": host}).status_code == 403
    assert client.get("/metrics", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("host", ["localhost:8100", "127.0.0.1", "127.9.9.9:1", "[::1]:8100"])
def test_names_of_this_machine_are_all_fine(client: Client, host: str) -> None:
    assert client.get("/api/status", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_an_act_is_not_taken_from_a_page_of_another_site(
    client: Client, supervisor: Answering, headers: dict[str, str]
) -> None:
    assert client.post("/api/quiet", headers=headers).status_code == 403
    assert supervisor.acts == []


def test_an_act_of_our_own_page_is(client: Client) -> None:
    headers = {"Origin": "http://127.0.0.1:8100", "Sec-Fetch-Site": "same-origin"}
    assert client.post("/api/quiet", headers={"Host": "127.0.0.1:8100", **headers}).status_code == 200


def test_a_closed_gate_opens_no_sooner_for_a_token_that_is_nearly_right(seat: Seat) -> None:
    """Comparison takes its time: what is compared is never the first letter alone."""
    from ringmain.admin import gate

    assert gate._same(b"all", b"all")
    assert not gate._same(b"", b"")
    assert not gate._same(b"alk", b"all")
