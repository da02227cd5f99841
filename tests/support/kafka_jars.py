"""Brings the jars of Apache Kafka into the checkout's cache, once.

kafka_server.py enters. Nothing is started here and nothing is written outside `.cache/`.
"""

import fcntl
import shutil
import subprocess
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
POM = Path(__file__).parent / "kafka" / "pom.xml"
JARS = CHECKOUT / ".cache" / "kafka" / "jars"
MAVEN_DEADLINE_S = 600


class ServerUnavailable(Exception):
    """The server cannot be had on this machine; the message says why."""


def kafka_classpath() -> str:
    """The classpath of the server; Maven copies the jars here the first time."""
    for tool in ("java", "mvn"):
        if shutil.which(tool) is None and not (tool == "mvn" and _complete()):
            raise ServerUnavailable(f"{tool} is not installed (tests/run installs it)")
    if not _complete():
        _copy_once()
    return f"{JARS}/*"


def _marker() -> Path:
    return JARS.parent / "complete.pom.xml"


def _complete() -> bool:
    return _marker().exists() and _marker().read_bytes() == POM.read_bytes()


def _copy_once() -> None:
    JARS.parent.mkdir(parents=True, exist_ok=True)
    with open(JARS.parent / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two test sessions of one checkout may arrive together
        if not _complete():
            _copy()
            shutil.copyfile(POM, _marker())


def _copy() -> None:
    shutil.rmtree(JARS, ignore_errors=True)
    command = ["mvn", "-q", "-B", "-f", str(POM), "dependency:copy-dependencies"]
    command += [f"-DoutputDirectory={JARS}", "-DincludeScope=runtime"]
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=MAVEN_DEADLINE_S,
        check=False,
    )
    if done.returncode != 0:
        raise ServerUnavailable(f"Maven could not copy the Kafka jars: {(done.stdout + done.stderr)[-800:]}")
