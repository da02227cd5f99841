"""The verdict and the record of a call's end, decided without a ring."""

import logging
from typing import Any

import msgspec
import pytest

from ringmain import verdict
from ringmain.app import App
from ringmain.config.schema import Channel, Route
from ringmain.handle.resolve import CALL, DECODE, TOMBSTONE, Resolver
from ringmain.message import Message
from ringmain.outcome import Dead, Pause, Retry, To
from ringmain.verdict import CHANNEL, DEAD, PAUSE, RETRY, SKIP, Failure


class Order(msgspec.Struct):
    id: int


def resolver(log_text: bool = True, **route: Any) -> tuple[Resolver, list[float]]:
    app, pauses = App(), list[float]()

    @app.route("orders", dead_on=LookupError, skip_on=(KeyError,))
    def handle(order: Order) -> None: ...

    settings = Route(name="orders", topics=("orders",), order="none", **route)
    return Resolver(app.handler_of("orders"), settings, pauses.append, log_text), pauses


def resolve(
    result: object = None,
    error: BaseException | None = None,
    stage: int = CALL,
    attempt: int = 1,
    **route: Any,
) -> tuple[int, Failure]:
    code, detail = resolver(**route)[0].resolve(Message(b"secret", attempt=attempt), result, error, stage)
    return code, verdict.decode(detail)


def raised(error: BaseException) -> BaseException:
    try:
        raise error
    except BaseException as caught:
        return caught


def test_the_closest_of_the_mapped_classes_decides() -> None:
    assert resolve(error=KeyError())[0] == SKIP
    assert resolve(error=IndexError())[0] == DEAD
    assert resolve(error=RuntimeError())[0] == RETRY


def test_the_last_attempt_of_an_exception_is_dead_with_its_traceback() -> None:
    code, failure = resolve(error=raised(RuntimeError("why")), attempt=12)
    assert code == DEAD
    assert (failure.error_class, failure.error_message) == ("RuntimeError", "why")
    assert "in raised" in failure.traceback


def test_a_retry_says_when_and_whether_it_counts() -> None:
    code, failure = resolve(Retry(7, "busy", count=False), attempt=500)
    assert (code, failure.delay_s, failure.counted, failure.error_message) == (RETRY, 7, False, "busy")
    assert resolve(Retry(), attempt=2)[1].delay_s == 10


def test_a_pause_closes_the_route_for_its_time() -> None:
    rules, pauses = resolver()
    code, detail = rules.resolve(Message(b""), Pause(30, "database"), None, CALL)
    failure = verdict.decode(detail)
    assert (code, failure.delay_s, failure.counted, pauses) == (PAUSE, 30, False, [30])


def test_a_channel_that_is_not_there_is_dead_and_named() -> None:
    code, failure = resolve(error=To("slow"))
    assert (code, failure.error_class) == (DEAD, "UnknownChannel")
    assert failure.error_message == "route 'orders' has no channel 'slow'"
    near = resolve(error=To("slow"), channels={"slower": Channel()})[1]
    assert near.error_message.endswith("; did you mean 'slower'?")


@pytest.mark.parametrize("given", [{"result": To("slow")}, {"error": To("slow")}], ids=["returned", "raised"])
def test_to_a_channel_is_no_failure_and_nothing_is_logged(
    given: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    code, failure = resolve(**given, attempt=12, channels={"slow": Channel()})
    assert (code, failure.channel) == (CHANNEL, "slow")
    assert not caplog.records


@pytest.mark.parametrize("stray", [42, "secret", True, Retry, [], Order(1)])
def test_any_other_value_is_dead_with_a_type_error_that_does_not_hold_it(stray: object) -> None:
    code, failure = resolve(stray)
    assert (code, failure.error_class) == (DEAD, "TypeError")
    assert "secret" not in failure.error_message


def test_a_coroutine_that_nobody_awaits_is_told_apart() -> None:
    async def hidden() -> None: ...

    assert "a decorator hides its `async def`" in resolve(hidden())[1].error_message


@pytest.mark.parametrize(("on_bad", "code"), [("dead", DEAD), ("skip", SKIP)])
def test_what_cannot_be_decoded_goes_where_on_bad_says(on_bad: str, code: int) -> None:
    assert (
        resolve(error=msgspec.ValidationError("Expected `int` - at `$.id`"), stage=DECODE, on_bad=on_bad)[0]
        == code
    )


def test_running_out_of_memory_while_decoding_is_not_the_messages_fault() -> None:
    assert resolve(error=MemoryError(), stage=DECODE)[0] == RETRY


@pytest.mark.parametrize(("on_tombstone", "code"), [("dead", DEAD), ("skip", SKIP)])
def test_a_tombstone_goes_where_on_tombstone_says(on_tombstone: str, code: int) -> None:
    assert resolve(stage=TOMBSTONE, on_tombstone=on_tombstone)[0] == code


def test_with_log_exceptions_class_only_the_class_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    resolve(error=raised(RuntimeError("customer 17")), log_text=False)
    (record,) = caplog.records
    assert record.__dict__["error_class"] == "RuntimeError"
    assert "customer 17" not in str(vars(record))


@pytest.mark.parametrize(
    ("result", "said"),
    [(Dead("nobody can book this"), "nobody can book this"), (Retry(reason="429"), "429"), (42, "type int")],
)
def test_what_an_outcome_says_is_logged(result: object, said: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    resolve(result)
    (record,) = caplog.records
    assert said in record.__dict__["error_message"]
    assert "traceback" not in record.__dict__


def test_the_text_of_a_decoder_is_never_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    resolve(error=raised(msgspec.ValidationError("Invalid enum value 'secret'")), stage=DECODE)
    assert "secret" not in str([vars(record) for record in caplog.records])
