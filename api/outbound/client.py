"""Requests to addresses that others name: checked at each hop, limited, and without credentials.

No cookie, no password and no proxy of the environment is ever used: the client knows none.
"""

import re
import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import httpcore2
import httpx2

from pressmark.api.errors import OutboundFailedError, OutboundRefusedError
from pressmark.api.outbound.connection import Deadline, GuardedBackend, Line
from pressmark.api.outbound.guard import Guard, Policy, Resolve

#: Seconds that connecting, or waiting for the next bytes, may take.
PATIENCE: Final = 30.0
_PORTS: Final = {"http": 80, "https": 443}
_MOVED: Final = frozenset({301, 302, 303, 307, 308})
_LONGEST_URL: Final = 4000
#: RFC 1123 section 2.1, or an IPv6 address: never anything that is read in two ways.
_HOST: Final = re.compile(rb"[A-Za-z0-9._-]+|[0-9A-Fa-f:.]+")
_HEADERS: Final = {"user-agent": "Pressmark", "accept-encoding": "identity"}
_FAILURES: Final = (httpcore2.TimeoutException, httpcore2.NetworkError, httpcore2.ProtocolError)


@dataclass(frozen=True)
class Reply:
    """What a server answers.

    Attributes:
        url: The address that answered, after redirects.
        status: The HTTP status.
        headers: By name in small letters; the last of those with one name.
        body: The bytes as they arrive; to be read while the exchange lasts.
    """

    url: str
    status: int
    headers: Mapping[str, str]
    body: Iterator[bytes]


class Outbound:
    """A client for addresses that others name. Any number of threads may use it.

    Args:
        policy: What may be called.
        resolve: Gives a host's addresses; the system's resolver by default.
        trusted: Whose certificates are believed; the system's authorities by default.
    """

    def __init__(
        self,
        policy: Policy,
        *,
        resolve: Resolve | None = None,
        trusted: ssl.SSLContext | None = None,
    ) -> None:
        self.policy = policy
        self._guard = Guard(policy, resolve)
        self._given = trusted
        self._line = Line()

    def check(self, url: str) -> None:
        """Tells at once whether an address may be called; each call checks again.

        Raises:
            OutboundRefusedError: It may not be called.
            OutboundFailedError: Its host is not known.
        """
        target = self._read(url)
        self._guard.addresses(target.raw_host.decode(), _port(target))

    @contextmanager
    def get(self, url: str, headers: Mapping[str, str], seconds: float) -> Iterator[Reply]:
        """Asks for a resource, and is sent on a few times at most.

        Args:
            url: Its address.
            headers: What else to send; never credentials, since redirects lead anywhere.
            seconds: When it ends, whatever the other side does.

        Raises:
            OutboundRefusedError: An address on the way may not be called.
            OutboundFailedError: No answer came, or it broke off.
        """
        deadline, target = Deadline(seconds), self._read(url)
        for _ in range(self.policy.redirects + 1):
            with self._exchange("GET", target, headers, b"", deadline) as reply:
                if reply.status not in _MOVED or "location" not in reply.headers:
                    yield reply
                    return
                target = self._sent_on(target, reply.headers["location"])
        raise OutboundFailedError(
            f"{target.host} sends on more than {self.policy.redirects} times",
            "give the last address",
        )

    def post(self, url: str, headers: Mapping[str, str], body: bytes, seconds: float) -> Reply:
        """Sends bytes. Redirects are not followed, and the answer's body is not read.

        Raises:
            OutboundRefusedError: The address may not be called.
            OutboundFailedError: No answer came.
        """
        with self._exchange("POST", self._read(url), headers, body, Deadline(seconds)) as reply:
            return Reply(reply.url, reply.status, reply.headers, iter(()))

    def open(self) -> None:
        """Calls again, after having been closed."""
        self._line.open()

    def close(self) -> None:
        """Cuts off what is under way, and calls nobody any more."""
        self._line.close()

    def _read(self, url: str) -> httpx2.URL:
        try:
            found = httpx2.URL(url) if len(url) <= _LONGEST_URL else httpx2.URL()
        except httpx2.InvalidURL as error:
            raise OutboundRefusedError(f"the address cannot be read: {error}") from None
        schemes = ("https", "http") if self.policy.http else ("https",)
        if found.scheme not in schemes or not found.raw_host:
            kinds = " or ".join(f"{each}://" for each in schemes)
            raise OutboundRefusedError(f"only an address that begins with {kinds} is called")
        if not _HOST.fullmatch(found.raw_host) or not 0 < _port(found) < 1 << 16:
            raise OutboundRefusedError(f"{found.host!r} is no host, or its port is none")
        if found.userinfo:
            raise OutboundRefusedError(
                "an address with a user name or password is not called",
                "fetch it yourself and upload it: PATCH /v1/uploads/UPLOAD",
            )
        return found.copy_with(fragment=None)

    def _sent_on(self, origin: httpx2.URL, location: str) -> httpx2.URL:
        try:
            target = self._read(str(origin.join(location)))
        except httpx2.InvalidURL as error:
            raise OutboundFailedError(f"{origin.host} sends on to nowhere: {error}") from None
        if (origin.scheme, target.scheme) == ("https", "http"):
            raise OutboundRefusedError(f"{origin.host} sends on to an address without TLS")
        return target

    @contextmanager
    def _exchange(
        self,
        method: str,
        target: httpx2.URL,
        headers: Mapping[str, str],
        body: bytes,
        deadline: Deadline,
    ) -> Iterator[Reply]:
        with _failures_named(target), self._connections(deadline) as connections:
            timeouts = dict.fromkeys(("connect", "read", "write", "pool"), PATIENCE)
            with connections.stream(
                method,
                _httpcore_url(target),
                headers=[*(_HEADERS | dict(headers)).items()],
                content=body or None,
                extensions={"timeout": timeouts},
            ) as answer:
                yield Reply(str(target), answer.status, _text(answer.headers), answer.iter_stream())

    def _connections(self, deadline: Deadline) -> httpcore2.ConnectionPool:
        # One for each exchange: what was checked for one address is never used for another.
        return httpcore2.ConnectionPool(
            ssl_context=self._trusted,
            max_connections=1,
            max_keepalive_connections=0,
            network_backend=GuardedBackend(self._guard, deadline, self._line),
        )

    @cached_property
    def _trusted(self) -> ssl.SSLContext:
        return self._given or httpcore2.default_ssl_context()


def _port(target: httpx2.URL) -> int:
    return target.port or _PORTS[target.scheme]


def _httpcore_url(target: httpx2.URL) -> httpcore2.URL:
    return httpcore2.URL(
        scheme=target.raw_scheme,
        host=target.raw_host,
        port=_port(target),
        target=target.raw_path,
    )


def _text(headers: list[tuple[bytes, bytes]]) -> dict[str, str]:
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in headers}


@contextmanager
def _failures_named(target: httpx2.URL) -> Iterator[None]:
    began = time.monotonic()
    try:
        yield
    except _FAILURES as error:
        said = str(error) or type(error).__name__
        raise OutboundFailedError(
            f"{target.host} gave no whole answer in {time.monotonic() - began:.0f} s: {said}",
            "try again, or look whether it answers elsewhere",
        ) from error
