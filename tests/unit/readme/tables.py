"""README's tables of Kafka properties, the admin, metrics and a reload, made from those of the code.

test_readme.py compares; `python tests/unit/readme/tables.py` prints what belongs into README.
"""

from collections.abc import Iterable, Iterator

from ringmain import meters
from ringmain.admin.endpoints import ENDPOINTS, Endpoint
from ringmain.config import effects
from ringmain.kafka import producer_properties
from ringmain.kafka.properties import ALWAYS, DEFAULTS, FORBIDDEN_BY_CONSUMER_PROTOCOL, OWNED

BEGIN, END = "<!-- kafka properties -->", "<!-- /kafka properties -->"


def admin_addresses() -> str:
    """Every address of the admin."""
    rows = ((f"`{one.method} {one.path}`", one.summary, _needs(one)) for one in ENDPOINTS)
    return _marked("admin addresses", _table(("address", "what", "needs"), rows))


def metrics() -> str:
    """Every metric."""
    rows = ((f"`{one.name}`", one.kind, " ".join(one.labels), one.help) for one in meters.METERS)
    return _marked("metrics", _table(("metric", "kind", "labels", "what"), rows))


def _needs(one: Endpoint) -> str:
    token = {"GET": "a token", "POST": "`token`"}[one.method] if one.token else ""
    return ", ".join(filter(None, [token, f"mode `{one.mode}`" if one.mode else ""]))


def _marked(name: str, lines: Iterable[str]) -> str:
    return "\n".join([f"<!-- {name} -->", *lines, f"<!-- /{name} -->"])


def kafka_properties() -> str:
    """The whole section between its markers."""
    defaults = (
        (f"`{name}`", f"`{one.value}`", one.why + (" (classic protocol)" if one.protocol else ""))
        for name, one in DEFAULTS.items()
    )
    owned = ((f"`{name}`", _always(name), why) for name, why in OWNED.items())
    forbidden = ((f"`{name}`", why) for name, why in FORBIDDEN_BY_CONSUMER_PROTOCOL.items())
    return "\n".join(
        [
            BEGIN,
            "Set unless you say otherwise:",
            "",
            *_table(("property", "default", "why"), defaults),
            "",
            "Ringmain's own; a file that sets one of them is refused:",
            "",
            *_table(("property", "is", "why"), owned),
            "| every callback (`…_cb`, `on_commit`, `on_delivery`, `logger`, `opaque`) | | ringmain's own |",
            "",
            'Refused with `group.protocol = "consumer"`:',
            "",
            *_table(("property", "why"), forbidden),
            END,
        ]
    )


def producer_tables() -> str:
    """The same of producers."""
    own = producer_properties
    defaults = ((f"`{name}`", f"`{one.value}`", one.why) for name, one in own.DEFAULTS.items())
    refused = ((f"`{name}`", why) for name, why in own.OWNED.items())
    lines = [
        "Set unless you say otherwise:",
        "",
        *_table(("property", "default", "why"), defaults),
        "",
        "Ringmain's own; a file that sets one of them is refused:",
        "",
        *_table(("property", "why"), refused),
        "| every callback (`…_cb`, `on_commit`, `on_delivery`, `logger`, `opaque`) | ringmain's own |",
    ]
    return _marked("producer properties", lines)


def _always(name: str) -> str:
    return f"`{ALWAYS[name]}`" if name in ALWAYS else ""


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    yield _row(head)
    yield "|" + "---|" * len(head)
    yield from map(_row, rows)


def _row(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(cells)} |".replace("|  |", "| |")


if __name__ == "__main__":
    print(
        kafka_properties(), producer_tables(), admin_addresses(), metrics(), effects.as_markdown(), sep="\n\n"
    )
