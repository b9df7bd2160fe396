"""Files that are registered by their URI, fetched from real servers on loopback."""

import hashlib
import re
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from pressmark.api.outbound.guard import Policy
from pressmark.api.service.app import create_app
from pressmark.api.service.fetching import FetchLimits
from pressmark.api.service.settings import Settings, UploadLimits
from pressmark.api.service.tokens import Scope

from .conftest import MakeToken
from .loopback import Serve, send, until

DATA = bytes(range(256)) * 4000
DIGEST = hashlib.sha256(DATA).hexdigest()
SETTINGS = Settings(
    outbound=Policy(http=True, allowed=("127.0.0.1",)),
    fetches=FetchLimits(at_once=2, attempts=3, pause=0.05),
    uploads=UploadLimits(longest_file=4 << 20),
)

Handler = BaseHTTPRequestHandler


@pytest.fixture
def app(chain: Path, tmp_path: Path) -> FastAPI:
    return create_app(Path(shutil.copytree(chain, tmp_path / "registry", symlinks=True)), SETTINGS)


@pytest.fixture
def writer(app: FastAPI, token: MakeToken) -> Iterator[TestClient]:
    with TestClient(app, headers={"Authorization": f"Bearer {token(Scope.WRITE)}"}) as client:
        yield client


def ended(client: TestClient, upload: str) -> dict[str, Any]:
    for _ in range(400):
        found: dict[str, Any] = client.get(f"/v1/uploads/{upload}").json()
        if found["state"] != "fetching":
            return found
        time.sleep(0.05)
    raise TimeoutError(found)


def offset(client: TestClient, upload: str) -> int:
    return int(client.get(f"/v1/uploads/{upload}").json()["offset"])


def fetched(client: TestClient, uri: str, **more: str) -> dict[str, Any]:
    answer = client.post("/v1/uploads", json={"uri": uri} | more)
    assert answer.status_code == 202, answer.text
    assert answer.headers["location"] == f"/v1/uploads/{answer.json()['id']}"
    return ended(client, answer.json()["id"])


def test_an_artifact_is_registered_by_the_uris_of_its_files(
    writer: TestClient, serve: Serve
) -> None:
    def answer(handler: Handler) -> None:
        send(handler, DATA if "safetensors" in handler.path else b"{}")

    base = serve(answer)
    config = fetched(writer, f"{base}/bot/config.json?signature=secret")
    weights = fetched(writer, f"{base}/bot/a%20b.safetensors", sha256=DIGEST, name="w/model.bin")
    assert (config["name"], config["size"], config["state"]) == ("config.json", 2, "complete")
    assert (weights["name"], weights["offset"]) == ("w/model.bin", len(DATA))
    files = [{"upload": config["id"]}, {"upload": weights["id"], "sha256": DIGEST}]
    claim = {"name": "bot", "files": files, "license": "MIT"}
    made = writer.post("/v1/artifacts", json=claim)
    assert made.status_code == 201, made.text
    assert writer.get("/v1/artifacts/bot/files/w/model.bin").content == DATA
    assert f"{base}/bot/" in made.text
    assert "secret" not in made.text
    assert writer.get(f"/v1/uploads/{config['id']}").status_code == 404


def test_loopback_is_refused_unless_the_operator_allows_it(
    chain: Path, tmp_path: Path, app: FastAPI, token: MakeToken, serve: Serve
) -> None:
    asked: list[str] = []
    uri = serve(lambda handler: asked.append(handler.path))
    plain = create_app(tmp_path / "registry", Settings(outbound=Policy(http=True)))
    bearer = {"Authorization": f"Bearer {token(Scope.ADMIN)}"}
    with TestClient(plain, headers=bearer) as client:
        for address in (uri, "http://169.254.169.254/latest/meta-data/", "file:///etc/passwd"):
            answer = client.post("/v1/uploads", json={"uri": address})
            assert answer.status_code == 403, answer.text
            assert answer.headers["content-type"] == "application/problem+json"
        kept = client.get("/v1/refusals").json()["refusals"]
    assert {(each["path"], each["status"]) for each in kept} == {("/v1/uploads", 403)}
    assert not asked
    assert not list((tmp_path / "registry").glob("uploads/*"))


