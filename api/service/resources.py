"""How a value becomes an answer: its JSON, its entity tag, and the links that lead on."""

import hashlib
import json
from typing import Annotated, Any, Final

from fastapi import Path, Request, Response
from pydantic import BeforeValidator, JsonValue

from pressmark.api.plain import plain
from pressmark.registry.lifecycle import NAME_PATTERN

Name = Annotated[str, Path(max_length=200, examples=["prod"])]
"""An alias, a tag, or any name of an artifact, in a path."""

NAME: Final[dict[str, JsonValue]] = {"pattern": f"^(?![0-9A-Fa-f-]{{4,}}$){NAME_PATTERN}$"}
"""Of a JSON schema: what the registry takes as a name. It alone refuses, with a better reason."""


def _integer(value: object) -> object:
    """JSON's integers (JSON Schema section 6.1.1): 1.0 is one, neither true nor "1" is."""
    if isinstance(value, bool | str):
        raise ValueError(f"a whole number is needed, not {value!r}")
    return value


Integer = Annotated[int, BeforeValidator(_integer)]
"""A whole number in the body of a request."""

NewName = Annotated[
    str,
    Path(
        description="Letters, digits, '.', '_', '-' and '/'; nothing that a UUID could begin with.",
        examples=["prod"],
        json_schema_extra=NAME,
    ),
]
"""A name to be given, in a path."""


def json_answer(request: Request, value: object, links: tuple[str, ...] = ()) -> Response:
    """Answers with a value as JSON, or with 304 where the client has these bytes already.

    Args:
        request: What was asked.
        value: Anything that `plain` turns into JSON.
        links: Values of the Link header (RFC 8288).
    """
    body = json.dumps(plain(value), ensure_ascii=False, separators=(",", ":")).encode()
    return tagged(request, body, "application/json", links)


def tagged(request: Request, body: bytes, kind: str, links: tuple[str, ...] = ()) -> Response:
    """Answers with bytes and their entity tag (RFC 9110 sections 8.8.3 and 13.1.2)."""
    headers = {
        "ETag": f'"{hashlib.sha256(kind.encode() + body).hexdigest()[:32]}"',
        "Vary": "Accept, Authorization, Cookie",
    }
    if links:
        headers["Link"] = ", ".join(links)
    if matches(request.headers.get("if-none-match", ""), headers["ETag"]):
        return Response(status_code=304, headers=headers)
    return Response(body, headers=headers, media_type=kind)


def matches(condition: str, etag: str) -> bool:
    """Whether an If-None-Match condition names an entity tag, compared weakly."""
    named = (each.strip().removeprefix("W/") for each in condition.split(","))
    return condition.strip() == "*" or etag in named


def answers(model: Any, *statuses: int) -> dict[int | str, dict[str, Any]]:
    """The OpenAPI description of a route's answers: its model, and the problems that may occur."""
    described: dict[int | str, dict[str, Any]] = {
        status: {"description": _MEANINGS[status], "content": {"application/problem+json": {}}}
        for status in (400, 401, 403, *statuses)
    }
    described[200] = {"model": model, "description": "The answer"}
    described[304] = {"description": "The client has it already"}
    return described


_MEANINGS = {
    400: "The request is malformed",
    401: "Nobody is known by the token",
    403: "The token's scope is too small",
    404: "Nothing is known under this name",
    406: "No format that is accepted can be given",
    413: "The body is too long",
    415: "The body has a type that is not read",
    409: "The name fits several things, or what it means is in no state for this",
    416: "The range lies outside of the file",
    422: "The request does not fit this description",
    501: "A package that this needs is not installed here",
    502: "What is called for it gives no answer",
    503: "Too much is under way; try again later",
}
