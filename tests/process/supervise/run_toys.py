"""Runs the supervisor over toy roles: `run_toys.py CONFIG.toml ROLES.json`, exit codes as the CLI's."""

import json
import sys
from pathlib import Path

from ringmain.config.load import load
from ringmain.errors import RingmainError
from ringmain.supervise import run


def main() -> int:
    """The daemon."""
    config = load(sys.argv[1])
    try:
        return run(config, json.loads(Path(sys.argv[2]).read_text()))
    except RingmainError as error:
        print(error, file=sys.stderr)
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
