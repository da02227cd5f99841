"""Who is shown as another node, as what, and for how long."""

from ringmain.supervise.peers import FORGOTTEN_S, GONE, HERE, IN_GROUP, SILENT_S, TWIN, Peers
from ringmain.supervise.words import Hello, Sender, Shares


def hello(node: str, instance: str = "1", partitions: Shares | None = None, admin: str = "") -> Hello:
    return Hello(Sender("shop", node, instance), admin, partitions or {})


def peers() -> Peers:
    return Peers("n1", "us")


def states(known: Peers, now_s: float) -> dict[str, str]:
    return {peer.node: peer.state for peer in known.picture(now_s)}


def test_a_node_is_here_then_gone_then_forgotten() -> None:
    known = peers()
    known.hear(hello("n2", admin="http://n2", partitions={"orders": {"t": [1, 0]}}), 100.0)
    [peer] = known.picture(110.0)
    assert (peer.node, peer.state, peer.admin, peer.heard_s) == ("n2", HERE, "http://n2", 10.0)
    assert peer.partitions == {"orders": ["t/0", "t/1"]}
    assert states(known, 100.0 + SILENT_S) == {"n2": HERE}
    assert states(known, 101.0 + SILENT_S) == {"n2": GONE}
    assert known.here(101.0 + SILENT_S) == []
    known.forget(100.0 + FORGOTTEN_S)
    assert states(known, 100.0 + FORGOTTEN_S) == {"n2": GONE}
    known.forget(101.0 + FORGOTTEN_S)
    assert states(known, 101.0 + FORGOTTEN_S) == {}


def test_it_is_news_when_a_node_comes_comes_back_or_begins_anew() -> None:
    known = peers()
    assert known.hear(hello("n2"), 0.0)
    assert not known.hear(hello("n2"), 10.0)
    assert known.hear(hello("n2", "2"), 20.0), "another run of it"
    assert known.hear(hello("n2", "2"), 21.0 + SILENT_S), "after a long silence"


def test_a_farewell_is_believed_from_the_one_who_is_there() -> None:
    known = peers()
    known.hear(hello("n2", "old"), 0.0)
    known.hear(hello("n2", "new"), 1.0)
    assert not known.part(Sender("shop", "n2", "old"))
    assert states(known, 2.0) == {"n2": HERE}
    assert known.part(Sender("shop", "n2", "new"))
    assert states(known, 2.0) == {}


def test_our_own_name_from_another_is_a_twin_until_it_is_silent() -> None:
    known = peers()
    assert known.is_us(Sender("shop", "n1", "us"))
    assert not known.is_us(Sender("shop", "n1", "them"))
    known.hear(hello("n1", "them"), 0.0)
    assert known.twin(1.0)
    assert states(known, 1.0) == {"n1": TWIN}
    assert not known.twin(1.0 + SILENT_S)


def test_kafka_tells_of_nodes_that_are_not_heard() -> None:
    known = peers()
    known.seen("orders", {"n1": {"t": [0]}, "n3": {"t": [1]}})
    known.seen("refunds", {"n3": {"u": [0, 1]}})
    [peer] = known.picture(0.0)
    assert (peer.node, peer.state, peer.heard_s) == ("n3", IN_GROUP, None)
    assert peer.partitions == {"orders": ["t/1"], "refunds": ["u/0", "u/1"]}
    known.seen("orders", {"n1": {"t": [0, 1]}})
    known.seen("refunds", {"n1": {}})
    assert known.picture(0.0) == []


def test_a_nodes_own_word_counts_over_kafkas_as_long_as_it_is_heard() -> None:
    known = peers()
    known.seen("orders", {"n2": {"t": [5]}})
    known.hear(hello("n2", partitions={"orders": {"t": [6]}}), 0.0)
    assert known.picture(1.0)[0].partitions == {"orders": ["t/6"]}
    assert known.picture(1.0 + SILENT_S)[0].partitions == {"orders": ["t/5"]}


def test_the_owner_of_a_partition_is_found_by_word_or_by_group() -> None:
    known = peers()
    known.hear(hello("n2", partitions={"orders": {"t": [0]}}), 0.0)
    known.seen("orders", {"n3": {"t": [1]}, "n1": {"t": [2]}})
    assert [known.owner("orders", "t", number, 1.0) for number in range(3)] == ["n2", "n3", ""]
    assert known.owner("refunds", "t", 0, 1.0) == ""
    assert known.owner("orders", "t", 0, 1.0 + SILENT_S) == "", "it is gone"
