"""Whose processes a change concerns."""

from typing import Any

import pytest

from ringmain.config.diff import diff
from ringmain.config.load import from_tree
from ringmain.config.schema import Config
from ringmain.supervise.concerned import concerned, rejoining
from ringmain.supervise.posts import Post

POSTS = [
    Post("feed", "a", "kafka"),
    Post("feed", "a", "queue", 9),
    Post("handle", "a"),
    Post("handle", "a.slow"),
    Post("feed", "a.slow", "queue", 9),
    Post("feed", "b", "kafka"),
    Post("handle", "b"),
    Post("courier"),
    Post("herald"),
    Post("admin"),
]


def config(over: dict[str, Any], **of_a: Any) -> Config:
    a = {"topics": ["a"], "order": "none", "kafka": {"group.id": "a"}, "channels": {"slow": {"timeout_s": 9}}}
    b = {"topics": ["b"], "order": "none", "kafka": {"group.id": "b"}}
    tree = {
        "app": "x:app", "name": "n", "kafka": {"bootstrap.servers": "h:1"}, "queues": {"backend": "sqlite"},
        "routes": {"a": a | of_a, "b": b},
    }  # fmt: skip
    return from_tree(tree | over, folder="/")


def named(over: dict[str, Any], **of_a: Any) -> set[str]:
    found = concerned(diff(config({}), config(over, **of_a)), POSTS)
    return {" ".join(filter(None, (post.role, post.pool, post.source))) for post in found}


@pytest.mark.parametrize(
    ("of_a", "wanted"),
    [
        ({"timeout_s": 3}, {"handle a"}),
        ({"max_messages": 3}, {"handle a", "handle a.slow"}),
        ({"overflow": {"after_s": 3}}, {"feed a kafka"}),
        ({"max_crashes": 3}, {"feed a kafka", "feed a queue", "feed a.slow queue"}),
        ({"flood": False}, set()),
        ({"handlers": 60}, set()),
    ],
)
def test_a_change_of_a_route_concerns_that_route(of_a: dict[str, Any], wanted: set[str]) -> None:
    assert named({}, **of_a) == wanted | {"admin"}


def test_what_all_routes_go_by_concerns_all_routes() -> None:
    assert named({"commit": {"interval_s": 3}}) == {"feed a kafka", "feed b kafka", "admin"}
    assert len(named({"log": {"level": "debug"}})) == len(POSTS)


def test_nothing_different_concerns_nobody() -> None:
    assert named({}) == set()


def test_other_topics_have_the_feeders_of_that_route_join_again() -> None:
    assert rejoining(diff(config({}), config({}, topics=["a", "more"]))) == {"a"}


def test_a_route_that_goes_concerns_none_of_the_others() -> None:
    only_a = {"routes": {"a": {"topics": ["a"], "order": "none", "kafka": {"group.id": "a"}}}}
    only_a["routes"]["a"]["channels"] = {"slow": {"timeout_s": 9}}
    found = {post.role for post in concerned(diff(config({}), config(only_a, handlers=1)), POSTS)}
    assert "feed" not in found
