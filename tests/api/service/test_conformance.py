"""The service does what its OpenAPI description says, and nothing else, whatever it is sent."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pressmark.registry.registry import Registry

from .real_server import pressmark, real_server

SCHEMATHESIS = [sys.executable, "-P", "-m", "schemathesis.cli"]
CONFORMANCE = Path(__file__).parent / "conformance"
#: Requests for each operation in the phase that invents them; PRESSMARK_CONFORMANCE_EXAMPLES=1000
#: looks further.
EXAMPLES = os.environ.get("PRESSMARK_CONFORMANCE_EXAMPLES", "10")
#: Queries end soon, and webhooks may be named that nobody outside of this machine gets.
SETTINGS = """
[queries]
seconds = 2.0
[outbound]
http = true
allowed = ["127.0.0.1"]
"""


@pytest.fixture
def folder(chain: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(chain, tmp_path / "registry", symlinks=True))


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_every_operation_passes_every_check_of_schemathesis(folder: Path, tmp_path: Path) -> None:
    pressmark(folder, "alias", "prod", "int8")
    token = pressmark(folder, "token", "create", "--for", "Ada", "--scope", "admin")
    report, record = tmp_path / "report.json", tmp_path / "record.nq"
    with Registry.open(folder) as registry:
        record.write_bytes(registry.blobs.read(registry.journal.entry(1).bundle_digest))
    with real_server(folder, SETTINGS) as server:
        command = [*SCHEMATHESIS, "--config-file", str(CONFORMANCE / "schemathesis.toml")]
        command += ["--no-color", "run", f"{server.url}/openapi.json", "--checks", "all"]
        command += ["--seed", "1", "--max-examples", EXAMPLES, "--continue-on-failure"]
        command += ["--report", "json", "--report-json-path", str(report)]
        known = {
            "PRESSMARK_TOKEN": token,
            "PRESSMARK_CONFORMANCE": str(CONFORMANCE),
            "PRESSMARK_RECORD": str(record),
        }
        done = subprocess.run(
            command, env=os.environ | known, cwd=tmp_path, capture_output=True, text=True
        )
        assert server.process.poll() is None
        log = server.log.read_text()
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in log, log[log.index("Traceback") :]
    told: dict[str, Any] = json.loads(report.read_text())
    assert told["operations"]["tested"] == told["operations"]["total"] > 25
    assert told["test_cases"]["errored"] == 0
    assert never_accepted(told) == []


def never_accepted(report: dict[str, Any]) -> list[str]:
    """Operations of which only refusals were tried, since nothing valid was thought of."""
    return [
        name
        for name, phases in report["valid_rates"].items()
        if not any(phase["accepted"] for phase in phases.values())
    ]
