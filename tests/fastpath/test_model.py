"""The protocol's model keeps its promises in every interleaving, and breaks one as soon as a law is gone."""

import model as m
import pytest
from model import Broken, Model, explore


@pytest.mark.parametrize("mortal", ["feeder", "handler", "courier"])
def test_no_interleaving_with_a_crash_breaks_a_promise(mortal: str) -> None:
    assert explore(Model(messages=2, mortals=(mortal,), takings_back=0)) > 4000


def test_no_interleaving_of_taking_back_breaks_a_promise() -> None:
    assert explore(Model(messages=3, crashes=0)) > 4000


@pytest.mark.parametrize("keep", [0, 1])
@pytest.mark.parametrize("mortal", ["feeder", "handler", "courier"])
def test_no_interleaving_of_diverting_breaks_a_promise(mortal: str, keep: int) -> None:
    diverting = Model(messages=2, takings_back=0, diversions=1, keep=keep, mortals=(mortal,))
    assert explore(diverting) > 4000


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
        (m.HEAD_COMES_FIRST, "feeder"),
        (m.STRAYS_ARE_SOUGHT, "handler"),
    ],
)
def test_without_a_law_a_promise_is_broken(law: str, mortal: str) -> None:
    weakened = Model(
        messages=2,
        mortals=(mortal,),
        takings_back=int(law == m.SWAP_TAKES_BACK),
        diversions=int(law in (m.HEAD_COMES_FIRST, m.STRAYS_ARE_SOUGHT)),
        keep=int(law == m.STRAYS_ARE_SOUGHT),
        laws=m.LAWS - {law},
    )
    with pytest.raises(Broken):
        explore(weakened)


def test_every_law_is_taken_away_once() -> None:
    (marked,) = [mark for mark in test_without_a_law_a_promise_is_broken.pytestmark]  # type: ignore[attr-defined]
    assert {law for law, _ in marked.args[1]} == m.LAWS
