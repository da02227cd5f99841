"""What a client costs: CPU and memory of its whole process tree, from /proc.

The stage enters. Nothing is started or stopped here.
"""

import os
from pathlib import Path

TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def tree(root: int) -> list[int]:
    """The process and all below it."""
    found = [root]
    for pid in found:
        for task in _tasks(pid):
            try:
                found += [int(child) for child in (task / "children").read_text().split()]
            except OSError:
                continue
    return found


def cpu_s(roots: list[int]) -> float:
    """CPU of the trees so far, user and system; children that have ended and were reaped are in it."""
    ticks = 0
    for root in roots:
        for pid in tree(root):
            try:
                fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            ticks += sum(int(field) for field in fields[11:15])
    return ticks / TICKS_PER_S


def private_pss_bytes(roots: list[int]) -> int:
    """Proportional memory of the trees without shared memory: the ring is counted elsewhere."""
    total_kib = 0
    for root in roots:
        for pid in tree(root):
            try:
                lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
            except OSError:
                continue
            sizes = {name: int(rest[0]) for name, *rest in (line.split() for line in lines[1:])}
            total_kib += sizes["Pss:"] - sizes.get("Pss_Shmem:", 0)
    return total_kib * 1024


def _tasks(pid: int) -> list[Path]:
    try:
        return list(Path(f"/proc/{pid}/task").iterdir())
    except OSError:
        return []
