"""Queries of `tests/hostile/queries`, named after what is wrong with them, to the real service.

The first line of each says how it is answered. ADDRESS stands for a listener that nobody may
call. While a query is answered, everybody else is answered at once; afterwards queries are
answered again.
"""

import shutil
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from .real_server import Server, pressmark, real_server

FOLDER = Path(__file__).parents[2] / "hostile" / "queries"
QUERIES = sorted(FOLDER.glob("*.rq"))
SETTINGS = """\
[queries]
seconds = 2.0
megabytes = 700
workers = 2
wait = 20.0
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, chain: Path) -> Path:
    target = tmp_path_factory.mktemp("hostile") / "registry"
    return Path(shutil.copytree(chain, target, symlinks=True))


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Server]:
    with real_server(folder, SETTINGS) as server:
        yield server


@pytest.fixture(scope="module")
def client(folder: Path, server: Server) -> Iterator[httpx2.Client]:
    token = pressmark(folder, "token", "create", "--for", "Ada")
    headers = {"Authorization": f"Bearer {token}"}
    with httpx2.Client(base_url=server.url, headers=headers, timeout=60) as client:
        yield client


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """A server that must not be called."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        yield server
        with pytest.raises(BlockingIOError):
            server.accept()


@contextmanager
def health_within_a_second(url: str) -> Iterator[None]:
    times, done = [0.0], threading.Event()

    def ask() -> None:
        with httpx2.Client(base_url=url) as client:
            while not done.wait(0.05):
                began = time.monotonic()
                assert client.get("/healthz").status_code == 200
                times.append(time.monotonic() - began)

    thread = threading.Thread(target=ask)
    thread.start()
    yield
    done.set()
    thread.join()
    assert max(times) < 1.0


@pytest.mark.parametrize("path", QUERIES, ids=lambda path: path.stem)
def test_a_hostile_query_harms_nobody(
    server: Server, client: httpx2.Client, listener: socket.socket, path: Path
) -> None:
    first, _, text = path.read_text().partition("\n")
    expected = [int(each) for each in first.removeprefix("# ANSWER: ").split()]
    address = f"http://127.0.0.1:{listener.getsockname()[1]}/sparql"
    with health_within_a_second(server.url):
        answer = client.post("/sparql", data={"query": text.replace("ADDRESS", address)})
    assert answer.status_code in expected, answer.text
    if answer.status_code == 200:
        assert answer.json()["results"]["bindings"] == []
    else:
        assert answer.headers["content-type"] == "application/problem+json"
    assert client.get("/sparql", params={"query": "ASK { ?s ?p ?o }"}).json()["boolean"]
    assert server.process.poll() is None


def test_many_bombs_at_once_keep_nobody_waiting(server: Server, client: httpx2.Client) -> None:
    """More of them than the service has threads."""
    text = (FOLDER / "cartesian-product.rq").read_text()
    statuses: list[int] = []

    def ask() -> None:
        statuses.append(client.post("/sparql", data={"query": text}).status_code)

    threads = [threading.Thread(target=ask) for _ in range(60)]
    with health_within_a_second(server.url):
        for thread in threads:
            thread.start()
        time.sleep(1.0)
        began = time.monotonic()
        assert client.get("/v1/artifacts/int8").status_code == 200
        assert time.monotonic() - began < 2.0
        for thread in threads:
            thread.join()
    assert set(statuses) == {503}


@pytest.mark.parametrize("parameter", ["default-graph-uri", "named-graph-uri"])
def test_a_dataset_is_fetched_from_nowhere(
    client: httpx2.Client, listener: socket.socket, parameter: str
) -> None:
    text = "SELECT * { { ?s ?p ?o } UNION { GRAPH ?g { ?s ?p ?o } } }"
    for name in (f"http://127.0.0.1:{listener.getsockname()[1]}/", "file:///etc/passwd"):
        answer = client.get("/sparql", params={"query": text, parameter: name})
        assert answer.json()["results"]["bindings"] == []
        graph = client.get("/rdf-graph-store", params={"graph": name})
        assert graph.text.strip() == ""


@pytest.mark.parametrize("kind", ["application/ld+json", "application/n-quads"])
def test_a_record_fetches_nothing(
    client: httpx2.Client, listener: socket.socket, kind: str
) -> None:
    address = f"http://127.0.0.1:{listener.getsockname()[1]}/context"
    document = f'{{"@context": "{address}", "@id": "urn:a", "b": "c"}}'
    headers = {"Content-Type": kind}
    answer = client.post("/v1/records/validation", content=document, headers=headers)
    assert answer.status_code == 400
