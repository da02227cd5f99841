"""What is known of each job of this node, in files of `state_dir/jobs`: so others can list and cancel them.

A job writes its own record; `ringmain jobs` reads all. A lock that ends with its process tells a job that
runs from one that died. Values and keys of messages never come here; filters do, so only the owner may read.
"""

import contextlib
import fcntl
import os
import socket
from pathlib import Path
from typing import Literal

import msgspec

from ringmain.clerk.orders import Order, in_words
from ringmain.clock import wall_ms
from ringmain.errors import JobRefused
from ringmain.held import is_held
from ringmain.queues.entry import iso
from ringmain.queues.envelope import UNREADABLE

State = Literal["running", "done", "cancelled", "stopped", "failed", "died"]
KEPT = 200


class Record(msgspec.Struct, kw_only=True):
    """One job. `stopped` = by max_failed, `died` = its process is gone."""

    id: str
    action: str
    state: State
    who: str
    host: str
    pid: int
    filter: dict[str, object]
    began_at: str
    ended_at: str = ""
    topic: str = ""
    limit: int | None = None
    rate: float | None = None
    max_failed: int | None = None
    edited: bool = False
    total: int = 0
    acted: int = 0
    failed: int = 0
    dead_again: int = 0
    failures: list[str] = []
    note: str = ""


def begun(order: Order, total: int) -> Record:
    """The record of a job that begins now."""
    now = iso(wall_ms())
    return Record(
        id=f"{now[:19].replace('-', '').replace(':', '')}-{os.urandom(3).hex()}",
        action=order.action,
        state="running",
        who=order.who,
        host=socket.gethostname(),
        pid=os.getpid(),
        filter=in_words(order.chosen),
        began_at=now,
        topic=order.topic,
        limit=order.limit,
        rate=order.rate,
        max_failed=order.max_failed,
        edited=order.edit is not None,
        total=total,
    )


class Slip:
    """A running job's own end of its record."""

    def __init__(self, folder: Path, record: Record) -> None:
        self._paths = _Paths(folder, record.id)
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = os.open(self._paths.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._lock, fcntl.LOCK_EX)
            self.save(record)
        except OSError as error:
            raise JobRefused(f"no record of the job can be kept in {folder}: {error.strerror}") from None

    def save(self, record: Record) -> None:
        """As it is now; whoever reads meets a whole one."""
        fresh = self._paths.json.with_suffix(".new")
        with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "wb") as file:
            file.write(msgspec.json.encode(record))
        os.replace(fresh, self._paths.json)

    def is_cancelled(self) -> bool:
        """Has somebody asked for its end?"""
        return self._paths.cancel.exists()

    def close(self) -> None:
        """It has ended; the record stays."""
        for path in (self._paths.cancel, self._paths.lock):
            path.unlink(missing_ok=True)
        os.close(self._lock)


class Ledger:
    """The jobs of this node, newest last."""

    def __init__(self, state_dir: str) -> None:
        self.folder = Path(state_dir) / "jobs"

    def open(self, record: Record) -> Slip:
        """For a job that begins; old records make room."""
        for old in sorted(self.folder.glob("*.json"))[: -KEPT + 1]:
            if not self._runs(old.stem):
                old.unlink(missing_ok=True)
        return Slip(self.folder, record)

    def all(self) -> list[Record]:
        """Every record, the newest last: ids tell the second only."""
        try:
            names = os.listdir(self.folder)
        except FileNotFoundError:
            return []
        except OSError as error:
            raise JobRefused(
                f"the records of jobs in {self.folder} cannot be read: {error.strerror}"
            ) from None
        found = [self._read(self.folder / name) for name in names if name.endswith(".json")]
        return sorted((one for one in found if one is not None), key=lambda one: (one.began_at, one.id))

    def get(self, job_id: str) -> Record | None:
        """The record of this id."""
        return self._read(self.folder / f"{job_id}.json") if _is_plain(job_id) else None

    def cancel(self, job_id: str) -> Record:
        """Ask a running job for its end; JobRefused when there is none of this id, or it runs no more."""
        record = self.get(job_id)
        if record is None:
            raise JobRefused(f"there is no job {job_id!r} on this node: `ringmain jobs CONFIG` lists them")
        if record.state != "running":
            raise JobRefused(f"job {job_id} runs no more: it is {record.state}")
        _Paths(self.folder, job_id).cancel.touch(mode=0o600)
        return record

    def _read(self, path: Path) -> Record | None:
        try:
            record = msgspec.json.decode(path.read_bytes(), type=Record)
        except (OSError, *UNREADABLE):  # gone meanwhile, or of a later ringmain
            return None
        if record.state == "running" and not self._runs(record.id):
            # ORDER: it may have ended between our two looks; then its last word is there by now.
            with contextlib.suppress(OSError, *UNREADABLE):
                record = msgspec.json.decode(path.read_bytes(), type=Record)
            record.state = "died" if record.state == "running" else record.state
        return record

    def _runs(self, job_id: str) -> bool:
        """Is its lock held?"""
        return is_held(_Paths(self.folder, job_id).lock)


class _Paths:
    """The files of one job."""

    def __init__(self, folder: Path, job_id: str) -> None:
        self.json = folder / f"{job_id}.json"
        self.lock = folder / f"{job_id}.lock"
        self.cancel = folder / f"{job_id}.cancel"


def _is_plain(job_id: str) -> bool:
    """An id is never a way out of the folder."""
    return bool(job_id) and job_id.replace("-", "").isalnum()
