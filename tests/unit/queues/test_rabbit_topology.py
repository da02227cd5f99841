"""What is said of a broker that cannot have quorum queues, in one line with the remedy."""

import pytest

from ringmain.queues.rabbit import Topology
from ringmain.queues.rabbit.topology import no_quorum_queues


@pytest.mark.parametrize("version", ["3.7.28", "3.6.16", "2.8"])
def test_a_broker_from_before_quorum_queues_is_named_with_the_remedy(version: str) -> None:
    reason = Topology("quorum").unable("RabbitMQ", version)
    assert reason.startswith(f"RabbitMQ {version} has no quorum queues: ")
    assert 'queues.type = "classic"' in reason
    assert Topology("classic").unable("RabbitMQ", version) == ""


@pytest.mark.parametrize(
    ("product", "version"),
    [("RabbitMQ", "3.8.0"), ("RabbitMQ", "3.10.8"), ("RabbitMQ", "4.1.0-rc.1"), ("RabbitMQ", ""),
     ("RabbitMQ", "main"), ("LavinMQ", "2.1"), ("", "")],
)  # fmt: skip
def test_others_are_asked(product: str, version: str) -> None:
    assert Topology("quorum").unable(product, version) == ""


def test_quorum_queues_that_are_switched_off_are_said_with_the_remedy() -> None:
    said = (
        "INTERNAL_ERROR - Cannot declare a queue 'queue 'shop.orders.ready' in vhost '/'' of type 'quorum' "
        "on node 'rabbit@a': the corresponding feature flag is disabled"
    )
    assert "feature flag quorum_queue" in no_quorum_queues(said)
    assert no_quorum_queues("INTERNAL_ERROR") == ""
