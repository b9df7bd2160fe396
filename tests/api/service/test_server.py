"""The real server process holds the graph; its death loses nothing that was acknowledged."""

import itertools
import json
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import httpx2
import pytest

from pressmark.api.service.server import bound
from pressmark.registry.errors import StoreLockedError
from pressmark.registry.lifecycle import aliases
from pressmark.registry.registry import Registry

from .loopback import Serve, send, until

COMMAND = [str(Path(sys.executable).with_name("pressmark"))]


@pytest.fixture
def folder(chain: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(chain, tmp_path / "registry", symlinks=True))


def pressmark(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        [*COMMAND, "-R", str(folder), *arguments], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@contextmanager
def serving(
    folder: Path, *options: str, scope: str = "write"
) -> Iterator[tuple[subprocess.Popen[bytes], httpx2.Client]]:
    """The server and a client that may write."""
    token = pressmark(folder, "token", "create", "--for", "Ada", "--scope", scope)
    port = free_port()
    process = subprocess.Popen(
        [*COMMAND, "-R", str(folder), "serve", "--port", str(port), *options],
        stderr=subprocess.PIPE,
    )
    headers = {"Authorization": f"Bearer {token}"}
    with httpx2.Client(base_url=f"http://127.0.0.1:{port}", headers=headers) as client:
        wait_until_ready(client)
        yield process, client
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)


def wait_until_ready(client: httpx2.Client) -> None:
    for _ in range(300):
        try:
            if client.get("/readyz").status_code == 200:
                return
        except httpx2.TransportError:
            time.sleep(0.1)
    raise TimeoutError("the server does not answer")


def test_whoever_else_wants_to_write_is_told_the_server_s_address(folder: Path) -> None:
    with serving(folder) as (_, client), Registry.open(folder, wait=0.1) as registry:
        holder = registry.writer()
        assert holder is not None
        assert holder.url == str(client.base_url).rstrip("/")
        with pytest.raises(StoreLockedError, match=r"127\.0\.0\.1"), registry.writing():
            pass


def test_answers_do_not_wait_for_acknowledgements() -> None:
    with (
        closing(bound("127.0.0.1", 0)) as listening,
        socket.create_connection(listening.getsockname()),
        listening.accept()[0] as accepted,
    ):
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_a_command_beside_a_server_lets_it_commit(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = tmp_path / "recipe.yaml"
    step = "{step: prune/magnitude, name: thinner, parameters: {sparsity: 0.75}}"
    recipe.write_text(f"name: thin\ninputs: {{base: base}}\nsteps: [{step}]\n")
    with serving(folder) as (_, client):
        monkeypatch.setenv("PRESSMARK_TOKEN", client.headers["authorization"].split()[1])
        pressmark(folder, "alias", "prod", "int8")
        pressmark(folder, "run", str(recipe))
        assert client.get("/v1/artifacts/prod").json()["summary"]["name"] == "int8"
        assert client.get("/v1/artifacts/thinner").json()["evaluations"] == []
        monkeypatch.setenv("PRESSMARK_TOKEN", "pm_nobody_knows")
        with pytest.raises(subprocess.CalledProcessError) as refused:
            pressmark(folder, "alias", "prod", "pruned")
        assert refused.value.returncode == 5
        assert "the server refused a record" in refused.value.stderr


def test_what_was_acknowledged_survives_the_server_s_death(folder: Path) -> None:
    acknowledged: list[str] = []
    with serving(folder) as (process, client):
        for number in range(10_000):
            try:
                answer = client.put(f"/v1/aliases/a{number}", json={"artifact": "int8"})
            except httpx2.TransportError:
                break
            assert answer.status_code == 200
            acknowledged.append(f"a{number}")
            if len(acknowledged) == 1:
                threading.Timer(0.5, process.kill).start()
    assert acknowledged
    with Registry.open(folder) as registry:
        assert set(acknowledged) <= set(aliases(registry))
    with serving(folder) as (_, client):
        again = client.get("/v1/aliases").json()["aliases"]
        assert set(acknowledged) <= {each["alias"] for each in again}


CONFIG = """
[outbound]
http = true
allowed = ["127.0.0.1"]
[webhooks]
attempts = 100
pause = 0.05
longest_pause = 0.2
interval = 0.01
"""


def test_webhooks_are_told_all_that_was_acknowledged_whenever_the_server_dies(
    folder: Path, tmp_path: Path, serve: Serve
) -> None:
    told: list[tuple[str, str]] = []
    failing = itertools.cycle([500, 204, 204])

    def answer(handler: BaseHTTPRequestHandler) -> None:
        body = json.loads(handler.rfile.read(int(handler.headers["Content-Length"])))
        if (status := next(failing)) == 204:
            told.append((body["data"]["alias"], handler.headers["webhook-id"]))
        send(handler, b"", status)

    config = tmp_path / "service.toml"
    config.write_text(CONFIG)
    acknowledged: list[str] = []
    for life in range(3):
        with serving(folder, "--config", str(config), scope="admin") as (process, client):
            if not life:
                made = {"url": serve(answer), "events": ["alias.moved"]}
                assert client.post("/v1/webhooks", json=made).status_code == 201
            threading.Timer(0.7, process.kill).start()
            for alias in (f"life-{life}-{number}" for number in range(10_000)):
                try:
                    answered = client.put(f"/v1/aliases/{alias}", json={"artifact": "int8"})
                except httpx2.TransportError:
                    break
                assert answered.status_code == 200
                acknowledged.append(alias)
    assert len({alias.split("-")[1] for alias in acknowledged}) == 3
    with serving(folder, "--config", str(config)):
        until(lambda: set(acknowledged) <= {alias for alias, _ in told}, 60)
    assert len(set(told)) == len({alias for alias, _ in told}) == len({each for _, each in told})


def test_tokens_are_made_listed_and_revoked(folder: Path) -> None:
    token = pressmark(folder, "token", "create", "--for", "Ada", "--days", "1")
    assert token.startswith("pm_")
    listed = pressmark(folder, "token", "list")
    assert "Ada" in listed
    assert token.rpartition("_")[2] not in listed
    pressmark(folder, "token", "revoke", token.split("_")[1])
    assert (folder / "service.db").stat().st_mode & 0o077 == 0
    pressmark(folder, "token", "forget", "Ada")
    assert "Ada" not in pressmark(folder, "token", "list")
