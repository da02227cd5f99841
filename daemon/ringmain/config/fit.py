"""Imports the app that a config names, and says why it does not fit.

The probe, handler processes and `ringmain check` enter, each in a process that may die of it: importing runs
the user's code. Never enter from the supervisor's own process.
"""

import os
import sys
import traceback
from importlib import import_module

from ringmain.app import App
from ringmain.config.schema import Config
from ringmain.errors import AppError


def import_app(config: Config) -> App:
    """The App of the config; the folder of the file is importable, before everything else."""
    if config.folder and config.folder not in sys.path:
        sys.path.insert(0, config.folder)
    module_name, _, attribute = config.app.partition(":")
    found: object = _module(module_name, config)
    for name in attribute.split("."):
        if not hasattr(found, name):
            raise AppError(f'app = "{config.app}": module {module_name} has no {attribute}')
        found = getattr(found, name)
    if not isinstance(found, App):
        raise AppError(f'app = "{config.app}" is {type(found).__name__}, not a ringmain.App')
    return found


def fitting_app(config: Config) -> App:
    """The App of the config, or an AppError with all that does not fit."""
    app = import_app(config)
    app.check(config)
    return app


def _module(name: str, config: Config) -> object:
    try:
        return import_module(name)
    except (AppError, KeyboardInterrupt):
        raise
    except BaseException as error:  # SystemExit too: whatever a module does while it is imported
        place = _place(error)
        if not place and isinstance(error, ModuleNotFoundError):
            raise AppError(
                f'app = "{config.app}": there is no module {error.name} in {config.folder}'
            ) from None
        said = " ".join(str(error).split())[:300]
        raise AppError(f"{place}{type(error).__name__}: {said}, while importing {config.app}") from None


def _place(error: BaseException) -> str:
    """`file:line: ` where the user's code stood, or where its syntax is wrong; empty if it never began."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}: "
    here = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith((here, "<frozen")) and "importlib" not in frame.filename
    ]
    return f"{frames[-1].filename}:{frames[-1].lineno}: " if frames else ""
