"""Testing handlers without Kafka, RabbitMQ or a daemon.

    from ringmain.testing import Harness

    def test_an_order_without_a_customer_is_dead():
        result = Harness(app).send("orders", {"id": 1, "customer": "", "amount": 1.0})
        assert result.outcome == Dead("no customer")

Authors of tests enter. No role of the daemon imports this room.
"""

from ringmain.testing.harness import Harness, Sent
from ringmain.testing.results import DeadMessage, Produced, Result, Step

__all__ = ["DeadMessage", "Harness", "Produced", "Result", "Sent", "Step"]
