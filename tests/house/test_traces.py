"""The repository runs anywhere: it names no machine's directories and no package registry's host."""

import re
from pathlib import Path

from support.sources import CHECKOUT, tracked_files

# Written in pieces, so that this file does not find itself.
HOSTS = re.compile(
    "|".join(
        [
            r"pypi\." + "org", r"files\.python" + "hosted", r"repo1?\.maven\.", r"registry\." + "npmjs",
            r"proxy\.golang\." + "org", r"(index|static)\.crates\." + "io",
            r"(deb|security)\.debian\." + "org",
            "artifac" + "tory", r"--(extra-)?index-" + "url", r"--trusted-" + "host",
        ]
    ),
    re.IGNORECASE,
)  # fmt: skip
HOMES = re.compile(r"(?<![\w.$}>)])/(?:home|Users|root|workspace)/\w")


def _texts() -> list[tuple[Path, str]]:
    texts = []
    for path in tracked_files():
        try:
            texts.append((path.relative_to(CHECKOUT), path.read_text(encoding="utf-8")))
        except UnicodeDecodeError:
            continue  # a picture names no host
    return texts


def _lines_with(pattern: re.Pattern[str]) -> list[str]:
    return [
        f"{path}:{number}: {line.strip()[:120]}"
        for path, text in _texts()
        for number, line in enumerate(text.splitlines(), 1)
        if pattern.search(line)
    ]


def test_no_file_names_a_registrys_host() -> None:
    found = _lines_with(HOSTS)
    assert not found, "\n".join(found)


def test_no_file_names_a_directory_of_one_machine() -> None:
    found = _lines_with(HOMES)
    assert not found, "\n".join(found)


def test_no_file_names_the_directory_of_this_checkout() -> None:
    found = _lines_with(re.compile(re.escape(str(CHECKOUT)) + r"\b"))
    assert not found, "\n".join(found)
