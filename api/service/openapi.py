"""The OpenAPI description, completed with what is true of every route.

Each route describes its own answers; that a request may be malformed, refused, too long or too
slow holds for all of them, and is said here once, so that a new route is described as well.
"""

from collections.abc import Iterator
from typing import Any, Final

from fastapi import FastAPI

from pressmark.api.service.problems import MEDIA_TYPE, Problem

_METHODS: Final = frozenset({"get", "put", "post", "delete", "patch"})
_EVERY: Final = {
    "400": "The request is malformed",
    "406": "Nothing that the client accepts can be given",
    "422": "The request does not fit this description, or what is here",
    "429": "The client asks too often",
    "503": "The service is busy",
}
_KNOWN: Final = {
    "401": "Nobody is known by the token",
    "403": "The token's scope is too small",
}
_WITH_BODY: Final = {
    "408": "The body came too slowly",
    "413": "The body is too long",
    "415": "The body has a type that is not read",
}
_HEADERS: Final = {
    "401": {"WWW-Authenticate": "How to say who asks (RFC 6750 section 3)."},
    "429": {"Retry-After": "Seconds to wait."},
}
_PROBLEM: Final = {"schema": {"$ref": "#/components/schemas/Problem"}}


def describe(app: FastAPI) -> None:
    """Makes the application's description complete."""
    plain = app.openapi

    def described() -> dict[str, Any]:
        return app.openapi_schema or _completed(plain())

    app.openapi = described  # type: ignore[method-assign]


def _completed(description: dict[str, Any]) -> dict[str, Any]:
    schemas = description.setdefault("components", {}).setdefault("schemas", {})
    for operation in _operations(description):
        _add_problems(operation)
    for replaced in ("HTTPValidationError", "ValidationError"):
        schemas.pop(replaced, None)
    problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas |= problem.pop("$defs")
    schemas["Problem"] = problem
    return description


def _operations(description: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for path in description["paths"].values():
        yield from (operation for method, operation in path.items() if method in _METHODS)


def _add_problems(operation: dict[str, Any]) -> None:
    answers = operation["responses"]
    common = dict(_EVERY)
    common |= _KNOWN if "security" in operation else {}
    common |= _WITH_BODY if "requestBody" in operation else {}
    for status, meaning in common.items():
        answers.setdefault(status, {"description": meaning})
    for status, answer in answers.items():
        if status >= "400":
            _describe_problem(status, answer)


def _describe_problem(status: str, answer: dict[str, Any]) -> None:
    content = answer.setdefault("content", {})
    content.pop("application/json", None)  # what the framework says of its own errors
    content[MEDIA_TYPE] = _PROBLEM
    for name, meaning in _HEADERS.get(status, {}).items():
        header = {"description": meaning, "required": True, "schema": {"type": "string"}}
        answer.setdefault("headers", {})[name] = header
