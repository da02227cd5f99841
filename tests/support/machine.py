"""A machine with a real systemd: this one's files under an overlay in memory, booted by systemd-nspawn.

tests/systemd/ enters. It shares the host's network, so that servers on loopback answer; what it writes never
reaches the host, and all of it is gone when it is closed or the process that booted it ends.
"""

import os
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

import psutil  # type: ignore[import-untyped]

from support.waiting import eventually

BOOT_DEADLINE_S = 60.0
COMMAND_DEADLINE_S = 300.0
PATHS = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
NOTHING: Mapping[str, str] = {}
BOOTED = ("running", "degraded")
# What systemd itself brings and would only use up time here, or the host's devices.
MASKED = (
    "getty.target", "systemd-logind.service", "systemd-udevd.service", "systemd-udev-trigger.service",
    "systemd-networkd.service", "systemd-resolved.service", "systemd-timesyncd.service",
)  # fmt: skip


class NoMachine(Exception):
    """Why none can be booted here."""


def why_not() -> str:
    """What is missing for a machine; "" = nothing."""
    if os.geteuid() != 0:
        return "only root can boot a machine"
    for tool, package in (("systemd-nspawn", "systemd-container"), ("nsenter", "util-linux")):
        if shutil.which(tool) is None:
            return f"{tool} is not installed: tests/run does it ({package})"
    if not Path("/usr/lib/systemd/systemd").exists() and not Path("/lib/systemd/systemd").exists():
        return "systemd is not installed: tests/run does it"
    return ""


# $0 is an empty folder, $1 the units to mask. What the host's administrator and packages have enabled is not
# this machine's; its journal stays over a reboot.
START = """
mount -t tmpfs -o size=75%,mode=755 tmpfs "$0"
mkdir "$0/upper" "$0/work" "$0/root"
mount -t overlay -o "lowerdir=/,upperdir=$0/upper,workdir=$0/work" overlay "$0/root"
cd "$0/root"
rm -rf etc/systemd/system var/log/journal
mkdir -p etc/systemd/system etc/systemd/system-generators var/log/journal
for unit in $1; do ln -s /dev/null "etc/systemd/system/$unit"; done
cd lib/systemd/system-generators
for one in *; do ln -sf /dev/null "$0/root/etc/systemd/system-generators/$one"; done
code=133  # what nspawn says of a reboot
while [ $code = 133 ]; do
    systemd-nspawn --quiet "--directory=$0/root" --register=no --keep-unit --link-journal=no \
        --resolv-conf=off --timezone=off --console=pipe --boot && code=0 || code=$?
done
"""
# Namespaces of its own for mounts and processes, each killed with who started it: whatever becomes of a test
# session, no mount and no process is left.
APART = (
    "setpriv", "--pdeathsig", "KILL",
    "unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc",
)  # fmt: skip


class Machine:
    """Booted, asked, rebooted, closed."""

    def __init__(self, folder: Path) -> None:
        self._top = folder / "machine"
        self._top.mkdir(parents=True)
        self._log = folder / "console.log"
        self._process: subprocess.Popen[bytes] | None = None

    def boot(self) -> None:
        """Until systemd says that it is up."""
        with open(self._log, "ab") as log:
            self._process = subprocess.Popen(
                [*APART, "sh", "-euc", START, str(self._top), " ".join(MASKED)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        self.wait_until_up()

    @property
    def root(self) -> Path:
        """Its files, as they are reached from outside."""
        return Path(f"/proc/{self._leader()}/root")

    def wait_until_up(self) -> None:
        eventually(self._is_up, BOOT_DEADLINE_S, "the machine is up")

    def reboot(self) -> None:
        """Everything in it ends in order and begins again, with the same files."""
        before = self._leader()
        self.run("systemctl reboot", check=False)
        eventually(lambda: self._leader() not in (0, before), BOOT_DEADLINE_S, "another init")
        self.wait_until_up()

    def run(
        self, script: str, *, check: bool = True, folder: str = "/", environment: Mapping[str, str] = NOTHING
    ) -> "subprocess.CompletedProcess[str]":
        """A script of bash in the machine, as root."""
        variables = {"PATH": PATHS, "HOME": "/root", "LC_ALL": "C.UTF-8", **environment}
        done = subprocess.run(
            [
                "nsenter", "--target", str(self._leader()), "--all", "--", "env", "-i", f"--chdir={folder}",
                *(f"{name}={value}" for name, value in variables.items()),
                "bash", "-euo", "pipefail", "-c", script,
            ],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=COMMAND_DEADLINE_S,
        )  # fmt: skip
        assert not check or done.returncode == 0, f"{script}\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
        return done

    def show(self, unit: str, *properties: str) -> dict[str, str]:
        """`systemctl show` of one unit."""
        wanted = ",".join(properties)
        lines = self.run(f"systemctl show {unit} --property={wanted}").stdout.splitlines()
        return dict(line.split("=", 1) for line in lines if "=" in line)

    def journal(self, unit: str, *options: str) -> list[str]:
        """The messages of one unit since it was first started, as they were written."""
        said = self.run(f"journalctl --no-pager -q -u {unit} -o cat {' '.join(options)}", check=False)
        return said.stdout.splitlines()

    def put(self, path: str, text: str, mode: int = 0o644) -> None:
        """A file of the machine."""
        place = self.root / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
        place.chmod(mode)

    def copy(self, paths: Iterable[Path], base: Path, folder: str) -> None:
        """Files below `base` into a folder of the machine, with their times."""
        for path in paths:
            place = self.root / folder.lstrip("/") / path.relative_to(base)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, place)

    def close(self) -> None:
        """End it at once; what it wrote goes with it."""
        if self._process is not None and self._process.poll() is None:
            inside = psutil.Process(self._process.pid).children(recursive=True)
            self._process.kill()
            self._process.wait()
            _gone, alive = psutil.wait_procs(inside, BOOT_DEADLINE_S)
            assert not alive, f"still there after its machine: {alive}"

    def log_text(self) -> str:
        """What nspawn and the console said."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def _leader(self) -> int:
        """The machine's init, as this machine numbers it; 0 = there is none."""
        assert self._process is not None, "the machine was never booted"
        if self._process.poll() is not None:
            raise NoMachine(f"no machine: {self.log_text()[-1500:]}")
        below = [one for one in psutil.Process(self._process.pid).children(recursive=True) if _is_init(one)]
        return below[0].pid if below else 0

    def _is_up(self) -> bool:
        if not self._leader():
            return False
        state = self.run("systemctl is-system-running", check=False).stdout.strip()
        assert state in BOOTED, f"it is {state or 'not there'}"
        return True


def _is_init(process: psutil.Process) -> bool:
    try:
        return bool(process.name() == "systemd" and process.parent().name() == "systemd-nspawn")
    except psutil.NoSuchProcess:
        return False
