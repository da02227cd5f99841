"""Records of jobs: read by others, cancelled by others, and true of jobs that died."""

import os
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from msgspec.structs import replace

from ringmain.clerk.orders import Order
from ringmain.clerk.records import KEPT, Ledger, begun
from ringmain.errors import JobRefused
from ringmain.queues.filters import Filter
from support.environment import child_environment

ORDER = Order(action="replay", chosen=Filter(route="orders"), who="ada", rate=5.0)
DYING = """
import os, sys
from ringmain.clerk.orders import Order
from ringmain.clerk.records import Ledger, begun
from ringmain.queues.filters import Filter
ledger = Ledger(sys.argv[1])
slip = ledger.open(begun(Order(action="replay", chosen=Filter(route="orders"), who="ada"), 3))
os._exit(9)
"""


def test_a_record_is_there_while_the_job_runs_and_after(tmp_path: Path) -> None:
    ledger, record = Ledger(str(tmp_path)), begun(ORDER, 7)
    assert ledger.all() == []
    with closing(ledger.open(record)) as slip:
        [seen] = ledger.all()
        assert (seen.state, seen.who, seen.total, seen.rate) == ("running", "ada", 7, 5.0)
        assert seen.filter == {"route": "orders"}
        record.state, record.acted = "done", 7
        slip.save(record)
    assert ledger.all() == [record]
    assert sorted(path.name for path in ledger.folder.iterdir()) == [f"{record.id}.json"]


def test_only_the_owner_reads_them(tmp_path: Path) -> None:
    ledger, record = Ledger(str(tmp_path)), begun(ORDER, 7)
    with closing(ledger.open(record)):
        modes = [stat.S_IMODE(path.stat().st_mode) for path in [ledger.folder, *ledger.folder.iterdir()]]
    assert all(mode & 0o077 == 0 for mode in modes)


def test_a_running_job_is_cancelled_by_its_id(tmp_path: Path) -> None:
    ledger, record = Ledger(str(tmp_path)), begun(ORDER, 7)
    with closing(ledger.open(record)) as slip:
        assert not slip.is_cancelled()
        ledger.cancel(record.id)
        assert slip.is_cancelled()
        record.state = "cancelled"
        slip.save(record)
    with pytest.raises(JobRefused, match="runs no more: it is cancelled"):
        ledger.cancel(record.id)


@pytest.mark.parametrize("job_id", ["", "nothing", "../../etc/passwd", "a/b"])
def test_there_is_no_job_of_another_name(tmp_path: Path, job_id: str) -> None:
    with pytest.raises(JobRefused, match="there is no job"):
        Ledger(str(tmp_path)).cancel(job_id)


def test_a_job_whose_process_is_gone_has_died(tmp_path: Path) -> None:
    command = [sys.executable, "-c", DYING, str(tmp_path)]
    assert subprocess.run(command, env=child_environment(), check=False, timeout=30).returncode == 9
    [record] = Ledger(str(tmp_path)).all()
    assert record.state == "died"
    with pytest.raises(JobRefused, match="died"):
        Ledger(str(tmp_path)).cancel(record.id)


def test_the_newest_of_one_second_is_last(tmp_path: Path) -> None:
    ledger = Ledger(str(tmp_path))
    times = [f"2026-01-31T12:00:00.{ms}Z" for ms in ("900", "100", "500")]
    for number, began_at in enumerate(times):
        record = replace(begun(ORDER, 1), id=f"20260131T120000-{number}", began_at=began_at, state="done")
        ledger.open(record).close()
    assert [one.began_at for one in ledger.all()] == sorted(times)


def test_old_records_make_room(tmp_path: Path) -> None:
    ledger = Ledger(str(tmp_path))
    ledger.folder.mkdir()
    for number in range(KEPT + 5):
        (ledger.folder / f"{number:06}.json").write_text("{}")
    with closing(ledger.open(begun(ORDER, 1))):
        assert len(list(ledger.folder.glob("*.json"))) == KEPT


def test_a_folder_that_cannot_be_written_is_said_before_anything_is_done(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(JobRefused, match="no record of the job"):
        Ledger(os.fspath(tmp_path / "file")).open(begun(ORDER, 1))


def test_records_that_cannot_be_read_are_not_no_jobs(tmp_path: Path) -> None:
    assert Ledger(str(tmp_path)).all() == []
    (tmp_path / "jobs").write_text("no folder")
    with pytest.raises(JobRefused, match="cannot be read: Not a directory"):
        Ledger(str(tmp_path)).all()
