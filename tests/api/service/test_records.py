"""Records made elsewhere: judged, committed once, refused with every reason."""

from collections.abc import Callable
from pathlib import Path

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from pressmark.api.service.tokens import Scope
from pressmark.registry import activities, environment
from pressmark.registry.ids import new_iri, utc_now
from pressmark.registry.occurrences import Occurrence
from pressmark.registry.record import Record
from pressmark.registry.registry import Registry
from pressmark.registry.search import resolve

from .conftest import MakeToken

Send = Callable[..., tuple[int, dict[str, object]]]


@pytest.fixture
def record(chain: Path) -> Record:
    """Somebody elsewhere lets an alias mean an artifact."""
    with Registry.open(chain) as registry:
        artifact = resolve(registry, "int8")
    now = utc_now()
    activity = Occurrence(
        iri=new_iri(), started_at=now, ended_at=utc_now(), circumstances=environment.circumstances()
    )
    return activities.promotion(activity, assignment=new_iri(), alias="far", artifact=artifact)


@pytest.fixture
def send(app: FastAPI, token: MakeToken) -> Send:
    client = TestClient(app, headers={"Authorization": f"Bearer {token(Scope.WRITE)}"})

    def post(body: bytes, kind: str = "application/n-quads", path: str = "/v1/records") -> object:
        answer = client.post(path, content=body, headers={"Content-Type": kind})
        return answer.status_code, answer.json()

    return post  # type: ignore[return-value]


def test_a_record_is_committed_once(send: Send, record: Record) -> None:
    status, receipt = send(record.nquads)
    assert (status, receipt["digest"]) == (200, record.digest)
    assert send(record.nquads) == (200, receipt)


def test_a_record_is_judged_without_being_stored(
    send: Send, record: Record, tmp_path: Path
) -> None:
    with Registry.open(tmp_path / "registry") as registry:
        before = len(registry.journal)
    validate = "/v1/records/validation"
    assert send(record.nquads, path=validate) == (200, {"conforms": True, "violations": []})
    lines = record.nquads.splitlines(keepends=True)
    broken = b"".join(line for line in lines if b"startedAtTime" not in line)
    status, judgement = send(broken, path=validate)
    assert status == 200
    assert judgement["conforms"] is False
    status, problem = send(broken)
    assert status == 422
    assert problem["violations"] == judgement["violations"] != []
    with Registry.open(tmp_path / "registry") as registry:
        assert len(registry.journal) == before


HOSTILE = {
    "remote context": (
        b'{"@context": "http://127.0.0.1:9/context", "@id": "urn:uuid:1"}',
        "application/ld+json",
        400,
    ),
    "blank node": (b'_:a <urn:p> "x" <urn:uuid:1> .\n', "application/n-quads", 400),
    "two bundles": (
        b'<urn:a> <urn:p> "x" <urn:uuid:1> .\n<urn:a> <urn:p> "x" <urn:uuid:2> .\n',
        "application/n-quads",
        400,
    ),
    "no RDF": (b"\xff\xfe", "application/n-quads", 400),
    "another type": (b"{}", "application/json", 415),
    "very long": (b"#" * (9 << 20), "application/n-quads", 413),
}


@pytest.mark.parametrize(("body", "kind", "status"), HOSTILE.values(), ids=HOSTILE)
def test_what_is_no_record_is_refused(send: Send, body: bytes, kind: str, status: int) -> None:
    assert send(body, kind)[0] == status
