"""The admin does what its OpenAPI document says, whatever is sent: schemathesis against a real daemon."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from node_with_admin import AdminNode

EXAMPLES = 12
SEED = 7
LONGEST_S = 300


def _schemathesis(*arguments: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    program = "import sys; from schemathesis.cli import schemathesis; sys.exit(schemathesis())"
    return subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=folder, capture_output=True, text=True, timeout=LONGEST_S, check=False,
        env={**os.environ, "NO_COLOR": "1", "HYPOTHESIS_STORAGE_DIRECTORY": str(folder)},
    )  # fmt: skip


def test_it_does_what_its_document_says(node: AdminNode, tmp_path: Path) -> None:
    pytest.importorskip("schemathesis")
    document = node.get("/openapi.json").json
    del document["paths"]["/api/stop"]  # it would
    del document["paths"]["/api/quiet"]  # nothing takes it back
    (tmp_path / "openapi.json").write_text(json.dumps(document))
    done = _schemathesis(
        "run", str(tmp_path / "openapi.json"), "--url", f"http://127.0.0.1:{node.port}",
        "--max-examples", str(EXAMPLES), "--seed", str(SEED), "--workers", "1", "--request-timeout", "60",
        "--phases", "examples,coverage,fuzzing", folder=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert not [line for line in node.log("a request failed")]
