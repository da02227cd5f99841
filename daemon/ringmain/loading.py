"""Importing the user's app, in a process where that may happen: a handler, the probe, `ringmain check`.

Whatever goes wrong in the user's module becomes one AppError that names the module, the file and the line.
The supervisor never enters: what is imported cannot be taken back.
"""

import importlib
import sys
import traceback
from pathlib import Path
from types import ModuleType
from typing import Protocol

from ringmain.app import App
from ringmain.errors import AppError
from ringmain.mistakes import gathered


class AppReference(Protocol):
    """Where the config says that the app is."""

    @property
    def app(self) -> str: ...
    @property
    def folder(self) -> str: ...


def load_app(config: AppReference) -> App:
    """Import `module:attribute` with the config file's folder first on sys.path."""
    module_name, _, attribute = config.app.partition(":")
    if config.folder and sys.path[:1] != [config.folder]:
        sys.path.insert(0, config.folder)
    with gathered():
        found: object = _imported(module_name, config)
    for name in attribute.split("."):
        if not hasattr(found, name):
            raise AppError(f"app = {config.app!r}: {module_name} has no {attribute!r}; is it defined there?")
        found = getattr(found, name)
    if not isinstance(found, App):
        kind = type(found).__name__
        raise AppError(
            f"app = {config.app!r} is of type {kind}, not a ringmain.App; name the module's App object"
        )
    return found


def _imported(module_name: str, config: AppReference) -> ModuleType:
    try:
        return importlib.import_module(module_name)
    except AppError:
        raise
    except ModuleNotFoundError as error:
        if error.name and (module_name == error.name or module_name.startswith(f"{error.name}.")):
            where = config.folder or "sys.path"
            raise AppError(f"app = {config.app!r}: there is no module {error.name!r} in {where}") from None
        raise AppError(_blame(module_name, error)) from error
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # sys.exit() in a module is as good as any other failure
        raise AppError(_blame(module_name, error)) from error


def _blame(module_name: str, error: BaseException) -> str:
    said = "".join(traceback.format_exception_only(error)).strip().splitlines()[-1]
    frames = [f for f in traceback.extract_tb(error.__traceback__) if "importlib" not in f.filename]
    own = [f for f in frames if Path(f.filename) != Path(__file__)]
    place = f" at {own[-1].filename}:{own[-1].lineno}" if own else ""
    if isinstance(error, SyntaxError) and error.filename:
        place = f" at {error.filename}:{error.lineno}"  # what cannot be compiled has no frame
    return f"the app's module {module_name!r} cannot be imported{place}: {said}"
