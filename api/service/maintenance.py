"""``/v1/maintenance`` and ``/v1/backup``: caring for the registry, while it goes on serving.

Such work takes minutes and has to be done by the process that writes. So the answer is a stream of
events (WHATWG HTML, section 9.2): how far it is, and at its end what came of it. It is done to its
end even if nobody listens any more, and one at a time.
"""

import json
import logging
import os
import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Annotated, Any, Final, TypeVar

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import StreamingResponse

from pressmark.api.errors import ConflictError
from pressmark.api.plain import plain
from pressmark.api.service.dependencies import Store
from pressmark.api.service.problems import problem
from pressmark.api.service.resources import answers
from pressmark.api.service.security import needs
from pressmark.api.service.tokens import Scope
from pressmark.registry import backup, gc
from pressmark.registry import fsck as checks
from pressmark.registry.errors import PressmarkError
from pressmark.registry.progress import Progress

T = TypeVar("T")
_log = logging.getLogger(__name__)
Said = queue.SimpleQueue[tuple[str, Any]]

MEDIA_TYPE: Final = "text/event-stream"
_TAR: Final = "application/x-tar"
_HEARTBEAT: Final = 15.0
#: Seconds that work waits for other work to end.
_PATIENCE: Final = 10.0
_LAST: Final = frozenset({"result", "problem"})
_BLOCK: Final = 1 << 20
_ONE_AT_A_TIME: Final = threading.Lock()
_STREAM: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "content": {MEDIA_TYPE: {}},
        "description": "Events: any number of progress, then one result or problem",
    }
}

routes = APIRouter(
    prefix="/v1", tags=["administration"], dependencies=[Depends(needs(Scope.ADMIN))]
)


@routes.post(
    "/maintenance/gc",
    summary="Free the bytes that nothing needs",
    response_class=Response,
    responses=answers(None, 409, 422) | _STREAM,
)
def collect_garbage(
    request: Request,
    registry: Store,
    dry_run: Annotated[bool, Query(description="Only tell what would be freed.")] = False,
) -> Response:
    """Frees the bytes that no live artifact needs; records are never removed."""
    return _told(request, lambda progress: gc.gc(registry, dry_run=dry_run, progress=progress))


@routes.post(
    "/maintenance/fsck",
    summary="Check every byte",
    response_class=Response,
    responses=answers(None, 409, 422) | _STREAM,
)
def check_everything(
    request: Request,
    registry: Store,
    repair: Annotated[bool, Query(description="Mend what can be mended.")] = False,
) -> Response:
    """Checks blobs, journal, bundles and graph against each other."""
    return _told(request, lambda progress: checks.fsck(registry, repair=repair, progress=progress))


@routes.post(
    "/maintenance/reindex",
    summary="Build the graph anew",
    response_class=Response,
    responses=answers(None, 409) | _STREAM,
)
def reindex(request: Request, registry: Store) -> Response:
    """Builds the graph from the journal and the bundles, and puts it in the old one's place."""
    return _told(request, lambda progress: {"bundles": registry.reindex(progress=progress)})


@routes.get(
    "/backup",
    summary="A copy of the whole registry",
    response_class=Response,
    responses=answers(None)
    | {200: {"content": {_TAR: {}}, "description": "A tar file; backup.json is its last member"}},
)
def whole_backup(registry: Store) -> Response:
    """The registry as a tar file, as it is now; `pressmark restore` makes a registry of it."""
    reading, writing = os.pipe()
    failed: list[BaseException] = []

    def write() -> None:
        with os.fdopen(writing, "wb") as file:
            try:
                backup.write_backup(registry, file)
            except BaseException as error:  # told before the end of what is read
                failed.append(error)

    threading.Thread(target=write, daemon=True, name="backup").start()
    return StreamingResponse(_whole(reading, failed), media_type=_TAR)


def _whole(reading: int, failed: list[BaseException]) -> Iterator[bytes]:
    """What is written, to its end; a connection that is cut tells that there was none."""
    with os.fdopen(reading, "rb") as file:
        while data := file.read(_BLOCK):
            yield data
    if failed:
        raise failed[0]


def _told(request: Request, work: Callable[[Progress], object]) -> Response:
    if not _ONE_AT_A_TIME.acquire(timeout=_PATIENCE):
        raise ConflictError("other maintenance is under way", "ask again when it is done")
    said: Said = queue.SimpleQueue()
    place = request.url.path
    thread = threading.Thread(target=_do, args=(work, said, place), daemon=True, name="maintenance")
    thread.start()
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(_events(said), headers=headers, media_type=MEDIA_TYPE)


def _do(work: Callable[[Progress], object], said: Said, place: str) -> None:
    try:
        last = "result", plain(work(_Telling(said)))
    except PressmarkError as error:
        last = "problem", json.loads(bytes(problem(error, place).body))
    except Exception:
        _log.exception("%s failed", place)
        hint = "report it with the server's log"
        told = {"type": "about:blank", "status": 500, "detail": "the server failed", "hint": hint}
        last = "problem", told
    finally:
        _ONE_AT_A_TIME.release()
    said.put(last)


def _events(said: Said) -> Iterator[str]:
    kind = ""
    while kind not in _LAST:
        try:
            kind, data = said.get(timeout=_HEARTBEAT)
        except queue.Empty:
            yield ": still going on\n\n"
            continue
        yield f"event: {kind}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n"


class _Telling:
    """Says how far a loop is, a hundred times at most."""

    def __init__(self, said: Said) -> None:
        self._said = said

    def track(
        self, iterable: Iterable[T], total: int | None = None, label: str = ""
    ) -> Iterator[T]:
        every = max((total or 100_000) // 100, 1)
        for done, item in enumerate(iterable, start=1):
            yield item
            if done % every == 0:
                self._said.put(("progress", {"label": label, "done": done, "total": total}))
