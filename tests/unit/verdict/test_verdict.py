"""The record of a failure fits a verdict page, whatever is in it."""

from hypothesis import given
from hypothesis import strategies as st

from ringmain import verdict
from ringmain.verdict import PAGE_BYTES, Failure

TEXT = st.text(alphabet=st.characters(), max_size=50).flatmap(
    lambda some: st.integers(0, 400).map(lambda times: some * times)
)


@given(st.builds(Failure, delay_s=st.none() | st.floats(0, 1e6), error_class=TEXT, error_message=TEXT,
                 traceback=TEXT, counted=st.booleans(), channel=TEXT))  # fmt: skip
def test_any_failure_fits_and_comes_back(failure: Failure) -> None:
    data = verdict.encode(failure)
    assert len(data) <= PAGE_BYTES
    back = verdict.decode(data)
    assert (back.delay_s, back.counted) == (failure.delay_s, failure.counted)


def test_a_small_failure_comes_back_as_it_was() -> None:
    failure = Failure(1.5, "KeyError", "'id'", "Traceback …", False, "slow")
    assert verdict.decode(verdict.encode(failure)) == failure


def test_the_middle_of_the_traceback_goes_first() -> None:
    failure = Failure(error_class="E", error_message="m" * 500, traceback="first" + "x" * 9000 + "last")
    back = verdict.decode(verdict.encode(failure))
    assert back.error_message == failure.error_message
    assert back.traceback.startswith("first")
    assert back.traceback.endswith("last")
    assert "characters cut" in back.traceback


def test_a_long_message_leaves_the_traceback_some_room() -> None:
    back = verdict.decode(verdict.encode(Failure(error_message="m" * 9000, traceback="x" * 9000 + "last")))
    assert back.traceback.endswith("last")


def test_a_lone_surrogate_is_escaped() -> None:
    assert verdict.decode(verdict.encode(Failure(error_message="\udc80"))).error_message == "\\udc80"


def test_no_bytes_are_a_failure_nobody_described() -> None:
    assert verdict.decode(b"") == Failure()
