"""argv becomes one command and one exit code; what went wrong becomes one or two lines.

The `ringmain` script enters by `main`. Commands are imported when they are called, so that `--help` and
`check` answer at once; no command does any work of its own beyond reading arguments and printing results.
"""

import os
import sys

from ringmain.errors import RingmainError

TRACEBACK = "RINGMAIN_TRACEBACK"
FAILED = 1


def main() -> int:
    """Run the command in argv; its exit code."""
    import click

    from ringmain.cli.root import root

    try:
        return root(prog_name="ringmain", standalone_mode=False) or 0
    except click.UsageError as error:
        from ringmain.cli.usage import usage

        _say(usage(error))
        return error.exit_code
    except click.ClickException as error:
        _say(error.format_message())
        return error.exit_code
    except RingmainError as error:
        _say(str(error))
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        _say("interrupted")
        return FAILED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # or the interpreter complains once more at its end
        return FAILED
    except Exception as error:
        return _unexpected(error)


def _unexpected(error: Exception) -> int:
    """A mistake of ours: still no traceback, unless it is wanted."""
    if os.environ.get(TRACEBACK):
        raise error
    said = " ".join(str(error).split())
    _say(f"this should not happen: {type(error).__name__}: {said}\n{TRACEBACK}=1 shows where")
    return FAILED


def _say(text: str) -> None:
    print(f"ringmain: {text}", file=sys.stderr)
