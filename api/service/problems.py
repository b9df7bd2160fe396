"""Errors as RFC 9457 problem details: each class of error has one HTTP status, said here once."""

from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from pressmark.api.errors import MissingPackageError, RequestError
from pressmark.api.service.refusals import STATUSES, Refusals
from pressmark.compression.errors import RecipeError
from pressmark.registry import errors as registry

MEDIA_TYPE: Final = "application/problem+json"

# The first class that fits decides, so a subclass stands before its parent.
_STATUS: Final[tuple[tuple[type[registry.PressmarkError], int], ...]] = (
    (registry.NotFoundError, 404),
    (registry.AmbiguousNameError, 409),
    (registry.InvalidInputError, 400),
    (registry.RecordRefusedError, 422),
    (registry.StorageFullError, 507),
    (registry.StoreLockedError, 503),
    (registry.StoreError, 500),
    (registry.BlobMissingError, 404),
    (registry.BlobDamagedError, 422),
    (MissingPackageError, 501),
)


def status_of(error: registry.PressmarkError) -> int:
    """The HTTP status for an error."""
    if isinstance(error, RequestError):
        return error.status
    return next((status for kind, status in _STATUS if isinstance(error, kind)), 422)


def problem(error: registry.PressmarkError, instance: str) -> JSONResponse:
    """An error as a problem: what happened, what to do, and for records every violation."""
    body: dict[str, Any] = {
        "type": f"urn:pressmark:problem:{type(error).__name__.removesuffix('Error')}",
        "title": (type(error).__doc__ or "").partition("\n")[0].rstrip("."),
        "status": status_of(error),
        "detail": error.message,
        "instance": instance,
    }
    if error.hint:
        body["hint"] = error.hint
    if isinstance(error, registry.RecordRefusedError):
        body["violations"] = [vars(violation) for violation in error.violations]
    if isinstance(error, RecipeError):
        body["problems"] = [
            {"line": each.line, "detail": each.message, "hint": each.hint}
            for each in error.problems or (error,)
        ]
    retry = getattr(error, "retry_after", None)
    headers = {} if retry is None else {"Retry-After": str(retry)}
    if body["status"] == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"  # RFC 6750 section 3
    return JSONResponse(body, body["status"], headers, MEDIA_TYPE)


def add_handlers(app: FastAPI) -> None:
    """Makes every error that a route raises a problem."""

    @app.exception_handler(registry.PressmarkError)
    async def known(request: Request, error: registry.PressmarkError) -> JSONResponse:
        if (status := status_of(error)) in STATUSES:
            refusals: Refusals = request.app.state.refusals
            await run_in_threadpool(refusals.note, request, status, error.message)
        return problem(error, request.url.path)

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> JSONResponse:
        body = {
            "type": "about:blank",
            "title": error.detail,
            "status": error.status_code,
            "detail": f"{request.method} {request.url.path}: {error.detail}",
            "instance": request.url.path,
            "hint": "GET /openapi.json describes what can be asked",
        }
        return JSONResponse(body, error.status_code, error.headers, MEDIA_TYPE)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        wrong = [
            {"where": ".".join(map(str, each["loc"])), "what": each["msg"]}
            for each in error.errors()
        ]
        body = {
            "type": "urn:pressmark:problem:InvalidRequest",
            "title": "The request does not fit the OpenAPI description",
            "status": 422,
            "detail": "; ".join(f"{each['where']}: {each['what']}" for each in wrong),
            "instance": request.url.path,
            "errors": wrong,
        }
        return JSONResponse(body, 422, None, MEDIA_TYPE)
