"""The guide's instance on a booted machine: installed by the guide, fed from Kafka, seen as operators see it.

tests/systemd/ enters. Its app says in a file of the state directory what it has handled: one line a call.
"""

import os
import uuid
from collections import Counter

import guide

from support.kafka_server import KafkaServer
from support.machine import Machine
from support.ports import free_ports
from support.rabbit_server import RabbitServer
from support.sources import CHECKOUT, tracked_files
from support.waiting import eventually

UNIT = "ringmain@billing"
SOURCES = "/usr/src/ringmain"
PASSWORD = "correct horse"
SEEN = "/var/lib/ringmain/billing/seen"
# One in fifty goes by way of RabbitMQ; a call takes about a millisecond, so that a stop finds work under way.
APP = f"""\
import os, time
from ringmain import App, Message, Retry
app = App()
SEEN = os.open("{SEEN}", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

@app.route("orders")
def handle(message: Message) -> Retry | None:
    if message.offset % 50 == 7 and message.attempt == 1:
        return Retry(after_s=1, reason="as the test wants it")
    time.sleep(0.001)
    os.write(SEEN, f"{{message.id}} VERSION\\n".encode())
"""
READY_DEADLINE_S = 60.0
_TAIL_LINES = 60


class Billing:
    """ringmain@billing on one machine."""

    def __init__(self, machine: Machine, kafka: KafkaServer, rabbit: RabbitServer) -> None:
        self.machine, self.kafka, self._rabbit = machine, kafka, rabbit
        self.group = self.topic = f"orders-{uuid.uuid4().hex[:8]}"
        self._user = f"billing-{uuid.uuid4().hex[:8]}"
        rabbit.add_user(self._user, PASSWORD)
        self._begins: dict[int, int] = {}
        kafka.create_topic(self.topic, 2)

    def follow_the_guide(self) -> None:
        """Every command of the guide, in its order, where it says."""
        machine = self.machine
        machine.copy(tracked_files(), CHECKOUT, SOURCES)
        # PERF: what has been compiled of these very sources need not be compiled again.
        built = [path for path in (CHECKOUT / "build").glob("lib.*/**/*") if path.is_file()]
        machine.copy([] if os.environ.get("RINGMAIN_SANITIZE") else built, CHECKOUT, SOURCES)
        machine.put(f"{SOURCES}/orders.py", guide.first_app())
        for step in guide.steps(self._places()):
            self.said = machine.run(step, folder=SOURCES, environment=_of_pip()).stdout

    def _places(self) -> dict[str, str]:
        """What the guide says, and what it is here: servers and names that no other test has."""
        return {
            "127.0.0.1:9092": self.kafka.bootstrap,
            "127.0.0.1:5672": f"127.0.0.1:{self._rabbit.port}",
            'username = "billing"': f'username = "{self._user}"',
            'group.id = "billing"': f'group.id = "{self.group}"',
            'topics = ["orders"]': f'topics = ["{self.topic}"]',
            "[routes.orders]": f'[admin]\nbind = "127.0.0.1:{free_ports(1)[0]}"\n\n[routes.orders]',
        }

    def print_journal(self) -> None:
        """For who reads of a failure."""
        print("\n".join(self.machine.journal(UNIT)[-_TAIL_LINES:]))

    # -- asked -----------------------------------------------------------------------------------------------

    def show(self, name: str) -> str:
        """One of `systemctl show`'s properties."""
        return self.machine.show(UNIT, name)[name]

    def pid(self) -> int:
        return int(self.show("MainPID"))

    def is_active(self) -> bool:
        return self.show("ActiveState") == "active"

    def processes(self) -> list[str]:
        """Titles of all processes of the daemon's user."""
        return self.machine.run("ps -u ringmain -o args= || true").stdout.splitlines()

    def lines(self) -> list[str]:
        """What the app has written down about the messages of this test: `topic:partition:offset version`."""
        said = self.machine.run(f"cat {SEEN} 2>/dev/null || true").stdout.splitlines()
        return [line for line in said if self._is_of_this_test(line.split()[0])]

    def seen(self) -> Counter[str]:
        """How often each message was handled."""
        return Counter(line.split()[0] for line in self.lines())

    def missing(self) -> set[str]:
        """Messages that nobody has handled."""
        ends = self.kafka.end_offsets(self.topic)
        wanted = {
            f"{self.topic}:{part}:{offset}"
            for part, end in ends.items()
            for offset in range(self._begins.get(part, 0), end)
        }
        return wanted - set(self.seen())

    def _is_of_this_test(self, place: str) -> bool:
        _, partition, offset = place.split(":")
        return int(offset) >= self._begins.get(int(partition), 0)

    def wait_until_settled(self) -> None:
        """Until all is handled, and committed."""

        def settled() -> bool:
            assert self.kafka.lag(self.group, self.topic) == 0
            assert not self.missing(), sorted(self.missing())[:5]
            return True

        eventually(settled, READY_DEADLINE_S, "every message is handled and committed")

    def wait_until_active(self, *, besides: int = 0) -> None:
        """Until it is active, with another main process than `besides`."""
        eventually(
            lambda: self.is_active() and self.pid() not in (0, besides), READY_DEADLINE_S, "active again"
        )

    # -- told ------------------------------------------------------------------------------------------------

    def begin(self, app: str, settings: str = "RestartSec=1") -> None:
        """At work with this app; what came before is forgotten."""
        self.drop_in(settings)
        self.install(app)
        self.machine.run(f"systemctl reset-failed; systemctl restart {UNIT}")
        self._begins = self.kafka.end_offsets(self.topic)

    def produce(self, count: int) -> None:
        self.kafka.produce(self.topic, (b'{"id":1,"customer":"ada","amount":2.5}' for _ in range(count)))

    def install(self, app: str, version: int = 1) -> None:
        """Another app in the place of the guide's."""
        self.machine.put("/etc/ringmain/orders.py", app.replace("VERSION", str(version)))

    def drop_in(self, text: str) -> None:
        """Something over the unit, at once."""
        self.machine.put(f"/etc/systemd/system/{UNIT}.service.d/test.conf", f"[Service]\n{text}\n")
        self.machine.run("systemctl daemon-reload")


def _of_pip() -> dict[str, str]:
    """How pip reaches its packages here."""
    wanted = ("PIP_", "SSL_CERT", "REQUESTS_CA", "HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy")
    return {name: value for name, value in os.environ.items() if name.startswith(wanted)}
