"""A queue that is not there is asked for ever more rarely, until somebody says that it was used."""

import itertools

from ringmain.queues import names
from ringmain.queues.rabbit.gauge import FIRST_DELAYED_S, FIRST_S, LONGEST_S, Missing

DEAD = names.dead("shop", "orders")
DELAYED = names.delay("shop", "orders", 10)


def times_asked(missing: Missing, queue: str, seconds: int) -> list[int]:
    asked = []
    for second in range(seconds):
        if missing.worth(queue, float(second)):
            asked.append(second)
            missing.missed(queue, float(second))
    return asked


def test_the_pauses_double_up_to_an_hour() -> None:
    asked = times_asked(Missing(), DEAD, 8 * 3600)
    assert asked[:5] == [0, 5, 15, 35, 75]
    assert max(later - before for before, later in itertools.pairwise(asked)) == LONGEST_S
    assert len(asked) < 20


def test_a_step_of_delay_is_rarely_there() -> None:
    assert times_asked(Missing(), DELAYED, 3600)[:2] == [0, int(FIRST_DELAYED_S)]


def test_one_that_was_used_is_asked_for_at_once() -> None:
    missing = Missing()
    times_asked(missing, DEAD, 3600)
    assert not missing.worth(DEAD, 3600.0)
    missing.expect([DEAD])
    assert missing.worth(DEAD, 3600.0)
    missing.missed(DEAD, 3600.0)
    assert not missing.worth(DEAD, 3600.0 + FIRST_S - 1)
    assert missing.worth(DEAD, 3600.0 + FIRST_S)
