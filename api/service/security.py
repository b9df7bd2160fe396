"""Who is asking, and may they: bearer tokens in front of every route.

A browser that is logged in shows its session's cookie instead, which counts for reading only.
Each route names the scope that it needs by depending on `needs`; a test goes through all of them.
"""

import hashlib
import secrets
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Annotated, Final

from fastapi import Depends, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from pressmark.api.errors import ForbiddenError, UnauthorizedError
from pressmark.api.service.oidc import Oidc
from pressmark.api.service.rates import address, spend
from pressmark.api.service.sessions import COOKIE, Session, Sessions
from pressmark.api.service.tokens import Principal, Scope, Tokens
from pressmark.registry import descriptions, environment
from pressmark.registry.occurrences import Circumstances

ANONYMOUS: Final = Principal("", Scope.READ)
SAFE: Final = frozenset({"GET", "HEAD"})
"""The methods that change nothing (RFC 9110 section 9.2.1) and have routes."""
_BEARER = HTTPBearer(auto_error=False, description="A token from `pressmark token create`.")


class Gate:
    """Tells who is asking.

    Args:
        tokens: The tokens that are known.
        oidc: Who tells whom others vouch for.
        anonymous: Whether anybody may read.
    """

    def __init__(
        self, tokens: Tokens, oidc: Oidc | None = None, *, anonymous: bool = False
    ) -> None:
        self._tokens = tokens
        self._oidc = oidc
        self._anonymous = anonymous
        self._own: dict[bytes, Principal] = {}

    def admit(self, principal: Principal) -> str:
        """Makes a token for a process of the service's own, valid for as long as this one runs."""
        token = secrets.token_urlsafe(32)
        self._own[_digest(token)] = principal
        return token

    def asks_others(self, token: str) -> bool:
        """Whether an issuer may have to be asked about a token, which takes its time."""
        return self._oidc is not None and self._oidc.reads(token)

    def principal(self, token: str | None) -> Principal:
        """Who a token stands for; without one, an anonymous reader where that is allowed.

        Raises:
            UnauthorizedError: Nobody.
            ForbiddenError: Somebody who may do nothing here.
            BusyError: Whoever vouches for them does not answer.
        """
        if token and (own := self._own.get(_digest(token))):
            return own
        if token and self.asks_others(token):
            assert self._oidc is not None
            return self._oidc.principal(token)
        if token:
            return self._tokens.principal(token, datetime.now(UTC))
        if self._anonymous:
            return ANONYMOUS
        raise _unknown()


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def _unknown() -> UnauthorizedError:
    return UnauthorizedError(
        "this service answers to those only whom it knows",
        "send `Authorization: Bearer TOKEN`; `pressmark token create` makes one",
    )


def needs(scope: Scope) -> Callable[..., Awaitable[Principal]]:
    """A dependency that lets those pass who have a scope.

    Raises:
        UnauthorizedError: Nobody is known by the token.
        ForbiddenError: Whoever it is has a smaller scope.
        TooManyRequestsError: Whoever it is asks too often.
    """

    # A coroutine: looking a token up takes less than the way to another thread and back.
    async def check(
        request: Request,
        credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)],
    ) -> Principal:
        principal = await _principal(request, credentials)
        if scope > Scope.READ:
            spend(request, "writes", _client(request, principal))
        if principal.scope < scope and not principal.agent:
            raise _unknown()
        if principal.scope < scope:
            raise ForbiddenError(
                f"this needs the scope {scope.name.lower()}, the token has "
                f"{principal.scope.name.lower()}",
                "ask an administrator for a token with a larger scope",
            )
        return principal

    return check


async def _principal(
    request: Request, credentials: HTTPAuthorizationCredentials | None
) -> Principal:
    """Who is asking; looked up, and counted, once for each request."""
    if not hasattr(request.state, "principal"):
        token = credentials.credentials if credentials else None
        is_safe = token is None and request.method in SAFE
        session = session_of(request) if is_safe else None
        admit(request, session.principal if session else await _found(request, token))
    return request.state.principal  # type: ignore[no-any-return]


async def _found(request: Request, token: str | None) -> Principal:
    gate: Gate = request.app.state.gate
    if token and gate.asks_others(token):
        return await run_in_threadpool(known, request, token)
    return known(request, token)


def session_of(request: Request) -> Session | None:
    """Who is logged in with the browser that asks; None if nobody is."""
    sessions: Sessions = request.app.state.sessions
    return sessions.find(request.cookies.get(COOKIE, ""), datetime.now(UTC))


def admit(request: Request, principal: Principal) -> None:
    """Counts a request, and remembers who sent it.

    Raises:
        TooManyRequestsError: It is one too many.
    """
    spend(request, "requests", _client(request, principal))
    request.state.principal = principal


def known(request: Request, token: str | None) -> Principal:
    """Who a token stands for; one that nobody is known by is counted.

    Raises:
        UnauthorizedError: Nobody.
        TooManyRequestsError: Too many such tokens came from there.
    """
    gate: Gate = request.app.state.gate
    try:
        return gate.principal(token)
    except UnauthorizedError:
        if token:
            spend(request, "failures", address(request))
        raise


async def spend_query(
    request: Request, _: Annotated[Principal, Depends(needs(Scope.READ))]
) -> None:
    """A dependency that counts a query.

    Raises:
        TooManyRequestsError: It is one too many.
    """
    count_query(request)


def count_query(request: Request) -> None:
    """Counts a query of whoever was admitted.

    Raises:
        TooManyRequestsError: It is one too many.
    """
    spend(request, "queries", _client(request, request.state.principal))


def _client(request: Request, principal: Principal) -> str:
    return principal.agent or address(request)


def circumstances_of(request: Request) -> Circumstances:
    """This machine and engine, and whoever asks, for an activity that happens now."""
    principal: Principal = request.state.principal
    return environment.circumstances(agent=descriptions.agent(principal.agent))
