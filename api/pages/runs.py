"""``/runs`` and ``/runs/ID``: recipes that are run here, or were; live where they still go on."""

import hashlib
import secrets
from datetime import UTC, datetime
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse, RedirectResponse
from pyoxigraph import NamedNode

from pressmark.api.errors import ForbiddenError
from pressmark.api.jobs.checker import require_compression
from pressmark.api.jobs.jobs import ENDED, State
from pressmark.api.jobs.runs import Runs, RunView
from pressmark.api.pages.access import Form, Seen, Visitor, visitor
from pressmark.api.pages.rendering import HEADERS, page, text
from pressmark.api.service.attempts import Attempts
from pressmark.api.service.dependencies import RunList, Store
from pressmark.registry.facts import ArtifactSummary, Reader, summaries
from pressmark.registry.registry import Registry

routes = APIRouter(prefix="/runs", dependencies=[Depends(visitor)])
_PAGE: Final = 50
_UUID: Final = r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"
#: What can be gone on with.
_RESUMABLE: Final = frozenset({State.INTERRUPTED, State.FAILED, State.ABORTED})


@routes.get("")
def index(
    request: Request, runs: RunList, after: Annotated[str | None, Query(pattern=_UUID)] = None
) -> Response:
    """The runs, newest first."""
    return page(request, "runs", found=runs.page(_PAGE, after), after=after)


@routes.get("/{run}")
def show(request: Request, registry: Store, runs: RunList, seen: Seen, run: str) -> Response:
    """One run: how far it is, its steps, and what they made."""
    view = runs.get(run)
    if run != view.id:
        return RedirectResponse(f"/runs/{view.id}", 303)
    return HTMLResponse(written(request, registry, view, seen), headers=HEADERS)


def written(request: Request, registry: Registry, view: RunView, seen: Visitor) -> str:
    """The page of a run as HTML."""
    is_ours, has_ended = view.posted is not None, view.state in ENDED
    return text(
        request,
        "run",
        run=view,
        made=_made(registry, view),
        live=is_ours and not has_ended,
        may_cancel=seen.may_write and is_ours and not has_ended and not view.cancelling,
        may_resume=seen.may_write and view.state in _RESUMABLE and view.run is not None,
        attempt=secrets.token_urlsafe(16),
    )


@routes.post("/{run}/cancel")
async def cancel(runs: RunList, seen: Seen, run: str, _: Form) -> Response:
    """Asks for a run to be stopped."""
    _must_write(seen)
    view = await run_in_threadpool(runs.cancel, run)
    return RedirectResponse(f"/runs/{view.id}", 303)


@routes.post("/{run}/resume")
async def resume(request: Request, runs: RunList, seen: Seen, run: str, form: Form) -> Response:
    """Goes on with a run as a new one; a form that is sent twice does so once."""
    _must_write(seen)
    require_compression()
    attempts: Attempts = request.app.state.attempts
    view = await run_in_threadpool(_resumed, attempts, runs, seen, run, form.get("attempt", ""))
    return RedirectResponse(f"/runs/{view.id}", 303)


def _resumed(attempts: Attempts, runs: Runs, seen: Visitor, run: str, attempt: str) -> RunView:
    agent, digest = seen.principal.agent, hashlib.sha256(f"resume {run}".encode()).digest()
    planned = attempts.planned(attempt, agent, digest, datetime.now(UTC))
    identifier = planned.value.removeprefix("urn:uuid:")
    return runs.known(identifier) or runs.resume(run, identifier, agent)


def _must_write(seen: Visitor) -> None:
    if not seen.may_write:
        raise ForbiddenError(
            "this needs the scope write", "ask an administrator for a token with it, and log in"
        )


def _made(reader: Reader, view: RunView) -> dict[str, ArtifactSummary]:
    """The artifacts among what the steps made, by IRI; the others are evaluations."""
    results = [NamedNode(step.result) for step in view.steps if step.result]
    found = summaries(reader, results + [NamedNode(iri) for iri in view.inputs.values()])
    return {iri.value: one for iri, one in found.items()}