def ranged(handler: Handler, data: bytes, tag: str) -> bytes:
    """Answers a request for a range as RFC 9110 wants it; gives what is to be sent."""
    wanted = re.fullmatch(r"bytes=(\d+)-", handler.headers.get("Range", ""))
    first = int(wanted[1]) if wanted and handler.headers["If-Range"] == tag else 0
    handler.send_response(206 if first else 200)
    if first:
        handler.send_header("Content-Range", f"bytes {first}-{len(data) - 1}/{len(data)}")
    handler.send_header("ETag", tag)
    handler.send_header("Content-Length", str(len(data) - first))
    handler.end_headers()
    return data[first:]


def breaking(asked: list[str | None], tags: Iterator[str], size: int) -> Callable[[Handler], None]:
    """Answers that break off after some bytes each."""

    def answer(handler: Handler) -> None:
        asked.append(handler.headers.get("Range"))
        handler.wfile.write(ranged(handler, DATA, next(tags))[:size])
        handler.close_connection = True

    return answer


def test_a_fetch_that_breaks_off_is_gone_on_with(writer: TestClient, serve: Serve) -> None:
    asked: list[str | None] = []
    half = len(DATA) // 4 + 1
    uri = serve(breaking(asked, iter(['"1"'] * 9), half))
    done = fetched(writer, uri + "/x.bin", sha256=DIGEST)
    assert done["state"] == "complete"
    assert asked == [None, *(f"bytes={half * n}-" for n in (1, 2, 3))]


