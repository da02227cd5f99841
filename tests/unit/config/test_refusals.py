"""Everything that is wrong is said at once, each with its place, what was expected and what was found."""

from pathlib import Path

import pytest
from smallest_config import SMALLEST, Read, Refuse

from ringmain.cli.reading import REFUSALS
from ringmain.config.load import load
from ringmain.errors import ConfigError
from ringmain.kafka.properties import OWNED

ROUTE = "routes.orders"


ROUTE_PROBLEMS = [
    ("handler = 4", 'handler: unknown key; did you mean "handlers"?'),
    ("zzz = 4", "zzz: unknown key"),
    ("attempts = 4", 'attempts: unknown key; there is "routes.R.retry.attempts"'),
    ("handlers = 0", "handlers: expected a whole number from 1 to 1,000, found 0"),
    ("handlers = true", "handlers: expected a whole number from 1 to 1,000, found true"),
    ("handlers = 1.5", "handlers: expected a whole number from 1 to 1,000, found 1.5"),
    (
        "max_messages = 0x" + "f" * 30,
        "max_messages: expected a whole number from 1, found a number with too many digits",
    ),
    ('timeout_s = "1"', 'timeout_s: expected a number above 0 to 604,800, found "1"'),
    ("timeout_s = nan", "timeout_s: expected a number above 0 to 604,800, found nan"),
    ("timeout_s = inf", "timeout_s: expected a number above 0 to 604,800, found inf"),
    (
        'consumers = "all"',
        'consumers: expected "per-partition" or a whole number from 1 to 1,000, found "all"',
    ),
    ('on_bad = "drop"', 'on_bad: expected "dead" or "skip", found "drop"'),
    ("on_tombstone = []", 'on_tombstone: expected "skip" or "dead", found an empty list'),
    ("flood = 3", "flood: expected false or a table, found 3"),
    ("retry = 3", "retry: expected a table, found 3"),
    ("retry.attempts = 0", "retry.attempts: expected a whole number from 1 to 60,000, found 0"),
    (
        'max_rss_bytes = "1 XB"',
        'max_rss_bytes: expected a size such as "16MiB", or a number of bytes, found "1 XB"',
    ),
    ("kafka.x = [1]", "kafka.x: expected a string, a number or a boolean, found a list"),
    ("kafka.x = 2020-01-01", "kafka.x: expected a string, a number or a boolean, found the date 2020-01-01"),
    ("overflow = {}", "overflow: needs after_s or lag"),
    ("overflow.after_s = -2", "overflow.after_s: expected a number above 0 to 86,400, found -2"),
    ("retry.max_s = 1e6", "retry.max_s: expected a number from 0 to 604,800, found 1000000.0"),
    ("retry = { first_s = 9, max_s = 8 }", "retry.max_s: 8 is less than first_s = 9"),
]


