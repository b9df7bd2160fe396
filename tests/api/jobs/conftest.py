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
from pyoxigraph import NamedNode

from pressmark.registry.registry import Registry
from pressmark.registry.runs import RecordedRun, recorded_runs

COMMAND = [str(Path(sys.executable).with_name("pressmark"))]
PLUGIN = Path(__file__).parents[2] / "compression" / "plugin"
SECONDS = 120

#: Steps that wait for nothing, for a file, and for nothing again.
THREE = """\
name: three
inputs:
  base: ab
steps:
  - step: example/append
    name: first
    parameters: {{text: "{mark}"}}
  - step: example/wait
    name: second
    parameters: {{started: "{started}", until: "{until}"}}
  - step: example/append
    name: third
    parameters: {{text: "?"}}
"""

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

    def wait(self, identifier: str, *states: str, seconds: float = SECONDS) -> dict[str, Any]:
        """Waits until a run is in one of some states, by default until it has ended."""
        wanted = states or ("succeeded", "failed", "aborted")
        deadline = time.monotonic() + seconds
        while (view := self.run(identifier))["state"] not in wanted:
            assert time.monotonic() < deadline, view
            time.sleep(0.1)
        return view

    def recorded(self, iri: str) -> RecordedRun:
        """A run as the registry has it."""
        with Registry.open(self.folder) as registry:
            return recorded_runs(registry, [NamedNode(iri)])[NamedNode(iri)]

    def text(self, artifact: str) -> str:
        answer = self.client.get(f"/v1/artifacts/{artifact}/files/text.txt")
        assert answer.status_code == 200, answer.text
        return answer.text

    def workers(self) -> list[psutil.Process]:
        children = psutil.Process(self.process.pid).children()
        return [each for each in children if "pressmark.api.jobs.worker" in each.cmdline()]

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


class Gate:
    """The files with which the step in the middle of `THREE` is watched and let go."""

    def __init__(self, folder: Path, mark: str) -> None:
        self.started, self.until = folder / "started", folder / "until"
        self.recipe = THREE.format(mark=mark, started=self.started, until=self.until)


@pytest.fixture
def gate(tmp_path: Path, request: pytest.FixtureRequest) -> Gate:
    """A recipe of the test's own: nothing of it was ever done before."""
    return Gate(tmp_path, f"-{request.node.name}-")


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


@pytest.fixture(scope="session")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A registry with an artifact "ab", which is a text: for the example steps."""
    from pressmark.compression.recipe import Recipe
    from pressmark.compression.runner import Runner
    from pressmark.compression.step import step_class
    from pressmark.registry.registry import Registry

    root = tmp_path_factory.mktemp("texts")
    (root / "source.txt").write_text("ab")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(PLUGIN)
        step = step_class("example/bring").parse({"source": str(root / "source.txt")})
        with Registry.create(root / "registry") as registry:
            Runner(registry).run(Recipe.single(step, name="ab"))
    return root / "registry"


@pytest.fixture
def folder(texts: Path, tmp_path: Path) -> Path:
    """A registry of the test's own with the text "ab"."""
    return Path(shutil.copytree(texts, tmp_path / "registry", symlinks=True))


@pytest.fixture(scope="module")
def served(texts: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server over texts that the tests of a module share."""
    folder = tmp_path_factory.mktemp("served") / "registry"
    shutil.copytree(texts, folder, symlinks=True)
    with serving(folder) as running:
        yield running
