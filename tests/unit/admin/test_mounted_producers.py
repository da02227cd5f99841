"""Routes of the app's own that send: on a client of their worker, which their end waits for."""

import textwrap
from pathlib import Path

import pytest
from site_under_test import Client, answering, config_in, seat_of

from ringmain.admin import front

APP = """
from ringmain import App, DeliveryFailed

app = App()
out = app.producer("out")

def page(environ, start_response):
    sent = out.send("bills", b"x" * 2_000_000)
    said = "sent"
    if environ["PATH_INFO"] == "/told":
        try:
            sent.result(5)
        except DeliveryFailed as failed:
            said = str(failed)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [said.encode()]

app.mount("/send", page, public=True)
"""


def test_a_mounted_route_sends_and_hears_of_a_failure_or_the_log_does(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "mounted_sender.py").write_text(textwrap.dedent(APP))
    config = config_in(tmp_path, app="mounted_sender:app", producers={"out": {}})
    with answering(config), seat_of(config, mounted=True) as seat:
        made: list[front.Front] = []

        def make(seat: object) -> front.Front:
            made.append(front.admin_of(seat))  # type: ignore[arg-type]
            return made[-1]

        client = Client(seat, make)
        assert "2000000 bytes is too large" in client.get("/send/told").text
        assert not [one for one in caplog.records if one.message == "message not delivered"]
        assert client.get("/send/untold").text == "sent"
        [line] = [one for one in caplog.records if one.message == "message not delivered"]
        assert "too large" in line.__dict__["reason"]
        assert made[0].leave is not None
        made[0].leave()
