"""Importing by hub id: the real client against a small server that speaks the hub's protocol."""

import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from pressmark.compression.errors import CompressionError
from pressmark.compression.importer import Import
from pressmark.compression.step import Context, Inputs, Output

COMMIT = "89abcdef0123456789abcdef0123456789abcdef"
ID = "org/tiny"


class Hub(BaseHTTPRequestHandler):
    """Serves one repository at one commit."""

    folder: ClassVar[Path]
    asked: ClassVar[list[str]]

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        self.asked.append(path)
        if path.startswith(f"/api/models/{ID}/revision/"):
            self.answer_revision(path.rpartition("/")[2])
        elif path.startswith(f"/api/models/{ID}/tree/"):
            self.answer_json([self.entry(file) for file in sorted(self.folder.iterdir())])
        elif path.startswith(f"/{ID}/resolve/{COMMIT}/"):
            self.answer_file(self.folder / path.rpartition("/")[2])
        else:
            self.answer(404, b"", {"X-Error-Code": "RepoNotFound"})

    def entry(self, file: Path) -> dict[str, Any]:
        return {"type": "file", "path": file.name, "size": file.stat().st_size, "oid": git(file)}

    def answer_revision(self, revision: str) -> None:
        if revision not in ("main", "v1", COMMIT):
            self.answer(404, b"", {"X-Error-Code": "RevisionNotFound"})
            return
        siblings = [{"rfilename": file.name} for file in sorted(self.folder.iterdir())]
        self.answer_json({"id": ID, "sha": COMMIT, "siblings": siblings})

    def answer_json(self, document: Any) -> None:
        self.answer(200, json.dumps(document).encode(), {"Content-Type": "application/json"})

    def answer_file(self, file: Path) -> None:
        if not file.is_file():
            self.answer(404, b"", {"X-Error-Code": "EntryNotFound"})
            return
        headers = {"X-Repo-Commit": COMMIT, "ETag": f'"{git(file)}"'}
        self.answer(200, file.read_bytes(), headers)

    def answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        pass


def git(file: Path) -> str:
    data = file.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


@pytest.fixture
def hub(
    tiny_folder: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[type[Hub]]:
    from huggingface_hub import constants

    folder = tmp_path / "repository"
    folder.mkdir()
    for file in tiny_folder("llama", shard="20KB").iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    (folder / "README.md").write_text("---\nlicense: apache-2.0\n---\n")
    (folder / "pytorch_model.bin").write_bytes(b"\x80\x04.")
    (folder / "modeling_evil.py").write_text("raise SystemExit")
    served = type("Served", (Hub,), {"folder": folder, "asked": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), served)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setattr(constants, "ENDPOINT", address)
    monkeypatch.setattr(
        constants,
        "HUGGINGFACE_CO_URL_TEMPLATE",
        address + "/{repo_id}/resolve/{revision}/{filename}",
    )
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    yield served
    server.shutdown()
    server.server_close()


class Quiet:
    def track(self, iterable: Any, total: int | None = None, label: str = "") -> Any:
        return iter(iterable)

    def log(self, text: str) -> None:
        pass


def run(workdir: Path, source: str = ID, **parameters: Any) -> tuple[Output, Path]:
    workdir.mkdir()
    context = Context(workdir, Quiet())
    step = Import.parse({"source": source, **parameters})
    return step.apply(Inputs({}), context), context.output


@pytest.mark.parametrize("revision", [None, "v1", COMMIT])
def test_files_commit_and_licence_come_from_the_hub(
    hub: type[Hub], tmp_path: Path, revision: str | None
) -> None:
    output, folder = run(tmp_path / "x", **({"revision": revision} if revision else {}))
    assert output.attributes["importedFrom"] == ID
    assert output.attributes["sourceRevision"] == COMMIT
    assert output.license == "Apache-2.0"
    left_out = {"pytorch_model.bin", "modeling_evil.py"}
    for file in hub.folder.iterdir():
        assert (folder / file.name).exists() == (file.name not in left_out)
        if file.name not in left_out:
            assert (folder / file.name).read_bytes() == file.read_bytes()
    assert not [path for path in hub.asked if path.endswith((".bin", ".py"))]


@pytest.mark.parametrize(
    ("source", "revision"), [("org/other", None), (ID, "no-such-branch"), ("org/..", None)]
)
def test_what_the_hub_does_not_have_is_said(
    hub: type[Hub], tmp_path: Path, source: str, revision: str | None
) -> None:
    parameters = {"revision": revision} if revision else {}
    with pytest.raises(CompressionError, match=r"is no folder here and cannot be fetched"):
        run(tmp_path / "x", source, **parameters)
