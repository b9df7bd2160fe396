"""What a running service says: one line for each request, and what went wrong.

A line tells the time, the method, the path without its query, the status, how long the answer took,
and the opaque identifier of whoever asked. Queries and headers are left out: they may hold secrets.
"""

import logging
import time
from typing import Final
from urllib.parse import quote

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_FORMAT: Final = "%(asctime)s.%(msecs)03dZ %(message)s"
_TIME: Final = "%Y-%m-%dT%H:%M:%S"
_LOG: Final = logging.getLogger("pressmark.service")


def configure_logs() -> None:
    """Writes one plain line for each event to standard error, with the time in UTC."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter(_FORMAT, _TIME))
    handler.formatter.converter = time.gmtime  # type: ignore[union-attr]
    for name, level in (("pressmark", logging.INFO), ("uvicorn.error", logging.WARNING)):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(level)


class AccessLog:
    """ASGI middleware that writes a line when a request has been answered.

    Args:
        app: What answers.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        status, began = "-", time.monotonic()

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = str(message["status"])
            await send(message)

        try:
            await self._app(scope, receive, noted)
        finally:
            principal = scope.get("state", {}).get("principal")
            _LOG.info(
                "%s %s %s %.1f ms %s",
                scope["method"],
                quote(scope["path"]),  # which may hold line ends
                status,
                1000 * (time.monotonic() - began),
                principal.agent if principal and principal.agent else "-",
            )
