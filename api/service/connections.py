"""Connections that do not wait for ever: for a request's head, or for a client to take its answer.

uvicorn itself limits only how long a connection may be idle between requests. Bodies are watched
where they are read (`pressmark.api.service.bodies`), since a route may want to answer.
"""

import asyncio
from typing import ClassVar

from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from pressmark.api.service.settings import RequestLimits


class Connection(H11Protocol):
    """An HTTP/1.1 connection that is cut when its client is too slow.

    Attributes:
        limits: What is too slow.
    """

    limits: ClassVar[RequestLimits] = RequestLimits()
    _head: asyncio.TimerHandle | None = None
    _reading: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begins to wait for a request."""
        super().connection_made(transport)
        self._expect_head()

    def data_received(self, data: bytes) -> None:
        """Takes a part of a request; what still comes after its answer must end in time as well."""
        if self._head is None and not self._is_answering:
            self._expect_head()
        super().data_received(data)
        if self._is_answering:
            self._stop_head()

    def pause_writing(self) -> None:
        """The client does not keep up: from now on it is watched."""
        super().pause_writing()
        self._watch_reader()

    def resume_writing(self) -> None:
        """The client has caught up."""
        super().resume_writing()
        self._stop_reading()

    def timeout_keep_alive_handler(self) -> None:
        """Ends an idle connection, also where the client never took the last answer."""
        if self.transport.get_write_buffer_size():
            self.transport.abort()
        else:
            super().timeout_keep_alive_handler()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stops waiting."""
        self._stop_head()
        self._stop_reading()
        super().connection_lost(exc)

    @property
    def _is_answering(self) -> bool:
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is not None and not cycle.response_complete

    def _expect_head(self) -> None:
        self._head = self.loop.call_later(self.limits.head_seconds, self.transport.abort)

    def _stop_head(self) -> None:
        if self._head is not None:
            self._head.cancel()
            self._head = None

    def _stop_reading(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            self._reading = None

    def _watch_reader(self) -> None:
        before = self.transport.get_write_buffer_size()
        self._reading = self.loop.call_later(
            self.limits.idle_seconds, self._cut_slow_reader, before
        )

    def _cut_slow_reader(self, before: int) -> None:
        taken = before - self.transport.get_write_buffer_size()
        if taken < self.limits.idle_seconds * self.limits.bytes_per_second:
            self.transport.abort()
        else:
            self._watch_reader()


def limited(limits: RequestLimits) -> type[Connection]:
    """The kind of connection that has these limits."""
    return type("LimitedConnection", (Connection,), {"limits": limits})
