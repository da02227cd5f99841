"""What a handler's return annotation may say, and what is refused before the first message comes."""

from collections.abc import Awaitable, Coroutine
from typing import Annotated, Any, NoReturn, Optional, TypeVar

import pytest

from ringmain.app import App
from ringmain.errors import AppError
from ringmain.outcome import Batch, Outcome, Pause, Retry, Skip, To

Whatever = TypeVar("Whatever")


def handler(annotation: Any, later: bool = False) -> Any:
    """A handler with this return annotation."""
    if later:

        async def handle(order: dict[str, Any]): ...
    else:

        def handle(order: dict[str, Any]): ...

    handle.__annotations__["return"] = annotation
    return handle


@pytest.mark.parametrize("later", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize(
    "annotation",
    [
        None,
        Outcome,
        Retry,
        "Skip | Pause | None",
        Optional[To],  # noqa: UP045
        Annotated[Pause | None, "why"],
        NoReturn,
        Any,
        object,
        Whatever,
    ],
)
def test_outcomes_and_what_nothing_is_known_of_are_taken(annotation: Any, later: bool) -> None:
    given = handler(annotation, later)
    assert App().route("orders")(given) is given


def test_a_handler_may_leave_its_return_unannotated() -> None:
    def handle(order: dict[str, Any]): ...

    assert App().route("orders")(handle) is handle


@pytest.mark.parametrize("later", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize(
    ("annotation", "named"),
    [
        (int, "int"),
        (Retry | bool, "bool"),
        ("Pause | list[str]", r"list\[str\]"),
        (Annotated[Skip | dict[str, int], "why"], r"dict\[str, int\]"),
        (type[Retry], r"type\[.*Retry\]"),
        (Exception, "Exception"),
    ],
)
def test_a_return_annotation_that_is_no_outcome_is_refused_with_its_place(
    annotation: Any, named: str, later: bool
) -> None:
    given = handler(annotation, later)
    said = (
        f"returns {named}, which is no outcome: its messages would go to the dead set; return None, Retry, "
    )
    with pytest.raises(AppError, match=said) as refused:
        App().route("orders")(given)
    assert str(refused.value).startswith(f"{__file__}:{given.__code__.co_firstlineno}: ")


@pytest.mark.parametrize("annotation", [Awaitable[None], Coroutine[Any, Any, Outcome], Awaitable])
def test_a_plain_function_that_says_it_returns_a_coroutine_is_told_to_be_async(annotation: Any) -> None:
    with pytest.raises(AppError, match="but is no `async def`; make it one"):
        App().route("orders")(handler(annotation))
    with pytest.raises(AppError, match="which is no outcome"):
        App().route("orders")(handler(annotation, later=True))


def test_a_batch_handler_returns_a_batch_and_a_single_one_does_not() -> None:
    def load(orders: list[dict[str, Any]]): ...

    load.__annotations__["return"] = Batch | None
    assert App().batch_route("orders")(load) is load
    load.__annotations__["return"] = list[int]
    with pytest.raises(
        AppError, match="which is no outcome: its messages would go to the dead set; return None, Batch"
    ):
        App().batch_route("orders")(load)
    with pytest.raises(AppError, match="returns Batch, which is no outcome"):
        App().route("orders")(handler(Batch | None))
