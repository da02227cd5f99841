"""Which properties a producer is made with, and which are refused."""

import pytest

from ringmain.kafka.producer_properties import producer_properties, refusals, rejections


def test_idempotent_with_all_acks_unless_said() -> None:
    made = producer_properties("me", {"bootstrap.servers": "a:1"})
    assert made["acks"] == "all"
    assert made["enable.idempotence"] == "true"
    assert made["client.id"] == "me"


@pytest.mark.parametrize("name", ["acks", "request.required.acks"])
@pytest.mark.parametrize("acks", ["0", "1"])
def test_other_acks_give_up_idempotence(name: str, acks: str) -> None:
    made = producer_properties("me", {name: acks})
    assert (made["acks"], made["enable.idempotence"]) == (acks, "false")
    assert rejections({name: acks}) == []


def test_what_is_said_stands() -> None:
    given = {"enable.idempotence": "false", "linger.ms": "50", "compression.type": "lz4"}
    assert given.items() <= producer_properties("me", given).items()


def test_what_the_routes_need_is_not_taken_over() -> None:
    consumers = {
        "group.id": "g",
        "session.timeout.ms": "6000",
        "auto.offset.reset": "latest",
        "fetch.min.bytes": "1",
    }
    assert consumers.keys().isdisjoint(producer_properties("me", consumers))
    assert rejections(consumers) == []


@pytest.mark.parametrize("name", ["transactional.id", "statistics.interval.ms", "dr_msg_cb", "on_delivery"])
def test_what_is_ours_is_refused_with_a_reason(name: str) -> None:
    [(refused, why)] = refusals({name: "x"})
    assert refused == name
    assert "remove it" in why


def test_librdkafka_rejects_what_it_does_not_know() -> None:
    [(name, why)] = rejections({"lingerr.ms": "5"})
    assert name == "lingerr.ms"
    assert "No such configuration property" in why


def test_librdkafka_rejects_a_whole_that_does_not_go_together() -> None:
    [(name, why)] = rejections({"acks": "1", "enable.idempotence": "true"})
    assert name == ""
    assert "acks" in why