def test_what_changed_meanwhile_is_fetched_anew(writer: TestClient, serve: Serve) -> None:
    asked: list[str | None] = []
    uri = serve(breaking(asked, iter(['"1"', '"2"', '"2"']), len(DATA) * 2 // 3))
    assert fetched(writer, uri + "/x.bin", sha256=DIGEST)["state"] == "complete"
    assert len(asked) == 3


def test_without_a_strong_entity_tag_it_is_fetched_anew(writer: TestClient, serve: Serve) -> None:
    asked: list[str | None] = []
    uri = serve(breaking(asked, iter(['W/"1"'] * 9), len(DATA) // 2))
    assert fetched(writer, uri + "/x.bin")["state"] == "failed"
    assert asked == [None] * 3


def test_a_source_whose_parts_do_not_fit_is_not_believed(writer: TestClient, serve: Serve) -> None:
    def lying(handler: Handler) -> None:
        if "Range" not in handler.headers:
            send(handler, DATA[:1000], ETag='"1"', Content_Length=str(len(DATA)))
        else:
            first = f"bytes 0-{len(DATA) - 1}/{len(DATA) + 1}"
            send(handler, DATA, 206, ETag='"1"', Content_Range=first)
        handler.close_connection = True

    done = fetched(writer, serve(lying) + "/x.bin")
    assert done["state"] == "failed"


def test_the_next_server_goes_on_with_it(
    app: FastAPI, tmp_path: Path, token: MakeToken, serve: Serve
) -> None:
    asked: list[str | None] = []
    half, gate = len(DATA) // 2, threading.Event()

    def answer(handler: Handler) -> None:
        asked.append(handler.headers.get("Range"))
        rest = ranged(handler, DATA, '"1"')
        handler.wfile.write(rest[:half])
        handler.wfile.flush()
        if len(asked) == 1:
            gate.wait(30)
            handler.close_connection = True
        else:
            handler.wfile.write(rest[half:])

    bearer = {"Authorization": f"Bearer {token(Scope.WRITE)}"}
    with TestClient(app, headers=bearer) as client:
        body = {"uri": serve(answer) + "/x.bin", "sha256": DIGEST}
        upload = client.post("/v1/uploads", json=body).json()["id"]
        until(lambda: offset(client, upload) >= half)
    gate.set()
    again = create_app(tmp_path / "registry", SETTINGS)
    with TestClient(again, headers=bearer) as client:
        assert ended(client, upload)["state"] == "complete"
    assert asked == [None, f"bytes={half}-"]


def test_a_large_fetch_holds_nobody_up(writer: TestClient, serve: Serve) -> None:
    gate = threading.Event()

    def slow(handler: Handler) -> None:
        send(handler, b"ab", Content_Length="4")
        gate.wait(30)
        handler.wfile.write(b"cd")

    uri = serve(slow)
    ids = [writer.post("/v1/uploads", json={"uri": f"{uri}/{n}"}).json()["id"] for n in range(50)]
    until(lambda: offset(writer, ids[0]) >= 2)
    assert writer.get("/v1/artifacts").status_code == 200
    states = [writer.get(f"/v1/uploads/{each}").json() for each in ids]
    assert {each["state"] for each in states} == {"fetching"}
    claim = {"name": "x", "files": [{"upload": ids[0]}]}
    early = writer.post("/v1/artifacts", json=claim)
    assert (early.status_code, "2 of 4 bytes" in early.text) == (400, True)
    piece = {"Content-Type": "application/offset+octet-stream", "Upload-Offset": "2"}
    assert writer.patch(f"/v1/uploads/{ids[0]}", content=b"x", headers=piece).status_code == 409
    gate.set()
    assert ended(writer, ids[0])["state"] == "complete"


def test_a_fetch_can_be_given_up(writer: TestClient, serve: Serve, tmp_path: Path) -> None:
    ended_early = threading.Event()

    def endless(handler: Handler) -> None:
        send(handler, b"", Content_Length=str(3 << 20))
        try:
            for _ in range(3000):
                handler.wfile.write(bytes(1024))
                time.sleep(0.005)
        except OSError:
            ended_early.set()

    upload = writer.post("/v1/uploads", json={"uri": serve(endless) + "/x"}).json()["id"]
    until(lambda: offset(writer, upload) > 0)
    assert writer.delete(f"/v1/uploads/{upload}").status_code == 204
    assert ended_early.wait(10)
    assert not list((tmp_path / "registry" / "uploads").iterdir())


def redirect_inside(handler: Handler) -> None:
    send(handler, b"", 302, Location="http://127.0.0.2/secret")


def compressed(handler: Handler) -> None:
    send(handler, b"x", Content_Encoding="gzip")


def endless_lines(handler: Handler) -> None:
    handler.send_response(200)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    try:
        while True:
            handler.wfile.write(b"10000\r\n" + bytes(0x10000) + b"\r\n")
    except OSError:
        handler.close_connection = True


def until_closed(handler: Handler) -> None:
    handler.send_response(200)
    handler.end_headers()
    handler.wfile.write(b"perhaps all of it")
    handler.close_connection = True


FAILURES: dict[str, tuple[Callable[[Handler], None], str]] = {
    "missing": (lambda handler: send(handler, b"", 404), "answers 404"),
    "broken": (lambda handler: send(handler, b"", 500), "answers 500"),
    "too long": (lambda handler: send(handler, b"", Content_Length=str(5 << 20)), "may have"),
    "endless": (endless_lines, "may have"),
    "wrong digest": (lambda handler: send(handler, b"other bytes"), "SHA-256"),
    "redirect inside": (redirect_inside, "not on the public internet"),
    "compressed": (compressed, "encoded"),
}


@pytest.mark.parametrize(("answer", "said"), FAILURES.values(), ids=FAILURES)
def test_what_cannot_be_fetched_says_why_and_is_not_registered(
    writer: TestClient, serve: Serve, answer: Callable[[Handler], None], said: str
) -> None:
    done = fetched(writer, serve(answer) + "/x.bin", sha256=DIGEST)
    assert done["state"] == "failed"
    assert said in done["problem"]
    claim = {"name": "x", "files": [{"upload": done["id"]}]}
    refused = writer.post("/v1/artifacts", json=claim)
    assert (refused.status_code, said in refused.json()["detail"]) == (400, True)


def test_an_end_that_cannot_be_recognised_is_not_believed(writer: TestClient, serve: Serve) -> None:
    uri = serve(until_closed) + "/x.bin"
    assert "does not tell how long" in fetched(writer, uri)["problem"]
    digest = hashlib.sha256(b"perhaps all of it").hexdigest()
    assert fetched(writer, uri, sha256=digest)["state"] == "complete"


def test_a_request_that_cannot_stand_begins_nothing(writer: TestClient, tmp_path: Path) -> None:
    wrong: list[tuple[dict[str, Any], int]] = [
        ({"uri": "http://127.0.0.1/x", "size": 3}, 422),
        ({"uri": "http://127.0.0.1/x", "sha256": "0"}, 422),
        ({"uri": "http://127.0.0.1/"}, 400),
        ({"uri": "http://127.0.0.1/x", "name": "../x"}, 400),
        ({"uri": "http://127.0.0.1/%2e%2e"}, 400),
        ({"uri": "http://nowhere.invalid/x"}, 422),
        ({"uri": "http://ada:secret@127.0.0.1/x"}, 403),
        ({"uri": "x" * 5000}, 422),
        ({}, 422),
    ]
    for body, status in wrong:
        answer = writer.post("/v1/uploads", json=body)
        assert answer.status_code == status, (body, answer.text)
        assert "secret" not in answer.text
    assert not list((tmp_path / "registry").glob("uploads/*"))
