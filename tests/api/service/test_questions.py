"""The packaged questions over HTTP give what the command line gives."""

from pathlib import Path

import pytest
from httpx2 import Response
from starlette.testclient import TestClient

from pressmark.registry.registry import Registry
from pressmark.registry.search import resolve


def test_the_questions_are_listed_without_those_that_only_commands_ask(client: TestClient) -> None:
    found = {q["name"]: q for q in client.get("/v1/queries").json()["questions"]}
    assert {"ancestors", "impact", "quality"} <= set(found)
    assert "artifacts_page" not in found
    assert set(found["ancestors"]["parameters"]) == {"artifact"}


def test_a_question_is_asked_by_name(client: TestClient, chain: Path) -> None:
    answer = client.get("/v1/queries/ancestors?artifact=int8")
    assert answer.headers["content-type"] == "application/sparql-results+json"
    with Registry.open(chain) as registry:
        rows = registry.rows("ancestors", artifact=resolve(registry, "int8"))
    found = [{k: v["value"] for k, v in row.items()} for row in bindings(answer)]
    assert found == [{k: v.value for k, v in row.items()} for row in rows] != []
    table = client.get("/v1/queries/ancestors?artifact=int8", headers={"Accept": "text/csv"})
    assert len(table.text.splitlines()) == 1 + len(rows)


def bindings(answer: Response) -> list[dict[str, dict[str, str]]]:
    return answer.json()["results"]["bindings"]  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("nonsense", 404),
        ("ancestors?colour=red", 400),
        ("ancestors?artifact=unknown-name", 404),
        ("ancestors?artifact=/etc/passwd", 404),
        ("used_dataset?dataset=/etc/passwd", 404),
    ],
)
def test_what_cannot_be_asked(client: TestClient, path: str, status: int) -> None:
    answer = client.get(f"/v1/queries/{path}")
    assert answer.status_code == status
    assert answer.json()["detail"]
