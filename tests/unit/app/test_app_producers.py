"""Producers that the app names and the config does not know."""

from types import SimpleNamespace

from ringmain import App
from ringmain.config.schema import Batch


def settings(*producers: str, of_route: object = None) -> SimpleNamespace:
    route = SimpleNamespace(
        concurrency=None,
        format="json",
        through=None,
        channels={},
        producer=of_route,
        batch=Batch(),
        transactional=False,
    )
    return SimpleNamespace(routes={"orders": route}, producers=dict.fromkeys(producers))


def app(name: str) -> App:
    made = App()
    made.producer(name)
    made.route("orders")(_handle)
    return made


def _handle(order: dict) -> None:  # type: ignore[type-arg]
    """Nothing."""


def test_a_producer_of_the_config_or_of_a_route_is_known() -> None:
    assert app("bills").problems(settings("bills")) == []
    assert app("orders").problems(settings(of_route=object())) == []


def test_one_that_the_config_does_not_know_is_named_with_its_line_and_the_nearest_name() -> None:
    [problem] = app("bils").problems(settings("bills"))
    assert "test_app_producers.py" in problem
    assert problem.endswith("producer 'bils' is not in the config; did you mean 'bills'?")


def test_without_a_near_name_the_table_is_named() -> None:
    [problem] = app("audit").problems(settings("bills"))
    assert problem.endswith("add [producers.audit], or [routes.audit.producer]")


def test_a_route_without_a_producer_of_its_own_is_none() -> None:
    [problem] = app("orders").problems(settings())
    assert "producer 'orders' is not in the config" in problem
