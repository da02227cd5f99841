"""The package's own source, parsed once: what the laws in tests/house/ look at.

tests/house/ enters. Nothing here imports ringmain; a module is judged by its text alone.
"""

import ast
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
PACKAGE = CHECKOUT / "daemon" / "ringmain"

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Module:
    """One file of the package."""

    path: Path
    text: str
    tree: ast.Module

    @property
    def place(self) -> str:
        """Where it is, as the laws write it: `kafka/source.py`."""
        return self.path.relative_to(PACKAGE).as_posix()

    @property
    def room(self) -> str:
        """The first part below ringmain: `kafka`, `clock`, `__init__`."""
        return self.place.split("/")[0].removesuffix(".py")

    def at(self, node: ast.AST) -> str:
        """`kafka/source.py:12`, for a message."""
        return f"{self.place}:{getattr(node, 'lineno', 1)}"


@cache
def modules() -> tuple[Module, ...]:
    """Every Python file of the package."""
    paths = sorted(path for path in PACKAGE.rglob("*.py") if "__pycache__" not in path.parts)
    texts = [(path, path.read_text(encoding="utf-8")) for path in paths]
    return tuple(Module(path, text, ast.parse(text, str(path))) for path, text in texts)


def functions(module: Module) -> Iterator[tuple[str, Function]]:
    """(qualified name, node) of every function and method, nested ones too."""
    yield from _functions(module.tree, "")


def _functions(node: ast.AST, prefix: str) -> Iterator[tuple[str, Function]]:
    for child in ast.iter_child_nodes(node):
        named = isinstance(child, Function | ast.ClassDef)
        name = f"{prefix}{child.name}" if isinstance(child, Function | ast.ClassDef) else prefix
        if isinstance(child, Function):
            yield name, child
        yield from _functions(child, f"{name}." if named else prefix)


def classes(module: Module) -> Iterator[ast.ClassDef]:
    return (node for node in ast.walk(module.tree) if isinstance(node, ast.ClassDef))


def imports(module: Module) -> Iterator[tuple[str, ast.stmt]]:
    """(full dotted name, node) of every import, also inside functions; relative ones made absolute.

    `from a.b import c` gives `a.b.c`: c may be a module.
    """
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = _base_of(module, node)
            yield from ((f"{base}.{alias.name}", node) for alias in node.names)


def _base_of(module: Module, node: ast.ImportFrom) -> str:
    if node.level == 0:
        return node.module or ""
    folder = module.path.parent.relative_to(PACKAGE.parent).parts
    parts = folder[: len(folder) - node.level + 1]
    return ".".join([*parts, *([node.module] if node.module else [])])


def run_at_import(tree: ast.Module) -> Iterator[ast.AST]:
    """Every node that is evaluated when the module is imported: no function bodies, but their defaults."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        if isinstance(node, Function | ast.Lambda):
            defaults = [*node.args.defaults, *node.args.kw_defaults]
            decorators = [] if isinstance(node, ast.Lambda) else node.decorator_list
            waiting += [part for part in [*defaults, *decorators] if part is not None]
        else:
            waiting += ast.iter_child_nodes(node)


def dotted(node: ast.AST) -> str:
    """`os.fork` of the expression os.fork; "" of anything that is not plain names and dots."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        left = dotted(node.value)
        return f"{left}.{node.attr}" if left else ""
    return ""


def literals(module: Module) -> Iterator[ast.Constant]:
    """Every string literal, and every literal piece of an f-string, that is no docstring."""
    prose = {
        id(statement.value)
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Module | ast.ClassDef | Function)
        for statement in node.body[:1]
        if isinstance(statement, ast.Expr)
    }
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose:
            yield node


@cache
def tracked_files() -> tuple[Path, ...]:
    """What is in the repository or would be added to it next; ignored files are left out."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=True)
    paths = [CHECKOUT / name for name in sorted(set(done.stdout.split("\0"))) if name]
    return tuple(path for path in paths if path.is_file())
