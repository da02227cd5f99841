"""Seeds for fuzzes: others in each run, and in each run the same in all of pytest's processes.

Tests that are parametrised with them enter. A seed stands in the test's id, so a failure can be repeated.
"""

import os
import random


def seeds(count: int) -> list[int]:
    """So many fresh seeds; pytest-xdist's workers must agree on the names of all tests."""
    run = random.Random(os.environ.get("PYTEST_XDIST_TESTRUNUID"))
    return [run.randrange(1 << 30) for _ in range(count)]
