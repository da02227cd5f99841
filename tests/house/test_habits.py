"""Habits that keep the rooms readable: a module says what it is for, hides nothing and swallows nothing."""

import ast
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path

import pytest

from support.sources import (
    CHECKOUT,
    Module,
    classes,
    dotted,
    functions,
    modules,
    run_at_import,
    tracked_files,
)

MUTABLE = (ast.List, ast.Dict, ast.Set, ast.ListComp, ast.DictComp, ast.SetComp)
MUTABLE_CALLS = {"list", "dict", "set", "bytearray", "deque", "defaultdict", "Counter", "OrderedDict"}
BROAD = {"Exception", "BaseException"}
ENVIRONMENT = ("os.environ", "os.getenv", "os.environb")
SHAPELESS = {"utils", "util", "helpers", "helper", "common", "misc"}


def opens_with_its_purpose(module: Module) -> Iterator[str]:
    if module.text.strip() and not ast.get_docstring(module.tree):
        yield f"{module.place}: no docstring that says what it is responsible for"


def has_a_name_that_says_something(module: Module) -> Iterator[str]:
    if SHAPELESS & {part.removesuffix(".py") for part in module.place.split("/")}:
        yield f"{module.place}: a name for anything is a place for everything"


def keeps_no_state_in_a_class(module: Module) -> Iterator[str]:
    for owner in classes(module):
        struct = owner.name in _structs()
        for node in owner.body:
            value = node.value if isinstance(node, ast.Assign | ast.AnnAssign) else None
            if value is not None and _mutable(value) and not (struct and _empty(value)):
                yield f"{module.at(node)}: {owner.name} keeps mutable state in the class"


def _mutable(value: ast.expr) -> bool:
    made = dotted(value.func).rpartition(".")[2] if isinstance(value, ast.Call) else ""
    return isinstance(value, MUTABLE) or made in MUTABLE_CALLS


def _empty(value: ast.expr) -> bool:
    """msgspec copies the empty default of a Struct's field for each instance."""
    return ast.unparse(value) in ("[]", "{}", "set()", "list()", "dict()")


@cache
def _structs() -> set[str]:
    """Names of the classes below msgspec.Struct, however far."""
    bases = [(owner.name, _last_names(owner.bases)) for module in modules() for owner in classes(module)]
    found = {"Struct"}
    while True:
        more = {name for name, kinds in bases if found & kinds}
        if more <= found:
            return found
        found |= more


def _last_names(bases: list[ast.expr]) -> set[str]:
    return {dotted(base).rpartition(".")[2] for base in bases}


def swallows_nothing(module: Module) -> Iterator[str]:
    for node in ast.walk(module.tree):
        if isinstance(node, ast.ExceptHandler) and _swallows(node):
            yield f"{module.at(node)}: an exception of any kind disappears here"
        if isinstance(node, ast.Call) and _suppresses(node):
            yield f"{module.at(node)}: suppress() of any exception"


def _suppresses(call: ast.Call) -> bool:
    return dotted(call.func).endswith("suppress") and bool(BROAD & {dotted(kind) for kind in call.args})


def _swallows(handler: ast.ExceptHandler) -> bool:
    caught = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    if not any(kind is None or dotted(kind) in BROAD for kind in caught):
        return False
    inside = [node for statement in handler.body for node in ast.walk(statement)]
    raises = any(isinstance(node, ast.Raise) for node in inside)
    acts = any(isinstance(node, ast.Call) for node in inside)
    uses = any(isinstance(node, ast.Name) and node.id == handler.name for node in inside)
    return not (raises or acts or uses) or (handler.type is None and not raises)


def reads_no_environment_at_import(module: Module) -> Iterator[str]:
    for node in run_at_import(module.tree):
        if dotted(node) in ENVIRONMENT:
            yield f"{module.at(node)}: {dotted(node)} is read when the module is imported"


