"""An absence is said as it begins, every minute, and as it ends."""

from ringmain.queues.absence import AGAIN_S, Absence
from ringmain.queues.contract import Away

AWAY = Away("no space left", 10.0)


def test_nothing_is_said_while_all_is_well() -> None:
    assert Absence().news(None, 0.0) is None


def test_an_absence_is_said_once_then_every_minute_then_its_end() -> None:
    absence = Absence()
    said = [absence.news(AWAY, 10.0 + second) for second in range(130)]
    assert [second for second, news in enumerate(said) if news] == [0, int(AGAIN_S), int(2 * AGAIN_S)]
    assert (said[0], said[60]) == ("gone", "still")
    assert absence.news(None, 200.0) == "back"
    assert absence.news(None, 201.0) is None
    assert absence.news(AWAY, 202.0) == "gone"
