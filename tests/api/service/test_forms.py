"""Registering by one form: streamed to the disk, all of it or nothing."""

import asyncio
import hashlib
import json
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi import FastAPI
from safetensors.numpy import save
from starlette.requests import ClientDisconnect
from starlette.testclient import TestClient

from pressmark.api.errors import TooLargeError
from pressmark.api.service.forms import receive
from pressmark.api.service.tokens import Scope
from pressmark.api.service.uploads import LIFETIME, Uploads
from pressmark.registry.errors import InvalidInputError

from .conftest import MakeToken

WEIGHTS = save({"weight": np.arange(64, dtype="float32")})
BOUNDARY = "b0undary"
KIND = f"multipart/form-data; boundary={BOUNDARY}"


@pytest.fixture
def writer(app: FastAPI, token: MakeToken) -> TestClient:
    return TestClient(app, headers={"Authorization": f"Bearer {token(Scope.WRITE)}"})


def part(disposition: str, data: bytes) -> bytes:
    head = f"--{BOUNDARY}\r\nContent-Disposition: form-data; {disposition}\r\n\r\n"
    return head.encode() + data + b"\r\n"


def form(claim: dict[str, Any], *files: tuple[str, bytes]) -> bytes:
    sent = (part(f'name="file"; filename="{name}"', data) for name, data in files)
    return part('name="claim"', json.dumps(claim).encode()) + b"".join(sent) + END


END = f"--{BOUNDARY}--\r\n".encode()


def post(client: TestClient, body: bytes, **headers: str) -> Any:
    return client.post("/v1/artifacts", content=body, headers={"Content-Type": KIND, **headers})


def test_one_request_registers_files_and_what_is_declared_of_them(writer: TestClient) -> None:
    claim = {
        "name": "support-bot",
        "parents": ["base", "someone/else"],
        "sha256": {"weights/model.safetensors": hashlib.sha256(WEIGHTS).hexdigest()},
    }
    answer = writer.post(
        "/v1/artifacts",
        data={"claim": json.dumps(claim)},
        files=[
            ("file", ("config.json", b'{"model_type": "llama"}')),
            ("file", ("weights/model.safetensors", WEIGHTS)),
        ],
    )
    assert answer.status_code == 201, answer.text
    files = {file["name"]: file for file in answer.json()["files"]}
    assert files.keys() == {"config.json", "weights/model.safetensors"}
    assert files["weights/model.safetensors"]["sha256"] == hashlib.sha256(WEIGHTS).hexdigest()
    stored = writer.get(f"{answer.headers['location']}/files/weights/model.safetensors")
    assert stored.content == WEIGHTS
    lineage = writer.get(f"{answer.headers['location']}/lineage").json()
    names = {node["artifact"]["name"] for node in lineage["nodes"]}
    assert names == {"support-bot", "base", "someone/else"}


def test_a_name_that_is_not_ascii_stays_as_it_is(writer: TestClient) -> None:
    answer = post(writer, form({"name": "x"}, ("gewichte/größe ☃.bin", b"abc")))
    assert [file["name"] for file in answer.json()["files"]] == ["gewichte/größe ☃.bin"]


@pytest.mark.parametrize(
    ("body", "status", "reason"),
    [
        (form({"name": "x"}, ("../evil", b"a")), 400, "does not stay inside"),
        (form({"name": "x"}, ("/etc/passwd", b"a")), 400, "does not stay inside"),
        (form({"name": "x"}, ("a/../../b", b"a")), 400, "does not stay inside"),
        (form({"name": "x"}, ("a\\..\\b", b"a")), 400, "does not stay inside"),
        (form({"name": "x"}, ("", b"a")), 400, "does not stay inside"),
        (form({"name": "x"}, ("a\x00b", b"a")), 400, ""),
        (form({"name": "x"}, ("a", b"1"), ("a", b"2")), 400, "named twice"),
        (form({"name": "x"}, ("a", b"1"), ("a/b", b"2")), 400, "named twice"),
        (form({"name": "x"}, ("a/b", b"1"), ("a", b"2")), 400, "named twice"),
        (form({"name": "x"}, ("a/.git/config", b"1")), 400, "no part of an artifact"),
        (form({"name": "x"}), 400, "one field, claim, and files"),
        (part('name="file"; filename="a"', b"1") + END, 400, "one field, claim, and files"),
        (form({"name": "x", "extra": 1}, ("a", b"1")), 422, "extra"),
        (form({"name": "x", "files": []}, ("a", b"1")), 422, "files"),
        (form({"name": "../x"}, ("a", b"1")), 400, ""),
        (form({"name": "x", "kind": "Nonsense"}, ("a", b"1")), 400, "Nonsense"),
        (form({"name": "x", "parents": ["urn:uuid:00000000"]}, ("a", b"1")), 404, ""),
        (form({"name": "x", "sha256": {"a": "0" * 64}}, ("a", b"1")), 422, "has the SHA-256"),
        (form({"name": "x", "sha256": {"b": "0" * 64}}, ("a", b"1")), 422, "was not sent"),
        (part('name="claim"', b"{") + part('name="f"; filename="a"', b"1") + END, 422, "JSON"),
        (part('name="claim"', b"{}") * 2 + END, 400, "second time"),
        (part('nome="claim"', b"{}") + END, 400, "no name"),
        (part('name="claim"', b" " * (1 << 21)) + END, 413, "longer than"),
        (form({"name": "x"}, ("a", b"1"))[: -len(END)], 400, "ends before"),
        (form({"name": "x"}, ("a", b"1" * 1000))[:-500], 400, "ends before"),
        (b"no form at all", 400, "malformed"),
        (b"", 400, "ends before"),
    ],
)
def test_a_form_that_cannot_stand_stores_nothing(
    writer: TestClient, tmp_path: Path, body: bytes, status: int, reason: str
) -> None:
    before = writer.get("/readyz").json()
    objects = sorted((tmp_path / "registry" / "blobs" / "objects").rglob("*"))
    answer = post(writer, body)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert reason in answer.text
    assert writer.get("/readyz").json() == before
    assert sorted((tmp_path / "registry" / "blobs" / "objects").rglob("*")) == objects
    assert not list((tmp_path / "registry" / "uploads").iterdir())
    assert not (tmp_path / "evil").exists()


