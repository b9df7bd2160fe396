"""Tells webhooks what was recorded: at least once, again after failures, for days."""

import logging
import random
import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, ClassVar, Final

from pydantic import ConfigDict, Field

from pressmark.api.errors import RequestError
from pressmark.api.outbound.client import Outbound
from pressmark.api.webhooks.events import events
from pressmark.api.webhooks.outbox import Due, Outbox
from pressmark.api.webhooks.signature import signed_headers
from pressmark.registry.errors import PressmarkError
from pressmark.registry.registry import Registry

_LOG: Final = logging.getLogger(__name__)
_BATCH: Final = 200
#: Events that one webhook is told of before it is another one's turn.
_TURN: Final = 100
_GONE: Final = 410
_FACTOR: Final = 5.0
_Seconds = Annotated[float, Field(gt=0)]


@dataclass(frozen=True)
class WebhookLimits:
    """How webhooks are told.

    Attributes:
        at_once: How many are being told at the same time.
        seconds: How long one may take to answer.
        attempts: How often an event is sent before the webhook is disabled.
        pause: Seconds before the second attempt; each further pause is five times as long.
        longest_pause: The longest pause, in seconds.
        interval: Seconds between two looks at the journal.
    """

    __pydantic_config__: ClassVar = ConfigDict(extra="forbid")

    at_once: Annotated[int, Field(gt=0)] = 4
    seconds: _Seconds = 15.0
    attempts: Annotated[int, Field(gt=0)] = 10
    pause: _Seconds = 5.0
    longest_pause: _Seconds = 86_400.0
    interval: _Seconds = 0.5

    def delay(self, attempts: int) -> float:
        """Seconds to wait after some failed attempts, a fifth more or less by chance."""
        steady = min(self.longest_pause, self.pause * _FACTOR ** (attempts - 1))
        return steady * random.uniform(0.8, 1.2)


class Dispatcher:
    """Looks at the journal, and sends what is due, until it is closed.

    Args:
        registry: What is told of.
        outbox: Who is told, and what is still to be sent.
        outbound: Sends it.
        limits: How often, and for how long.
    """

    def __init__(
        self, registry: Registry, outbox: Outbox, outbound: Outbound, limits: WebhookLimits
    ) -> None:
        self._registry = registry
        self._outbox = outbox
        self._outbound = outbound
        self._limits = limits
        self._ending = threading.Event()
        self._busy: set[str] = set()
        self._thread: threading.Thread | None = None
        self._senders = self._new_senders()

    def start(self) -> None:
        """Begins to look and to send."""
        self._thread = threading.Thread(target=self._run, name="webhooks")
        self._thread.start()

    def close(self) -> None:
        """Breaks off what is being sent; it is sent again by the next server."""
        self._ending.set()
        self._outbound.close()
        if self._thread is not None:
            self._thread.join()
        self._senders.shutdown()
        self._senders = self._new_senders()
        self._ending.clear()

    def _new_senders(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(self._limits.at_once, thread_name_prefix="webhook")

    def _run(self) -> None:
        while not self._ending.wait(self._limits.interval):
            try:
                self._look()
                self._send_due()
            except (PressmarkError, OSError, sqlite3.Error):
                _LOG.exception("webhooks could not be told; it is tried again")

    def _look(self) -> None:
        """Puts into the outbox what was recorded since the last look."""
        told = self._outbox.lowest()
        while told is not None and told < (end := self._registry.journal.refresh()):
            found, last = events(self._registry, told + 1, min(told + _BATCH, end))
            if last == told:
                return  # the graph does not have it yet
            self._outbox.put(found, told + 1, last, _now())
            told = last

    def _send_due(self) -> None:
        free = self._limits.at_once - len(self._busy)
        for webhook in self._outbox.waiting(_now(), self._busy, free):
            self._busy.add(webhook)
            self._senders.submit(self._take_turn, webhook)

    def _take_turn(self, webhook: str) -> None:
        """Sends what is due to one webhook, but not for ever, and not after a failure."""
        try:
            for _ in range(_TURN):
                due = self._outbox.next(webhook, _now())
                if due is None or self._ending.is_set() or not self._deliver(due):
                    return
        except Exception:
            _LOG.exception("the webhook %s could not be told", webhook)
        finally:
            self._busy.discard(webhook)

    def _deliver(self, due: Due) -> bool:
        body = due.body.encode()
        headers = signed_headers(due.secret, due.event, int(time.time()), body)
        headers["content-type"] = "application/json"
        try:
            reply = self._outbound.post(due.url, headers, body, self._limits.seconds)
        except RequestError as error:
            if not self._ending.is_set():
                self._failed(due, None, error.message, 0)
            return False
        if accepted := 200 <= reply.status < 300:
            self._outbox.delivered(due, reply.status, _now())
        else:
            wanted = _seconds(reply.headers.get("retry-after", ""))
            self._failed(due, reply.status, f"it answered {reply.status}", wanted)
        return accepted

    def _failed(self, due: Due, status: int | None, problem: str, wanted: float) -> None:
        now, attempts = _now(), due.attempts + 1
        pause = min(max(self._limits.delay(attempts), wanted), self._limits.longest_pause)
        over = status == _GONE or attempts >= self._limits.attempts
        again = None if over else now + timedelta(seconds=pause)
        self._outbox.failed(due, status, problem, again, now)


def _seconds(retry_after: str) -> float:
    """RFC 9110 section 10.2.3; a date is left out of account, the pauses grow anyway."""
    return float(retry_after) if retry_after.isdecimal() else 0.0


def _now() -> datetime:
    return datetime.now(UTC)
