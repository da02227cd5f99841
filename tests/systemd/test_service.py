"""ringmain@billing on a real systemd, installed by the guide: it starts, reloads, stops, dies and returns."""

import json
import re
from collections.abc import Iterator

import guide
import pytest
from billing import APP, UNIT, Billing

from support.machine import Machine
from support.waiting import eventually

DEADLINE_S = 60.0


@pytest.fixture
def service(billing: Billing) -> Iterator[Billing]:
    """At work with the test's own app, whatever the test before has done to it."""
    try:
        billing.begin(APP)
        yield billing
    finally:
        billing.print_journal()


def test_the_guide_leads_from_nothing_to_a_running_service(billing: Billing) -> None:
    assert billing.is_active()
    assert billing.machine.run(f"systemctl is-enabled {UNIT}").stdout.strip() == "enabled"
    assert [title for title in billing.processes() if "feeder orders/" in title]
    assert all(" root " not in line for line in billing.processes())
    billing.kafka.produce(billing.topic, [b'{"id":1,"customer":"ada","amount":2.5}'] * 99 + [b"no order"])
    eventually(lambda: billing.kafka.lag(billing.group, billing.topic) == 0, DEADLINE_S, "all is committed")


def test_the_dead_set_is_operated_as_the_daemons_user(service: Billing) -> None:
    service.begin(APP.replace("-> Retry | None:", "-> object:\n    return 'rubbish'"))
    service.produce(1)
    eventually(lambda: service.kafka.lag(service.group, service.topic) == 0, DEADLINE_S, "all is committed")
    summary = guide.steps({})[-1]
    assert "dead summary" in summary
    assert "TypeError" in service.machine.run(summary).stdout
    service.machine.run(summary.replace("dead summary billing", "dead delete billing --all --yes"))
    owners = service.machine.run("stat -c %U /var/lib/ringmain/billing /var/lib/ringmain/billing/*").stdout
    assert set(owners.split()) == {"ringmain"}


def test_its_status_is_a_line_with_rates(service: Billing) -> None:
    def its_rate() -> bool:
        service.produce(20)
        return re.match(r"running: [1-9]\d* messages/s", service.show("StatusText")) is not None

    eventually(its_rate, DEADLINE_S)


def test_a_credential_is_read_that_the_daemons_user_may_not_read_where_it_came_from(service: Billing) -> None:
    service.produce(100)  # two of them by way of RabbitMQ, which asks for the password
    service.wait_until_settled()
    refused = service.machine.run("runuser -u ringmain -- cat /etc/ringmain/rabbit-password", check=False)
    assert "Permission denied" in refused.stderr
    kept = service.machine.run(f"stat -c '%a %U' /run/credentials/{UNIT}.service/rabbit-password")
    assert kept.stdout.split()[0] in ("400", "440")


def test_a_reload_brings_new_code_and_a_bad_one_changes_nothing(service: Billing) -> None:
    before = service.pid()
    service.install(APP, version=2)
    service.machine.run(f"systemctl reload {UNIT}")

    def new_code_is_at_work() -> bool:
        service.produce(20)
        return any(line.endswith(" 2") for line in service.lines())

    eventually(new_code_is_at_work, DEADLINE_S, "new code is at work")
    service.install("import a_module_that_is_not_there\n")
    assert service.machine.run(f"systemctl reload {UNIT}", check=False).returncode != 0
    assert "a_module_that_is_not_there" in "\n".join(service.machine.journal(UNIT))
    service.produce(50)
    service.wait_until_settled()
    assert (service.pid(), service.is_active()) == (before, True)


def test_a_start_is_over_although_handlers_cannot_start(service: Billing) -> None:
    service.begin(
        APP + "\n@app.on_start\ndef connect() -> None:\n    raise OSError('the database is away')\n"
    )
    assert service.is_active()
    eventually(lambda: "NOT READY" in service.show("StatusText"), DEADLINE_S, "its status says so")


def test_a_stop_under_load_loses_and_repeats_nothing(service: Billing) -> None:
    service.produce(6000)
    eventually(lambda: len(service.seen()) > 500, DEADLINE_S, "it is at work")
    service.machine.run(f"systemctl stop {UNIT}")
    assert service.show("Result") == "success"
    assert service.processes() == []
    assert service.missing(), "it was not stopped under load"
    service.machine.run(f"systemctl start {UNIT}")
    service.wait_until_settled()
    assert [place for place, times in service.seen().items() if times > 1] == []


