"""README's app that sends bills does what is said beside it."""

from pathlib import Path

from test_readme import blocks, loaded, module, whole

from ringmain.kafka.producer_properties import rejections
from ringmain.testing import Harness


def test_the_app_that_sends_fits_its_config_and_sends_one_bill_for_an_order(tmp_path: Path) -> None:
    bills = module("bills")
    [table] = [block for block in blocks("toml") if "[producers.bills]" in block]
    config = loaded(tmp_path, f"{whole('toml')}\n{table}")
    assert bills.app.problems(config) == []
    assert rejections(config.producers["bills"].kafka) == []
    with Harness(bills.app, {"routes": {"orders": {}}, "producers": {"bills": {}}}) as harness:
        result = harness.send("orders", {"id": 1, "amount": 2.5}, key="ada")
    assert result.outcome is None
    assert [(one.topic, one.key) for one in result.produced] == [("bills", b"ada")]