def test_a_form_without_boundary_is_refused(writer: TestClient) -> None:
    headers = {"Content-Type": "multipart/form-data"}
    answer = writer.post("/v1/artifacts", content=b"x", headers=headers)
    assert (answer.status_code, "boundary" in answer.text) == (400, True)


def test_a_form_needs_the_scope_to_write(client: TestClient) -> None:
    assert post(client, form({"name": "x"}, ("a", b"1"))).status_code == 403


def test_a_form_that_is_sent_again_registers_once(writer: TestClient) -> None:
    key = {"Idempotency-Key": "f0rm"}
    body = form({"name": "once"}, ("a.bin", b"abc"))
    first, again = (post(writer, body, **key) for _ in range(2))
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json() == first.json()
    assert len(writer.get("/v1/artifacts?name=once").json()["artifacts"]) == 1
    other = post(writer, form({"name": "once"}, ("a.bin", b"abd")), **key)
    assert (other.status_code, "another request" in other.json()["detail"]) == (422, True)


async def slowly(body: bytes, size: int = 1, *, breaks: bool = False) -> AsyncIterator[bytes]:
    for first in range(0, len(body), size):
        yield body[first : first + size]
    if breaks:
        raise ClientDisconnect


@pytest.mark.parametrize("size", [1, 7, 64])
def test_a_form_may_arrive_in_pieces_of_any_size(tmp_path: Path, size: int) -> None:
    body = form({"name": "x"}, ("a/b.bin", WEIGHTS), ("c", b"\r\n--b0undar"))
    found = asyncio.run(receive(KIND, slowly(body, size), tmp_path, 1000))
    assert found.files == {
        "a/b.bin": hashlib.sha256(WEIGHTS).hexdigest(),
        "c": hashlib.sha256(b"\r\n--b0undar").hexdigest(),
    }
    assert (tmp_path / "a" / "b.bin").read_bytes() == WEIGHTS
    assert json.loads(found.fields["claim"]) == {"name": "x"}


def test_a_file_that_is_too_long_stops_the_form_where_it_is_too_long(tmp_path: Path) -> None:
    body = form({"name": "x"}, ("long.bin", b"x" * 10_000))
    read = []

    async def watched() -> AsyncIterator[bytes]:
        async for piece in slowly(body, 10):
            read.append(piece)
            yield piece

    with pytest.raises(TooLargeError, match=r"long\.bin is longer than 100 bytes"):
        asyncio.run(receive(KIND, watched(), tmp_path, 100))
    assert len(read) < 50


def test_a_broken_connection_leaves_nothing(tmp_path: Path) -> None:
    uploads = Uploads(tmp_path / "uploads", 1000)

    async def broken() -> None:
        with uploads.scratch() as folder:
            body = form({"name": "x"}, ("a.bin", WEIGHTS))
            await receive(KIND, slowly(body[:-30], breaks=True), folder, uploads.longest)

    with pytest.raises(ClientDisconnect):
        asyncio.run(broken())
    assert not list(uploads.folder.iterdir())


def test_what_a_killed_server_left_is_removed_in_time(tmp_path: Path) -> None:
    uploads = Uploads(tmp_path / "uploads", 1000)
    left, recent = (tmp_path / "uploads" / name for name in ("scratch-left", "scratch-new"))
    for folder in (left, recent):
        folder.mkdir(parents=True)
        (folder / "a.bin").write_bytes(b"abc")
    old = time.time() - LIFETIME - 1
    for path in (left / "a.bin", left):
        os.utime(path, (old, old))
    with uploads.scratch():
        assert (left.exists(), recent.exists()) == (False, True)


def test_a_bad_name_says_so_before_the_bytes_come(tmp_path: Path) -> None:
    body = part('name="file"; filename="../x"', b"x" * 10_000)
    with pytest.raises(InvalidInputError, match="does not stay inside"):
        asyncio.run(receive(KIND, slowly(body[:200]), tmp_path, 100_000))
