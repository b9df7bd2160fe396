"""``/login`` and ``/logout``: a token is shown once, and a session begins."""

import secrets
from datetime import UTC, datetime
from typing import Annotated, Final

from fastapi import APIRouter, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import RedirectResponse

from pressmark.api.errors import UnauthorizedError
from pressmark.api.pages.access import Form
from pressmark.api.pages.rendering import page
from pressmark.api.service.refusals import Refusals
from pressmark.api.service.security import known
from pressmark.api.service.sessions import COOKIE, LIFETIME, Sessions, form_secret
from pressmark.api.service.tokens import Principal

routes = APIRouter()
Next = Annotated[str, Query(max_length=4000)]
_STATUS: Final = 401


@routes.get("/login")
def show(request: Request, next: Next = "/") -> Response:  # noqa: A002
    """The form; its secret belongs to this browser before anybody is logged in."""
    return _form(request, request.cookies.get(COOKIE) or secrets.token_urlsafe(32), next)


@routes.post("/login")
async def log_in(request: Request, form: Form) -> Response:
    """Begins a session under a new name, and goes on to where the visitor wanted to go."""
    token, after = form.get("token", "").strip(), form.get("next", "/")
    try:
        if not token:
            raise UnauthorizedError("no token was given", "paste the token that you were given")
        principal = await run_in_threadpool(known, request, token)
    except UnauthorizedError as error:
        refusals: Refusals = request.app.state.refusals
        await run_in_threadpool(refusals.note, request, error.status, error.message)
        return _form(request, request.cookies[COOKIE], after, error)
    name = await run_in_threadpool(_begin, request, token, principal)
    answer = RedirectResponse(_local(after), 303)
    _set_cookie(request, answer, name)
    return answer


@routes.post("/logout")
async def log_out(request: Request, _: Form) -> Response:
    """Ends the session."""
    sessions: Sessions = request.app.state.sessions
    await run_in_threadpool(sessions.end, request.cookies[COOKIE])
    answer = RedirectResponse("/login", 303)
    answer.delete_cookie(COOKIE, path="/")
    return answer


def _begin(request: Request, token: str, principal: Principal) -> str:
    sessions: Sessions = request.app.state.sessions
    sessions.end(request.cookies[COOKIE])
    return sessions.begin(token, principal, datetime.now(UTC))


def _form(
    request: Request, name: str, after: str, error: UnauthorizedError | None = None
) -> Response:
    status = _STATUS if error else 200
    answer = page(
        request, "login", status, after=_local(after), secret=form_secret(name), error=error
    )
    if not error:
        _set_cookie(request, answer, name)
    return answer


def _set_cookie(request: Request, answer: Response, name: str) -> None:
    answer.set_cookie(
        COOKIE,
        name,
        max_age=int(LIFETIME.total_seconds()),
        path="/",
        secure=_is_encrypted(request),
        httponly=True,
        samesite="strict",
    )


def _is_encrypted(request: Request) -> bool:
    """Whether clients come by TLS, to this server or to the proxy in front of it."""
    public = request.app.state.settings.public_url
    return "https" in (request.url.scheme, public.scheme if public else "")


def _local(address: str) -> str:
    """An address of this service; anything else would lead people away from it."""
    is_path = address.startswith("/") and not address.startswith(("//", "/\\"))
    return address if is_path and address.isprintable() else "/"
