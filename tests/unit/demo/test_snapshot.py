"""What follows from a snapshot: who is settled, when a load is complete, how fast it went."""

import io

import msgspec
from rich.console import Console

from ringmain.demo.snapshot import Counted, DeadEntry, Partition, Queued, Rates, Snapshot, result
from ringmain.demo.view import Lines, line, picture, view_for


def snapshot(**changes: object) -> Snapshot:
    base = Snapshot(
        seconds=2.0,
        partitions=[
            Partition(0, end=60, committed=60, rate=30.0),
            Partition(1, end=40, committed=30, rate=15.0),
        ],
        queued=Queued(waiting=3, dead=2, latest=[DeadEntry("orders:0:7", "Order.amount: expected float")]),
        counted=Counted(done=85, retry=5),
        handlers=2,
    )
    return Snapshot(**{**{name: getattr(base, name) for name in base.__dataclass_fields__}, **changes})


def finished() -> Snapshot:
    partitions = [Partition(0, end=60, committed=60, rate=0.0), Partition(1, end=40, committed=40, rate=0.0)]
    return snapshot(
        partitions=partitions, queued=Queued(dead=2), counted=Counted(done=98, retry=5), load_finished=True
    )


def test_a_committed_message_that_waits_for_a_retry_is_not_settled() -> None:
    assert (snapshot().committed, snapshot().settled) == (90, 87)


def test_a_load_is_complete_when_it_is_sent_committed_and_nothing_waits() -> None:
    assert finished().complete
    assert not snapshot(load_finished=True).complete
    assert not snapshot(partitions=finished().partitions, load_finished=True).complete  # three wait
    assert not snapshot(partitions=finished().partitions, queued=Queued(dead=2)).complete  # more may come


def test_the_result_is_the_documented_object() -> None:
    assert msgspec.json.decode(msgspec.json.encode(result(finished(), seconds=4.0))) == {
        "messages": 100,
        "done": 98,
        "retry": 5,
        "dead": 2,
        "seconds": 4.0,
        "msgs_per_s": 25.0,
    }


def test_rates_are_those_of_the_last_seconds() -> None:
    rates = Rates(1, over_s=3.0)
    assert rates.update(1.0, [100]) == [100.0]
    assert [rates.update(second, [100])[0] for second in (2.0, 3.0, 4.0)][-1] == 0.0


def test_a_stream_that_is_no_terminal_gets_lines() -> None:
    stream = io.StringIO()
    view = view_for(stream)
    assert isinstance(view, Lines)
    with view:
        view.show(snapshot(seconds=0.0))
        view.show(snapshot(seconds=0.5))  # too soon for another line
        view.show(snapshot(seconds=2.5))
    assert len(stream.getvalue().splitlines()) == 2


def test_a_line_tells_the_counts_of_the_result_by_the_same_words() -> None:
    said = line(snapshot())
    assert said == "   2.0 s  done 85  retry 5 (3 waiting)  dead 2  45 msg/s"
    last = result(snapshot(), 2.0)
    for word in ("done", "retry", "dead"):
        assert f"{word} {getattr(last, word)}" in said


def test_the_table_names_partitions_outcomes_and_the_latest_of_the_dead_set() -> None:
    console = Console(file=io.StringIO(), width=120, record=True)
    console.print(picture(snapshot()))
    shown = console.export_text()
    for words in ("orders/1", "lag", "waiting", "orders:0:7", "Order.amount: expected float"):
        assert words in shown


def shown_in(height: int, one: Snapshot) -> list[str]:
    console = Console(file=io.StringIO(), width=80, record=True)
    console.print(picture(one, height))
    return console.export_text().splitlines()


def test_the_table_fits_a_small_terminal_however_many_partitions_there_are() -> None:
    many = [Partition(number, end=10, committed=5, rate=1.0) for number in range(100)]
    shown = shown_in(24, snapshot(partitions=many))
    assert len(shown) < 24
    assert any("all, 94 hidden" in row and "1,000" in row for row in shown)


def test_before_the_first_call_it_says_what_it_waits_for() -> None:
    assert "consumer group" in shown_in(24, snapshot(counted=Counted()))[-1]


def test_after_a_while_without_any_call_something_is_wrong() -> None:
    assert snapshot(counted=Counted(), seconds=16.0).idle
    assert not snapshot(counted=Counted(), seconds=3.0).idle
    assert not snapshot(seconds=16.0).idle
