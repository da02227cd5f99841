"""The admin does what its OpenAPI document says, whatever is sent: schemathesis against a real daemon."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from node_with_admin import AdminNode

EXAMPLES = 12
SEED = 7
TOKEN = "all"
SETTINGS = """
[checks.positive_data_acceptance]
expected-statuses = ["2xx", 404, 409, 414]
[checks.negative_data_rejection]
expected-statuses = [400, 401, 404, 405, 409, 413, 414, 415]
"""
"""414: filters that fit one by one may be too long together for one line."""
LONGEST_S = 300


def _schemathesis(*arguments: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    program = "import sys; from schemathesis.cli import schemathesis; sys.exit(schemathesis())"
    return subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=folder, capture_output=True, text=True, timeout=LONGEST_S, check=False,
        env={**os.environ, "NO_COLOR": "1", "HYPOTHESIS_STORAGE_DIRECTORY": str(folder)},
    )  # fmt: skip


def test_it_does_what_its_document_says(start: Callable[..., AdminNode], tmp_path: Path) -> None:
    pytest.importorskip("schemathesis")
    node = start(admin={"token": TOKEN}).until_up(TOKEN)
    document = node.get("/openapi.json").json
    del document["paths"]["/api/stop"]  # it would
    del document["paths"]["/api/quiet"]  # nothing takes it back
    del document["paths"]["/api/recycle"]  # of all: the admin goes as well, and is away for a moment
    del document["paths"]["/health/ready"]  # 503 is what it has to say while Kafka is away
    (tmp_path / "schemathesis.toml").write_text(SETTINGS)
    (tmp_path / "openapi.json").write_text(json.dumps(document))
    done = _schemathesis(
        "run", str(tmp_path / "openapi.json"), "--url", f"http://127.0.0.1:{node.port}",
        "--header", f"Authorization: Bearer {TOKEN}", "--max-examples", str(EXAMPLES),
        "--seed", str(SEED), "--workers", "1", "--request-timeout", "60",
        "--phases", "examples,coverage,fuzzing", folder=tmp_path,
    )  # fmt: skip
    (tmp_path / "said").write_text(done.stdout + done.stderr)
    assert done.returncode == 0, "\n".join(line[:400] for line in done.stdout.splitlines())
    assert not [line for line in node.log("a request failed")]
