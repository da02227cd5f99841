"""Asks back, once, before something that cannot be taken back.

Commands that act on a running node enter. The question goes to stderr, so that --json stays clean.
"""

import click

from ringmain.errors import NodeRefused


def consent(question: str) -> None:
    """NodeRefused unless somebody says yes."""
    try:
        agreed = click.confirm(question, err=True)
    except click.Abort:
        raise NodeRefused("nobody said yes, nothing is done; --yes does not ask") from None
    if not agreed:
        raise NodeRefused("nothing is done")
