"""What a client is told to do next is something that a client can do."""

import ast
import re
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from pressmark.api.service.hints import over_http

COMMAND = re.compile(r"pressmark [a-z]+")
#: What only works beside the registry's files.
OPERATOR = "backup|fsck|gc|init|pull|push|reindex|restore|demo|head|check|reproduce"


def texts() -> Iterator[str]:
    """Every text of the packages below that names a command and is no docstring."""
    for package in ("registry", "compression"):
        for path in Path(str(files(f"pressmark.{package}"))).rglob("*.py"):
            tree = ast.parse(path.read_text())
            told = {
                id(node.body[0].value)
                for node in ast.walk(tree)
                if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
                if node.body and isinstance(node.body[0], ast.Expr)
            }
            values = (
                node.value
                for node in ast.walk(tree)
                if isinstance(node, ast.Constant) and id(node) not in told
            )
            yield from (v for v in values if isinstance(v, str) and COMMAND.search(v))


@pytest.mark.parametrize("text", sorted(set(texts())))
def test_no_hint_names_a_command_that_a_client_does_not_have(text: str) -> None:
    said = over_http(text)
    left = COMMAND.findall(said)
    assert all(re.fullmatch(f"pressmark ({OPERATOR})", command) for command in left), said
    assert said.startswith("whoever runs the server") == bool(left)


def test_there_are_such_texts() -> None:
    assert len(set(texts())) > 30


@pytest.mark.parametrize(
    ("command", "request_"),
    [
        ("`pressmark ls` lists the artifacts", "GET /v1/artifacts lists the artifacts"),
        ("see pressmark ls --runs", "see GET /v1/runs"),
        ("pressmark query lists the questions", "GET /v1/queries lists the questions"),
        ("pressmark query descriptions lists", "GET /v1/queries/descriptions lists"),
        ("pressmark query failed_steps", "GET /v1/queries/failed_steps"),
        ("go on: pressmark run --resume urn:uuid:1-2", "go on: POST /v1/runs/urn:uuid:1-2/resume"),
        ("pressmark fsck --repair", "whoever runs the server can help: pressmark fsck --repair"),
        ("`pressmark token create` makes one", "`pressmark token create` makes one"),
        ("give more digits", "give more digits"),
    ],
)
def test_a_command_becomes_the_request_that_does_the_same(command: str, request_: str) -> None:
    assert over_http(command) == request_


def test_hints_are_answered_so(client: TestClient) -> None:
    hint = client.get("/v1/artifacts/nothing-of-this-name").json()["hint"]
    assert "GET /v1/artifacts" in hint
    assert "pressmark" not in hint


def test_a_full_disk_is_told_as_such(app: FastAPI, client: TestClient) -> None:
    def write() -> None:
        with Path("/dev/full").open("wb", buffering=0) as full:
            full.write(b"x")

    def misplaced() -> None:
        Path("/dev/full/x").touch()

    app.router.add_api_route("/full", write)
    app.router.add_api_route("/misplaced", misplaced)
    answer = client.get("/full")
    assert (answer.status_code, answer.json()["type"]) == (507, "urn:pressmark:problem:StorageFull")
    with pytest.raises(NotADirectoryError):
        client.get("/misplaced")
