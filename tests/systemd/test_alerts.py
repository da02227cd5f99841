"""Alert rules and dashboard load, and ask only for metrics, labels and words that the daemon has."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from ringmain.meters import METERS
from ringmain.supervise.respawn import Cause
from support.sources import CHECKOUT

ALERTS = CHECKOUT / "systemd/alerts.yml"
DASHBOARD = CHECKOUT / "systemd/grafana.json"
NAME = re.compile(r"ringmain_[a-z_]+")
SELECTOR = re.compile(r"(ringmain_[a-z_]+)\{([^}]*)\}")
MATCHER = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)\s*\"([^\"]*)\"")
GROUPING = re.compile(r"\b(?:by|on|without)\s*\(([^)]*)\)")
# What Prometheus itself adds.
OF_THE_TARGET = {"instance", "job", "le"}


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load(ALERTS.read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(DASHBOARD.read_text())["panels"]
    return [panel for panel in found if panel["type"] != "row"]


def expressions() -> Iterator[str]:
    yield from (rule["expr"] for rule in rules())
    yield from (target["expr"] for panel in panels() for target in panel["targets"])


def labels_of(series: str) -> set[str] | None:
    """Of a metric, or of what a histogram makes of it; None = there is no such metric."""
    for meter in METERS:
        histogram = meter.kind == "histogram"
        suffixes = ("_bucket", "_sum", "_count") if histogram else ("",)
        if series in [meter.name + suffix for suffix in suffixes]:
            return {*meter.labels, *OF_THE_TARGET}
    return None


@pytest.mark.parametrize("expression", sorted(set(expressions())))
def test_the_alerts_and_the_dashboard_ask_for_metrics_that_exist(expression: str) -> None:
    series = set(NAME.findall(expression.replace('job="ringmain"', "")))
    assert series
    known = {name: labels_of(name) for name in series}
    assert [name for name, labels in known.items() if labels is None] == []
    for name, inside in SELECTOR.findall(expression):
        assert {label for label, _ in MATCHER.findall(inside)} <= (known[name] or set()), name
    every = set().union(*(labels or set() for labels in known.values()))
    for names in GROUPING.findall(expression):
        assert {name.strip() for name in names.split(",")} <= every, expression


def test_the_causes_that_the_alerts_know_are_causes() -> None:
    words = {cause.value for cause in Cause}
    asked = re.findall(r"process_restarts_total\{[^}]*cause=~?\"([^\"]+)\"", ALERTS.read_text())
    assert asked
    assert {word for each in asked for word in each.split("|")} <= words


def test_every_alert_says_what_to_do() -> None:
    found = rules()
    assert len({rule["alert"] for rule in found}) == len(found) > 10
    for rule in found:
        assert rule["labels"]["severity"] in ("page", "ticket"), rule["alert"]
        assert set(rule["annotations"]) == {"summary", "action"}, rule["alert"]


def test_a_label_that_an_alert_names_is_one_that_its_expression_keeps() -> None:
    for rule in rules():
        named = set(re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"]))
        kept = [{name.strip() for name in names.split(",")} for names in GROUPING.findall(rule["expr"])]
        series = NAME.findall(rule["expr"].replace('job="ringmain"', ""))
        assert named <= (kept[0] if kept else labels_of(series[0]) or set()), rule["alert"]


def test_the_dashboards_panels_lie_side_by_side() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        at = panel["gridPos"]
        cells = {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}
        assert not taken & cells, panel["title"]
        assert at["x"] + at["w"] <= 24
        taken |= cells


def test_prometheus_takes_the_rules(promtool: Callable[..., str]) -> None:
    promtool("check", "rules", str(ALERTS))


def test_prometheus_takes_every_expression_of_the_dashboard(
    promtool: Callable[..., str], tmp_path: Path
) -> None:
    said = [target["expr"] for panel in json.loads(DASHBOARD.read_text())["panels"]
            for target in panel.get("targets", [])]  # fmt: skip
    assert len(said) > 20
    rules = [
        {"record": f"panel:{number}", "expr": each.replace("$__rate_interval", "1m")}
        for number, each in enumerate(said)
    ]
    path = tmp_path / "dashboard.yml"
    path.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))
    assert f"{len(said)} rules found" in promtool("check", "rules", str(path))
