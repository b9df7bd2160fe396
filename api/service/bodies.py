"""What a request's body may be, before anything reads it: how long, and how slow.

Every body has the common limit unless its route allows another, so that no route can forget it.
What is announced as too long (Content-Length) is refused without reading a byte of it.
"""

import asyncio
import time
from typing import Final

from fastapi import Request
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pressmark.api.errors import SlowBodyError, TooLargeError
from pressmark.api.service.settings import RequestLimits

_KEY: Final = "pressmark.body"


def allow_body(request: Request, longest: int) -> None:
    """Lets a request's body be longer, or only shorter, than the common limit, before it is read.

    Args:
        request: The request.
        longest: Bytes.
    """
    body: _Body = request.scope[_KEY]
    body.longest = longest


async def limited_body(request: Request, longest: int) -> bytes:
    """Reads a request's body of at most so many bytes.

    Raises:
        TooLargeError: It is longer.
        SlowBodyError: It comes too slowly.
    """
    allow_body(request, longest)
    return await request.body()


class BodyLimits:
    """ASGI middleware that limits bodies.

    Args:
        app: What answers.
        limits: What a body may be.
    """

    def __init__(self, app: ASGIApp, limits: RequestLimits) -> None:
        self._app = app
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        announced = Headers(scope=scope).get("content-length", "")
        body = _Body(receive, self._limits, int(announced) if announced.isdecimal() else 0)
        scope[_KEY] = body

        async def noted(message: Message) -> None:
            body.is_answered = True
            await send(message)

        await self._app(scope, body.receive, noted)


class _Body:
    """A body as it arrives."""

    def __init__(self, receive: Receive, limits: RequestLimits, announced: int) -> None:
        self.longest = limits.body_bytes
        self.is_answered = False
        self._receive = receive
        self._limits = limits
        self._announced = announced
        self._size = 0
        self._is_over = False
        self._waited, self._came = 0.0, 0

    async def receive(self) -> Message:
        if self._is_over:
            return await self._receive()  # which waits for the end of the connection
        try:
            return await self._next()
        except (TooLargeError, SlowBodyError):
            if (
                self.is_answered
            ):  # whoever still reads only wants to know whether the client is there
                return {"type": "http.disconnect"}
            raise

    async def _next(self) -> Message:
        self._refuse_longer(self._announced)
        began = time.monotonic()
        try:
            message = await asyncio.wait_for(self._receive(), self._limits.idle_seconds)
        except TimeoutError:
            raise _slow() from None
        self._is_over = not message.get("more_body", False)
        self._size += (count := len(message.get("body", b"")))
        self._refuse_longer(self._size)
        self._refuse_slow(time.monotonic() - began, count)
        return message

    def _refuse_longer(self, size: int) -> None:
        if size > self.longest:
            raise TooLargeError(
                f"this request may have a body of {self.longest:,} bytes",
                "send files in pieces: POST /v1/uploads",
            )

    def _refuse_slow(self, waited: float, count: int) -> None:
        """Only the time that was spent waiting counts: a busy server is not the client's fault."""
        self._waited += waited
        self._came += count
        if self._waited < self._limits.idle_seconds or self._is_over:
            return
        if self._came < self._waited * self._limits.bytes_per_second:
            raise _slow()
        self._waited, self._came = 0.0, 0


def _slow() -> SlowBodyError:
    return SlowBodyError(
        "the body comes too slowly",
        "what arrived of an upload is kept: GET it for its offset, and go on from there",
    )
