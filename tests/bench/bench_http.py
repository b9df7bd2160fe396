"""Registrations over HTTP beside those of `mlflow server`, uploads, and reading meanwhile.

Both servers run on this machine as they are started by default, and get the same load from a
process of its own over loopback, each in turn, several times; the median counts. The equivalent:
here one POST of a step's record with its five parameters and the artifact that it made; in MLflow
three (create a run, log five parameters in one batch, create a model version).
"""

import json
import os
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import quote

import servers
from bench_commit import filled
from histories import History
from load import Load, begin_load, request, run_load, run_mlflow_load
from machine import scratch
from servers import Server
from table import Row, milliseconds, percentile, print_rows

from pressmark.api.service.database import FILE_NAME, Database
from pressmark.api.service.profiles import Profiles
from pressmark.api.service.tokens import Scope, Tokens
from pressmark.ontology.terms import PROV
from pressmark.registry.registry import Registry

TITLE = "Registrations over HTTP"
CLIENTS = (1, 8, 32)
SIZES, QUICK_SIZES = (1_000, 100_000), (100,)
COUNTS, QUICK_COUNTS = {1: 200, 8: 800, 32: 800}, {1: 20, 8: 80, 32: 80}
PEER_COUNTS, QUICK_PEER_COUNTS = {1: 50, 8: 160, 32: 160}, {1: 5, 8: 16, 32: 32}
REPEATED = 3
UPLOAD_BYTES, QUICK_UPLOAD_BYTES = 512 << 20, 16 << 20
BLOCK = 1 << 20
READS, QUICK_READS = 200, 20
NQUADS = {"Content-Type": "application/n-quads"}
JSON = {"Content-Type": "application/json"}
PIECE = {"Content-Type": "application/offset+octet-stream", "Upload-Offset": "0"}
AIM_FACTOR, AIM_P99, AIM_CLIENTS = 10, 0.050, 8
PEER = "MLflow: run, 5 parameters, model version"


@dataclass
class Measured:
    """Loads of one kind, and the processor time that the server used for them."""

    loads: list[Load]
    cpu: list[float]

    @property
    def rate(self) -> float:
        """The median of successful registrations per second."""
        return percentile([load.rate for load in self.loads], 0.5)


class Service:
    """A Pressmark service under load, and the records that it is still to get.

    Args:
        server: The server.
        registry: A handle of the registry that it serves; it is only used to store files.
        history: What has been recorded.
    """

    def __init__(self, server: Server, registry: Registry, history: History) -> None:
        self.server, self._registry, self._history = server, registry, history
        self.headers = {"Authorization": f"Bearer {token(registry)}"}
        made = list(history.artifacts(3))
        self._base, self._artifact = made[0].artifact, made[-1].artifact
        for each in made:
            registry.blobs.put_bytes(each.data)
            self.send("POST", "/v1/records", each.record.nquads, NQUADS)

    def records(self, count: int) -> list[bytes]:
        """Requests that commit records, none of which needs another; their files are here."""
        made = [self._history.step(self._base) for _ in range(count)]
        with self._registry.blobs.batch():
            for each in made:
                self._registry.blobs.put_bytes(each.data)
        headers = NQUADS | self.headers
        return [request("POST", "/v1/records", each.record.nquads, headers) for each in made]

    def claims(self, count: int) -> list[bytes]:
        """Requests that register artifacts made elsewhere; their files are uploaded before."""
        headers = JSON | self.headers
        bodies = [claim(self.upload(os.urandom(16))) for _ in range(count)]
        return [request("POST", "/v1/artifacts", body, headers) for body in bodies]

    def register(self, upload: str) -> None:
        """Register what was uploaded."""
        self.send("POST", "/v1/artifacts", claim(upload), JSON)

    def upload(self, data: bytes) -> str:
        """Upload a file; gives the upload's identifier."""
        announced = {"name": "model.safetensors", "size": len(data)}
        upload = str(self.server.post("/v1/uploads", announced, self.headers)["id"])
        self.send("PATCH", f"/v1/uploads/{upload}", data, PIECE)
        return upload

    def send(self, method: str, path: str, body: bytes, kind: Mapping[str, str]) -> None:
        """Send one request, its body in blocks."""
        connection = HTTPConnection("127.0.0.1", self.server.port)
        length = {"Content-Length": str(len(body))}
        blocks = (memoryview(body)[start : start + BLOCK] for start in range(0, len(body), BLOCK))
        connection.request(method, path, blocks, {**kind, **self.headers, **length})
        answer = connection.getresponse()
        assert answer.status < 300, answer.read()
        connection.close()

    def questions(self) -> Iterator[tuple[str, bytes]]:
        """What readers ask of an artifact that was recorded some time ago."""
        iri = self._artifact.value
        path = f"/v1/artifacts/{iri.removeprefix('urn:uuid:')}"
        yield "an artifact", request("GET", path, b"", self.headers)
        yield "its lineage", request("GET", f"{path}/lineage", b"", self.headers)
        ancestors = f"SELECT ?parent {{ <{iri}> <{PROV.wasDerivedFrom.value}>+ ?parent }}"
        query = request("GET", f"/sparql?query={quote(ancestors)}", b"", self.headers)
        yield "its ancestors in SPARQL", query


