"""How often one client may ask: a sliding window of a minute for each kind of request.

The window is the usual approximation by two counters: of this minute, and of the one before, which
counts less the more of this minute has passed. So one client costs two numbers, however much it
sends. What is left is told by the header fields of the IETF draft "RateLimit header fields for
HTTP" (draft-ietf-httpapi-ratelimit-headers, sections 3 and 4).
"""

import ipaddress
import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from fastapi import Request

from pressmark.api.errors import TooManyRequestsError
from pressmark.api.service.settings import Rates

_MINUTE: Final = 60
_NETWORK_BITS: Final = 64  # a household gets at least as many IPv6 addresses as these leave


@dataclass
class _Window:
    """What one client sent of one kind."""

    minute: int
    now: int = 0
    before: int = 0

    def at(self, minute: int) -> "_Window":
        """The window in another minute."""
        if minute == self.minute:
            return self
        return _Window(minute, 0, self.now if minute == self.minute + 1 else 0)


class RateLimiter:
    """Counts what each client sends. Any number of threads may ask.

    Args:
        rates: The most of each kind in a minute.
        clock: Gives seconds; only tests need another one.
    """

    def __init__(self, rates: Rates, clock: Callable[[], float] = time.monotonic) -> None:
        self._rates = rates
        self._clock = clock
        self._windows: dict[tuple[str, str], _Window] = {}
        self._lock = threading.Lock()
        self._swept = 0

    def spend(self, kind: str, client: str) -> dict[str, str]:
        """Counts one request.

        Args:
            kind: Which of the rates it falls under.
            client: An agent or an address.

        Returns:
            The header fields that tell what is left; none where anything is allowed.

        Raises:
            TooManyRequestsError: It is one too many.
        """
        allowed: int = getattr(self._rates, kind)
        if not allowed:
            return {}
        minute, passed = divmod(self._clock(), _MINUTE)
        with self._lock:
            window = self._window(kind, client, int(minute))
            left = allowed - window.now - math.ceil(window.before * (1 - passed / _MINUTE))
            if left > 0:
                window.now += 1
        if left <= 0:
            seconds = _wait(window, allowed, passed)
            raise TooManyRequestsError(
                f"more than {allowed:,} {kind} in a minute",
                f"wait {seconds} s, as Retry-After says",
                seconds,
            )
        return {
            "RateLimit-Policy": f'"{kind}";q={allowed};w={_MINUTE}',
            "RateLimit": f'"{kind}";r={left - 1};t={math.ceil(_MINUTE - passed)}',
        }

    def _window(self, kind: str, client: str, minute: int) -> _Window:
        if minute != self._swept:
            old = [key for key, window in self._windows.items() if window.minute < minute - 1]
            for key in old:
                del self._windows[key]
            self._swept = minute
        window = self._windows.get((kind, client), _Window(minute)).at(minute)
        self._windows[kind, client] = window
        return window


def _wait(window: _Window, allowed: int, passed: float) -> int:
    """Seconds until one more is allowed."""
    rest = _MINUTE - passed
    if window.now >= allowed:  # not in this minute; in the next one these count less and less
        return math.ceil(rest + _MINUTE * (1 - (allowed - 1) / window.now))
    return max(math.ceil(rest - _MINUTE * (allowed - 1 - window.now) / window.before), 1)


def spend(request: Request, kind: str, client: str) -> None:
    """Counts a request, and lets its answer tell what is left of the scarcest rate.

    Raises:
        TooManyRequestsError: It is one too many.
    """
    limiter: RateLimiter = request.app.state.rates
    request.state.headers.update(limiter.spend(kind, client))


def address(request: Request) -> str:
    """Where a request comes from; IPv6 addresses of one network are one."""
    host = request.client.host if request.client else ""
    try:
        found = ipaddress.ip_address(host)
    except ValueError:
        return host
    if found.version == 4:
        return host
    return str(ipaddress.ip_network((found, _NETWORK_BITS), strict=False))
