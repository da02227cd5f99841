"""Imports go down only: front, roles, seats, systems, ground; roles and systems never reach sideways."""

import subprocess
import sys
from collections.abc import Iterator

from support.environment import child_environment
from support.sources import Module, imports, modules

LEVELS: dict[int, set[str]] = {
    5: {"cli", "demo", "testing", "__main__"},
    4: {"supervise", "feed", "handle", "courier", "admin", "herald"},
    # clerk: bulk jobs, which admin and the command line begin; a role as well, forked for dead.keep_s.
    3: {"seat", "roles", "clerk", "outgoing"},
    2: {"kafka", "queues", "rings", "formats", "config"},
    1: {
        "__init__", "app", "message", "outcome", "signature", "middleware", "loading", "retry", "verdict",
        "asking", "codec", "control", "errors", "producer", "held", "clock", "lifecycle", "log", "logging",
        "meters", "mistakes", "schemas", "nearest", "returns", "shapes", "tracing", "types",
        "_fastpath",
    },
}  # fmt: skip
LEVEL_OF = {room: level for level, rooms in LEVELS.items() for room in rooms}

# Levels whose rooms are strangers to each other.
APART = {2, 4}

CLIENTS = ("confluent_kafka", "pika", "uvloop", "falcon", "gunicorn")


def test_every_room_has_a_level() -> None:
    unknown = {module.room for module in modules()} - set(LEVEL_OF)
    assert not unknown, f"say in LEVELS where {sorted(unknown)} belong"


def test_imports_go_down_only() -> None:
    wrong = [line for module in modules() for line in _upward(module)]
    assert not wrong, "\n".join(wrong)


def _upward(module: Module) -> Iterator[str]:
    own = LEVEL_OF.get(module.room, 0)
    for room, node in ((_room(name), node) for name, node in imports(module)):
        if room is None or room == module.room:
            continue
        level = LEVEL_OF.get(room, 0)
        if level > own or (level == own and level in APART):
            yield f"{module.at(node)}: {module.room} (level {own}) imports {room} (level {level})"


def _room(name: str) -> str | None:
    parts = name.split(".")
    if parts[0] != "ringmain":
        return None
    return parts[1] if len(parts) > 1 and parts[1] in LEVEL_OF else "__init__"


def _loaded_after(import_statements: str) -> set[str]:
    """Top-level modules that a fresh interpreter has loaded after these statements."""
    program = f"{import_statements}\nimport sys; print(*{{name.split('.')[0] for name in sys.modules}})"
    done = subprocess.run(
        [sys.executable, "-c", program], env=child_environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-1500:]
    return set(done.stdout.split())


def _importing_all_of(package: str) -> str:
    places = [module.place.removesuffix(".py") for module in modules() if module.room == package]
    names = [place.removesuffix("/__init__").replace("/", ".") for place in places]
    return "\n".join(f"import ringmain.{name}" for name in names)


def test_the_supervisor_loads_no_client() -> None:
    assert _loaded_after(_importing_all_of("supervise")).isdisjoint(CLIENTS)


def test_the_command_line_starts_without_clients() -> None:
    assert _loaded_after("import ringmain.cli").isdisjoint(CLIENTS)


def test_what_a_handlers_author_imports_loads_no_client() -> None:
    assert _loaded_after("import ringmain").isdisjoint(CLIENTS)