def rows(quick: bool = False) -> Iterator[Row]:
    """Registrations at each size, beside MLflow; then uploads, and reading while others write."""
    sizes = QUICK_SIZES if quick else SIZES
    with ExitStack() as stack:
        folder = Path(stack.enter_context(scratch()))
        yield generator_row()
        peer = stack.enter_context(servers.mlflow(folder / "mlflow"))
        experiment = prepared_peer(peer)
        for size in sizes:
            path = folder / f"registry-{size}"
            registry, history = filled(path, size)
            registry.close()
            with servers.pressmark(path) as server:
                service = Service(server, registry, history)
                yield from registration_rows(service, size, peer, experiment, quick)
                if size == sizes[-1]:
                    yield from reading_rows(service, quick)
                    yield from upload_rows(service, folder, quick)


# -- registrations -----------------------------------------------------------------------------


def registration_rows(
    service: Service, size: int, peer: Server, experiment: str, quick: bool
) -> Iterator[Row]:
    """Rows of both servers under the same load, in turn."""
    counts, peer_counts = (QUICK_COUNTS, QUICK_PEER_COUNTS) if quick else (COUNTS, PEER_COUNTS)
    run_load(service.server.port, 8, service.records(50))  # warm up
    run_mlflow_load(peer.port, 4, 20, experiment)

    def records(clients: int) -> Load:
        return run_load(service.server.port, clients, prepared[clients])

    def claims(clients: int) -> Load:
        return run_load(service.server.port, clients, claimed[clients])

    def others(clients: int) -> Load:
        return run_mlflow_load(peer.port, clients, peer_counts[clients], experiment)

    found: dict[tuple[str, int], Measured] = defaultdict(lambda: Measured([], []))
    for _ in range(1 if quick else REPEATED):
        for clients in CLIENTS:
            prepared = {clients: service.records(counts[clients])}
            claimed = {clients: service.claims(counts[clients] // 4)}
            for what, server, send in (
                ("a step's record", service.server, records),
                (PEER, peer, others),
                ("an artifact made elsewhere", service.server, claims),
            ):
                measure(found[what, clients], server, send, clients)
    best = max(found[PEER, clients].rate for clients in CLIENTS)
    for (what, clients), measured in found.items():
        yield from measured_rows(f"{what}, {clients} clients, {size:,} artifacts", measured)
        if what == "a step's record":
            factor = measured.rate / best
            label = f"the same as a multiple of MLflow's best, {best:.0f} per second"
            yield Row(label, f"x {factor:.1f}", f">= x {AIM_FACTOR}", factor >= AIM_FACTOR)


def measure(measured: Measured, server: Server, send: Callable[[int], Load], clients: int) -> None:
    """Let the load run once more."""
    before = server.cpu_seconds()
    measured.loads.append(send(clients))
    measured.cpu.append(server.cpu_seconds() - before)


def measured_rows(label: str, measured: Measured) -> Iterator[Row]:
    """Rate, latency and processor time; the aim holds for records at eight clients."""
    seconds = [each for load in measured.loads for each in load.seconds]
    failures = [each for load in measured.loads for each in load.failures]
    half, most = percentile(seconds, 0.5), percentile(seconds, 0.99)
    cpu = sum(measured.cpu) / len(seconds)
    value = (
        f"{measured.rate:.0f} per second, p50 {milliseconds(half)}, p99 {milliseconds(most)}, "
        f"{milliseconds(cpu)} of processor time each"
    )
    if failures:
        said = " ".join(failures[0].split())
        value += f"; {len(failures)} of {len(failures) + len(seconds)} failed: {said[:100]}"
    aimed = label.startswith(f"a step's record, {AIM_CLIENTS} clients")
    aim = f"p99 < {milliseconds(AIM_P99)}" if aimed else ""
    yield Row(label, value, aim, most < AIM_P99 if aimed else None)


def generator_row() -> Row:
    """How much the load generator can send at all."""
    with servers.nothing() as server:
        load = run_load(server.port, 8, [request("POST", "/", b" " * 24_000, {})] * 5000)
    return Row(
        "the load generator, 24 kB each, a server that does nothing", f"{load.rate:.0f} per second"
    )


def prepared_peer(peer: Server) -> str:
    """Make MLflow's experiment and the model whose versions are registered."""
    path = "/api/2.0/mlflow"
    found = peer.post(f"{path}/experiments/create", {"name": "bench"}, {})
    peer.post(f"{path}/registered-models/create", {"name": "model"}, {})
    return str(found["experiment_id"])


def claim(upload: str) -> bytes:
    """What is said of an artifact whose file was uploaded."""
    body = {"name": "tuned", "files": [{"upload": upload}], "license": "Apache-2.0"}
    return json.dumps(body).encode()


def token(registry: Registry) -> str:
    """A token that may write."""
    database = Database(registry.root / FILE_NAME)
    agent = Profiles(database).known("bench").agent
    made = Tokens(database).create(agent, Scope.WRITE, "bench", datetime.now(UTC), None)[1]
    database.close()
    return made


# -- reading while others write ----------------------------------------------------------------


def reading_rows(service: Service, quick: bool) -> Iterator[Row]:
    """How long answers take when nobody writes, and while eight clients register."""
    count = QUICK_READS if quick else READS
    for what, message in service.questions():
        yield reading_row(f"{what}, nobody writes", read(service, message, count))
        writing = begin_load(service.server.port, 8, service.records(count * 20))
        try:
            time.sleep(0.5)
            busy: list[float] = []
            while len(busy) < count and (found := read(service, message, count // 10)):
                if writing.poll() is not None:
                    break
                busy += found
        finally:
            writing.kill()
            writing.wait()
        yield reading_row(f"{what}, while 8 clients register", busy)


def read(service: Service, message: bytes, count: int) -> list[float]:
    """Seconds of each of so many answers."""
    load = run_load(service.server.port, 1, [message] * count)
    assert not load.failures, load.failures[0]
    return load.seconds


def reading_row(label: str, seconds: list[float]) -> Row:
    """Latency of answers."""
    if not seconds:
        return Row(label, "the writers were done first")
    half, most = percentile(seconds, 0.5), percentile(seconds, 0.99)
    value = f"p50 {milliseconds(half)}, p99 {milliseconds(most)} ({len(seconds)} answers)"
    return Row(label, value)


# -- uploads -----------------------------------------------------------------------------------


def upload_rows(service: Service, folder: Path, quick: bool) -> Iterator[Row]:
    """One large file: onto the disk, uploaded, and registered."""
    data = os.urandom(QUICK_UPLOAD_BYTES if quick else UPLOAD_BYTES)
    seconds: dict[str, list[float]] = defaultdict(list)
    for _ in range(1 if quick else REPEATED):
        began = time.perf_counter()
        write(folder / "plain", data)
        seconds["written to a file and synced"].append(time.perf_counter() - began)
        began = time.perf_counter()
        upload = service.upload(data)
        seconds["uploaded"].append(time.perf_counter() - began)
        service.register(upload)
        seconds["uploaded and registered"].append(time.perf_counter() - began)
        data = data[1:] + data[:1]  # else it would be known
    for what, found in seconds.items():
        rate = len(data) / percentile(found, 0.5) / 1e9
        yield Row(f"a file of {len(data) / 1e6:.0f} MB, {what}", f"{rate:.2f} GB/s")


def write(path: Path, data: bytes) -> None:
    """Write a file in blocks, and sync it."""
    with path.open("wb", buffering=0) as file:
        for start in range(0, len(data), BLOCK):
            file.write(memoryview(data)[start : start + BLOCK])
        os.fsync(file.fileno())


if __name__ == "__main__":
    print_rows(TITLE, rows())
