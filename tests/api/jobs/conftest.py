"""A real server with real workers, over a copy of a real small registry."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import psutil
import pytest

COMMAND = [str(Path(sys.executable).with_name("pressmark"))]
PLUGIN = Path(__file__).parents[2] / "compression" / "plugin"
SECONDS = 120

HALF = """\
name: half
inputs:
  base: base
steps:
  - step: prune/magnitude
    name: pruned-again
    parameters: {sparsity: 0.75}
  - step: quantize/rtn
    name: int8-again
    parameters: {bits: 8}
"""


@dataclass
class Served:
    """A running server, and a client that may write, as somebody called Ada."""

    folder: Path
    process: subprocess.Popen[bytes]
    client: httpx2.Client

    def post(self, recipe: str, **order: object) -> dict[str, Any]:
        answer = self.client.post("/v1/runs", json={"recipe": recipe, **order}, timeout=120)
        assert answer.status_code == 202, answer.text
        assert answer.headers["location"] == f"/v1/runs/{answer.json()['id']}"
        return answer.json()

    def run(self, identifier: str) -> dict[str, Any]:
        answer = self.client.get(f"/v1/runs/{identifier}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    def wait(self, identifier: str, *states: str) -> dict[str, Any]:
        """Waits until a run is in one of some states, by default until it has ended."""
        wanted = states or ("succeeded", "failed", "aborted")
        deadline = time.monotonic() + SECONDS
        while (view := self.run(identifier))["state"] not in wanted:
            assert time.monotonic() < deadline, view
            time.sleep(0.1)
        return view

    def workers(self) -> list[psutil.Process]:
        children = psutil.Process(self.process.pid).children()
        return [each for each in children if "pressmark.api.jobs.worker" in each.cmdline()]

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@contextmanager
def serving(folder: Path) -> Iterator[Served]:
    token = subprocess.run(
        [*COMMAND, "-R", str(folder), "token", "create", "--for", "Ada", "--scope", "write"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    port = free_port()
    process = subprocess.Popen(
        [*COMMAND, "-R", str(folder), "serve", "--port", str(port)],
        env={**os.environ, "PYTHONPATH": str(PLUGIN)},
    )
    headers = {"Authorization": f"Bearer {token}"}
    with httpx2.Client(base_url=f"http://127.0.0.1:{port}", headers=headers) as client:
        try:
            wait_until_ready(client)
            yield Served(folder, process, client)
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
            process.wait(timeout=30)


def wait_until_ready(client: httpx2.Client) -> None:
    for _ in range(600):
        try:
            if client.get("/readyz").status_code == 200:
                return
        except httpx2.TransportError:
            time.sleep(0.1)
    raise TimeoutError("the server does not answer")


@pytest.fixture
def folder(chain: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(chain, tmp_path / "registry", symlinks=True))
