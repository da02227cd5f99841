"""A handler that dies within a batch: all of it is called again, in order, however it is given back."""

from collections.abc import Iterator

import pytest
from rig import RAW, Rig, opened, rig
from test_batches import LIMIT, batches, place
from test_keeping import Gone, gone, mourner

from ringmain._fastpath import BatchPlan, CallPlan, HandlerSide
from ringmain.rings import CRASH, REVOKED, TIMEOUT


@pytest.fixture
def ring() -> Iterator[Rig]:
    with rig(slots=64) as made:
        yield made


@pytest.mark.parametrize("cause", [CRASH, TIMEOUT, REVOKED])
@pytest.mark.parametrize("order", ["key", "partition"])
@pytest.mark.parametrize("backwards", [False, True])
def test_a_death_in_a_batch_strands_nothing_and_keeps_the_order(
    ring: Rig, cause: int, order: str, backwards: bool
) -> None:
    feeder, handler, called = ring.feeder(order=order, run_limit=64), ring.handler(), []
    index, began = opened(feeder), 20 if backwards else 0
    number = {"key": 1, "partition": 2}[order]

    def turn() -> None:
        feeder.settle()
        for slot, *_ in feeder.take_events():
            feeder.resume(slot, feeder.token(slot))
        feeder.flush()

    def serve(side: HandlerSide, plan: BatchPlan, until: int) -> None:
        for _ in range(100):
            turn()
            side.serve_batch(plan, LIMIT)
            turn()
            if feeder.low_water(index) == until:
                return

    if backwards:  # what is free is used again last in, first out
        place(feeder, index, *range(began))
        serve(handler, batches(lambda values: None, order=number), began)
    for offset in range(began, began + 12):
        feeder.place(index, offset, b"%d" % offset, key=b"k")
    feeder.flush()
    serve(handler, batches(lambda values: None, messages=1, order=number), began + 1)

    def dies(values: list[bytes]) -> None:
        ring.overseer.bury(handler.seat, cause)
        mourner(feeder)._mourn(handler.seat)
        raise KeyboardInterrupt

    plan = CallPlan(dies, None, gone, RAW, True, "orders")
    dying = BatchPlan(plan, gone, messages=12, wait_s=0.0, size_bytes=1 << 20, attempts=12, order=number)
    with pytest.raises(Gone):
        handler.serve_batch(dying, LIMIT)
    plan = batches(lambda values: called.extend(int(value) for value in values), messages=12, order=number)
    serve(ring.handler(), plan, began + 12)
    assert called == list(range(began + 1, began + 12))
