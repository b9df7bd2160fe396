"""Errors as RFC 9457 problem details: each class of error has one HTTP status, said here once."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from fastapi import FastAPI, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.routing import Match

from pressmark.api.errors import RequestError
from pressmark.api.service.headers import SECURITY
from pressmark.api.service.hints import over_http
from pressmark.api.service.refusals import STATUSES, Refusals
from pressmark.compression.errors import RecipeError
from pressmark.registry import errors as registry
from pressmark.registry.graph import is_full

MEDIA_TYPE: Final = "application/problem+json"
_METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")

# The first class that fits decides, so a subclass stands before its parent.
_STATUS: Final[tuple[tuple[type[registry.PressmarkError], int], ...]] = (
    (registry.NotFoundError, 404),
    (registry.AmbiguousNameError, 409),
    (registry.ConflictError, 409),
    (registry.InvalidInputError, 400),
    (registry.RecordRefusedError, 422),
    (registry.StorageFullError, 507),
    (registry.StoreLockedError, 503),
    (registry.StoreError, 500),
    (registry.BlobMissingError, 404),
    (registry.BlobDamagedError, 422),
    (registry.MissingPackageError, 501),
)


def status_of(error: registry.PressmarkError) -> int:
    """The HTTP status for an error."""
    if isinstance(error, RequestError):
        return error.status
    return next((status for kind, status in _STATUS if isinstance(error, kind)), 422)


class Violation(BaseModel):
    """One reason why a record does not conform."""

    model_config = ConfigDict(extra="forbid")

    focus: str
    path: str
    shape: str
    message: str
    value: str


class RecipeProblem(BaseModel):
    """One reason why a recipe is refused."""

    model_config = ConfigDict(extra="forbid")

    line: int | None
    detail: str
    hint: str


class Mistake(BaseModel):
    """One place in which a request does not fit the description."""

    model_config = ConfigDict(extra="forbid")

    where: str
    what: str


class Problem(BaseModel):
    """What went wrong, and what to do (RFC 9457 section 3)."""

    model_config = ConfigDict(extra="forbid")

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    instance: str
    hint: str = ""
    command_hint: str = Field(
        default="", description="The hint for `pressmark --server`, where commands do the same."
    )
    violations: tuple[Violation, ...] = ()
    problems: tuple[RecipeProblem, ...] = ()
    errors: tuple[Mistake, ...] = ()

    def answer(self, headers: Mapping[str, str] | None = None) -> JSONResponse:
        """The problem as an answer."""
        body = self.model_dump(exclude_unset=True)
        return JSONResponse(body, self.status, headers, MEDIA_TYPE)


def problem(error: registry.PressmarkError, instance: str) -> JSONResponse:
    """An error as a problem: what happened, what to do, and for records every violation."""
    status = status_of(error)
    said = Problem(
        type=f"urn:pressmark:problem:{type(error).__name__.removesuffix('Error')}",
        title=(type(error).__doc__ or "").partition("\n")[0].rstrip("."),
        status=status,
        detail=error.message,
        instance=instance,
        hint=over_http(error.hint),
    )
    if said.hint != error.hint:
        said.command_hint = error.hint
    if isinstance(error, registry.RecordRefusedError):
        said.violations = tuple(Violation(**vars(each)) for each in error.violations)
    if isinstance(error, RecipeError):
        said.problems = tuple(
            RecipeProblem(line=each.line, detail=each.message, hint=over_http(each.hint))
            for each in error.problems or (error,)
        )
    return said.answer(_headers(error, status))


def _headers(error: registry.PressmarkError, status: int) -> dict[str, str]:
    headers = {}
    if (retry := getattr(error, "retry_after", None)) is not None:
        headers["Retry-After"] = str(retry)
    if status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"  # RFC 6750 section 3
    if status == HTTPStatus.REQUEST_TIMEOUT:
        headers["Connection"] = "close"  # RFC 9110 section 15.5.9
    return headers


def add_handlers(app: FastAPI) -> None:
    """Makes everything that a route raises a problem."""

    @app.exception_handler(registry.PressmarkError)
    async def known(request: Request, error: registry.PressmarkError) -> JSONResponse:
        if (status := status_of(error)) in STATUSES:
            refusals: Refusals = request.app.state.refusals
            await run_in_threadpool(refusals.note, request, status, error.message)
        return problem(error, request.url.path)

    app.add_exception_handler(OSError, _failing)

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> JSONResponse:
        if isinstance(error.__cause__, registry.PressmarkError):  # raised while a body was read
            return await known(request, error.__cause__)
        headers = dict(error.headers or {})
        if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            headers["Allow"] = ", ".join(_allowed(request))
        said = Problem(
            type="about:blank",
            title=error.detail,
            status=error.status_code,
            detail=f"{request.method} {request.url.path}: {error.detail}",
            instance=request.url.path,
            hint="GET /openapi.json describes what can be asked",
        )
        return said.answer(headers)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        if _is_undescribed(request):  # a path with parameters took it
            return await http(request, HTTPException(HTTPStatus.METHOD_NOT_ALLOWED))
        wrong = tuple(
            Mistake(where=".".join(map(str, each["loc"])), what=each["msg"])
            for each in error.errors()
        )
        return Problem(
            type="urn:pressmark:problem:InvalidRequest",
            title="The request does not fit the OpenAPI description",
            status=422,
            detail="; ".join(f"{each.where}: {each.what}" for each in wrong),
            instance=request.url.path,
            errors=wrong,
        ).answer()

    @app.exception_handler(Exception)
    async def defect(request: Request, _: Exception) -> JSONResponse:
        return Problem(
            type="urn:pressmark:problem:Defect",
            title="A defect of Pressmark itself",
            status=500,
            detail="the request could not be answered; the server's log tells why",
            instance=request.url.path,
            hint="please report it",
        ).answer(SECURITY)


async def _failing(request: Request, error: Exception) -> JSONResponse:
    """A full disk is nobody's defect; whatever else the system refuses is."""
    if not (isinstance(error, OSError) and is_full(error)):
        raise error
    full = registry.StorageFullError(
        "the server's disk has no space left; nothing was kept",
        "send it again when whoever runs the server has made room",
    )
    return problem(full, request.url.path)


def _is_undescribed(request: Request) -> bool:
    """Whether a path is described as it stands, and does not have the method that was asked."""
    described = request.app.openapi()["paths"].get(request.url.path)
    return described is not None and request.method.lower() not in {*described, "head"}


def _allowed(request: Request) -> list[str]:
    """The methods that a path has, over all of its routes (RFC 9110 section 10.2.1)."""
    if described := request.app.openapi()["paths"].get(request.url.path):
        return [method for method in _METHODS if method.lower() in described]
    return [
        method
        for method in _METHODS
        if any(
            route.matches({**request.scope, "method": method})[0] is Match.FULL
            for route in request.app.routes
        )
    ]
