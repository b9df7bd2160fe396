"""Secrets stay where they belong: after a busy session they are in no log, record or answer."""

import shutil
import sqlite3
from pathlib import Path

import httpx2

from pressmark.registry.registry import Registry

from .real_server import pressmark, real_server


def test_a_secret_is_in_no_log_no_table_no_graph_and_no_answer(chain: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(chain, tmp_path / "registry", symlinks=True))
    token = pressmark(folder, "token", "create", "--for", "Ada", "--scope", "admin")
    answers: list[str] = []
    with real_server(folder) as server:
        headers = {"Authorization": f"Bearer {token}"}
        with httpx2.Client(base_url=server.url, headers=headers) as client:
            answers += busy_session(client)
        with httpx2.Client(base_url=server.url, follow_redirects=True) as browser:
            answers += logged_in(browser, token)
            session = browser.cookies["pressmark_session"]
        with httpx2.Client(base_url=server.url) as client:
            for header in (f"Basic {token}", f"Bearer {token}x", token):
                wrong = client.get("/v1/aliases", headers={"Authorization": header})
                assert wrong.status_code == 401
                answers.append(wrong.text)
    with Registry.open(folder) as registry:
        graph = registry.graph()
        statements = [str(quad) for name in graph.graphs() for quad in graph.quads(name)]
    places = {
        "answers": answers,
        "log": [server.log.read_text()],
        "tables": [everything(folder / "service.db")],
        "graph": statements,
        "files": [path.read_bytes().decode("latin-1") for path in files(folder)],
    }
    for secret in (token.rpartition("_")[2], session):
        found = [name for name, texts in places.items() if any(secret in text for text in texts)]
        assert found == []


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def busy_session(client: httpx2.Client) -> list[str]:
    asked = [
        client.get("/v1/artifacts"),
        client.get("/v1/artifacts/nobody"),
        client.put("/v1/aliases/prod", json={"artifact": "int8"}),
        client.put("/v1/artifacts/int8/tags/good"),
        client.post("/v1/uploads", json={"name": "../x", "size": 1}),
        client.post("/v1/uploads", json={"name": "x", "size": 1}),
        client.post("/v1/artifacts", json={"name": "x", "files": []}),
        client.post("/v1/records", content="x", headers={"Content-Type": "application/n-quads"}),
        client.get("/sparql", params={"query": "SELECT * { ?s ?p ?o }"}),
        client.get("/sparql", params={"query": "SELECT"}),
        client.post("/v1/artifacts/int8/retirement", json={"reason": "a test", "force": True}),
        client.get("/v1/artifacts/int8/report", headers={"Accept": "text/html"}),
        client.get("/v1/refusals"),
        client.get("/openapi.json"),
    ]
    assert {answer.status_code for answer in asked} >= {200, 201, 400, 404, 422}
    return [answer.text + str(answer.headers) for answer in asked]


def logged_in(browser: httpx2.Client, token: str) -> list[str]:
    """The pages that somebody gets who logs in with the token and looks around."""
    form = browser.get("/login").text
    field = form.partition('name="form_secret" value="')[2].partition('"')[0]
    browser.post("/login", data={"form_secret": field, "token": token, "next": "/"})
    pages = [browser.get(path) for path in ("/", "/artifacts/int8", "/console", "/runs")]
    assert "Ada" in pages[0].text
    assert all(page.status_code == 200 for page in pages)
    return [form, *(page.text for page in pages)]


def everything(database: Path) -> str:
    with sqlite3.connect(database) as connection:
        return "\n".join(connection.iterdump())
