"""Errors as pages for browsers; everybody else gets the problem details that say the same."""

import json
from collections.abc import Awaitable, Callable
from typing import Any, Final

from fastapi import FastAPI, Request, Response
from fastapi.responses import RedirectResponse

from pressmark.api.pages.access import LoginNeededError
from pressmark.api.pages.rendering import page
from pressmark.api.service.problems import MEDIA_TYPE

_Handler = Callable[[Request, Any], Awaitable[Response]]
_TITLES: Final = {
    401: "Log in first",
    403: "Not allowed",
    404: "Not found",
    405: "Not found",
    409: "Several things have this name",
    413: "Too much",
    422: "That does not fit",
    503: "Not now",
}


def add_to(app: FastAPI) -> None:
    """Shows the problems that an application's handlers describe as pages, to browsers."""
    for kind, handler in list(app.exception_handlers.items()):
        app.exception_handlers[kind] = _for_people(handler)  # type: ignore[arg-type]

    @app.exception_handler(LoginNeededError)
    async def login_needed(_: Request, error: LoginNeededError) -> Response:
        return RedirectResponse(error.address, 303)


def wants_page(request: Request) -> bool:
    """Whether a browser asks: the first type that it accepts is HTML (RFC 9110 section 12.5.1)."""
    first = request.headers.get("accept", "").partition(",")[0].partition(";")[0]
    return first.strip().lower() in ("text/html", "application/xhtml+xml")


def _for_people(handler: _Handler) -> _Handler:
    async def handled(request: Request, error: Exception) -> Response:
        answer = await handler(request, error)
        if not wants_page(request) or answer.headers.get("content-type") != MEDIA_TYPE:
            return answer
        return _page(request, answer)

    return handled


def _page(request: Request, answer: Response) -> Response:
    problem = json.loads(bytes(answer.body))
    title = _TITLES.get(answer.status_code, "That went wrong")
    shown = page(request, "failure", answer.status_code, title=title, problem=problem)
    for name in ("retry-after", "www-authenticate", "allow"):
        if name in answer.headers:
            shown.headers[name] = answer.headers[name]
    return shown