def test_a_killed_supervisor_is_followed_and_leaves_nothing(service: Billing) -> None:
    before = service.pid()
    service.produce(500)
    service.machine.run(f"systemctl kill --kill-whom=main --signal=KILL {UNIT}")
    service.wait_until_active(besides=before)
    service.wait_until_settled()
    supervisors = [title for title in service.processes() if title.endswith(" supervisor")]
    assert len(supervisors) == 1


def test_a_frozen_supervisor_is_killed_by_the_watchdog_and_followed(service: Billing) -> None:
    service.begin(APP, "RestartSec=1\nWatchdogSec=5")
    before = service.pid()
    service.machine.run(f"systemctl kill --kill-whom=main --signal=STOP {UNIT}")
    service.produce(200)
    service.wait_until_active(besides=before)
    assert any("Watchdog timeout" in line for line in service.machine.journal(UNIT))
    service.wait_until_settled()


def test_handlers_are_the_first_to_go_when_memory_is_short(service: Billing) -> None:
    before = service.pid()
    listed = service.machine.run(
        "for pid in $(pgrep -u ringmain); do echo $(</proc/$pid/oom_score_adj) $(ps -o args= $pid); done"
    ).stdout.splitlines()
    scores = {line.partition(" ")[2]: int(line.partition(" ")[0]) for line in listed}
    assert {score for title, score in scores.items() if " handler " in title} == {500}
    # -100, if systemd may lower it: in a machine within a machine it may not.
    assert {score for title, score in scores.items() if " handler " not in title} <= {-100, 0}
    # What the kernel would do to one of them.
    service.machine.run("pkill -KILL --oldest -u ringmain -f 'ringmain: billing handler'")
    service.produce(100)
    service.wait_until_settled()
    assert (service.pid(), service.show("OOMPolicy")) == (before, "continue")


@pytest.mark.parametrize(("name", "text", "code"), [
    ("config", 'app = "orders:app"\nname = "broken"\nsurprise = 1\n', "3"),
    ("app", 'app = "nowhere:app"\nname = "broken"\n', "4"),
])  # fmt: skip
def test_what_is_wrong_with_the_config_or_the_app_is_tried_once(
    billing: Billing, name: str, text: str, code: str
) -> None:
    rest = billing.machine.run("sed -n '/^\\[kafka\\]/,$p' /etc/ringmain/billing.toml").stdout
    unit = f"ringmain@broken-{name}"
    rest = re.sub(r"^password.*\n|^bind.*\n", "", rest, flags=re.MULTILINE)
    billing.machine.put(f"/etc/ringmain/broken-{name}.toml", text + rest)
    assert billing.machine.run(f"systemctl start {unit}", check=False).returncode != 0
    shown = billing.machine.show(unit, "ActiveState", "Result", "ExecMainStatus", "NRestarts")
    assert shown == {"ActiveState": "failed", "Result": "exit-code", "ExecMainStatus": code, "NRestarts": "0"}
    assert any("surprise" in line or "nowhere" in line for line in billing.machine.journal(unit))


def test_the_journal_knows_what_is_a_warning(service: Billing) -> None:
    service.machine.run("pkill -KILL --oldest -u ringmain -f 'ringmain: billing handler'")
    eventually(lambda: "child ended" in "\n".join(service.machine.journal(UNIT)), DEADLINE_S, "it is said")
    lines = [json.loads(line) for line in service.machine.journal(UNIT, "-t ringmain-billing", "-p warning")]
    assert lines
    assert {line["level"] for line in lines} <= {"warning", "error"}
    everything = service.machine.journal(UNIT, "-t ringmain-billing", "-p info")
    assert any('"event":"child at work"' in line for line in everything)


def test_the_unit_is_sound_and_closed(billing: Billing) -> None:
    said = billing.machine.run(f"systemd-analyze verify {UNIT}.service")
    assert (said.stdout, said.stderr) == ("", "")
    judged = billing.machine.run(f"systemd-analyze security --no-pager {UNIT}.service").stdout
    exposure = re.search(r"Overall exposure level .*: (\d+\.\d+)", judged)
    assert exposure
    assert float(exposure[1]) <= 2.5


def test_it_is_there_again_after_a_reboot(service: Billing, machine: Machine) -> None:
    service.produce(1000)
    machine.reboot()
    service.wait_until_active()
    service.wait_until_settled()
