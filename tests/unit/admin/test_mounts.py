"""The app's own HTTP routes: where they are, who may call them, and that they hurt nobody else."""

import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from site_under_test import Client, answering, config_in, seat_of

from ringmain import App
from ringmain.admin import front
from ringmain.errors import AppError

APP = """
import falcon
from ringmain import App

app = App()

class Hello:
    def on_get(self, req, resp):
        resp.media = {"hello": req.get_param("who", default="world")}
    def on_post(self, req, resp):
        raise RuntimeError("inside")

class Deep:
    def on_get(self, req, resp, name):
        resp.media = {"name": name, "root": req.root_path}

def plain(environ, start_response):
    if environ["PATH_INFO"] == "/raises":
        raise RuntimeError("inside")
    if environ["PATH_INFO"] == "/exits":
        raise SystemExit(3)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [environ["SCRIPT_NAME"].encode(), b" ", environ["PATH_INFO"].encode()]

inner = falcon.App()
inner.add_route("/deep/{name}", Deep())

app.mount("/hello", Hello())
app.mount("/open", Hello(), public=True)
app.mount("/plain", plain, public=True)
app.mount("/plain/inner", inner, public=True)
"""


@pytest.fixture
def folder(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """With a module of a name of its own: modules stay imported."""
    name = f"mounted_{abs(hash(request.node.nodeid))}"
    (tmp_path / f"{name}.py").write_text(textwrap.dedent(APP))
    return tmp_path


def module_in(folder: Path) -> str:
    [path] = folder.glob("mounted_*.py")
    return f"{path.stem}:app"


def clients(folder: Path, make: Any, **tables: Any) -> Iterator[Client]:
    config = config_in(folder, app=module_in(folder), **tables)
    with answering(config), seat_of(config, mounted=True) as seat:
        yield Client(seat, make)


@pytest.fixture
def client(folder: Path) -> Iterator[Client]:
    yield from clients(folder, front.admin_of, admin={"token": "all"})


ALL = {"Authorization": "Bearer all"}


def test_a_resource_is_behind_the_token_unless_it_is_public(client: Client) -> None:
    assert client.get("/hello").status_code == 401
    assert client.get("/hello", headers=ALL).json == {"hello": "world"}
    assert client.get("/open?who=you").json == {"hello": "you"}


def test_an_app_sees_its_prefix_as_its_root_and_the_longest_prefix_wins(client: Client) -> None:
    assert client.get("/plain/a/b").text == "/plain /a/b"
    assert client.get("/plain").text == "/plain "
    assert client.get("/plain/inner/deep/x").json == {"name": "x", "root": "/plain/inner"}
    assert client.get("/plainer").status_code == 404


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/plain/raises"), ("GET", "/plain/exits"), ("POST", "/open")]
)
def test_a_route_that_raises_is_a_500_as_json_and_the_next_one_is_answered(
    client: Client, method: str, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    answer = client.ask(method, path)
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/json"
    assert "inside" not in answer.text
    assert any(one.levelname == "ERROR" for one in caplog.records)
    assert client.get("/open").status_code == 200
    assert client.get("/ping").status_code == 200


def test_an_app_that_cannot_be_imported_leaves_the_admin_as_it_is(folder: Path) -> None:
    [path] = folder.glob("mounted_*.py")
    path.write_text("import nothing_of_this_name")
    for client in clients(folder, front.admin_of):
        assert client.get("/open").status_code == 503
        assert client.get("/api/status").status_code == 200


def test_on_a_server_of_their_own_the_admin_has_none_of_them(folder: Path) -> None:
    tables: dict[str, Any] = {"admin": {"token": "all"}, "http": {"bind": "127.0.0.1:0"}}
    for client in clients(folder, front.admin_of, **tables):
        assert client.get("/open").status_code == 404
    for client in clients(folder, front.http_of, **tables):
        assert client.get("/open").json == {"hello": "world"}
        assert client.get("/hello").status_code == 401
        assert client.get("/hello", headers=ALL).status_code == 200
        assert client.get("/api/status").status_code == 404
        assert client.get("/nothing").headers["content-type"] == "application/json"


def test_beyond_loopback_and_without_a_token_only_what_is_public_answers(folder: Path) -> None:
    for client in clients(folder, front.http_of, http={"bind": "0.0.0.0:8200"}):
        assert client.get("/open").status_code == 200
        assert client.get("/hello").status_code == 403
    for client in clients(folder, front.http_of, http={"bind": "127.0.0.1:8200"}):
        assert client.get("/hello").status_code == 200


@pytest.mark.parametrize(
    "prefix",
    ["", "/", "hello", "/hello/", "/hello//x", "/h llo", "/api", "/api/mine", "/metrics", "/page", 7],
)
def test_a_prefix_that_cannot_be_is_refused_where_it_stands(prefix: Any) -> None:
    with pytest.raises(AppError, match=r"test_mounts\.py:\d+: "):
        App().mount(prefix, lambda environ, start: [])


def test_a_second_mount_at_a_prefix_is_refused_with_the_place_of_the_first() -> None:
    app = App()
    app.mount("/hello", lambda environ, start: [])
    with pytest.raises(AppError, match="mounted already"):
        app.mount("/hello", lambda environ, start: [])


@pytest.mark.parametrize("target", [None, "hello", object()])
def test_what_is_neither_a_resource_nor_an_app_is_refused(target: object) -> None:
    with pytest.raises(AppError, match="neither a Falcon resource nor a WSGI app"):
        App().mount("/hello", target)
