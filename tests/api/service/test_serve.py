"""`pressmark serve` as an operator sees it: what it says, when it refuses, how it ends."""

import re
import shutil
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from .loopback import until
from .real_server import PRESSMARK, Server, pressmark, real_server


@pytest.fixture
def folder(chain: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(chain, tmp_path / "registry", symlinks=True))


@pytest.fixture
def server(folder: Path) -> Iterator[Server]:
    with real_server(folder) as server:
        yield server


def serve(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [PRESSMARK, "-R", str(folder), "serve", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def client_of(server: Server, folder: Path) -> httpx2.Client:
    token = pressmark(folder, "token", "create", "--for", "Ada", "--scope", "write")
    headers = {"Authorization": f"Bearer {token}"}
    return httpx2.Client(base_url=server.url, headers=headers, timeout=60)


def test_it_says_what_it_serves_where(server: Server, folder: Path) -> None:
    said = [line for line in server.log.read_text().splitlines() if line.startswith("serving")]
    assert said == [f"serving {folder} at {server.url} (API: {server.url}/openapi.json)"]
    assert httpx2.get(f"{server.url}/openapi.json").status_code == 200


def test_its_log_has_a_line_for_each_request_and_no_secret(server: Server, folder: Path) -> None:
    with client_of(server, folder) as client:
        token = client.headers["Authorization"].removeprefix("Bearer ")
        client.get("/v1/artifacts", params={"name": "s3cret", "tag": token})
        client.get("/v1/artifacts/no%0Asuch%20thing")
    until(lambda: "such%20thing" in server.log.read_text())  # a line follows its answer
    log = server.log.read_text()
    assert re.search(r"^\S+Z GET /v1/artifacts 200 \d+\.\d ms [0-9a-f]{16}$", log, re.MULTILINE)
    assert re.search(r"Z GET /v1/artifacts/no%0Asuch%20thing 404 ", log)
    assert "s3cret" not in log
    assert token not in log
    assert token.rpartition("_")[2] not in log
    assert "uvicorn" not in log.lower()


def test_a_second_service_of_a_registry_is_refused_at_once(server: Server, folder: Path) -> None:
    second = serve(folder, "--port", "0")
    assert second.returncode == 5
    assert server.url in second.stderr
    assert str(server.process.pid) in second.stderr
    assert "Traceback" not in second.stderr


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--host", "192.0.2.1", "--port", "0"], "192.0.2.1"),
        (["--host", "no such host", "--port", "0"], "no such host"),
    ],
)
def test_an_address_that_is_not_here_is_refused(
    folder: Path, arguments: list[str], reason: str
) -> None:
    refused = serve(folder, *arguments)
    assert (refused.returncode, "Traceback" in refused.stderr) == (4, False)
    assert reason in refused.stderr
    assert "--host" in refused.stderr


def test_a_port_that_is_taken_is_refused(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        refused = serve(folder, "--port", str(other.getsockname()[1]))
    assert (refused.returncode, "Traceback" in refused.stderr) == (4, False)
    assert "--port" in refused.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_when_it_is_told_to_and_finishes_what_it_began(
    folder: Path, number: signal.Signals
) -> None:
    with real_server(folder) as server, client_of(server, folder) as client:
        announced = client.post("/v1/uploads", json={"name": "a.bin", "size": 20}).json()
        begun, told = threading.Event(), threading.Event()

        def slowly() -> Iterator[bytes]:
            yield b"0123456789"
            begun.set()
            assert told.wait(30)
            yield b"0123456789"

        def end() -> None:
            assert begun.wait(30)
            server.process.send_signal(number)
            told.set()

        other = threading.Thread(target=end)
        other.start()
        answer = client.patch(
            f"/v1/uploads/{announced['id']}",
            content=slowly(),
            headers={"Content-Type": "application/offset+octet-stream", "Upload-Offset": "0"},
        )
        other.join()
        assert (answer.status_code, answer.json()["offset"]) == (200, 20)
        assert server.process.wait(60) == 0
        assert "Traceback" not in server.log.read_text()
