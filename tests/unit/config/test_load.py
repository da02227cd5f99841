"""A file becomes one frozen object, with every default of the contract."""

from pathlib import Path

import msgspec
import pytest
from smallest_config import SMALLEST, Read, Refuse

from ringmain.config.load import find, from_tree, load, load_without_environment, loads
from ringmain.config.schema import Config, Flood, Retry
from ringmain.errors import ConfigError


def test_the_smallest_config_has_the_defaults_of_the_contract(read: Read, tmp_path: Path) -> None:
    config = read()
    route = config.routes["orders"]
    assert config.modes == ("stream-worker", "worker", "api-server", "management-api")
    assert (config.revoke_s, config.stop_s) == (10, 25)
    assert (config.commit.interval_s, config.commit.window) == (1, 1_000_000)
    assert (config.ring.messages, config.ring.bytes) == (8192, 16 << 20)
    assert (config.admin.bind, config.http) == ("127.0.0.1:8100", None)
    assert (config.log.format, config.log.exceptions) == (None, "full")
    assert route.retry == Retry(attempts=12, backoff="exponential", first_s=5, max_s=3600)
    assert route.flood == Flood(failed_ratio=0.5, window_s=30, messages=100, probe_s=30)
    assert (route.consumers, route.concurrency, route.timeout_s) == (None, None, 30)
    assert (route.format, route.on_bad, route.on_tombstone, route.max_crashes) == ("json", "dead", "skip", 2)
    assert (route.max_messages, route.max_rss_bytes, route.overflow, route.through) == (None,) * 4
    assert route.handlers >= 1
    assert config.folder == str(tmp_path)
    assert config.path == str(tmp_path / "ringmain.toml")


def test_a_config_survives_the_way_to_another_process(read: Read) -> None:
    config = read()
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(config), type=Config) == config


def test_a_config_is_frozen(read: Read) -> None:
    with pytest.raises(AttributeError):
        read().name = "other"  # type: ignore[misc]


def test_a_routes_properties_lie_over_the_common_ones(read: Read) -> None:
    config = read('kafka.group.id = "own"', "kafka.fetch.min.bytes = 5")
    assert config.kafka["group.id"] == "billing"
    assert config.routes["orders"].kafka == {
        "auto.offset.reset": "earliest",
        "bootstrap.servers": "127.0.0.1:9092",
        "group.id": "own",
        "fetch.min.bytes": "5",
    }


@pytest.mark.parametrize(
    ("written", "text"), [("true", "true"), ("5", "5"), ("0.5", "0.5"), ('"x"', "x"), ('""', "")]
)
def test_a_property_may_be_written_as_what_it_is(read: Read, written: str, text: str) -> None:
    assert read(f"kafka.some.thing = {written}").routes["orders"].kafka["some.thing"] == text


def test_quoted_and_dotted_properties_are_the_same(read: Read) -> None:
    quoted = read(text=SMALLEST.replace("bootstrap.servers", '"bootstrap.servers"'))
    assert quoted.kafka == read().kafka


def test_a_property_said_in_both_spellings_is_refused_with_both_lines(refuse: Refuse) -> None:
    text = SMALLEST.replace("[queues]", '"group.id" = "again"\n[queues]')
    assert refuse(text=text) == ["ringmain.toml:6: kafka.group.id: is said twice (lines 5 and 6)"]


@pytest.mark.parametrize(
    ("written", "size"),
    [
        ('"16MiB"', 16 << 20),
        ('"2 GiB"', 2 << 30),
        ('"500kB"', 500_000),
        ("70000", 70_000),
        ('"70000"', 70_000),
    ],
)
def test_sizes_have_units(read: Read, written: str, size: int) -> None:
    assert read("[ring]", f"bytes = {written}").ring.bytes == size


def test_static_membership_is_for_the_classic_protocol_and_dynamic_for_the_other(read: Read) -> None:
    assert read().routes["orders"].membership == "static"
    assert read('kafka.group.protocol = "consumer"').routes["orders"].membership == "dynamic"
    static = read('kafka.group.protocol = "consumer"', overrides=("membership=static",))
    assert static.routes["orders"].membership == "static"


def test_flood_false_is_off_and_true_is_the_default(read: Read) -> None:
    assert read("flood = false").routes["orders"].flood is None
    assert read("flood = true").routes["orders"].flood == Flood()
    assert read("flood.messages = 7").routes["orders"].flood == Flood(messages=7)


def test_consumers_is_a_number_or_follows_the_partitions(read: Read) -> None:
    assert read("consumers = 3").routes["orders"].consumers == 3
    assert read('consumers = "per-partition"').routes["orders"].consumers is None


def test_paths_begin_at_the_files_folder(read: Read, tmp_path: Path) -> None:
    config = read(overrides=("queues.path=q/x.db", "runtime_dir=run", "state_dir=/var/state"))
    assert config.queues.path == str(tmp_path / "q/x.db")
    assert config.runtime_dir == str(tmp_path / "run")
    assert config.state_dir == "/var/state"


