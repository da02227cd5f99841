"""README's app with a format of its own does what is said beside it."""

from pathlib import Path

import pytest
from test_readme import loaded, module, whole

from ringmain import formats
from ringmain.testing import Harness


def test_the_app_with_its_own_format_prints_its_prices(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    prices = module("prices")
    text = whole("toml").replace('order = "none" ', 'format = "words"\norder = "none" ')
    formats.check(prices.app, loaded(tmp_path, text))
    with Harness(prices.app, {"routes": {"orders": {"format": "words"}}}) as harness:
        assert harness.send("orders", b"EUR 2.5", key="7").outcome is None
        assert harness.send("orders", None, key="8").outcome is None
        dead = harness.send("orders", b"EUR much", key="7").dead
    assert dead is not None
    assert capsys.readouterr().out == "7 Price(currency='EUR', amount=2.5)\n8 None\n"
    encode = formats.encoder("words", formats.Sources(prices.app.codecs))
    assert encode(prices.Price("EUR", 2.5), "prices") == b"EUR 2.5"
