"""HEAD: what GET would answer, without its content (RFC 9110 section 9.3.2)."""

from typing import Final

from fastapi import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_KEY: Final = "pressmark.head"


def wants_no_content(request: Request) -> bool:
    """Whether a route may leave out its answer's content, since nobody will see it."""
    return _KEY in request.scope


class Heads:
    """ASGI middleware that answers HEAD by whatever answers GET.

    Args:
        app: What answers.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            return await self._app(scope, receive, send)

        async def without_content(message: Message) -> None:
            if message["type"] == "http.response.start":  # what follows may never end
                await send(message)
                await send({"type": "http.response.body", "body": b"", "more_body": False})

        await self._app({**scope, "method": "GET", _KEY: True}, receive, without_content)
