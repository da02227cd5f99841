"""A function fits on a screen, a module on a few, a signature in one breath."""

import pytest

from support.sources import CHECKOUT, Function, functions, modules

FUNCTION_LINES = 40
MODULE_LINES = 400
PARAMETERS = 5

# `place:qualified name` -> why it may be larger. An entry that is no longer needed is an error.
LONGER_FUNCTIONS: dict[str, str] = {}
MORE_PARAMETERS: dict[str, str] = {}
LONGER_MODULES: dict[str, str] = {}


def _lines(node: Function) -> int:
    last_line: int = node.end_lineno or node.lineno
    return last_line - node.lineno + 1


def _parameters(node: Function) -> int:
    named = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
    own = 1 if named and named[0].arg in ("self", "cls") else 0
    return len(named) - own + (node.args.vararg is not None) + (node.args.kwarg is not None)


def _every_function() -> dict[str, Function]:
    return {f"{module.place}:{name}": node for module in modules() for name, node in functions(module)}


def _module_lines() -> dict[str, int]:
    sizes = {module.place: len(module.text.splitlines()) for module in modules()}
    fragments = sorted((CHECKOUT / "_fastpath").glob("*.px[di]"))
    return sizes | {f"_fastpath/{path.name}": len(path.read_text().splitlines()) for path in fragments}


def _too_large(sizes: dict[str, int], limit: int, excused: dict[str, str]) -> list[str]:
    over = {name: size for name, size in sizes.items() if size > limit}
    wrong = [f"{name}: {size}, and {limit} is a lot" for name, size in over.items() if name not in excused]
    return wrong + [f"{name}: excused without need" for name in excused if name not in over]


@pytest.mark.parametrize(
    ("sizes", "limit", "excused"),
    [
        pytest.param(
            {name: _lines(node) for name, node in _every_function().items()},
            FUNCTION_LINES, LONGER_FUNCTIONS, id="lines-of-a-function",
        ),
        pytest.param(
            {name: _parameters(node) for name, node in _every_function().items()},
            PARAMETERS, MORE_PARAMETERS, id="parameters-of-a-function",
        ),
        pytest.param(_module_lines(), MODULE_LINES, LONGER_MODULES, id="lines-of-a-module"),
    ],
)  # fmt: skip
def test_nothing_outgrows_its_reader(sizes: dict[str, int], limit: int, excused: dict[str, str]) -> None:
    wrong = _too_large(sizes, limit, excused)
    assert not wrong, "\n".join(wrong)
