"""Connections to checked addresses, with a deadline, that another thread can cut off."""

import socket
import ssl
import threading
import time
from collections.abc import Iterable
from typing import Any

import httpcore2

from pressmark.api.errors import OutboundFailedError
from pressmark.api.outbound.guard import Guard


class Deadline:
    """The time at which an exchange ends, whatever the other side does.

    Args:
        seconds: How long from now.
    """

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def left(self, timeout: float | None) -> float:
        """Seconds that one operation may take.

        Raises:
            httpcore2.ReadTimeout: None are left.
        """
        left = self._end - time.monotonic()
        if left <= 0:
            raise httpcore2.ReadTimeout("the exchange took too long")
        return left if timeout is None else min(left, timeout)


class Line:
    """The open connections of a client; closing it ends what waits for one of them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._closed = False

    def add(self, stream: httpcore2.NetworkStream) -> None:
        """Keeps a connection until it ends.

        Raises:
            OutboundFailedError: The line is closed.
        """
        with self._lock:
            if not self._closed:
                self._open.add(stream.get_extra_info("socket"))
                return
        stream.close()
        raise OutboundFailedError("the service is ending", "try again when it is back")

    def remove(self, stream: httpcore2.NetworkStream) -> None:
        """Forgets a connection, which is about to be closed."""
        with self._lock:
            self._open.discard(stream.get_extra_info("socket"))

    def open(self) -> None:
        """Lets connections be again."""
        with self._lock:
            self._closed = False

    def close(self) -> None:
        """Cuts all connections off, and lets no new one be."""
        with self._lock:
            self._closed = True
            for each in self._open:
                _cut(each)


class GuardedBackend(httpcore2.NetworkBackend):
    """Connects to the very address that was checked: a name is looked up once, here.

    TLS still speaks of the name: httpcore takes it from the request's origin.

    Args:
        guard: Checks addresses.
        deadline: When the exchange ends.
        line: Keeps the connections.
    """

    def __init__(self, guard: Guard, deadline: Deadline, line: Line) -> None:
        self._guard = guard
        self._deadline = deadline
        self._line = line
        self._system = httpcore2.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.NetworkStream:
        """Connects to the first of the host's addresses that answers.

        Raises:
            OutboundRefusedError: It may not be called.
            OutboundFailedError: The host is not known, or the service is ending.
            httpcore2.ConnectError: No address answers.
        """
        failure: Exception = httpcore2.ConnectError(f"{host} has no address")
        for address in self._guard.addresses(host, port):
            try:
                left = self._deadline.left(timeout)
                stream = self._system.connect_tcp(
                    address, port, left, local_address, socket_options
                )
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failure = error
                continue
            self._line.add(stream)
            return _Stream(stream, self._deadline, self._line)
        raise failure


class _Stream(httpcore2.NetworkStream):
    """A connection whose every operation ends by the deadline."""

    def __init__(self, stream: httpcore2.NetworkStream, deadline: Deadline, line: Line) -> None:
        self._stream = stream
        self._deadline = deadline
        self._line = line

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._deadline.left(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, self._deadline.left(timeout))

    def close(self) -> None:
        self._line.remove(self._stream)
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore2.NetworkStream:
        self._line.remove(self._stream)
        left = self._deadline.left(timeout)
        secured = self._stream.start_tls(ssl_context, server_hostname, left)
        self._line.add(secured)
        return _Stream(secured, self._deadline, self._line)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def _cut(connection: socket.socket) -> None:
    try:
        # Not the TLS socket's own method, which takes its state away under the reading thread.
        socket.socket.shutdown(connection, socket.SHUT_RDWR)
    except OSError:
        return  # it has ended by itself
