"""`python -m ringmain` is the command line."""

import sys

from ringmain.cli import main

if __name__ == "__main__":
    sys.exit(main())
