"""Events of a run as they happen, as a stream for browsers (WHATWG HTML, section 9.2)."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import Final

from fastapi import Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse

from pressmark.api.jobs.jobs import ENDED
from pressmark.api.jobs.store import Jobs

MEDIA_TYPE: Final = "text/event-stream"
#: Seconds of silence after which a comment says that the connection is alive: proxies cut others.
_HEARTBEAT: Final = 15.0
_LOOKING_SECONDS: Final = 0.25


def event_stream(request: Request, jobs: Jobs, identifier: str, after: int) -> StreamingResponse:
    """Streams what happened after an event, and what happens next, until the run has ended."""
    stopping: Callable[[], bool] = request.app.state.is_stopping
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(
        _events(jobs, identifier, after, stopping), headers=headers, media_type=MEDIA_TYPE
    )


async def _events(
    jobs: Jobs, identifier: str, after: int, stopping: Callable[[], bool]
) -> AsyncIterator[str]:
    yield "retry: 1000\n\n"
    spoken = time.monotonic()
    while not stopping():
        ended = (await run_in_threadpool(jobs.get, identifier)).state in ENDED
        for event in await run_in_threadpool(jobs.events, identifier, after):
            yield f"id: {event.id}\nevent: {event.kind}\ndata: {event.data}\n\n"
            after, spoken = event.id, time.monotonic()
        if ended:  # looked up first: what came before the end was sent
            return
        if time.monotonic() - spoken > _HEARTBEAT:
            yield ": still going on\n\n"
            spoken = time.monotonic()
        await asyncio.sleep(_LOOKING_SECONDS)
