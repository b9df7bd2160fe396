"""RFC 9457 problems as the errors that they were on the server.

So a command ends with the message, the hint and the exit status that it has beside the registry.
"""

from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any, Final

from pressmark.api import errors as api
from pressmark.api.plain import UnexpectedShapeError, rebuilt
from pressmark.compression import errors as compression
from pressmark.registry import errors as registry
from pressmark.registry.errors import PressmarkError

_TYPE: Final = "urn:pressmark:problem:"
_BY_STATUS: Final[Mapping[int, type[PressmarkError]]] = {
    HTTPStatus.UNAUTHORIZED: api.UnauthorizedError,
    HTTPStatus.FORBIDDEN: api.ForbiddenError,
    HTTPStatus.NOT_FOUND: registry.NotFoundError,
    HTTPStatus.TOO_MANY_REQUESTS: api.BusyError,
    HTTPStatus.INSUFFICIENT_STORAGE: registry.StorageFullError,
}


def error_of(status: int, problem: Mapping[str, Any]) -> PressmarkError:
    """The error that a problem was on the server.

    Args:
        status: The HTTP status.
        problem: The members of the problem; none where the answer was no problem.
    """
    kind = _named(str(problem.get("type", ""))) or _BY_STATUS.get(status) or _general(status)
    message = problem.get("detail") or problem.get("title") or _phrase(status)
    # Each class of error makes its message from other arguments; here it is made already.
    error = kind.__new__(kind)
    PressmarkError.__init__(
        error, str(message), str(problem.get("command_hint") or problem.get("hint", ""))
    )
    if isinstance(error, registry.RecordRefusedError):
        error.violations = tuple(_violations(problem))
    if isinstance(error, compression.RecipeError):
        error.file, error.line = None, None
        error.problems = tuple(_recipe_problems(problem))
    return error


def _named(name: str) -> type[PressmarkError] | None:
    wanted = f"{name.removeprefix(_TYPE)}Error" if name.startswith(_TYPE) else ""
    return next((kind for kind in _descendants(PressmarkError) if kind.__name__ == wanted), None)


def _descendants(kind: type[PressmarkError]) -> Iterator[type[PressmarkError]]:
    for child in kind.__subclasses__():
        yield child
        yield from _descendants(child)


def _general(status: int) -> type[PressmarkError]:
    server_s = status >= HTTPStatus.INTERNAL_SERVER_ERROR
    return registry.StoreError if server_s else api.RequestError


def _phrase(status: int) -> str:
    known = status in {each.value for each in HTTPStatus}
    return f"the server answered {status}" + (f" {HTTPStatus(status).phrase}" if known else "")


def _violations(problem: Mapping[str, Any]) -> list[registry.Violation]:
    try:
        return rebuilt(list[registry.Violation], problem.get("violations", []))
    except UnexpectedShapeError:
        return []


def _recipe_problems(problem: Mapping[str, Any]) -> Iterator[compression.RecipeError]:
    told = problem.get("problems", ())
    for each in told if isinstance(told, list) and len(told) > 1 else ():
        error = compression.RecipeError(str(each.get("detail", "")), str(each.get("hint", "")))
        error.line = each.get("line")
        yield error