@pytest.mark.parametrize(("line", "said"), ROUTE_PROBLEMS)
def test_a_key_of_a_route_that_is_wrong(refuse: Refuse, line: str, said: str) -> None:
    assert refuse(line) == [f"ringmain.toml:11: {ROUTE}.{said}"]


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("app=orders", 'app: expected "module:attribute", found "orders"'),
        ("name=Billing", 'name: expected a name (a name is made of a-z, 0-9, _ and -), found "Billing"'),
        ("name=dead", 'name: expected a name (the name dead is reserved), found "dead"'),
        (
            'modes=["worker", "x"]',
            'modes: expected a list out of "stream-worker", "worker", "api-server" or "management-api" '
            "(not 'x'), found a list",
        ),
        ("modes=[]", "modes: expected a list out of "),
        ('node="a b"', 'node: expected a name of at most 249 letters, digits, dots, _ and -, found "a b"'),
        ("membership=both", 'membership: expected "static" or "dynamic", found "both"'),
        ("queues.backend=kafka", 'queues.backend: expected "rabbitmq" or "sqlite", found "kafka"'),
        ("queues.url=amqp://x", 'queues.url: belongs to backend = "rabbitmq", and backend is "sqlite"'),
        ("admin.bind=0.0.0.0:8100", "admin.bind: 0.0.0.0:8100 is open to others: set admin.token"),
        ("admin.bind=127.evil.example:8100", "admin.bind: 127.evil.example:8100 is open to others"),
        ("http.bind=127.0.0.1:8100", "http.bind: is admin.bind: the app's own server needs another port"),
        ("admin.bind=8100", "admin.bind: expected an address"),
        ("ring.messages=1", "ring.messages: expected a whole number from 16 to 1,048,576, found 1"),
        ("commit.window=0", "commit.window: expected a whole number from 1 to 1,000,000,000, found 0"),
        ("revoke_s=300", "revoke_s: 300 s is not below max.poll.interval.ms = 300000 of route orders"),
        ("routes.orders.topics=[]", "routes.orders.topics: expected a list of topics"),
        ('routes.orders.topics=[""]', "routes.orders.topics: expected topics of at most 249"),
        ('routes.orders.topics=["a b"]', "routes.orders.topics: expected topics of at most 249"),
        ('routes.orders.topics=["^("]', "routes.orders.topics: expected a topic that starts with ^"),
        ('routes.orders.topics=["a", "a"]', "routes.orders.topics: expected each topic once"),
        ("log.level=loud", "log.level: expected"),
        ("routes.dead.order=none", "routes.dead: the name dead is reserved"),
        ('"a.b"=1', "a.b: unknown key"),
        ("queues=1", "queues: expected a table, found 1"),
        ("routes=1", "routes: expected a table, found 1"),
        ("routes.x=1", "routes.x: expected a table, found 1"),
        ("routes={}", "routes: there is none: add [routes.NAME] with topics and order"),
    ],
)
def test_a_key_that_is_wrong(refuse: Refuse, setting: str, said: str) -> None:
    assert any(line.split(": ", 1)[1].startswith(said) for line in refuse(overrides=(setting,)))


def test_required_keys_are_asked_for_with_their_meaning(refuse: Refuse) -> None:
    said = refuse(text="[kafka]\n[routes.orders]\n")
    missing = {line.split(": is required")[0] for line in said}
    assert missing == {
        "ringmain.toml: app",
        "ringmain.toml: name",
        "ringmain.toml: queues",
        "ringmain.toml:2: routes.orders.topics",
        "ringmain.toml:2: routes.orders.order",
        "ringmain.toml:2: routes.orders.kafka.bootstrap.servers",
        "ringmain.toml:2: routes.orders.kafka.group.id",
    }


def test_a_slip_in_the_one_kafka_key_that_everybody_writes_is_named(refuse: Refuse) -> None:
    said = refuse(text=SMALLEST.replace("bootstrap.servers", "bootstrap.server"))
    assert [line for line in said if "bootstrap.server is none of Kafka's" in line]


def test_a_top_level_key_under_a_table_is_told_so(refuse: Refuse) -> None:
    assert refuse("stop_s = 3") == [
        'ringmain.toml:11: routes.orders.stop_s: unknown key; "stop_s" is a top-level key and stands under '
        "[routes.orders]: move it above the first [table]"
    ]
    text = SMALLEST.replace('name = "billing"\n', "").replace("[queues]", 'name = "billing"\n[queues]')
    assert refuse(text=text)[0] == (
        'ringmain.toml:5: kafka.name: "name" is a top-level key and stands under [kafka]: '
        "move it above the first [table]"
    )


def test_a_routes_key_under_one_of_its_tables_is_told_so(refuse: Refuse) -> None:
    for table in ("retry", "kafka"):
        [said] = refuse(f"[routes.orders.{table}]", "handlers = 3")
        assert '"handlers" is a key of [routes.orders]' in said
        assert said.startswith(f"ringmain.toml:12: routes.orders.{table}.handlers")


