"""Calls the real entry point in a process of its own, as a user does."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from support.environment import child_environment

CONFIG = """
app = "orders:app"
name = "shop"
state_dir = "state"
runtime_dir = "run"
[kafka]
bootstrap.servers = "127.0.0.1:1"
group.id = "shop"
ssl.key.password = "${PASSWORD:-hunter2}"
[queues]
backend = "sqlite"
[routes.orders]
topics = ["orders"]
order = "none"
"""

APP = """
from ringmain import App
app = App()
@app.route("orders")
def handle(order: dict) -> None: ...
"""

Ringmain = Callable[..., "subprocess.CompletedProcess[str]"]
ENTRY = "import sys; from ringmain.cli import main; sys.exit(main())"


def ringmain(*arguments: str, cwd: Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    """`ringmain ARGUMENTS` in this directory."""
    return subprocess.run(
        [sys.executable, "-P", "-c", ENTRY, *arguments],
        cwd=cwd,
        env=child_environment(**environment),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
