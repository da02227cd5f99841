"""Who sits at the keyboard: the name that jobs, receipts and logs carry.

Commands that change something enter.
"""

import os
import pwd


def operator() -> str:
    """The user's name; behind sudo that of who called it."""
    try:
        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a container's user without an entry
        name = f"uid {os.getuid()}"
    behind = os.environ.get("SUDO_USER")
    return f"{behind} (as {name})" if behind and behind != name else name
