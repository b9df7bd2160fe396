"""Who looks at a page, and whether a form was sent from one."""

import hmac
from dataclasses import dataclass
from typing import Annotated, Final
from urllib.parse import parse_qsl, quote

from fastapi import Depends, Request

from pressmark.api.errors import ForbiddenError, RequestError, UnauthorizedError
from pressmark.api.service.bodies import limited_body
from pressmark.api.service.security import admit, known, session_of
from pressmark.api.service.sessions import COOKIE, form_secret
from pressmark.api.service.tokens import Principal, Scope

FIELD: Final = "form_secret"
"""The hidden field of every form that changes something."""

_LONGEST_FORM: Final = 1 << 20


class LoginNeededError(RequestError):
    """This page is for those only who are known."""

    status = 401

    def __init__(self, request: Request) -> None:
        super().__init__("this page is for those only whom this service knows", "log in")
        here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        self.address = "/login" if here == "/" else f"/login?next={quote(here, safe='')}"


@dataclass(frozen=True)
class Visitor:
    """Who looks at a page.

    Attributes:
        principal: Who, and what they may do.
        name: What people call them; "" for somebody anonymous.
        secret: What forms carry.
    """

    principal: Principal
    name: str
    secret: str

    @property
    def may_write(self) -> bool:
        """Whether they may change anything."""
        return self.principal.scope >= Scope.WRITE


def visitor(request: Request) -> Visitor:
    """Who looks at a page: whoever is logged in, shows a token, or is let in without.

    Raises:
        LoginNeededError: Nobody who is known.
    """
    if found := session_of(request):
        seen = Visitor(found.principal, found.name, form_secret(request.cookies[COOKIE]))
    else:
        seen = Visitor(_principal(request), "", "")
    if not hasattr(request.state, "principal"):  # a route of the API has counted it already
        admit(request, seen.principal)
    request.state.visitor = seen
    return seen


def _principal(request: Request) -> Principal:
    kind, _, token = request.headers.get("authorization", "").partition(" ")
    try:
        return known(request, token if kind.lower() == "bearer" else None)
    except UnauthorizedError:
        raise LoginNeededError(request) from None


async def sent_form(request: Request) -> dict[str, str]:
    """The fields of a form that was sent from a page of this service to this browser.

    Raises:
        ForbiddenError: It was sent from elsewhere.
        TooLargeError: It is longer than any form here.
    """
    body = await limited_body(request, _LONGEST_FORM)
    fields = dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
    expected = form_secret(request.cookies.get(COOKIE, ""))
    sent = fields.pop(FIELD, "").encode()
    site = request.headers.get("sec-fetch-site", "same-origin")
    known = COOKIE in request.cookies and hmac.compare_digest(sent, expected.encode())
    if not known or site != "same-origin":
        raise ForbiddenError(
            "this form was not sent from a page of this service, or the page is too old",
            "load the page again, and send the form from there",
        )
    return fields


Seen = Annotated[Visitor, Depends(visitor)]
"""Whoever looks at a page."""

Form = Annotated[dict[str, str], Depends(sent_form)]
"""The fields of a form that changes something."""
