"""`${…}` in strings: from the environment, with a default, from a file."""

from pathlib import Path

import pytest
from smallest_config import SMALLEST, Read, Refuse

WITH_PASSWORD = SMALLEST.replace("[queues]", 'sasl.password = "{}"\n[queues]')


def test_names_defaults_and_files_are_filled_in(
    read: Read, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOST", "kafka")
    monkeypatch.setenv("EMPTY", "")
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    (tmp_path / "secret").write_text("s3cret\n")
    text = SMALLEST.replace("127.0.0.1:9092", "${HOST}:${PORT:-9092}${EMPTY}${EMPTY:-!}")
    config = read(text=text.replace("[queues]", 'sasl.password = "${file:secret}"\n[queues]'))
    assert config.kafka["bootstrap.servers"] == "kafka:9092!"
    assert config.kafka["sasl.password"] == "s3cret"


def test_files_are_relative_to_the_credentials_of_systemd(
    read: Read, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    (credentials / "secret").write_text("from systemd")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(credentials))
    assert read(text=WITH_PASSWORD.format("${file:secret}")).kafka["sasl.password"] == "from systemd"


def test_a_number_may_come_from_the_environment(read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("N", "7")
    assert read('handlers = "${N}"', 'timeout_s = "${T:-2.5}"').routes["orders"].handlers == 7


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("${UNSET}", "the environment variable UNSET is not set; set it or write ${UNSET:-default}"),
        ("${}", "expected ${NAME}, ${NAME:-default} or ${file:PATH} where ${ stands"),
        ("${A-B}", "expected ${NAME}, ${NAME:-default} or ${file:PATH} where ${ stands"),
        ("${OPEN", "has a ${ that no } follows"),
    ],
)
def test_what_cannot_be_filled_in_is_refused(refuse: Refuse, written: str, said: str) -> None:
    text = WITH_PASSWORD.format(written)
    assert refuse(text=text) == [f"ringmain.toml:6: kafka.sasl.password: {said}"]


def test_a_file_that_is_not_there_is_named(refuse: Refuse, tmp_path: Path) -> None:
    [said] = refuse(text=WITH_PASSWORD.format("${file:none}"))
    assert "none' cannot be read: No such file or directory" in said


def test_a_value_that_came_from_a_reference_is_not_shown(
    refuse: Refuse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HIDDEN", "hunter2")
    [said] = refuse('handlers = "${HIDDEN}"')
    assert "hunter2" not in said
    assert '"${HIDDEN}"' in said
