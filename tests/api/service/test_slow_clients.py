"""Clients that send or take a byte now and then are cut off, and nobody else waits for them."""

import contextlib
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from pressmark.api.service.registration import PIECE

from .real_server import Server, pressmark, real_server

SETTINGS = """\
[requests]
head_seconds = 1.0
idle_seconds = 1.0
bytes_per_second = 1000
"""
#: Longer than any of the limits above, shorter than the defaults.
PATIENCE = 8.0


@pytest.fixture(scope="module")
def folder(chain: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(shutil.copytree(chain, tmp_path_factory.mktemp("slow") / "registry", symlinks=True))


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Server]:
    with real_server(folder, SETTINGS) as server:
        yield server


@pytest.fixture(scope="module")
def client(folder: Path, server: Server) -> Iterator[httpx2.Client]:
    token = pressmark(folder, "token", "create", "--for", "Ada", "--scope", "write")
    headers = {"Authorization": f"Bearer {token}"}
    with httpx2.Client(base_url=server.url, headers=headers) as client:
        yield client


@contextlib.contextmanager
def connected(server: Server, buffer: int | None = None) -> Iterator[socket.socket]:
    with socket.socket() as connection:
        if buffer:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        connection.settimeout(PATIENCE)
        connection.connect(("127.0.0.1", server.port))
        yield connection


@contextlib.contextmanager
def others_stay_fast(client: httpx2.Client) -> Iterator[None]:
    """Asks all the time, and expects each answer within a second."""
    slowest, done = [0.0], threading.Event()

    def ask() -> None:
        while not done.wait(0.05):
            began = time.monotonic()
            assert client.get("/healthz").status_code == 200
            slowest.append(time.monotonic() - began)

    thread = threading.Thread(target=ask)
    thread.start()
    yield
    done.set()
    thread.join()
    assert len(slowest) > 3
    assert max(slowest) < 1.0


def drip(connection: socket.socket, data: bytes, pause: float = 0.1) -> bytes:
    """Sends a byte at a time until the other side has had enough; gives what it said."""
    connection.setblocking(False)
    until, said = time.monotonic() + PATIENCE, b""
    for byte in data:
        with contextlib.suppress(BlockingIOError):
            try:
                connection.send(bytes([byte]))
                said += (part := connection.recv(10_000))
                if not part:
                    return said
            except (ConnectionResetError, BrokenPipeError):
                return said
        assert time.monotonic() < until, "nobody cut this off"
        time.sleep(pause)
    raise AssertionError("all of it was taken")


def test_a_head_that_drips_is_cut_off(server: Server, client: httpx2.Client) -> None:
    with connected(server) as connection, others_stay_fast(client):
        assert drip(connection, b"GET /healthz HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 99) == b""


def test_a_connection_that_says_nothing_is_cut_off(server: Server) -> None:
    with connected(server) as connection:
        assert connection.recv(1) == b""


def test_many_dripping_heads_keep_nobody_waiting(server: Server, client: httpx2.Client) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(100):
            stack.enter_context(connected(server)).sendall(b"GET / HTTP/1.1\r\nHost:")
        with others_stay_fast(client):
            time.sleep(0.5)


def upload(client: httpx2.Client, size: int) -> str:
    made = client.post("/v1/uploads", json={"name": "a.bin", "size": size})
    return str(made.json()["id"])


def head(client: httpx2.Client, target: str, length: int, **fields: str) -> bytes:
    fields |= {"Host": "x", "Authorization": client.headers["authorization"]}
    fields["Content-Length"] = str(length)
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in fields.items())
    return f"{target} HTTP/1.1\r\n{lines}\r\n".encode()


