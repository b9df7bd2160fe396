"""Reading artifacts over HTTP: the same facts as the registry gives, and the same bytes."""

import hashlib
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from pressmark.api.plain import plain
from pressmark.api.schemas import schema
from pressmark.api.service.artifacts import ArtifactPage
from pressmark.registry.lineage_page import LineagePage, lineage_page
from pressmark.registry.registry import Registry
from pressmark.registry.search import resolve
from pressmark.registry.views import ArtifactView, view


def test_pages_give_every_artifact_once(client: TestClient) -> None:
    everything = client.get("/v1/artifacts").json()["artifacts"]
    assert [one["name"] for one in everything] == ["int8", "pruned", "base"]
    names, address = [], "/v1/artifacts?limit=1"
    while address:
        answer = client.get(address)
        schema(ArtifactPage).model_validate(answer.json())
        names += [one["name"] for one in answer.json()["artifacts"]]
        address = answer.links.get("next", {}).get("url", "")
    assert names == ["int8", "pruned", "base"]


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("kind=PrunedModel", ["pruned"]),
        ("name=b*", ["base"]),
        ("parameter=sparsity%3D0.5", ["pruned"]),
        ("tag=none", []),
    ],
)
def test_filters(client: TestClient, query: str, names: list[str]) -> None:
    found = client.get(f"/v1/artifacts?{query}").json()["artifacts"]
    assert [one["name"] for one in found] == names


def test_one_artifact_is_what_the_registry_knows(client: TestClient, chain: Path) -> None:
    answer = client.get("/v1/artifacts/int8")
    schema(ArtifactView).model_validate(answer.json())
    with Registry.open(chain) as registry:
        assert answer.json() == plain(view(registry, resolve(registry, "int8")))
    assert 'rel="http://www.w3.org/ns/prov#has_provenance"' in answer.headers["link"]


def test_lineage_is_what_the_registry_knows(client: TestClient, chain: Path) -> None:
    answer = client.get("/v1/artifacts/int8/lineage")
    schema(LineagePage).model_validate(answer.json())
    with Registry.open(chain) as registry:
        assert answer.json() == plain(lineage_page(registry, resolve(registry, "int8")))
    both = client.get("/v1/artifacts/pruned/lineage?direction=both&depth=1").json()
    assert {node["artifact"]["name"] for node in both["nodes"]} == {"base", "pruned", "int8"}


def test_a_lineage_comes_in_pages(client: TestClient) -> None:
    whole = client.get("/v1/artifacts/base/lineage?direction=descendants").json()
    nodes, edges = [], []
    address = "/v1/artifacts/base/lineage?direction=descendants&limit=1&format=json"
    while address:
        answer = client.get(address)
        nodes += answer.json()["nodes"]
        edges += answer.json()["edges"]
        address = answer.links.get("next", {}).get("url", "")
    assert (nodes, edges) == (whole["nodes"], whole["edges"])
    assert [one["depth"] for one in nodes] == [0, -1, -2]


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("kind=BaseModel", ["base"]),
        ("step=prune/magnitude", ["pruned"]),
        ("step=Quantize", ["int8"]),
        ("evidence=checked", ["int8", "pruned", "base"]),
        ("evidence=refuted", []),
        ("origin=declared", []),
        ("since=2020-01-01T00:00:00Z&until=2021-01-01T00:00:00%2B01:00", []),
        ("since=2020-01-01T00:00:00Z", ["int8", "pruned", "base"]),
    ],
)
def test_a_lineage_is_filtered(client: TestClient, query: str, names: list[str]) -> None:
    found = client.get(f"/v1/artifacts/int8/lineage?{query}").json()["nodes"]
    assert [one["artifact"]["name"] for one in found] == names


def test_what_did_not_change_is_not_sent_again(client: TestClient) -> None:
    first = client.get("/v1/artifacts/int8")
    again = client.get("/v1/artifacts/int8", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_a_file_comes_whole_or_in_ranges(client: TestClient) -> None:
    files = client.get("/v1/artifacts/base").json()["files"]
    for entry in files:
        address = f"/v1/artifacts/base/files/{entry['name']}"
        whole = client.get(address)
        assert hashlib.sha256(whole.content).hexdigest() == entry["sha256"]
        for wanted, expected in (
            ("bytes=3-9", whole.content[3:10]),
            ("bytes=5-", whole.content[5:]),
            ("bytes=-4", whole.content[-4:]),
            ("bytes=0-99999999999", whole.content),
        ):
            part = client.get(address, headers={"Range": wanted})
            assert (part.status_code, part.content) == (206, expected)
            assert part.headers["content-range"].endswith(f"/{entry['size']}")


def test_a_range_outside_is_refused_and_a_stale_one_gives_the_whole(client: TestClient) -> None:
    address = "/v1/artifacts/base/files/config.json"
    assert client.get(address, headers={"Range": "bytes=99999999-"}).status_code == 416
    stale = client.get(address, headers={"Range": "bytes=0-1", "If-Range": '"other"'})
    assert stale.status_code == 200
    same = client.get(address, headers={"If-None-Match": stale.headers["etag"]})
    assert same.status_code == 304


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v1/artifacts/nothing-of-this-name", 404),
        ("/v1/artifacts/base/files/../../registry.json", 404),
        ("/v1/artifacts/base/files/missing", 404),
        ("/v1/artifacts?kind=Nonsense", 400),
        ("/v1/artifacts?limit=0", 422),
        ("/v1/artifacts?after=urn:uuid:0", 404),
        ("/v1/artifacts?after=no%20iri", 400),
        ("/v1/artifacts?parameter=x", 400),
        ("/v1/artifacts/base/lineage?direction=sideways", 422),
        ("/v1/artifacts/base/lineage?since=2020-01-01T00:00:00", 422),
        ("/v1/artifacts/base/lineage?kind=Nonsense", 400),
        ("/v1/artifacts/base/lineage?after=urn:uuid:0", 404),
        ("/v1/artifacts/base/lineage?depth=0", 422),
    ],
)
def test_a_wrong_request_is_a_problem(client: TestClient, path: str, status: int) -> None:
    answer = client.get(path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == status


def test_a_path_on_the_server_s_disk_is_no_name(client: TestClient, tmp_path: Path) -> None:
    answer = client.get(f"/v1/artifacts/{str(tmp_path).replace('/', '%2F')}")
    assert answer.status_code == 404
    assert "bytes" not in answer.text


def test_two_artifacts_are_compared(client: TestClient) -> None:
    found = client.get("/v1/artifacts/base/diff/pruned").json()
    assert {change["status"] for change in found["tensors"]} >= {"changed"}


def test_verification_finds_a_flipped_byte(client: TestClient, tmp_path: Path) -> None:
    assert client.get("/v1/artifacts/int8/verification").json()
    objects = sorted((tmp_path / "registry" / "blobs" / "objects").rglob("*"), key=size)
    data = bytearray(objects[-1].read_bytes())
    data[-1] ^= 1
    objects[-1].chmod(0o644)
    objects[-1].write_bytes(bytes(data))
    found = client.get("/v1/artifacts/int8/verification").json()
    assert any(check["findings"] for check in found["checks"])


def size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0