def test_systemds_directories_are_the_default(read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNTIME_DIRECTORY", "/run/of/systemd")
    monkeypatch.setenv("STATE_DIRECTORY", "/state/of/systemd:/another")
    config = read()
    assert config.runtime_dir == "/run/of/systemd"
    assert config.queues.path == "/state/of/systemd/queues.db"


def test_overrides_win_whatever_their_spelling(read: Read) -> None:
    config = read(
        overrides=(
            "routes.orders.handlers=8",
            "kafka.bootstrap.servers=elsewhere:9092",
            'kafka."fetch.min.bytes"=9',
            'routes.orders.topics=["a", "b"]',
            "node=n1",
        )
    )
    route = config.routes["orders"]
    assert (route.handlers, route.topics, config.node) == (8, ("a", "b"), "n1")
    assert config.kafka["bootstrap.servers"] == "elsewhere:9092"
    assert config.kafka["fetch.min.bytes"] == "9"


def test_an_override_that_is_wrong_is_named_as_one(refuse: Refuse) -> None:
    assert refuse(overrides=("routes.orders.handlers=many", "nonsense")) == [
        "--set: nonsense: expected KEY=VALUE, such as routes.orders.handlers=8",
        "--set routes.orders.handlers: routes.orders.handlers: "
        'expected a whole number from 1 to 1,000, found "many"',
    ]


def test_what_an_override_alone_made_is_not_put_to_a_line_of_the_file(refuse: Refuse) -> None:
    told = [line for line in refuse(overrides=("routes.order.handlers=2",)) if "routes.order." in line]
    assert told
    assert all(line.startswith("--set routes.order.handlers: ") for line in told)


def test_a_tree_and_a_text_are_read_like_a_file() -> None:
    tree = {
        "app": "a:b",
        "name": "n",
        "kafka": {"bootstrap.servers": "x:1", "group": {"id": "g"}},
        "queues": {"backend": "sqlite"},
        "routes": {"r": {"topics": ("t",), "order": "key"}},
    }
    assert from_tree(tree).routes["r"].kafka["group.id"] == "g"
    assert loads(SMALLEST).routes["orders"].order == "none"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"app = ", "ringmain.toml:1: this is not TOML: Invalid value"),
        (b"a = 1\na = 2\n", "ringmain.toml:2: this is not TOML: Cannot overwrite a value"),
        (b'a = "x\n\n', "ringmain.toml:1: this is not TOML"),
        (b"# \xff", "ringmain.toml:1: this is not UTF-8 text"),
        (b"x = " + b"9" * 5000, "ringmain.toml: this is not TOML"),
        (b"x = " + b"[" * 100_000, "ringmain.toml: this is nested too deeply"),
    ],
)
def test_what_is_no_toml_is_refused_with_its_line(tmp_path: Path, content: bytes, said: str) -> None:
    file = tmp_path / "ringmain.toml"
    file.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        load(file)
    assert str(caught.value).removeprefix(f"{tmp_path}/").startswith(said)


def test_a_file_that_cannot_be_read_is_a_config_error(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none.toml", Path("a\0b.toml")):
        with pytest.raises(ConfigError, match="cannot be read"):
            load(path)


def test_a_file_may_have_a_byte_order_mark_and_dos_lines(tmp_path: Path) -> None:
    file = tmp_path / "ringmain.toml"
    file.write_bytes(b"\xef\xbb\xbf" + SMALLEST.replace("\n", "\r\n").encode())
    assert load(file).name == "billing"


def test_a_plain_word_is_a_file_here_or_else_an_instance(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ringmain.config.load.FOLDER", str(tmp_path))
    (tmp_path / "billing.toml").touch()
    assert find("billing") == str(tmp_path / "billing.toml")
    assert find("billing.toml") == "billing.toml"
    assert find("./billing") == "./billing"
    with pytest.raises(ConfigError, match=f"other: there is no such file, and no {tmp_path}/other.toml"):
        find("other")


def test_without_the_environment_references_stay(tmp_path: Path) -> None:
    file = tmp_path / "ringmain.toml"
    additions = (
        'handlers = "${N}"\nconsumers = "${C}"\non_bad = "${B}"\ntimeout_s = "${T:-3}"\nkafka.x = "${X}"\n'
    )
    text = SMALLEST.replace('"billing"', '"${WHO}"').replace('["orders"]', '["${TOPIC}"]')
    file.write_text(text.replace('"none"', '"${ORDER}"') + additions)
    config = load_without_environment(file)
    assert config.name == "${WHO}"
    assert config.routes["orders"].topics == ("${TOPIC}",)
    assert config.routes["orders"].kafka["x"] == "${X}"
