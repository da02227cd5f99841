"""README's picture of `top` is what `top` draws."""

import re

import top_picture


def test_the_picture_shows_what_top_draws() -> None:
    kept = top_picture.PLACE.read_text(encoding="utf-8")
    assert top_picture.words(kept) == top_picture.words(top_picture.draw())
    assert any("NOT READY" in word for word in top_picture.words(kept))


def test_the_picture_fetches_nothing() -> None:
    kept = top_picture.PLACE.read_text(encoding="utf-8")
    assert re.findall(r"url\((?!#)|href=|src=|@import|@font-face", kept) == []