def test_an_upload_that_drips_is_ended_and_what_came_is_kept(
    server: Server, client: httpx2.Client
) -> None:
    identifier, data = upload(client, 1000), b"abcdefghij" * 100
    fields = {"Content_Type": PIECE, "Upload_Offset": "0"}
    with connected(server) as connection, others_stay_fast(client):
        connection.sendall(head(client, f"PATCH /v1/uploads/{identifier}", 1000, **fields))
        said = drip(connection, data)
    assert said.startswith(b"HTTP/1.1 408 ")
    assert b"connection: close" in said.lower()
    assert b"application/problem+json" in said
    kept = client.get(f"/v1/uploads/{identifier}").json()["offset"]
    assert 5 < kept < 1000
    rest = {"Content-Type": PIECE, "Upload-Offset": str(kept)}
    answer = client.patch(f"/v1/uploads/{identifier}", content=data[kept:], headers=rest)
    assert answer.json()["offset"] == 1000


def test_an_upload_that_stops_is_ended(server: Server, client: httpx2.Client) -> None:
    identifier = upload(client, 1000)
    fields = {"Content_Type": PIECE, "Upload_Offset": "0"}
    with connected(server) as connection:
        connection.sendall(head(client, f"PATCH /v1/uploads/{identifier}", 1000, **fields))
        connection.sendall(b"abc")
        assert connection.recv(1000).startswith(b"HTTP/1.1 408 ")
    assert client.get(f"/v1/uploads/{identifier}").json()["offset"] == 3


def test_a_body_of_json_that_stops_is_ended(server: Server, client: httpx2.Client) -> None:
    with connected(server) as connection:
        fields = {"Content_Type": "application/json"}
        connection.sendall(head(client, "POST /v1/artifacts", 1000, **fields) + b'{"name"')
        assert connection.recv(1000).startswith(b"HTTP/1.1 408 ")


def test_whoever_does_not_take_the_answer_is_cut_off(
    server: Server, client: httpx2.Client, folder: Path
) -> None:
    identifier = upload(client, 32 << 20)
    fields = {"Content-Type": PIECE, "Upload-Offset": "0"}
    client.patch(f"/v1/uploads/{identifier}", content=bytes(32 << 20), headers=fields)
    claim = {"name": "large", "files": [{"upload": identifier}]}
    assert client.post("/v1/artifacts", json=claim, timeout=60).status_code == 201
    with connected(server, buffer=4096) as connection, others_stay_fast(client):
        connection.sendall(head(client, "GET /v1/artifacts/large/files/a.bin", 0))
        time.sleep(4.0)
        taken = 0
        with contextlib.suppress(ConnectionResetError):
            while part := connection.recv(1 << 20):
                taken += len(part)
    assert taken < 32 << 20


def test_what_is_announced_as_too_long_is_refused_unread(
    server: Server, client: httpx2.Client
) -> None:
    length = 100 << 20
    for target, kind in (
        ("POST /v1/artifacts", "application/json"),
        ("POST /v1/uploads", "application/json"),
        ("POST /v1/runs", "application/yaml"),
        ("POST /v1/records", "application/n-quads"),
        ("POST /sparql", "application/sparql-query"),
        ("POST /sparql", "application/x-www-form-urlencoded"),
    ):
        with connected(server) as connection:
            connection.sendall(head(client, target, length, Content_Type=kind))
            assert connection.recv(1000).startswith(b"HTTP/1.1 413 "), target


def test_what_turns_out_too_long_is_refused(server: Server, client: httpx2.Client) -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(1000):
            yield b"[" * 100_000

    fields = {"Content-Type": "application/json"}
    answer = client.post("/v1/artifacts", content=endless(), headers=fields)
    assert answer.status_code == 413


def test_header_fields_have_a_limit(server: Server) -> None:
    said = b""
    with connected(server) as connection, contextlib.suppress(ConnectionError):
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Long: " + b"x" * 2_000_000)
        connection.sendall(b"\r\n\r\n")
        said = connection.recv(100)
    assert said[:12] in (b"", b"HTTP/1.1 400")  # it may be cut off before it reads why
