"""Whose processes a change concerns: pure.

The reload enters with what differs and with the posts of this node. Who is not named here keeps its process.
"""

from collections.abc import Iterable

from ringmain.config.diff import Change
from ringmain.config.effects import Kind
from ringmain.config.pools import key_of, place_of
from ringmain.supervise.posts import Post

_KINDS: dict[tuple[str, str], Kind] = {
    ("handle", ""): "handlers",
    ("feed", "kafka"): "Kafka feeders",
    ("feed", "queue"): "queue feeders",
    ("courier", ""): "courier",
    ("herald", ""): "herald",
    ("admin", ""): "admin",
    ("http", ""): "http",
}


def concerned(changes: list[Change], posts: Iterable[Post]) -> set[Post]:
    """The posts whose processes have to be replaced. The admin server shows the config: always that one."""
    posts = list(posts)
    found = {post for change in changes for post in posts if _is_concerned(post, change)}
    return found | {post for post in posts if changes and post.role == "admin"}


def rejoining(changes: list[Change]) -> set[str]:
    """The routes whose Kafka feeders leave the group and join it again."""
    return {change.route for change in changes if change.effect.rejoins}


def _is_concerned(post: Post, change: Change) -> bool:
    kind = _KINDS.get((post.role, post.source))
    if kind not in change.effect.replaces:
        return False
    if not change.route or not post.pool:
        return True
    if change.effect.with_channels:
        return place_of(post.pool)[0] == change.route
    return post.pool == key_of(change.route, change.channel)
