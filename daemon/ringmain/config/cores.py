"""How many cores this process may use: its affinity, and the cpu quota of its control group.

The loader enters, for the default of `handlers`. The machine's size is never what counts in a container.
"""

import math
import os
from pathlib import Path


def cores_allowed(root: Path = Path("/")) -> int:
    """Whole cores, at least 1; a quota of one and a half counts as 2."""
    affinity = len(os.sched_getaffinity(0))
    return max(1, math.ceil(min(affinity, cpu_quota(root))))


def cpu_quota(root: Path) -> float:
    """The smallest cpu quota, in cores, of this process's control group and those around it."""
    quotas = [math.inf]
    for line in _read(root / "proc/self/cgroup").splitlines():
        number, controllers, path = line.split(":", 2)
        if number == "0":
            mount, quota = root / "sys/fs/cgroup", _unified
        elif "cpu" in controllers.split(","):
            mount, quota = root / "sys/fs/cgroup" / controllers, _legacy
        else:
            continue
        place = Path(os.path.normpath(mount / path.lstrip("/")))
        around = [place, *place.parents]
        quotas += [quota(folder) for folder in around if folder.is_relative_to(mount)]
        quotas.append(quota(mount))  # inside a container the path may be the host's
    return min(quotas)


def _unified(folder: Path) -> float:
    words = _read(folder / "cpu.max").split()
    return _ratio(words[0], words[1]) if len(words) == 2 else math.inf


def _legacy(folder: Path) -> float:
    return _ratio(_read(folder / "cpu.cfs_quota_us").strip(), _read(folder / "cpu.cfs_period_us").strip())


def _ratio(quota: str, period: str) -> float:
    if not quota.isdecimal() or not period.isdecimal() or not int(quota) or not int(period):
        return math.inf
    return int(quota) / int(period)


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
