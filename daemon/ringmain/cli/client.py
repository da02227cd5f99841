"""The node that CONFIG means, and how it is asked: by its control socket where it is of this machine, by its
admin's HTTP where that is not to be reached or CONFIG is a URL.

Commands that look at a running node or act on it enter. A question is never put twice: HTTP follows only when
there was nobody at the socket to take it.
"""

import contextlib
import os
import re
from collections.abc import Iterator
from contextlib import closing

import click
import msgspec

from ringmain.asking import Line
from ringmain.cli.remote import TOKEN, Remote, is_url
from ringmain.config.load import FOLDER, find, load_to_ask
from ringmain.config.schema import Admin, Config
from ringmain.control import Done, Look, Node, Refused, Reload, Reply, Request, Seek, socket_path
from ringmain.errors import ConfigError, NoAnswer, NodeRefused
from ringmain.nearest import nearest

LOOK_S = 10.0
ACT_S = 70.0
"""A seek waits for what executes: `revoke_s` at most. A little more than an admin waits in its turn."""
RELOAD_S = 220.0
"""Its probe imports the app."""
RUN = "/run/ringmain"
"""Where systemd's unit lets each instance have its folder; no shell of an operator has its environment."""

_OWN = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}
_HOST_AND_PORT = re.compile(r"[\w.-]+:\d+(/.*)?")


class Client:
    """One node."""

    def __init__(self, config: Config | None, remote: Remote | None, overrides: tuple[str, ...] = ()) -> None:
        self.config = config
        self._remote = remote
        self._overrides = overrides

    @property
    def place(self) -> str:
        """What a person would call it."""
        if self.config is None:
            return self._remote.url if self._remote else ""
        return f"{self.config.name} on {self.config.node}"

    @property
    def remote(self) -> Remote | None:
        """Its admin, where CONFIG is a URL."""
        return self._remote

    def look(self, timeout_s: float = LOOK_S) -> Node:
        """Its picture."""
        reply = self._ask(Look(), timeout_s)
        if isinstance(reply, Node):
            return reply
        raise NodeRefused(_words(reply))

    def act(self, request: Request) -> Done:
        """Done, or NodeRefused with the nearest name where one is unknown."""
        reply = self._ask(request, self._patience_s(request))
        if isinstance(reply, Done):
            return reply
        if isinstance(reply, Refused) and reply.unknown:
            raise NodeRefused(reply.reason + _hint(request, self.look()))
        raise NodeRefused(_words(reply))

    def _patience_s(self, request: Request) -> float:
        if isinstance(request, Reload):
            return RELOAD_S
        revoke_s = self.config.revoke_s if self.config else 0.0
        return max(ACT_S, revoke_s + ACT_S / 2)

    def _ask(self, request: Request, timeout_s: float) -> Reply:
        if self._remote is not None:
            return self._remote.ask(request, timeout_s)
        assert self.config is not None
        nobody: NoAnswer | None = None
        for path in socket_paths(self.config):
            try:
                line = Line(path, timeout_s)
            except NoAnswer as silence:
                nobody = nobody or silence
                continue
            with closing(line):
                return line.ask(request)
        return self._ask_admin(request, timeout_s, nobody)

    def _ask_admin(self, request: Request, timeout_s: float, nobody: NoAnswer | None) -> Reply:
        assert self.config is not None
        assert nobody is not None
        admin = _admin(self.config, self._overrides)
        remote = Remote(admin_url(admin.bind), os.environ.get(TOKEN) or admin.token or admin.read_token or "")
        try:
            reply = remote.ask(Look(), LOOK_S)
        except NoAnswer as silence:
            also = f"; nor at {silence.place}: {silence.reason}{_neighbours(self.config)}"
            raise NoAnswer(nobody.place, nobody.reason + also) from None
        if not isinstance(reply, Node):
            return reply
        if (reply.name, reply.node) != (self.config.name, self.config.node):
            # The default address is everybody's: nobody stops another daemon by mistake.
            other = f"; and {remote.url} is {reply.name} on {reply.node}{_neighbours(self.config)}"
            raise NoAnswer(nobody.place, nobody.reason + other)
        return reply if isinstance(request, Look) else remote.ask(request, timeout_s)


def open_client(name: str, overrides: tuple[str, ...] = ()) -> Client:
    """The node of CONFIG: a URL, a path, or an instance of /etc/ringmain."""
    if is_url(name):
        if overrides:
            raise click.UsageError("--set changes what a file says, and a URL has none")
        return Client(None, Remote(name, os.environ.get(TOKEN, "")))
    if _HOST_AND_PORT.fullmatch(name) and not os.path.exists(name):
        raise click.UsageError(f"{name!r}: the URL of an admin begins with http:// or https://")
    return Client(load_to_ask(find(name), overrides), None, overrides)


def socket_paths(config: Config) -> Iterator[str]:
    """Where the node may listen: as its file says, then as its systemd unit does."""
    folders = [config.runtime_dir, os.path.join(RUN, config.name)]
    if os.path.dirname(config.path) == FOLDER:
        folders.append(os.path.join(RUN, os.path.basename(config.path).removesuffix(".toml")))
    for folder in dict.fromkeys(folders):
        yield socket_path(folder, config.name, config.node)


def admin_url(bind: str) -> str:
    """Where an admin that is bound like this is asked from its own machine."""
    host, _, port = bind.rpartition(":")
    return f"http://{_OWN.get(host, host)}:{port}"


def _admin(config: Config, overrides: tuple[str, ...]) -> Admin:
    """Its table with the tokens, or without where this user cannot read them."""
    try:
        return load_to_ask(config.path, overrides, also=("admin",)).admin
    except ConfigError:
        return Admin(bind=config.admin.bind)


def _words(reply: Reply) -> str:
    return reply.reason if isinstance(reply, Refused) else f"an answer to another question: {reply!r:.80}"


def _neighbours(config: Config) -> str:
    """Other nodes of this name that have a socket here: the host may have been renamed since."""
    start, end = f"{config.name}.", ".control"
    with contextlib.suppress(OSError):
        found = [
            name for name in os.listdir(config.runtime_dir) if name.startswith(start) and name.endswith(end)
        ]
        nodes = sorted(name.removeprefix(start).removesuffix(end) for name in found)
        if others := [node for node in nodes if node != config.node]:
            return f" (--set node={others[0]} asks {', '.join(others)})"
    return ""


def _hint(request: Request, node: Node) -> str:
    """The nearest of the names that the node has."""
    asked = msgspec.structs.asdict(request)
    word = asked.get("title") or asked.get("pool") or asked.get("route")
    if not word or (isinstance(request, Seek) and request.route in known(node)):
        return ""
    names = [one.title for one in node.processes] if asked.get("title") else known(node)
    near = nearest(str(word), names)
    if near and near != word:
        return f": did you mean {near!r}?"
    return f": there is {', '.join(names)}" if names and len(names) < 20 and word not in names else ""


def known(node: Node) -> list[str]:
    """Its pools, routes first."""
    return list(dict.fromkeys([*(pool.route for pool in node.pools), *(pool.key for pool in node.pools)]))
