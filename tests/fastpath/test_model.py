"""The protocol's model keeps its promises in every interleaving, and breaks one as soon as a law is gone."""

import model as m
import pytest
from model import Broken, Model, explore


@pytest.mark.parametrize("mortal", ["feeder", "handler", "courier"])
def test_no_interleaving_with_a_crash_breaks_a_promise(mortal: str) -> None:
    assert explore(Model(messages=2, mortals=(mortal,), takings_back=0)) > 4000


def test_no_interleaving_of_taking_back_breaks_a_promise() -> None:
    assert explore(Model(messages=3, crashes=0)) > 4000


@pytest.mark.parametrize(
    ("law", "mortal"),
    [
        (m.ANNOUNCE_FIRST, "handler"),
        (m.ACKS_CHECKED, "feeder"),
        (m.ACKS_CHECKED, "courier"),
        (m.SWAP_TAKES_BACK, "handler"),
        (m.ACKS_BEFORE_CLAIMS, "handler"),
        (m.UNSENT_IS_SENT_AGAIN, "feeder"),
        (m.EPOCH_CHECKED, "feeder"),
        (m.COURIER_IS_GREETED, "courier"),
    ],
)
def test_without_a_law_a_promise_is_broken(law: str, mortal: str) -> None:
    weakened = Model(
        messages=2,
        mortals=(mortal,),
        takings_back=int(law == m.SWAP_TAKES_BACK),
        laws=m.LAWS - {law},
    )
    with pytest.raises(Broken):
        explore(weakened)


def test_every_law_is_taken_away_once() -> None:
    (marked,) = [mark for mark in test_without_a_law_a_promise_is_broken.pytestmark]  # type: ignore[attr-defined]
    assert {law for law, _ in marked.args[1]} == m.LAWS
