"""How many cores a process may use, read from trees that look like /proc and /sys."""

import os
from pathlib import Path

import pytest

from ringmain.config.cores import cores_allowed, cpu_quota


def lay(root: Path, files: dict[str, str]) -> Path:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)
    return root


def test_without_control_groups_the_affinity_decides(tmp_path: Path) -> None:
    assert cores_allowed(tmp_path) == len(os.sched_getaffinity(0))


@pytest.mark.parametrize(
    ("limit", "cores"), [("150000 100000", 1.5), ("max 100000", float("inf")), ("", float("inf"))]
)
def test_the_quota_of_the_unified_hierarchy(tmp_path: Path, limit: str, cores: float) -> None:
    root = lay(tmp_path, {"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/b/cpu.max": limit})
    assert cpu_quota(root) == cores


def test_a_group_further_out_may_be_the_tighter_one(tmp_path: Path) -> None:
    files = {"sys/fs/cgroup/a/cpu.max": "50000 100000", "sys/fs/cgroup/a/b/cpu.max": "200000 100000"}
    root = lay(tmp_path, {"proc/self/cgroup": "0::/a/b\n", **files})
    assert cpu_quota(root) == 0.5
    assert cores_allowed(root) == 1


def test_inside_a_container_the_mounts_own_limit_counts(tmp_path: Path) -> None:
    files = {"proc/self/cgroup": "0::/../../of/the/host\n", "sys/fs/cgroup/cpu.max": "100000 100000"}
    assert cpu_quota(lay(tmp_path, files)) == 1


def test_the_quota_of_the_legacy_hierarchy(tmp_path: Path) -> None:
    group = "sys/fs/cgroup/cpu,cpuacct/a"
    files = {f"{group}/cpu.cfs_quota_us": "300000\n", f"{group}/cpu.cfs_period_us": "100000\n"}
    assert cpu_quota(lay(tmp_path, {"proc/self/cgroup": "4:cpu,cpuacct:/a\n3:pids:/\n", **files})) == 3


def test_no_legacy_quota_is_written_as_minus_one(tmp_path: Path) -> None:
    group = "sys/fs/cgroup/cpu/a"
    files = {f"{group}/cpu.cfs_quota_us": "-1\n", f"{group}/cpu.cfs_period_us": "100000\n"}
    assert cpu_quota(lay(tmp_path, {"proc/self/cgroup": "4:cpu:/a\n", **files})) == float("inf")