def hides_nothing(module: Module) -> Iterator[str]:
    for name, function in functions(module):
        if function.name in ("__getattr__", "__getattribute__"):
            yield f"{module.at(function)}: {name} answers for attributes that nobody can find"
    for node in ast.walk(module.tree):
        if isinstance(node, ast.ClassDef) and any(one.arg == "metaclass" for one in node.keywords):
            yield f"{module.at(node)}: {node.name} has a metaclass"
        mangled = node.attr if isinstance(node, ast.Attribute) else ""
        if mangled.startswith("__") and not mangled.endswith("__"):
            yield f"{module.at(node)}: {mangled} is a mangled name"


LAWS = [
    opens_with_its_purpose,
    has_a_name_that_says_something,
    keeps_no_state_in_a_class,
    swallows_nothing,
    reads_no_environment_at_import,
    hides_nothing,
]


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
def test_every_module(law: Callable[[Module], Iterator[str]]) -> None:
    wrong = [line for module in modules() for line in law(module)]
    assert not wrong, "\n".join(wrong)


def _lines(paths: Iterable[Path], is_wrong: Callable[[ast.AST], bool], remedy: str) -> str:
    """Where something stands that must not, a line each."""
    return "\n".join(
        f"{path.relative_to(CHECKOUT)}:{getattr(node, 'lineno', 0)}: {remedy}"
        for path in paths
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if is_wrong(node)
    )


def test_only_support_lets_time_pass_in_tests() -> None:
    def sleeps(node: ast.AST) -> bool:
        return isinstance(node, ast.Call) and dotted(node.func) in ("time.sleep", "clock.sleep_s", "sleep_s")

    paths = [path for path in sorted((CHECKOUT / "tests").rglob("*.py")) if "support" not in path.parts]
    wrong = _lines(paths, sleeps, "wait for a condition instead (support.waiting)")
    assert not wrong, wrong


def test_nobody_asks_an_admin_client_for_committed_offsets() -> None:
    """While a group has no coordinator librdkafka 2.16 dies of it; Consumer.committed() asks the same."""

    def asks(node: ast.AST) -> bool:
        return isinstance(node, ast.Attribute) and node.attr == "list_consumer_group_offsets"

    paths = [path for path in tracked_files() if path.suffix == ".py"]
    wrong = _lines(paths, asks, "a SIGSEGV now and then: ask Consumer.committed()")
    assert not wrong, wrong


def test_a_signal_of_a_test_never_goes_to_a_process_group_by_mistake() -> None:
    def kills(node: ast.AST) -> bool:
        if not isinstance(node, ast.Call) or dotted(node.func) != "os.kill":
            return False
        return ast.unparse(node.args[0]) != "os.getpid()"

    paths = [path for path in sorted((CHECKOUT / "tests").rglob("*.py")) if path.name != "signals.py"]
    wrong = _lines(paths, kills, "os.kill(0, …) ends the test run (support.signals)")
    assert not wrong, wrong


def test_a_test_forks_so_that_the_child_destroys_nothing_of_its_parents() -> None:
    def forks(node: ast.AST) -> bool:
        return isinstance(node, ast.Call) and dotted(node.func) == "os.fork"

    of_a_clean_process = ("forking.py", "toys.py", "crashes.py")
    paths = [
        path for path in sorted((CHECKOUT / "tests").rglob("*.py")) if path.name not in of_a_clean_process
    ]
    wrong = _lines(paths, forks, "its garbage may be a Kafka client (support.forking)")
    assert not wrong, wrong


def test_the_folder_above_the_package_is_not_importable() -> None:
    assert not (CHECKOUT / "daemon" / "__init__.py").exists(), "it would collide with python-daemon"


def test_every_test_file_has_a_name_of_its_own() -> None:
    """pytest imports test files by their names alone: a second one of a name ends the whole collection."""
    names = Counter(path.name for path in tracked_files() if path.name.startswith("test_"))
    assert [name for name, times in names.items() if times > 1] == []
