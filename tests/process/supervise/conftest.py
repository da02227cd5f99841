"""A daemon of toy roles, started as a process of its own."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from toy_daemon import Daemon

from support.leftovers import Leftovers
from support.scenario import toml

HERE = Path(__file__).parent
STEADY = {
    "probe": "toys:fit",
    "scout": "toys:scout",
    "visitor": "toys:steady",
    "feed": "toys:steady",
    "handle": "toys:steady",
    "courier": "toys:steady",
    "herald": "toys:aside",
    "admin": "toys:aside",
}


@pytest.fixture
def start(leftovers: Leftovers, tmp_path: Path) -> Iterator[Callable[..., Daemon]]:
    """Starts a daemon: start(handle="toys:stubborn", route={"handlers": 1}, stop_s=1, messages=["ok"])."""
    daemons: list[Daemon] = []

    def begin(
        *,
        route: dict[str, Any] | None = None,
        messages: tuple[str, ...] = (),
        wrap: tuple[str, ...] = (),
        scouted: str = "",
        **given: Any,
    ) -> Daemon:
        roles = {**STEADY, **{name: given.pop(name) for name in STEADY if name in given}}
        (tmp_path / "messages").write_text("\n".join(messages))
        if scouted:
            (tmp_path / "scouted").write_text(scouted)
        tree = {
            "app": "orders:app",
            "name": "toy",
            "modes": ["stream-worker", "worker"],
            "kafka": {"bootstrap.servers": "127.0.0.1:1", "group.id": "toy"},
            "queues": {"backend": "sqlite"},
            "routes": {
                "orders": {"topics": ["t"], "order": "none", "handlers": 2, "consumers": 1, **(route or {})}
            },
            "state_dir": str(tmp_path),
            "runtime_dir": str(tmp_path / "run" / "toy"),
            "log": {"level": "debug"},
            "ring": {"messages": 64, "bytes": "1MiB"},
            **given,
        }
        (tmp_path / "config.json").write_text(json.dumps(tree))
        (tmp_path / "config.toml").write_text(toml(tree))
        (tmp_path / "roles.json").write_text(json.dumps(roles))
        script = [sys.executable, str(HERE / "run_toys.py")]
        command = [*wrap, *script, str(tmp_path / "config.toml"), str(tmp_path / "roles.json")]
        with (tmp_path / "log").open("ab") as log:
            process = subprocess.Popen(command, stderr=log, stdin=subprocess.DEVNULL, env=os.environ)
        daemons.append(Daemon(process, tmp_path))
        return daemons[-1]

    yield begin
    for daemon in daemons:
        if daemon.process.poll() is None:
            daemon.process.kill()
        daemon.wait()
