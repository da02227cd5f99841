"""What of a dead set is not known is not said."""

import pytest

from ringmain.cli.deadtext import died_at, print_counts
from ringmain.queues.contract import Count


def test_a_count_without_a_look_has_no_times(capsys: pytest.CaptureFixture[str]) -> None:
    print_counts([], [Count((), 13, 0, 0)], filtered=False)
    said = capsys.readouterr().out
    assert said.splitlines()[1].split() == ["13", "-", "-"]
    assert "without times" in said
    assert (died_at(0), died_at(1000)) == (None, "1970-01-01T00:00:01.000Z")


def test_nothing_that_passes_is_not_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    print_counts([], [], filtered=True)
    print_counts([], [], filtered=False)
    assert capsys.readouterr().out == "nothing is dead that passes these filters\nnothing is dead\n"
