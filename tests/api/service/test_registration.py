"""Registering what was made elsewhere: files in pieces, declared parents, nothing half-done."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi import FastAPI
from safetensors.numpy import save
from starlette.testclient import TestClient

from pressmark.api.errors import OffsetError
from pressmark.api.service.registration import PIECE
from pressmark.api.service.tokens import Scope
from pressmark.api.service.uploads import Upload, Uploads

from .conftest import MakeToken

WEIGHTS = save({"weight": np.arange(64, dtype="float32")})


@pytest.fixture
def writer(app: FastAPI, token: MakeToken) -> TestClient:
    return TestClient(app, headers={"Authorization": f"Bearer {token(Scope.WRITE)}"})


def announce(client: TestClient, name: str, size: int) -> str:
    answer = client.post("/v1/uploads", json={"name": name, "size": size})
    assert answer.status_code == 201
    assert answer.headers["location"] == f"/v1/uploads/{answer.json()['id']}"
    return str(answer.json()["id"])


def send(client: TestClient, upload: str, offset: int, data: bytes) -> Any:
    headers = {"Content-Type": PIECE, "Upload-Offset": str(offset)}
    return client.patch(f"/v1/uploads/{upload}", content=data, headers=headers)


def uploaded(client: TestClient, name: str, data: bytes) -> str:
    upload = announce(client, name, len(data))
    assert send(client, upload, 0, data).json()["offset"] == len(data)
    return upload


def test_a_fine_tune_made_elsewhere_with_a_parent_here_and_one_that_is_not(
    writer: TestClient,
) -> None:
    config = json.dumps({"model_type": "llama"}).encode()
    claim = {
        "name": "support-bot",
        "files": [
            {"upload": uploaded(writer, "config.json", config)},
            {
                "upload": uploaded(writer, "weights/model.safetensors", WEIGHTS),
                "sha256": hashlib.sha256(WEIGHTS).hexdigest(),
            },
        ],
        "parents": ["base", "someone/else"],
        "license": "apache-2.0",
    }
    answer = writer.post("/v1/artifacts", json=claim)
    assert answer.status_code == 201, answer.text
    made = writer.get(answer.headers["location"]).json()
    assert made["summary"]["name"] == "support-bot"
    assert {file["name"] for file in made["files"]} == {"config.json", "weights/model.safetensors"}
    weights = writer.get("/v1/artifacts/support-bot/files/weights/model.safetensors")
    assert weights.content == WEIGHTS
    lineage = writer.get("/v1/artifacts/support-bot/lineage").json()
    edges = {edge["origin"] for edge in lineage["edges"] if edge["child"] == made["summary"]["iri"]}
    assert edges == {"declared"}
    assert {node["artifact"]["name"] for node in lineage["nodes"]} == {
        "support-bot",
        "base",
        "someone/else",
    }


def test_a_licence_is_inherited_where_none_is_stated(writer: TestClient) -> None:
    files = [{"upload": uploaded(writer, "config.json", b"{}")}]
    claim = {"name": "child", "files": files, "parents": ["base", "someone/else"]}
    made = writer.post("/v1/artifacts", json=claim).json()
    base = writer.get("/v1/artifacts/base").json()
    assert made["summary"]["license"] == base["summary"]["license"] == "Apache-2.0"


def test_an_upload_is_gone_on_with_where_it_broke_off(writer: TestClient) -> None:
    upload = announce(writer, "a.bin", 10)
    send(writer, upload, 0, b"01234")
    assert writer.get(f"/v1/uploads/{upload}").json()["offset"] == 5
    assert send(writer, upload, 0, b"01234").status_code == 409
    assert send(writer, upload, 5, b"56789").json()["offset"] == 10


def test_a_piece_may_be_longer_than_other_bodies(writer: TestClient) -> None:
    data = bytes(9 << 20)
    upload = announce(writer, "a.bin", len(data))
    assert send(writer, upload, 0, data).json()["offset"] == len(data)


def test_more_bytes_than_announced_are_refused(writer: TestClient) -> None:
    upload = announce(writer, "a.bin", 3)
    assert send(writer, upload, 0, b"0123").status_code == 413
    assert writer.get(f"/v1/uploads/{upload}").json()["offset"] == 0


def test_a_given_up_upload_is_gone(writer: TestClient, tmp_path: Path) -> None:
    upload = announce(writer, "a.bin", 3)
    assert writer.delete(f"/v1/uploads/{upload}").status_code == 204
    assert writer.get(f"/v1/uploads/{upload}").status_code == 404
    assert not list((tmp_path / "registry" / "uploads").iterdir())


@pytest.mark.parametrize(
    "name", ["../evil", "/etc/passwd", "a/../../b", "", "a\\b", "c:evil", "a\nb", "a//b"]
)
def test_a_name_that_leads_out_of_the_folder_is_refused(writer: TestClient, name: str) -> None:
    answer = writer.post("/v1/uploads", json={"name": name, "size": 1})
    assert answer.status_code == 400


def test_a_claim_that_cannot_stand_stores_nothing(writer: TestClient) -> None:
    complete = uploaded(writer, "a.bin", b"abc")
    partial = announce(writer, "b.bin", 5)
    before = writer.get("/readyz").json()
    wrong = [
        ({"files": [{"upload": partial}]}, 400),
        ({"files": [{"upload": "0" * 32}]}, 404),
        ({"files": [{"upload": "../../journal"}]}, 404),
        ({"files": []}, 422),
        ({"files": [{"upload": complete}, {"upload": complete}]}, 400),
        ({"files": [{"upload": complete, "sha256": "0" * 64}]}, 422),
        ({"files": [{"upload": complete}], "kind": "Nonsense"}, 400),
        ({"files": [{"upload": complete}], "name": "../x"}, 400),
        ({"files": [{"upload": complete}], "parents": ["urn:uuid:" + "0" * 8]}, 404),
        ({"files": [{"upload": complete}], "extra": 1}, 422),
    ]
    for claim, status in wrong:
        answer = writer.post("/v1/artifacts", json={"name": "x"} | claim)
        assert answer.status_code == status, (claim, answer.text)
    assert writer.get("/readyz").json() == before
    assert (
        writer.post(
            "/v1/artifacts", json={"name": "x", "files": [{"upload": complete}]}
        ).status_code
        == 201
    )


def test_a_path_on_the_server_is_no_parent(writer: TestClient, tmp_path: Path) -> None:
    file = tmp_path / "registry" / "registry.json"
    claim = {
        "name": "x",
        "files": [{"upload": uploaded(writer, "a.bin", b"abc")}],
        "parents": [str(file)],
    }
    made = writer.post("/v1/artifacts", json=claim)
    assert made.status_code == 201
    nodes = writer.get("/v1/artifacts/x/lineage").json()["nodes"]
    assert nodes[-1]["artifact"]["name"] == str(file)  # a name like any other


def test_nobody_sees_another_s_upload(app: FastAPI, writer: TestClient, token: MakeToken) -> None:
    upload = announce(writer, "a.bin", 3)
    other = TestClient(app, headers={"Authorization": f"Bearer {token(Scope.WRITE, agent='a2')}"})
    assert other.get(f"/v1/uploads/{upload}").status_code == 404


def test_a_request_that_is_sent_again_is_done_once(writer: TestClient) -> None:
    claim = {"name": "once", "files": [{"upload": uploaded(writer, "a.bin", b"abc")}]}
    key = {"Idempotency-Key": "8f0c"}
    first = writer.post("/v1/artifacts", json=claim, headers=key)
    again = writer.post("/v1/artifacts", json=claim, headers=key)
    assert (again.status_code, again.json()) == (201, first.json())
    assert len(writer.get("/v1/artifacts?name=once").json()["artifacts"]) == 1


def test_a_key_means_one_request_of_one_agent(
    app: FastAPI, writer: TestClient, token: MakeToken
) -> None:
    key = {"Idempotency-Key": "8f0c"}
    one = {"name": "one", "files": [{"upload": uploaded(writer, "a.bin", b"abc")}]}
    assert writer.post("/v1/artifacts", json=one, headers=key).status_code == 201
    other = writer.post("/v1/artifacts", json=one | {"name": "other"}, headers=key)
    assert other.status_code == 422
    assert "another request" in other.json()["detail"]
    bo = TestClient(app, headers={"Authorization": f"Bearer {token(Scope.WRITE, agent='a2')}"})
    mine = {"name": "mine", "files": [{"upload": uploaded(bo, "a.bin", b"abc")}]}
    assert bo.post("/v1/artifacts", json=mine, headers=key).status_code == 201


def test_two_requests_do_not_mix_their_bytes(tmp_path: Path) -> None:
    uploads = Uploads(tmp_path / "uploads", 100)
    upload = uploads.begin("a.bin", 6, "a1")

    async def slowly(data: bytes) -> AsyncIterator[bytes]:
        for byte in data:
            await asyncio.sleep(0)
            yield bytes([byte])

    async def both() -> list[Upload | BaseException]:
        sent = (uploads.append(upload, 0, slowly(data)) for data in (b"abcdef", b"ABCDEF"))
        return await asyncio.gather(*sent, return_exceptions=True)

    first, second = asyncio.run(both())
    assert isinstance(first, Upload)
    assert isinstance(second, OffsetError)
    assert uploads.path(upload.id).read_bytes() == b"abcdef"
