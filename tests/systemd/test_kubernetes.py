"""The manifest is Kubernetes' and its numbers and paths are the daemon's."""

import shlex
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from ringmain.cli.reading import REFUSALS
from ringmain.cli.root import root
from ringmain.config.load import load
from ringmain.config.schema import Config
from ringmain.kafka.properties import rejections
from support.sources import CHECKOUT

DOCUMENTS: list[dict[str, Any]] = list(yaml.safe_load_all((CHECKOUT / "systemd/kubernetes.yaml").read_text()))


def one(kind: str) -> dict[str, Any]:
    [found] = [document for document in DOCUMENTS if document["kind"] == kind]
    return found


POD: dict[str, Any] = one("StatefulSet")["spec"]["template"]["spec"]
[CONTAINER] = POD["containers"]


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    """What the pod's daemon would read, with the pod's variables and nothing else of a secret."""
    for variable in CONTAINER["env"]:
        monkeypatch.setenv(variable["name"], variable.get("value", "something-long-enough"))
    [(name, text)] = one("ConfigMap")["data"].items()
    (tmp_path / name).write_text(text)
    return load(tmp_path / name, judge=REFUSALS)


def test_the_manifest_fits_the_daemon(config: Config) -> None:
    assert rejections(config.routes["orders"].kafka) == []
    assert POD["terminationGracePeriodSeconds"] > config.stop_s + 5
    assert config.routes["orders"].membership == "static"
    assert config.admin.bind.endswith(f":{CONTAINER['ports'][0]['containerPort']}")
    assert config.admin.token
    assert f".{one('StatefulSet')['spec']['serviceName']}:" in (config.admin.advertise or "")


def test_its_command_is_one_that_exists() -> None:
    program, command, *arguments = CONTAINER["command"]
    assert program == "ringmain"
    found = root.get_command(click.Context(root), command)
    assert found is not None, shlex.join(CONTAINER["command"])
    found.make_context(command, list(arguments))
    mounts = {each["name"]: each["mountPath"] for each in CONTAINER["volumeMounts"]}
    assert arguments == [f"{mounts['config']}/{name}" for name in one("ConfigMap")["data"]]


def test_what_the_daemon_writes_is_mounted_and_all_else_is_read_only(config: Config) -> None:
    mounts = {each["mountPath"]: each["name"] for each in CONTAINER["volumeMounts"]}
    written = [mounts[config.runtime_dir], mounts[config.state_dir], mounts["/tmp"]]
    claims = [claim["metadata"]["name"] for claim in one("StatefulSet")["spec"]["volumeClaimTemplates"]]
    volumes = {volume["name"] for volume in POD["volumes"]} | set(claims)
    assert set(mounts.values()) == volumes
    assert mounts[config.state_dir] in claims
    assert set(written) == {name for name in volumes if name != "config"}
    assert CONTAINER["securityContext"]["readOnlyRootFilesystem"]


def test_probes_ask_what_needs_no_token() -> None:
    asked = {name: CONTAINER[name]["httpGet"] for name in ("startupProbe", "livenessProbe", "readinessProbe")}
    paths = {name: ask["path"] for name, ask in asked.items()}
    assert paths == {
        "startupProbe": "/health/live", "livenessProbe": "/health/live", "readinessProbe": "/health/ready",
    }  # fmt: skip
    assert {ask["port"] for ask in asked.values()} == {CONTAINER["ports"][0]["name"]}


def test_everything_selects_the_same_pods() -> None:
    labels = one("StatefulSet")["spec"]["template"]["metadata"]["labels"]
    assert one("Service")["spec"]["selector"] == labels
    assert one("StatefulSet")["spec"]["selector"]["matchLabels"] == labels
    assert one("PodDisruptionBudget")["spec"]["selector"]["matchLabels"] == labels
    assert one("StatefulSet")["spec"]["serviceName"] == one("Service")["metadata"]["name"]