def test_problems_come_in_the_order_of_the_file_and_all_of_them(refuse: Refuse) -> None:
    said = refuse("handler = 1", "timeout_s = 0", "retry.max_s = -1", text="nam = 1\n" + SMALLEST.lstrip())
    assert [line.split(":")[1] for line in said] == ["1", "12", "13", "14"]


@pytest.mark.parametrize("line", ["overflow.lag = 5", 'through = "slow"'])
@pytest.mark.parametrize("order", ["key", "partition"])
def test_what_breaks_order_is_refused_with_order(refuse: Refuse, line: str, order: str) -> None:
    said = refuse(line, text=SMALLEST.replace('"none"', f'"{order}"'))
    key = line.split(".")[0].split(" ")[0]
    assert f'ringmain.toml:11: {ROUTE}.{key}: needs order = "none", found order = "{order}"' in said


THROUGH = [
    ("", 'the route has no channel "slow": add [routes.orders.channels.slow]'),
    ("[routes.orders.channels.slower]", 'the route has no channel "slow": did you mean "slower"?'),
    (
        "overflow.lag = 5\n[routes.orders.channels.slow]",
        "takes every message to the queues, nothing is left to overflow: keep one of the two",
    ),
]


@pytest.mark.parametrize(("more", "said"), THROUGH)
def test_through_leads_to_a_channel_of_the_route(refuse: Refuse, more: str, said: str) -> None:
    assert f"ringmain.toml:11: {ROUTE}.through: {said}" in refuse('through = "slow"', more)


@pytest.mark.parametrize("name", ["dead", "Ready", "a.b"])
def test_a_channel_has_a_name_like_any_other(refuse: Refuse, name: str) -> None:
    [said] = refuse(f'[routes.orders.channels."{name}"]')
    assert f"{ROUTE}.channels" in said
    assert "reserved" in said or "a name is made of" in said


OTHER = '[routes.other]\ntopics = ["other"]\norder = "none"\n'


def test_each_of_several_routes_needs_a_group_of_its_own(refuse: Refuse) -> None:
    said = refuse(OTHER)
    assert [line.split(": ")[1] for line in said] == [
        f"{ROUTE}.kafka.group.id",
        "routes.other.kafka.group.id",
    ]


def test_two_routes_in_one_group_of_one_cluster_are_refused(refuse: Refuse) -> None:
    [said] = refuse('kafka.group.id = "g"', OTHER, 'kafka.group.id = "g"')
    assert said.endswith(
        "routes.other.kafka.group.id: is that of route orders too: they would silently share messages"
    )


def test_two_routes_in_groups_of_their_own_are_fine(read: Read) -> None:
    config = read('kafka.group.id = "g"', OTHER, 'kafka.group.id = "h"')
    assert config.routes["other"].kafka["group.id"] == "h"


def test_the_same_group_on_two_clusters_is_fine(read: Read) -> None:
    elsewhere = 'kafka.bootstrap.servers = "elsewhere:9092"'
    assert read('kafka.group.id = "g"', OTHER, 'kafka.group.id = "g"', elsewhere)


def test_ringmains_own_properties_are_refused_where_they_stand(tmp_path: Path) -> None:
    file = tmp_path / "ringmain.toml"
    file.write_text(SMALLEST.lstrip() + "".join(f'kafka."{name}" = "x"\n' for name in OWNED))
    with pytest.raises(ConfigError) as caught:
        load(file, judge=REFUSALS)
    assert [problem.key for problem in caught.value.problems] == [f"{ROUTE}.kafka.{name}" for name in OWNED]


def test_secrets_are_never_in_a_message(refuse: Refuse) -> None:
    text = SMALLEST.replace("[queues]", 'sasl.password = ["hunter2"]\n[queues]')
    said = refuse(overrides=("queues.password=hunter2", 'admin.token=["hunter2"]'), text=text)
    said += refuse(overrides=('queues.url="amqp:/u:hunter2@x"', "queues.password=712"))
    assert not [line for line in said if "hunter2" in line or "712" in line]
