"""Daemons with their admins, each in a folder of its own, none left behind."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from node_with_admin import AdminNode

from support.leftovers import Leftovers


@pytest.fixture
def start(leftovers: Leftovers, tmp_path: Path) -> Iterator[Callable[..., AdminNode]]:
    """Starts a daemon: start(admin={"token": "x"}); it need not be up yet."""
    nodes: list[AdminNode] = []

    def begin(**tables: Any) -> AdminNode:
        folder = tmp_path / f"node{len(nodes)}"
        folder.mkdir()
        nodes.append(AdminNode(folder, **tables))
        return nodes[-1]

    yield begin
    for node in nodes:
        node.end()


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AdminNode]:
    """One for all tests of a file that leave it as it is."""
    one = AdminNode(tmp_path_factory.mktemp("node"))
    try:
        yield one.until_up()
    finally:
        one.end()
