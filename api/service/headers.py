"""Headers that every answer has, whatever route gave it."""

from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

#: What keeps browsers from doing harm.
SECURITY: Final = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cache-Control": "private, no-cache",
}


class SecurityHeaders:
    """Adds headers that keep browsers from doing harm, where a route did not set its own.

    What stands in the request's ``state.headers`` is added as well. It speaks ASGI itself:
    Starlette's base class for middleware moves each answer through a queue and two tasks, which
    costs more than most routes do.

    Args:
        app: The application that answers.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "http":
            send = _with_headers(send, scope.setdefault("state", {}).setdefault("headers", {}))
        await self._app(scope, receive, send)


def _with_headers(send: Send, more: dict[str, str]) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in (SECURITY | more).items():
                headers.setdefault(name, value)
        await send(message)

    return sending
