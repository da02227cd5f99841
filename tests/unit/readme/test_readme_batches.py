"""README's batch route does what is said beside it, and its table of another tool's names has ours right."""

import re
from pathlib import Path

from test_readme import TEXT, loaded, module, whole

from ringmain.config.reference import rows
from ringmain.testing import Harness


def test_the_batch_route_of_the_readme_loads_what_its_store_takes(tmp_path: Path) -> None:
    loads = module("loads")
    [part] = re.findall(r"^(\[routes\.orders\.batch\]\n.*?)^```", TEXT, re.DOTALL | re.MULTILINE)
    config = loaded(tmp_path, whole("toml") + part)
    assert loads.app.problems(config) == []
    batch = config.routes["orders"].batch
    assert (batch.messages, batch.wait_s, batch.bytes) == (500, 0.1, 4 << 20)
    orders = [{"id": n, "customer": "ada", "amount": 2.5 if n else -1} for n in range(5)]
    with Harness(loads.app) as harness:
        results = harness.send_all("orders", orders)
    assert [result.outcome is None for result in results] == [False, True, True, True, True]
    assert results[0].dead is not None
    assert results[0].dead.error_message == "refused by the store"


def test_the_keys_beside_those_of_ziggurat_exist() -> None:
    [table] = re.findall(r"^## Coming from Ziggurat\n(.*?)^## ", TEXT, re.DOTALL | re.MULTILINE)
    ours = [row.split(" | ")[1] for row in table.splitlines() if row.startswith("| ")]
    named = {
        key for cell in ours for key in re.findall(r"`((?:routes|commit|queues|admin|http)\.[\w.]+)`", cell)
    }
    known = {row.key for row in rows()}
    assert len(named) > 12
    assert {key for key in named if ".kafka." not in key} <= known
