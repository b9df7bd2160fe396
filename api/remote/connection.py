"""Requests to one server: who asks, how long to wait, when to ask again, what an answer means."""

import json
import random
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, TypeVar

import httpx2

from pressmark.api.errors import UnexpectedAnswerError, UnreachableError
from pressmark.api.plain import UnexpectedShapeError, rebuilt
from pressmark.api.remote.problems import error_of
from pressmark.registry.errors import PressmarkError

Value = TypeVar("Value")

#: How often a request is sent, and the longest wait between two attempts in seconds.
ATTEMPTS: Final = 5
LONGEST_WAIT: Final = 30.0
#: Seconds for connecting, and between two parts of an answer.
TIMEOUT: Final = httpx2.Timeout(60.0, connect=10.0)
#: The same for an answer that takes the server long: reading every byte of a registry.
PATIENT: Final = httpx2.Timeout(60.0, connect=10.0, read=4 * 3600.0)
_PASSING: Final = frozenset({429, 502, 503, 504})
_IDEMPOTENT: Final = frozenset({"GET", "HEAD", "PUT", "DELETE", "OPTIONS"})


class Connection:
    """A server and who asks it. TLS certificates are verified, redirects are not followed.

    Args:
        url: The server's address, such as "https://models.example.org".
        token: Who asks; None for an anonymous reader.
    """

    def __init__(self, url: str, token: str | None) -> None:
        self.url = url
        headers = {"User-Agent": "pressmark", "Accept": "application/json"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        self._client = httpx2.Client(base_url=url, headers=headers, timeout=TIMEOUT)

    def get(self, kind: type[Value], path: str, /, **parameters: Any) -> Value:
        """What a route answers, as a value of a type.

        Args:
            kind: The type.
            path: The route's path, quoted.
            parameters: Those of its query; None is left out.

        Raises:
            PressmarkError: What the server says is wrong, as if it had been raised here.
            UnreachableError: It does not answer.
            UnexpectedAnswerError: It answers what is no such value.
        """
        return self.send(kind, "GET", path, params=parameters)

    def member(self, kind: type[Value], name: str, path: str, /, **parameters: Any) -> Value:
        """One member of what a route answers, such as the artifacts of a page; see `get`."""
        return self.member_of(kind, name, "GET", path, params=parameters)

    def member_of(
        self, kind: type[Value], name: str, method: str, path: str, /, **request: Any
    ) -> Value:
        """One member of what a route answers to any request; see `answer`."""
        return self._value(kind, self.answer(method, path, **request), name)

    def send(self, kind: type[Value], method: str, path: str, **request: Any) -> Value:
        """What a route answers to any request; see `get` and `answer`."""
        return self._value(kind, self.answer(method, path, **request))

    def answer(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        repeatable: bool = False,
        **request: Any,
    ) -> httpx2.Response:
        """The whole answer to a request.

        A request that may be sent twice is sent again when the connection breaks or the server
        asks for patience; the waits double, and those that the server names are kept to.

        Args:
            method: The HTTP method.
            path: The route's path, quoted.
            params: Parameters of the query; None is left out.
            repeatable: Whether it may be sent twice, although its method does not say so: it has
                an idempotency key, or changes nothing.
            request: What `httpx2.Client.request` takes.
        """
        given = {name: value for name, value in (params or {}).items() if value is not None}
        attempts = ATTEMPTS if repeatable or method in _IDEMPOTENT else 1
        for left in range(attempts - 1, -1, -1):
            try:
                found = self._client.request(method, path, params=given, **request)
            except httpx2.TransportError as error:
                if not left:
                    raise self._unreachable(error) from error
                self.wait(attempts - left)
                continue
            if found.status_code in _PASSING and left:
                self.wait(attempts - left, found.headers.get("retry-after", ""))
                continue
            break
        return self._accepted(found)

    @contextmanager
    def stream(self, method: str, path: str, **request: Any) -> Iterator[httpx2.Response]:
        """An answer whose body is read piece by piece; it is asked for once.

        Raises:
            PressmarkError: As for `get`; also while the body is read.
        """
        try:
            with self._client.stream(method, path, **request) as found:
                if not found.is_success:
                    found.read()
                yield self._accepted(found)
        except httpx2.TransportError as error:
            raise self._unreachable(error) from error

    def close(self) -> None:
        """Ends the connection."""
        self._client.close()

    def _accepted(self, found: httpx2.Response) -> httpx2.Response:
        if found.is_success:
            return found
        if found.is_redirect:
            raise UnexpectedAnswerError(
                f"{self.url} sends elsewhere: {found.headers.get('location', '')}",
                "name that address with --server, if you trust it with your token",
            )
        raise error_of(found.status_code, _members(found))

    def _value(self, kind: type[Value], found: httpx2.Response, member: str = "") -> Value:
        try:
            whole = json.loads(found.content)
            return rebuilt(kind, rebuilt(dict[str, Any], whole)[member] if member else whole)
        except (UnexpectedShapeError, ValueError, KeyError) as error:
            raise UnexpectedAnswerError(
                f"{found.request.method} {found.request.url.path} of {self.url} gave an answer "
                f"that this release does not understand: {error}"
            ) from error

    def _unreachable(self, error: Exception) -> PressmarkError:
        return UnreachableError(
            f"the server {self.url} does not answer: {str(error) or type(error).__name__}",
            f"see whether the address is right and it is running: curl {self.url}/healthz",
        )

    @staticmethod
    def wait(attempt: int, named: str = "") -> None:
        """Waits before another attempt, longer each time.

        Args:
            attempt: How many failed before.
            named: The seconds that a ``Retry-After`` header names.
        """
        seconds = float(named) if named.isdigit() else 0.2 * 2**attempt * random.uniform(0.5, 1.0)
        time.sleep(min(seconds, LONGEST_WAIT))


def _members(found: httpx2.Response) -> Mapping[str, Any]:
    if found.headers.get("content-type", "").partition(";")[0] != "application/problem+json":
        return {}
    try:
        members = json.loads(found.content)
    except ValueError:
        return {}
    return members if isinstance(members, dict) else {}
