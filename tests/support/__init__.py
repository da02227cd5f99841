"""What tests stand on: real servers, waiting with a deadline, and the search for what was left behind.

Tests and benches enter. Nothing here imports ringmain, and nothing in ringmain imports this.
"""
