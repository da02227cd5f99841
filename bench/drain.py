"""ringmain beside its peers, on a real Kafka, all in one run: `python bench/drain.py [--quick] [--rows …]`.

Rounds alternate; medians are shown with their spreads, and beside each the median of its rounds' ratios to a
named reference: a machine that is slow for a minute is so to both. Every run is verified: each message
handled exactly once, by count and checksum. Nothing here fails because of a time; the exit code is 1 when
ringmain or a reference could not be measured.
"""

import argparse
import dataclasses
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(CHECKOUT / "tests"), str(CHECKOUT / "daemon")]

from backlog import Backlogs  # noqa: E402
from rows import QUICK, ROWS, Line, Scale  # noqa: E402
from stage import Stage, calibrate  # noqa: E402

from support.kafka_server import BENCH_JVM, KafkaServer  # noqa: E402

# Members that start together are assigned together: no rebalance in the middle of a run.
TOGETHER = {"group.initial.rebalance.delay.ms": 1000}
AT_ONCE = {"group.initial.rebalance.delay.ms": 0}
SPIN_S = 30e-6


def arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="ringmain beside its peers, on a real Kafka")
    names = [row.name for row in ROWS]
    parser.add_argument("--quick", action="store_true", help="one round of fewer messages: a look")
    parser.add_argument("--rows", nargs="+", choices=names, default=names, help="only these")
    parser.add_argument("--rounds", type=int, help="how often each client runs")
    parser.add_argument("--no-peers", action="store_true", help="only ringmain and its references")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    return parser.parse_args(argv)


def main() -> int:
    options = arguments()
    scale = QUICK if options.quick else Scale()
    changes = {"peers": not options.no_peers, **({"rounds": options.rounds} if options.rounds else {})}
    lines = measure(dataclasses.replace(scale, **changes), options.rows)
    if options.json:
        options.json.write_text(json.dumps([dataclasses.asdict(line) for line in lines], indent=1))
    needed = [line for line in lines if line.problem and (line.goal or "loop" in line.client)]
    return 1 if needed else 0


def measure(scale: Scale, names: Sequence[str]) -> list[Line]:
    lines: list[Line] = []
    spins = calibrate(SPIN_S)
    print(f"{os.cpu_count()} cores, {scale.rounds} rounds, medians; 30 us = sum(range({spins}))", flush=True)
    for at_once in (False, True):
        rows = [row for row in ROWS if row.name in names and (row.name == "start") is at_once]
        if not rows:
            continue
        with tempfile.TemporaryDirectory(prefix="ringmain-bench-kafka-") as directory:
            server = KafkaServer(Path(directory), AT_ONCE if at_once else TOGETHER, BENCH_JVM)
            server.start()
            try:
                stage = Stage(server, Backlogs(server), spins)
                for row in rows:
                    for line in row.measure(stage, scale):
                        print(shown(line), flush=True)
                        lines.append(line)
            finally:
                server.close()
    return lines


def shown(line: Line) -> str:
    if line.problem:
        first = " ".join(line.problem.split())[-300:]
        return f"{line.row:32} {line.client:26} --  {first}  {line.goal and f'[{line.goal}]'}"
    ratio = f"{line.ratio:5.2f} x {line.reference}" if line.ratio is not None else ""
    if line.ratios and line.client != line.reference:
        ratio += " ({:.2f}-{:.2f})".format(*line.ratios)
    digits = 0 if line.figure >= 1000 else 2
    figure = f"{line.figure:,.{digits}f} {line.unit}"
    spread = f"({line.spread[0]:,.{digits}f}-{line.spread[1]:,.{digits}f})" if line.spread else ""
    goal = line.goal and f"[{line.goal}]"
    return f"{line.row:32} {line.client:26} {figure:>20} {spread:23} {ratio:38} {goal}".rstrip()


if __name__ == "__main__":
    sys.exit(main())
