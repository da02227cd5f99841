"""README's apps that log and trace do what is said beside them."""

import asyncio
import json
import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from test_readme import loaded, module, whole

from ringmain.logging import speak_of
from ringmain.message import Message
from ringmain.middleware import compose

MESSAGE = Message(b"{}", topic="orders", partition=3, offset=7, route="orders")


@pytest.fixture
def within_a_call() -> Iterator[None]:
    """As while MESSAGE is executed; what the app sets up for its process is undone."""
    speak_of(lambda: MESSAGE)
    yield
    speak_of(lambda: None)
    structlog.reset_defaults()
    logging.getLogger("charges").handlers.clear()


@pytest.mark.usefixtures("within_a_call")
def test_the_app_that_logs_says_its_message_in_both_logs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    charges = module("charges")
    assert charges.app.problems(loaded(tmp_path, whole("toml"))) == []
    charges.set_up()
    asyncio.run(charges.charge({"amount": 3}))
    logging.getLogger("charges").warning("late")
    speak_of(lambda: None)
    logging.getLogger("charges").warning("outside")
    out, err = capsys.readouterr()
    assert json.loads(out) == {
        "amount": 3, "event": "charged", "route": "orders", "topic": "orders", "partition": 3,
        "offset": 7, "attempt": 1,
    }  # fmt: skip
    assert err == "orders/3/7 late\n-/-/- outside\n"


def test_the_app_that_traces_has_a_span_around_each_call_though_its_exporter_comes_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("opentelemetry.sdk", reason="the extra `otel` and the SDK are not installed")
    # What the SDK does in each forked child as long as a provider lives is not for the tests that fork later.
    monkeypatch.delattr(os, "register_at_fork")
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    traced, exporter = module("traced"), InMemorySpanExporter()
    assert traced.app.problems(loaded(tmp_path, whole("toml"))) == []
    traced.export_spans()
    provider = traced.trace.get_tracer_provider()
    assert isinstance(provider, TracerProvider)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    compose(traced.app.handler_of("orders"), traced.app.middlewares).call({}, MESSAGE)
    assert [span.name for span in exporter.get_finished_spans()] == ["process orders"]
    traced.flush_spans()
