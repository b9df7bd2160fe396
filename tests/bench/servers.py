"""Servers to be measured: each a process of its own on a free port of loopback."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from machine import mlflow_folder

READY_SECONDS = 120.0


@dataclass(frozen=True)
class Server:
    """A server that answers.

    Attributes:
        port: Where, on loopback.
        process: Its process, which leads a group of its own.
    """

    port: int
    process: "subprocess.Popen[bytes]"

    def cpu_seconds(self) -> float:
        """Processor time that it and its children have used."""
        main = psutil.Process(self.process.pid)
        times = (each.cpu_times() for each in [main, *main.children(recursive=True)])
        return sum(time.user + time.system for time in times)

    def post(self, path: str, content: object, headers: Mapping[str, str]) -> Any:
        """Send JSON, and give what is answered."""
        body = json.dumps(content).encode()
        sent = {"Content-Type": "application/json", **headers}
        asked = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", body, sent)
        with urllib.request.urlopen(asked) as answer:
            return json.load(answer)


@contextmanager
def pressmark(registry: Path) -> Iterator[Server]:
    """Pressmark over a registry, as `pressmark serve` runs it."""
    command = [str(Path(sys.executable).with_name("pressmark")), "-R", str(registry.absolute())]
    command.append("serve")
    with _running(lambda port: [*command, "--port", str(port)], registry, "/readyz") as server:
        yield server


@contextmanager
def mlflow(folder: Path) -> Iterator[Server]:
    """MLflow with its SQLite backend and as many workers as it starts by itself.

    Raises:
        subprocess.CalledProcessError: It cannot be installed.
    """
    program = str(mlflow_folder() / "bin" / "mlflow")
    store = ["--backend-store-uri", f"sqlite:///{folder.absolute()}/mlflow.db"]
    files = ["--artifacts-destination", str(folder.absolute() / "files")]
    arguments = [program, "server", "--host", "127.0.0.1", *store, *files]
    with _running(lambda port: [*arguments, "--port", str(port)], folder, "/health") as server:
        yield server


@contextmanager
def nothing() -> Iterator[Server]:
    """A server that does nothing but answer."""
    command = [sys.executable, str(Path(__file__).with_name("load.py")), "--nothing"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        yield Server(int(process.stdout.readline()), process)
        process.terminate()


@contextmanager
def _running(command: Callable[[int], list[str]], folder: Path, ready: str) -> Iterator[Server]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with (folder.parent / f"{folder.name}.log").open("wb") as log:
        process = subprocess.Popen(
            command(port), stdout=log, stderr=log, start_new_session=True, cwd=folder.parent
        )
        try:
            _wait_until(f"http://127.0.0.1:{port}{ready}", process)
            yield Server(port, process)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
            process.wait(timeout=60)


def _wait_until(url: str, process: "subprocess.Popen[bytes]") -> None:
    end = time.monotonic() + READY_SECONDS
    while time.monotonic() < end and process.poll() is None:
        try:
            with urllib.request.urlopen(url):
                return
        except OSError:
            time.sleep(0.1)
    raise TimeoutError(f"{url} does not answer")
